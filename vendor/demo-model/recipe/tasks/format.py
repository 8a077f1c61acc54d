"""Instructions about the form of an answer, followed to the letter."""

import json

from item import Item, exactly, json_equal
from words import CITIES, COLOURS, DAYS, GROUPS, ITEMS, JOBS, MONTHS, NAMES, OBJECTS, PETS, a

WORDS = sorted({w for group in GROUPS.values() for w in group} | set(OBJECTS) | set(PETS))


def to_the_letter(kind, question, answer):
    return Item("format", kind, question, answer, exactly(answer))


def some(rng, low, high):
    return rng.sample(WORDS, rng.randint(low, high))


def lines(rng):
    words = some(rng, 2, 4)
    question = rng.choice(["Write each word on its own line: {}.", "Put these words on separate lines: {}.", "List one word per line: {}."])
    return to_the_letter("lines", question.format(", ".join(words)), "\n".join(words))


def bullets(rng):
    words = some(rng, 2, 4)
    question = rng.choice(["Make a list with a dash before each word: {}.", "Write these words as a list with dashes: {}."])
    return to_the_letter("bullets", question.format(", ".join(words)), "\n".join(f"- {w}" for w in words))


def numbered(rng):
    words = some(rng, 2, 4)
    question = rng.choice(["Write a numbered list of these words: {}.", "Number these words, one per line: {}."])
    return to_the_letter("numbered", question.format(", ".join(words)), "\n".join(f"{i}. {w}" for i, w in enumerate(words, 1)))


def separated(rng):
    words = some(rng, 3, 4)
    name, mark = rng.choice([("commas", ", "), ("semicolons", "; "), ("slashes", " / "), ("the word and", " and "), ("dashes", " - ")])
    return to_the_letter("separated", f"Write these words with {name} between them: {' '.join(words)}.", mark.join(words))


def repeated(rng):
    word, count = rng.choice(WORDS), rng.randint(2, 5)
    return to_the_letter("repeated", f"Write the word {word} {count} times with commas between.", ", ".join([word] * count))


def backwards(rng):
    words = some(rng, 2, 3)
    return to_the_letter("backwards", f"Write these words in the opposite order: {', '.join(words)}.", ", ".join(reversed(words)))


def person_json(rng):
    who = rng.choice(NAMES)
    facts = {"age": rng.randint(3, 90), "city": rng.choice(CITIES), "job": rng.choice(JOBS), "pet": rng.choice(PETS)}
    keys = rng.sample(sorted(facts), rng.randint(1, 3))
    told = {"age": "is {} years old", "city": "lives in {}", "job": "works as {}", "pet": "has {}"}
    shown = [told[k].format(a(facts[k]) if k in ("job", "pet") else facts[k]) for k in keys]
    text = f"{who} {' and '.join(shown)}."
    value = {"name": who} | {k: facts[k] for k in keys}
    order = ", ".join(["name"] + keys)
    answer = json.dumps(value)
    question = rng.choice(["Write this as JSON with the keys {}: {}", "Answer with JSON only, keys {}: {}"]).format(order, text)
    return Item("format", "person_json", question, answer, json_equal(value))


def stock_json(rng):
    item, count, colour = rng.choice(ITEMS), rng.randint(2, 99), rng.choice(COLOURS)
    value = {"item": item, "count": count, "colour": colour}
    question = f"Write this as JSON with the keys item, count, colour: There are {count} {colour} {item}."
    return Item("format", "stock_json", question, json.dumps(value), json_equal(value))


def csv_row(rng):
    who, city, age = rng.choice(NAMES), rng.choice(CITIES), rng.randint(3, 90)
    question = f"Write name, city and age as one line with commas: {who} is {age} years old and lives in {city}."
    return to_the_letter("csv_row", question, f"{who},{city},{age}")


def pairs(rng):
    who, city, colour = rng.choice(NAMES), rng.choice(CITIES), rng.choice(COLOURS)
    question = f"Write name, city and colour on three lines, each as key: value. {who} from {city} likes {colour}."
    return to_the_letter("pairs", question, f"name: {who}\ncity: {city}\ncolour: {colour}")


def date(rng):
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1980, 2030)
    question = f"Write this date as year-month-day with digits: {day} {MONTHS[month - 1]} {year}."
    return to_the_letter("date", question, f"{year}-{month:02}-{day:02}")


def one_word(rng):
    who, colour, thing, day = rng.choice(NAMES), rng.choice(COLOURS), rng.choice(OBJECTS), rng.choice(DAYS)
    question, answer = rng.choice([
        (f"{who} buys {a(colour)} {thing} on {day}. What does {who} buy? Answer with one word and no full stop.", thing),
        (f"{who} buys {a(colour)} {thing} on {day}. Which colour is it? Answer with one word and no full stop.", colour),
        (f"{who} buys {a(colour)} {thing} on {day}. Who buys it? Answer with one word and no full stop.", who),
        (f"{who} buys {a(colour)} {thing} on {day}. On which day? Answer with one word and no full stop.", day),
    ])
    return to_the_letter("one_word", question, answer)


def wrapped(rng):
    word = rng.choice(WORDS)
    name, left, right = rng.choice([("round brackets", "(", ")"), ("square brackets", "[", "]"), ("double quotes", '"', '"'), ("stars", "*", "*")])
    return to_the_letter("wrapped", f"Write the word {word} in {name}.", f"{left}{word}{right}")


def framed(rng):
    words = some(rng, 2, 3)
    start, end = rng.choice([("START", "END"), ("BEGIN", "DONE"), ("LIST", "OK")])
    question = f"Write {start}, then the words {' and '.join(words)}, then {end}, each on its own line."
    return to_the_letter("framed", question, "\n".join([start, *words, end]))


def labelled(rng):
    word = rng.choice(WORDS)
    label = rng.choice(["Answer", "Result", "Word", "Reply"])
    return to_the_letter("labelled", f'Write the word {word} after "{label}:".', f"{label}: {word}")


KINDS = [lines, bullets, numbered, separated, repeated, backwards, person_json, person_json, stock_json, csv_row, pairs, date,
         one_word, one_word, wrapped, framed, labelled]
