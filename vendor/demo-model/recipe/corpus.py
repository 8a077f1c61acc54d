"""The training text: conversations and plain text, mixed from the tasks, without a single held-out prompt."""

import random

from item import is_held_out
from tasks import comprehension, format, math, reasoning, records, stories

CATEGORIES = ("math", "comprehension", "reasoning", "format", "records")
SYSTEMS = ["You are a helpful assistant.", "Answer the question.", "You are a careful clerk. Be brief.", "You are a novelist. Continue the story."]

# Text inside <|im_start|>…<|im_end|>, as the chat template in `tokenizer.py` writes it.
START, END, STOP = "<|im_start|>", "<|im_end|>", "<|endoftext|>"


def items(category, rng):
    """A few questions; those about one passage come together, the first one first."""
    if category == "math":
        return [rng.choice(math.KINDS)(rng)]
    if category == "comprehension":
        return comprehension.passage(rng, rng.randint(2, 4))
    if category == "reasoning":
        return [rng.choice(reasoning.KINDS)(rng)]
    if category == "format":
        return [rng.choice(format.KINDS)(rng)]
    return rng.choice(records.KINDS)(rng)


def seen(category, rng):
    """Like `items`, but none that is held out."""
    while True:
        found = [i for i in items(category, rng) if not is_held_out(i.prompt)]
        if found:
            return found


def held_out(category, rng, taken):
    """One held-out item whose prompt is not in `taken`."""
    while True:
        found = [i for i in items(category, rng) if is_held_out(i.prompt) and i.prompt not in taken]
        if found:
            taken.add(found[0].prompt)
            return found[0]


def turns(category, rng):
    """(question, answer) turns: the passage stands in the first question only."""
    group = seen(category, rng)
    return [(item.prompt if place == 0 or not item.passage else item.question, item.answer) for place, item in enumerate(group)]


# Shares of conversations by what they are about, of running text, and in it of arithmetic and of rows that are copied. The first
# chunks of documents have more numbers, which take longest to learn; the later ones more to read, and to copy from; the last
# ones most of what was weakest by then.
STAGES = (
    {"math": 34, "comprehension": 16, "reasoning": 18, "format": 14, "records": 9, "story": 9, "plain": 0.18, "drill": 0.4, "copy": 0.0},
    {"math": 26, "comprehension": 22, "reasoning": 17, "format": 18, "records": 10, "story": 7, "plain": 0.20, "drill": 0.3, "copy": 0.25},
    {"math": 10, "comprehension": 36, "reasoning": 27, "format": 8, "records": 16, "story": 3, "plain": 0.12, "drill": 0.2, "copy": 0.25},
)
KINDS = ("math", "comprehension", "reasoning", "format", "records", "story")


def conversation(rng, long, shares):
    """The turns of one conversation, and its system message or none."""
    def some():
        kind = rng.choices(KINDS, weights=[shares[k] for k in KINDS])[0]
        return [stories.told(rng)] if kind == "story" else turns(kind, rng)

    found = some()
    if rng.random() < 0.04 or long:
        opening, closing = stories.remembered(rng)
        for _ in range(rng.randint(8, 14) if long else rng.randint(0, 1)):
            found += some()
        found = [opening, *found, closing]
    return found, rng.choice(SYSTEMS) if rng.random() < 0.2 else None


def chat(found, system):
    """[(text, is_answer)] of a conversation, in the chat template's words."""
    parts = [(f"{START}system\n{system}{END}\n", False)] if system else []
    for question, answer in found:
        parts += [(f"{START}user\n{question}{END}\n{START}assistant\n", False), (f"{answer}{END}", True), ("\n", False)]
    return parts[:-1] + [(STOP, False)]


def copies(rng):
    """[(text, is_answer)]: a row of words, and the same row again once or twice."""
    words = [rng.choice([*format.WORDS, *format.NAMES, *format.CITIES, str(rng.randint(1, 99))]) for _ in range(rng.randint(4, 14))]
    row = " ".join(words)
    return [(f"{row}\n", False), *[(f"{row}\n", True)] * rng.randint(1, 2), (STOP, False)]


def plain(rng, shares=None):
    """[(text, is_answer)] of running text: stories, questions with answers, and in training rows of arithmetic and copies."""
    form = rng.random()
    if form < 0.3:
        return [(" ".join(stories.story(rng)) + STOP, False)]
    if shares and form < 0.3 + shares["drill"]:
        lines = [part for term, result in math.drill(rng, rng.randint(6, 18)) for part in ((f"{term} = ", False), (f"{result}\n", True))]
        return lines + [(STOP, False)]
    if shares and form < 0.3 + shares["drill"] + shares["copy"]:
        return copies(rng)
    parts = []
    pick = seen if shares else (lambda c, r: [held_out(c, r, set())])
    for _ in range(rng.randint(1, 2)):
        for place, item in enumerate(pick(rng.choice(CATEGORIES), rng)):
            question = item.prompt if place == 0 or not item.passage else item.question
            parts += [(f"Question: {question}\nAnswer: ", False), (f"{item.answer}\n", True), ("\n", False)]
    return parts[:-1] + [(STOP, False)]


def documents(seed, count, stage, long=False):
    """`count` training documents of a stage; the same for the same seed."""
    rng = random.Random(seed)
    shares = STAGES[stage]
    for _ in range(count):
        if not long and rng.random() < shares["plain"]:
            yield plain(rng, shares)
        else:
            yield chat(*conversation(rng, long, shares))
