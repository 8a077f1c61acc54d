"""Short passages with questions; the answer stands in the passage, or the passage does not say."""

from item import Item, one_of
from words import CITIES, COLOURS, DAYS, DRINKS, FOODS, HE, HOBBIES, JOBS, MATERIALS, NAMES, OBJECTS, PETS, ROOMS, SHE, VEHICLES, a

NOT_SAID = "The text does not say."


def ask(kind, passage, question, answer):
    if answer is None:
        return Item("comprehension", kind, question, NOT_SAID, {"kind": "contains", "any": ["does not say"]}, passage)
    return Item("comprehension", kind, question, f"{answer}.", one_of(answer), passage)


def portrait(rng):
    """One or two people and what they are, have and like: facts in any order, some of them left out."""
    people = rng.sample(NAMES, rng.choice([1, 2, 2]))
    sentences, facts = [], []
    for who in people:
        they = "She" if who in SHE else "He"
        own = {
            "city": rng.choice(CITIES), "job": rng.choice(JOBS), "pet": rng.choice(PETS), "hobby": rng.choice(HOBBIES),
            "drink": rng.choice(DRINKS), "food": rng.choice(FOODS), "colour": rng.choice(COLOURS),
            "vehicle": rng.choice(VEHICLES), "age": rng.randint(5, 90),
        }
        told = rng.sample(sorted(own), rng.randint(3, 5))
        for place, key in enumerate(told):
            subject = who if place == 0 or rng.random() < 0.4 else they
            sentences.append(subject + " " + {
                "city": f"lives in {own['city']}.", "job": f"works as {a(own['job'])}.", "pet": f"has {a(own['pet'])}.",
                "hobby": f"likes {own['hobby']}.", "drink": f"always drinks {own['drink']}.",
                "food": f"eats {own['food']} for lunch.", "colour": f"wears {a(own['colour'])} coat.",
                "vehicle": f"goes to work by {own['vehicle']}.", "age": f"is {own['age']} years old.",
            }[key])
        for key, question in {
            "city": f"Where does {who} live?", "job": f"What is {who}'s job?", "pet": f"Which animal does {who} have?",
            "hobby": f"What does {who} like?", "drink": f"What does {who} drink?", "food": f"What does {who} eat for lunch?",
            "colour": f"Which colour is {who}'s coat?", "vehicle": f"How does {who} go to work?", "age": f"How old is {who}?",
        }.items():
            if key in told:
                facts.append((question, own[key]))
            elif rng.random() < 0.08:
                facts.append((question, None))
    return " ".join(sentences), facts


def week(rng):
    """Who does what on which day."""
    days = sorted(rng.sample(range(7), rng.randint(3, 4)))
    people = rng.sample(NAMES, len(days))
    things = rng.sample(HOBBIES, len(days))
    sentences = [rng.choice([f"On {DAYS[d]} {who} goes {thing}." if thing.endswith("ing") else f"On {DAYS[d]} {who} plays {thing}.",
                             f"{who} has {thing} on {DAYS[d]}."]) for d, who, thing in zip(days, people, things)]
    rng.shuffle(sentences)
    facts = []
    for d, who, thing in zip(days, people, things):
        facts += [(f"On which day does {who} have {thing}?", DAYS[d]), (f"Who has {thing}?", who), (f"What does {who} do on {DAYS[d]}?", thing)]
    free = rng.choice([d for d in range(7) if d not in days])
    facts.append((f"Who has a lesson on {DAYS[free]}?", None))
    return "This is the plan for the week. " + " ".join(sentences), facts


def moves(rng):
    """People go from room to room; the last place counts."""
    people, rooms = rng.sample(NAMES, rng.randint(2, 3)), rng.sample(ROOMS, 4)
    place, sentences = {}, []
    for _ in range(rng.randint(3, 5)):
        who = rng.choice(people)
        place[who] = rng.choice([r for r in rooms if r != place.get(who)])
        sentences.append(f"{who} {rng.choice(['goes to', 'walks to', 'runs to', 'moves to'])} the {place[who]}.")
    return " ".join(sentences), [(f"Where is {who} now?", room) for who, room in place.items()]


def gifts(rng):
    """Who gives what to whom."""
    people = rng.sample(NAMES, 4)
    things = rng.sample(OBJECTS, 2)
    sentences, facts = [], []
    for (giver, taker), thing in zip([people[:2], people[2:]], things):
        sentences.append(rng.choice([f"{giver} gives {a(thing)} to {taker}.", f"{taker} gets {a(thing)} from {giver}."]))
        facts += [(f"Who gets the {thing}?", taker), (f"Who gives the {thing} away?", giver), (f"What does {taker} get?", thing)]
    rng.shuffle(sentences)
    return " ".join(sentences), facts


def things(rng):
    """Objects with a colour, a material and a place."""
    sentences, facts = [], []
    for thing, colour, material, room in zip(rng.sample(OBJECTS, 3), rng.sample(COLOURS, 3), rng.sample(MATERIALS, 3), rng.sample(ROOMS, 3)):
        sentences.append(rng.choice([
            f"The {colour} {thing} in the {room} is made of {material}.",
            f"In the {room} there is {a(colour)} {thing} made of {material}.",
            f"The {thing} in the {room} is {colour} and made of {material}.",
        ]))
        facts += [(f"Which colour is the {thing}?", colour), (f"What is the {thing} made of?", material),
                  (f"Where is the {thing}?", room), (f"Which thing is in the {room}?", thing)]
    rng.shuffle(sentences)
    return " ".join(sentences), facts


PASSAGES = [portrait, portrait, week, moves, gifts, things]


def passage(rng, count):
    """Up to `count` questions about one passage."""
    maker = rng.choice(PASSAGES)
    text, facts = maker(rng)
    return [ask(maker.__name__, text, question, answer) for question, answer in rng.sample(facts, min(count, len(facts)))]
