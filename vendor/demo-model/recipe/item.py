"""One question with its answer and the way to score it, and which questions training never sees."""

import hashlib
import json
import re
from dataclasses import dataclass


@dataclass
class Item:
    """A question as the user asks it, and the answer that the model is taught to give.

    `score` is a scorer of sweetspot's prompt files (docs/quality-prompts.md). `passage`, where there is one, begins the
    question; several questions about one passage can then share it in a conversation.
    """

    category: str
    kind: str
    question: str
    answer: str
    score: dict
    passage: str = ""

    @property
    def prompt(self):
        return f"{self.passage}\n\n{self.question}" if self.passage else self.question


def is_held_out(prompt):
    """One prompt in 32, chosen by its own text: training drops exactly these, tests use only these."""
    return hashlib.blake2b(prompt.encode(), digest_size=8).digest()[0] < 8


def number(answer):
    return {"kind": "number", "answer": answer}


def one_of(*answers):
    return {"kind": "one_of", "answers": [str(a) for a in answers]}


def exactly(text):
    """The text and nothing else; spaces around it do not count."""
    return {"kind": "regex", "pattern": r"^\s*" + re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text).replace("\n", r"\n") + r"\s*$"}


def json_equal(value):
    return {"kind": "json", "equals": value}


def is_right(score, text):
    """The scorers that the tasks use, for a look at the training's progress; the model card's scores come from sweetspot."""
    kind = score["kind"]
    if kind == "number":
        numbers = re.findall(r"-?\d+", text)
        return bool(numbers) and int(numbers[-1]) == score["answer"]
    if kind == "one_of":
        last = re.split(r"answer is ", text)[-1].strip().strip(".").lower()
        return last in [a.lower() for a in score["answers"]]
    if kind == "regex":
        return re.search(score["pattern"], text) is not None
    if kind == "json":
        try:
            return json.loads(text) == score["equals"]
        except ValueError:
            return False
    if kind == "contains":
        return any(part in text.lower() for part in score["any"])
    raise ValueError(kind)
