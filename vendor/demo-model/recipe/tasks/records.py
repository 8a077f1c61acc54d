"""E-mails and records: find the request, the amount, the urgency; score a review; pick a record."""

import json

from item import Item, json_equal, number, one_of
from words import CITIES, COMPANIES, DAYS, NAMES, PRODUCTS, a

GOOD = ["It works very well.", "I am very happy with it.", "It is great.", "I would buy it again.", "The quality is excellent.", "It came fast and works."]
BAD = ["It broke after one day.", "I am very disappointed.", "It does not work.", "I want my money back.", "The quality is poor.", "It came late and broken."]
TOPICS = {
    "invoice": ["The invoice {n} over {m} euros is not paid yet. Please pay it {when}.", "Please send the invoice {n} again. It is about {m} euros and we need it {when}."],
    "delivery": ["The {p} from order {n} did not arrive. It cost {m} euros. Please deliver it {when}.", "We wait for order {n}, {a_p} for {m} euros. Please deliver it {when}."],
    "repair": ["Our {p} is broken. It cost {m} euros, order {n}. Please repair it {when}.", "The {p} from order {n} for {m} euros makes a noise. Please repair it {when}."],
    "meeting": ["I would like to meet you in {c} about contract {n} over {m} euros, {when}.", "Can we meet in {c} {when}? It is about order {n} for {m} euros."],
}


def mail(rng):
    sender, reader = rng.sample(NAMES, 2)
    topic = rng.choice(sorted(TOPICS))
    urgent = rng.random() < 0.5
    when = rng.choice(["today", "at once", "this morning"]) if urgent else rng.choice(["next month", "when you have time", "some time in summer"])
    facts = {"n": rng.randint(100, 999), "m": rng.randint(2, 99) * 10, "p": rng.choice(PRODUCTS), "c": rng.choice(CITIES)}
    body = rng.choice(TOPICS[topic]).format(**facts, a_p=a(facts["p"]), when=when)
    company = rng.choice(COMPANIES)
    text = f"From: {sender}, {company}\nTo: {reader}\n\nDear {reader},\n{body}\nKind regards,\n{sender}"
    short = [
        ("Who wrote this e-mail?", f"{sender}.", one_of(sender)),
        ("From which company is this e-mail?", f"{company}.", one_of(company)),
        ("Which amount does this e-mail name, in euros?", f"{facts['m']}.", number(facts["m"])),
        ("Which number does the order, invoice or contract have?", f"{facts['n']}.", number(facts["n"])),
        ("Is this e-mail about an invoice, a delivery, a repair or a meeting? Answer with one word.", f"{topic}.", one_of(topic)),
        ("Is this e-mail urgent? Answer yes or no.", "yes." if urgent else "no.", one_of("yes" if urgent else "no")),
    ]
    value = {"sender": sender, "topic": topic, "amount": facts["m"], "urgent": urgent}
    question = "Summarise this e-mail as JSON with the keys sender, topic, amount, urgent."
    whole = (question, json.dumps(value), json_equal(value))
    return [Item("records", "mail", q, answer, score, text) for q, answer, score in [whole, *rng.sample(short, 2)]]


def review(rng):
    good = rng.random() < 0.5
    who, product = rng.choice(NAMES), rng.choice(PRODUCTS)
    text = f"{who} writes about {a(product)}: {' '.join(rng.sample(GOOD if good else BAD, rng.randint(1, 2)))}"
    answer = "positive" if good else "negative"
    return [Item("records", "review", "Is this review positive or negative? Answer with one word.", f"{answer}.", one_of(answer), text)]


def table(rng):
    rows = [(who, rng.randint(2, 99), day) for who, day in zip(rng.sample(NAMES, 3), rng.sample(DAYS, 3))]
    text = "\n".join(["name | points | day"] + [f"{who} | {points} | {day}" for who, points, day in rows])
    while len({r[1] for r in rows}) < 3:
        return table(rng)
    who, points, day = rng.choice(rows)
    top = max(rows, key=lambda r: r[1])[0]
    asked = [
        (f"How many points does {who} have?", f"{points}.", number(points)),
        (f"Which day stands beside {who}?", f"{day}.", one_of(day)),
        (f"Who has {points} points?", f"{who}.", one_of(who)),
        ("Who has the most points?", f"{top}.", one_of(top)),
    ]
    return [Item("records", "table", q, answer, score, text) for q, answer, score in rng.sample(asked, 2)]


KINDS = [mail, mail, review, table]
