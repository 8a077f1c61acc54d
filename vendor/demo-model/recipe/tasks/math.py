"""Word problems with whole numbers. The answer shows its steps and ends with "The answer is N."."""

from item import Item, number
from words import CONTAINERS, GOODS, HE, ITEMS, NAMES, SHE, plural


def person(rng):
    if rng.random() < 0.5:
        return rng.choice(SHE), "she"
    return rng.choice(HE), "he"


def solved(kind, question, steps, answer):
    """`steps` are lines such as `3 + 4 = 7`."""
    return Item("math", kind, question, ". ".join(steps) + f". The answer is {answer}.", number(answer))


def add(rng):
    who, they = person(rng)
    a, b, item = rng.randint(2, 99), rng.randint(2, 99), rng.choice(ITEMS)
    way = rng.choice(["buys", "finds", "gets", "picks", "collects"])
    question = rng.choice([
        f"{who} has {a} {item}. Then {they} {way} {b} more. How many {item} does {who} have now?",
        f"{who} {way} {a} {item} in the morning and {b} {item} in the evening. How many {item} is that in all?",
        f"There are {a} {item} on the table and {b} {item} on the floor. How many {item} are there together?",
    ])
    return solved("add", question, [f"{a} + {b} = {a + b}"], a + b)


def subtract(rng):
    who, they = person(rng)
    a = rng.randint(5, 99)
    b, item = rng.randint(2, a - 1), rng.choice(ITEMS)
    way = rng.choice(["gives away", "loses", "sells", "breaks", "uses"])
    question = rng.choice([
        f"{who} has {a} {item}. Then {they} {way} {b}. How many {item} are left?",
        f"There are {a} {item} in the shop. {who} takes {b} of them. How many {item} are left in the shop?",
        f"{who} needs {a} {item} and has {b}. How many {item} are missing?",
    ])
    return solved("subtract", question, [f"{a} - {b} = {a - b}"], a - b)


def multiply(rng):
    who, _ = person(rng)
    a, b, item, box = rng.randint(2, 12), rng.randint(2, 12), rng.choice(ITEMS), rng.choice(CONTAINERS)
    question = rng.choice([
        f"One {box} holds {a} {item}. How many {item} are in {b} {plural(box)}?",
        f"{who} has {b} {plural(box)} with {a} {item} in each. How many {item} does {who} have?",
        f"{who} collects {a} {item} every day. How many {item} is that after {b} days?",
        f"One {rng.choice(GOODS)} costs {a} euros. How much do {b} of them cost?",
    ])
    return solved("multiply", question, [f"{b} * {a} = {a * b}"], a * b)


def divide(rng):
    who, _ = person(rng)
    a, b, item, box = rng.randint(2, 12), rng.randint(2, 12), rng.choice(ITEMS), rng.choice(CONTAINERS)
    question = rng.choice([
        f"{who} shares {a * b} {item} equally among {b} friends. How many {item} does each friend get?",
        f"{a * b} {item} are packed into {b} {plural(box)}, the same number in each. How many {item} are in one {box}?",
        f"{b} tickets cost {a * b} euros. How much does one ticket cost?",
    ])
    return solved("divide", question, [f"{a * b} / {b} = {a}"], a)


def gain_and_loss(rng):
    who, they = person(rng)
    a, b = rng.randint(5, 60), rng.randint(2, 39)
    c, item = rng.randint(2, a + b - 1), rng.choice(ITEMS)
    question = f"{who} has {a} {item}. First {they} gets {b} more, then {they} gives away {c}. How many {item} does {who} have now?"
    return solved("gain_and_loss", question, [f"{a} + {b} = {a + b}", f"{a + b} - {c} = {a + b - c}"], a + b - c)


def shopping(rng):
    who, _ = person(rng)
    first, second = rng.sample(GOODS, 2)
    p, q, m, n = rng.randint(2, 9), rng.randint(2, 9), rng.randint(2, 6), rng.randint(2, 6)
    question = (f"A {first} costs {p} euros and a {second} costs {q} euros. {who} buys {m} {plural(first)} and "
                f"{n} {plural(second)}. How much does {who} pay?")
    steps = [f"{m} * {p} = {m * p}", f"{n} * {q} = {n * q}", f"{m * p} + {n * q} = {m * p + n * q}"]
    return solved("shopping", question, steps, m * p + n * q)


def change(rng):
    who, they = person(rng)
    note = rng.choice([10, 20, 50, 100])
    m, price = rng.randint(2, 5), rng.randint(2, 9)
    good = rng.choice(GOODS)
    if m * price >= note or rng.random() < 0.4:
        price = rng.randint(2, note - 1)
        question = f"{who} buys a {good} for {price} euros and pays with {note} euros. How much change does {who} get back?"
        return solved("change", question, [f"{note} - {price} = {note - price}"], note - price)
    question = f"{who} buys {m} {plural(good)} for {price} euros each and pays with {note} euros. How much change does {they} get back?"
    return solved("change", question, [f"{m} * {price} = {m * price}", f"{note} - {m * price} = {note - m * price}"], note - m * price)


def more_than(rng):
    one, two = rng.sample(NAMES, 2)
    a, d, item = rng.randint(3, 50), rng.randint(2, 30), rng.choice(ITEMS)
    if rng.random() < 0.5:
        question = f"{one} has {a} {item}. {two} has {d} more than {one}. How many {item} does {two} have?"
        return solved("more_than", question, [f"{a} + {d} = {a + d}"], a + d)
    question = f"{one} has {a} {item}. {two} has {d} more than {one}. How many {item} do they have together?"
    return solved("more_than", question, [f"{a} + {d} = {a + d}", f"{a} + {a + d} = {2 * a + d}"], 2 * a + d)


def discount(rng):
    percent = rng.choice([10, 20, 50])
    price = rng.randint(1, 9) * (10 if percent != 50 else 2)
    good = rng.choice(GOODS)
    off = price * percent // 100
    question = rng.choice([
        f"A {good} costs {price} euros. Today it is {percent} percent cheaper. How much does it cost today?",
        f"The price of a {good} is {price} euros. {rng.choice(NAMES)} gets {percent} percent off. What is the new price?",
    ])
    return solved("discount", question, [f"{percent} percent of {price} = {off}", f"{price} - {off} = {price - off}"], price - off)


def earnings(rng):
    who, they = person(rng)
    wage, hours, spent = rng.randint(3, 12), rng.randint(2, 9), rng.randint(2, 20)
    if spent >= wage * hours or rng.random() < 0.4:
        question = f"{who} earns {wage} euros an hour and works {hours} hours. How much does {who} earn?"
        return solved("earnings", question, [f"{hours} * {wage} = {wage * hours}"], wage * hours)
    question = f"{who} earns {wage} euros an hour and works {hours} hours. Then {they} spends {spent} euros. How much is left?"
    left = wage * hours - spent
    return solved("earnings", question, [f"{hours} * {wage} = {wage * hours}", f"{wage * hours} - {spent} = {left}"], left)


def plain(rng):
    """Bare arithmetic, asked in words."""
    sign = rng.choice("++--*/")
    if sign == "+":
        a, b = rng.randint(1, 99), rng.randint(1, 99)
        result = a + b
    elif sign == "-":
        a = rng.randint(2, 150)
        b = rng.randint(1, min(a, 99))
        result = a - b
    elif sign == "*":
        a, b = rng.randint(2, 12), rng.randint(2, 12)
        result = a * b
    else:
        b, result = rng.randint(2, 12), rng.randint(2, 12)
        a = b * result
    return f"{a} {sign} {b}", result


def arithmetic(rng):
    term, result = plain(rng)
    question = rng.choice([f"What is {term}?", f"Calculate {term}.", f"How much is {term}?"])
    return solved("arithmetic", question, [f"{term} = {result}"], result)


KINDS = [add, subtract, multiply, divide, gain_and_loss, shopping, change, more_than, discount, earnings, arithmetic]


def drill(rng, count):
    """[(term, result)] of bare arithmetic."""
    return [plain(rng) for _ in range(count)]
