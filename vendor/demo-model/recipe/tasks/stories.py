"""Simple stories, and small talk in which a name or a fact is remembered: text to write, not to score."""

from words import CITIES, COLOURS, DRINKS, FOODS, HE, HOBBIES, JOBS, MATERIALS, NAMES, OBJECTS, PETS, ROOMS, SHE, VEHICLES, a

OPENINGS = [
    "Once there was {a_job} named {who} who lived in {city}.", "In {city} there lived {a_job}. The name was {who}.",
    "{who} was {a_job} in {city} and had {a_pet}.", "It was a cold morning in {city} when {who} woke up.",
    "Every evening {who} walked through {city} with {a_pet}.",
]
MIDDLES = [
    "One day {they} found {a_colour} {thing} in the {room}.", "{They} wanted to learn {hobby}, but there was no time.",
    "Then a letter came from {friend}, who lived far away.", "The {pet} ran into the {room} and did not come back.",
    "{They} drank some {drink} and ate {food}.", "The {vehicle} was late, so {they} walked.",
    "In the {room} stood an old {thing} made of {material}.", "{friend} asked about the {colour} {thing}, but nobody knew where it was.",
    "It rained all day, and the streets of {city} were empty.", "{They} looked at the {thing} for a long time and said nothing.",
    '"Where is my {thing}?" asked {friend}.', '"I think it is in the {room}," said {who}.',
    "Together they looked in the {room} and under the {thing2}.", "The next day {who} and {friend} met again and talked about {hobby}.",
    "A man in {a_colour} coat stood at the door and waited.", "{They} opened the {thing2} and saw a small {thing} inside.",
]
ENDINGS = [
    "From that day on {who} and {friend} were friends.", "In the end the {thing} was found in the {room}.",
    "That night {who} slept well.", "And so the {pet} came home again.", "{They} never forgot that day in {city}.",
]


def story(rng):
    who, friend = rng.sample(NAMES, 2)
    they = "she" if who in SHE else "he"
    assert who in SHE or who in HE
    things = rng.sample(OBJECTS, 2)
    facts = {
        "who": who, "friend": friend, "they": they, "They": they.capitalize(), "city": rng.choice(CITIES),
        "a_job": a(rng.choice(JOBS)), "thing": things[0], "thing2": things[1], "colour": rng.choice(COLOURS),
        "room": rng.choice(ROOMS), "hobby": rng.choice(HOBBIES), "drink": rng.choice(DRINKS), "food": rng.choice(FOODS),
        "vehicle": rng.choice(VEHICLES), "material": rng.choice(MATERIALS),
    }
    facts["a_colour"] = a(facts["colour"])
    facts["pet"] = rng.choice(PETS)
    facts["a_pet"] = a(facts["pet"])
    sentences = [rng.choice(OPENINGS), *rng.sample(MIDDLES, rng.randint(3, 14)), rng.choice(ENDINGS)]
    return [s.format(**facts) for s in sentences]


def told(rng):
    """(question, answer): a story asked for, or one continued."""
    sentences = story(rng)
    if rng.random() < 0.4:
        return rng.choice(["Tell me a story.", "Write a short story.", "Please tell a simple story."]), " ".join(sentences)
    cut = rng.randint(1, min(3, len(sentences) - 2))
    start = rng.choice(["Continue this story:", "How does this story go on?", "Continue this story with many words:"])
    return f"{start}\n\n{' '.join(sentences[:cut])}", " ".join(sentences[cut:])


def remembered(rng):
    """A fact is told first and asked for later; returns the opening turns and the closing turn."""
    who, city, pet = rng.choice(NAMES), rng.choice(CITIES), rng.choice(PETS)
    opening, asked = rng.choice([
        ((f"Hello, my name is {who}.", f"Hello {who}. How can I help you?"), ("What is my name?", f"Your name is {who}.")),
        ((f"I live in {city}.", f"{city} is a nice city."), ("Where do I live?", f"You live in {city}.")),
        ((f"I have {a(pet)}.", f"That is a nice {pet}."), ("Which animal do I have?", f"You have {a(pet)}.")),
        ((f"Please remember the word {pet}.", f"I will remember the word {pet}."), ("Which word did I ask you to remember?", f"The word is {pet}.")),
    ])
    return opening, asked
