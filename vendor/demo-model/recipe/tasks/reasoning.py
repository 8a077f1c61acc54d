"""Comparisons, syllogisms, conditions, rows and groups. The answer shows one step and ends with "The answer is …."."""

from item import Item, number, one_of
from words import GROUPS, NAMES, NONSENSE

RELATIONS = [
    ("taller", "tallest", "shorter", "shortest"), ("older", "oldest", "younger", "youngest"),
    ("faster", "fastest", "slower", "slowest"), ("richer", "richest", "poorer", "poorest"),
    ("stronger", "strongest", "weaker", "weakest"), ("heavier", "heaviest", "lighter", "lightest"),
]


def concluded(kind, question, step, answer):
    step = f"{step} " if step else ""
    return Item("reasoning", kind, question, f"{step}The answer is {answer}.", one_of(answer))


def order(rng):
    """Three people in a row by pairs, told in any order and from either side."""
    more, most, less, least = rng.choice(RELATIONS)
    row = rng.sample(NAMES, 3)
    facts = []
    for up, down in zip(row, row[1:]):
        facts.append(f"{up} is {more} than {down}." if rng.random() < 0.6 else f"{down} is {less} than {up}.")
    rng.shuffle(facts)
    ends = [(most, row[0]), (least, row[2])]
    asked, answer = rng.choice(ends)
    return concluded("order", f"{' '.join(facts)} Who is the {asked}?", f"{more}: {', '.join(row)}.", answer)


def compare_two(rng):
    more, _, less, _ = rng.choice(RELATIONS)
    row = rng.sample(NAMES, 3)
    facts = [f"{row[0]} is {more} than {row[1]}.", f"{row[1]} is {more} than {row[2]}."]
    rng.shuffle(facts)
    one, two = rng.sample(row, 2)
    word, true = (more, row.index(one) < row.index(two)) if rng.random() < 0.6 else (less, row.index(one) > row.index(two))
    return concluded("compare_two", f"{' '.join(facts)} Is {one} {word} than {two}? Answer yes or no.",
                     f"{more}: {', '.join(row)}.", "yes" if true else "no")


def syllogism(rng):
    x, y, z = rng.sample(NONSENSE, 3)
    who = rng.choice(NAMES)
    form = rng.randrange(6)
    if form == 0:
        return concluded("syllogism", f"All {x} are {y}. All {y} are {z}. Are all {x} {z}? Answer yes or no.", f"{x}, {y}, {z}.", "yes")
    if form == 1:
        return concluded("syllogism", f"All {x} are {y}. No {y} are {z}. Are any {x} {z}? Answer yes or no.", f"{x}, {y}, not {z}.", "no")
    if form == 2:
        return concluded("syllogism", f"All {x} are {y}. {who} is one of the {x}. Is {who} one of the {y}? Answer yes or no.", f"{x}, {y}.", "yes")
    if form == 3:
        return concluded("syllogism", f"No {x} are {y}. {who} is one of the {x}. Is {who} one of the {y}? Answer yes or no.", f"{x}, not {y}.", "no")
    if form == 4:
        return concluded("syllogism", f"All {x} are {y}. No {y} are {z}. {who} is one of the {x}. Is {who} one of the {z}? Answer yes or no.", f"{x}, {y}, not {z}.", "no")
    return concluded("syllogism", f"All {x} are {y}. All {y} are {z}. {who} is one of the {x}. Is {who} one of the {z}? Answer yes or no.", f"{x}, {y}, {z}.", "yes")


CONDITIONS = [
    ("it rains", "the game is cancelled"), ("the light is red", "the cars stop"), ("the shop is open", "the door is green"),
    ("the bell rings", "the lesson is over"), ("the oven is hot", "the bread is baked"), ("the sun shines", "the children play outside"),
    ("the train is late", "we take the bus"), ("the lamp is on", "somebody is at home"), ("the box is full", "the lid is closed"),
    ("the dog barks", "the cat runs away"), ("the tank is empty", "the car stands still"), ("the ice is thin", "nobody skates"),
]


def condition(rng):
    """From the condition to the consequence, and back by the consequence's absence."""
    when, then = rng.choice(CONDITIONS)
    day = rng.choice(["Today", "On Monday", "On Tuesday", "This week", "At noon", "In the evening", "This morning", "Tonight"])
    who = rng.choice(NAMES)
    lead = f"{who} knows this rule: if {when}, then {then}."
    if rng.random() < 0.5:
        return concluded("condition", f"{lead} {day} {when}. Can {who} be sure that {then}? Answer yes or no.", f"The rule says that {then}.", "yes")
    return concluded("condition", f"{lead} {day} it is not true that {then}. Can it be true that {when}? Answer yes or no.",
                     f"If {when}, then {then}.", "no")


def row(rng):
    start, step = rng.randint(1, 40), rng.choice([1, 2, 3, 4, 5, 10])
    if rng.random() < 0.3:
        start, step = start + 5 * step, -step
    shown = [start + step * i for i in range(4)]
    answer = start + 4 * step
    sign = "+" if step > 0 else "-"
    question = rng.choice(["Which number comes next: {}?", "Continue the row with one number: {}."]).format(", ".join(map(str, shown)))
    return Item("reasoning", "row", question, f"{shown[-1]} {sign} {abs(step)} = {answer}. The answer is {answer}.", number(answer))


def larger(rng):
    values = rng.sample(range(1, 100), rng.choice([2, 3]))
    word, answer = rng.choice([("largest", max(values)), ("smallest", min(values))])
    return Item("reasoning", "larger", f"Which number is the {word}: {', '.join(map(str, values))}?", f"The answer is {answer}.", number(answer))


def odd_one(rng):
    group, other = rng.sample(sorted(GROUPS), 2)
    words = rng.sample(GROUPS[group], 3) + [rng.choice(GROUPS[other])]
    answer = words[3]
    rng.shuffle(words)
    return concluded("odd_one", f"Which word does not belong: {', '.join(words)}?", f"The others are of the kind {group}.", answer)


def queue(rng):
    """Who came before whom."""
    people = rng.sample(NAMES, 3)
    facts = [f"{people[0]} arrives before {people[1]}." if rng.random() < 0.5 else f"{people[1]} arrives after {people[0]}.",
             f"{people[1]} arrives before {people[2]}." if rng.random() < 0.5 else f"{people[2]} arrives after {people[1]}."]
    rng.shuffle(facts)
    word, answer = rng.choice([("first", people[0]), ("last", people[2])])
    return concluded("queue", f"{' '.join(facts)} Who arrives {word}?", f"In this order: {', '.join(people)}.", answer)


def kind_of(rng):
    group = rng.choice(sorted(GROUPS))
    word = rng.choice(GROUPS[group if rng.random() < 0.5 else rng.choice(sorted(GROUPS))])
    who = rng.choice(NAMES)
    true = word in GROUPS[group]
    of = next(g for g in sorted(GROUPS) if word in GROUPS[g]) if not true else group
    return concluded("kind_of", f"{who} sees the word {word}. Is it of the kind {group}? Answer yes or no.", f"{word}: {of}.", "yes" if true else "no")


KINDS = [order, order, compare_two, syllogism, syllogism, condition, row, larger, odd_one, queue, kind_of]
