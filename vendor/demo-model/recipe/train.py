"""Trains the demo model: `python train.py FOLDER`. A stopped training goes on where its last save is."""

import argparse
import json
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

import corpus
from item import is_right
from model import Llama, Shape
from muon import Muon

SEED = 7
SHORT, LONG = 256, 1024  # tokens in a row of a batch
BATCH = 2304  # tokens a step
LONG_EVERY = 12  # one step in so many has rows of LONG tokens, so that positions up to the context's end are trained
CHUNK, LONG_CHUNK = 4000, 200  # documents made at a time, of either length
STAGES, LONG_STAGES = (10, 35), (2, 5)  # the chunks with which the second and the third stage begin
ANSWER_WEIGHT, OTHER_WEIGHT = 1.0, 0.2
MAIN_STEPS, LAST_STEPS = 5200, 1000
DECAY_SHARE = 0.6  # of the main steps
LAST_RATE = 0.4  # at which the last steps begin, on the documents of the third stage


def stage(chunk, long):
    """Which of `corpus.STAGES` a chunk of documents is of."""
    return sum(chunk >= first for first in (LONG_STAGES if long else STAGES))


def rows(tokenizer, seed, length, long):
    """Endless rows of `length` tokens: (tokens, weights, document numbers). Whole documents, filled up best-first-fit."""
    waiting = []
    chunk = 0
    while True:
        texts = list(corpus.documents(f"{seed}-{chunk}", LONG_CHUNK if long else CHUNK, stage(chunk, long), long))
        chunk += 1
        flat = tokenizer.encode_batch([t for parts in texts for t, _ in parts], add_special_tokens=False)
        place = 0
        for parts in texts:
            ids, weights = [], []
            for _, is_answer in parts:
                piece = flat[place].ids
                place += 1
                ids += piece
                weights += [ANSWER_WEIGHT if is_answer else OTHER_WEIGHT] * len(piece)
            waiting.append((ids[:length + 1], weights[:length + 1]))
        random.Random(f"{seed}-{chunk}").shuffle(waiting)
        while len(waiting) > 60:
            row_ids, row_weights, row_documents = [], [], []
            number = 0
            position = 0
            while len(row_ids) < length + 1 and position < min(60, len(waiting)):
                ids, weights = waiting[position]
                if len(row_ids) + len(ids) <= length + 1:
                    row_ids += ids
                    row_weights += weights
                    row_documents += [number] * len(ids)
                    number += 1
                    waiting.pop(position)
                else:
                    position += 1
            pad = length + 1 - len(row_ids)
            yield row_ids + [0] * pad, row_weights + [0.0] * pad, row_documents + [-1] * pad


def batches(source, length):
    """tokens, targets, weights: [batch, length]; mask: [batch, 1, length, length]."""
    while True:
        ids, weights, documents = (np.array(x) for x in zip(*(next(source) for _ in range(BATCH // length))))
        ids, documents = torch.from_numpy(ids), torch.from_numpy(documents)
        same = documents[:, None, :-1, None] == documents[:, None, None, :-1]
        mask = same & torch.ones(length, length, dtype=torch.bool).tril()
        # A target in another document is none.
        weights = torch.from_numpy(weights).float()[:, 1:] * (documents[:, 1:] == documents[:, :-1])
        yield ids[:, :-1], ids[:, 1:], weights, mask


@torch.no_grad()
def look(model, tokenizer, count, seed=99):
    """Shares of held-out prompts answered rightly, decoded greedily in PyTorch; the card's scores come from sweetspot."""
    end = tokenizer.token_to_id(corpus.END)
    scores = {}
    for category in corpus.CATEGORIES:
        rng, taken = random.Random(seed), set()
        items = [corpus.held_out(category, rng, taken) for _ in range(count)]
        prompts = [tokenizer.encode(corpus.chat([(i.prompt, "")], None)[0][0], add_special_tokens=False).ids for i in items]
        right = 0
        for prompt, item in zip(prompts, items):
            ids = list(prompt)
            while len(ids) < len(prompt) + 56:
                logits = model(torch.tensor([ids]))[0, -1]
                token = int(logits.argmax())
                if token == end:
                    break
                ids.append(token)
            right += is_right(item.score, tokenizer.decode(ids[len(prompt):]))
        scores[category] = round(100 * right / count)
    return scores


def optimizers(model):
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "token_embd" not in n]
    norms = [p for p in model.parameters() if p.dim() == 1]
    adam = torch.optim.AdamW(
        [{"params": [model.token_embd.weight], "lr": 0.01}, {"params": norms, "lr": 0.003}],
        betas=(0.9, 0.97), weight_decay=0.0, fused=True)
    both = [Muon(matrices, lr=0.01, weight_decay=0.6, momentum=0.95), adam]
    for optimizer in both:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return both


def rate_at(step):
    """The learning rate as a share of the highest: up, level, down to nothing; and once more down from LAST_RATE."""
    if step >= MAIN_STEPS:
        return LAST_RATE * (MAIN_STEPS + LAST_STEPS - step) / LAST_STEPS
    return min(1.0, (step + 1) / 50, (MAIN_STEPS - step) / (DECAY_SHARE * MAIN_STEPS))


def save(folder, step, model, both, seen):
    part = folder / "training.part"
    torch.save({"step": step, "seen": seen, "model": model.state_dict(), "optimizers": [o.state_dict() for o in both]}, part)
    os.replace(part, folder / "training.pt")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=MAIN_STEPS + LAST_STEPS, help="stop after so many")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(args.threads)
    tokenizer = Tokenizer.from_file(str(args.folder / "tokenizer.json"))
    model = Llama(Shape(n_vocab=tokenizer.get_vocab_size()))
    both = optimizers(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    first, seen = 0, 0
    if (args.folder / "training.pt").exists():
        saved = torch.load(args.folder / "training.pt")
        first, seen = saved["step"], saved["seen"]
        model.load_state_dict(saved["model"])
        for optimizer, state in zip(both, saved["optimizers"]):
            optimizer.load_state_dict(state)

    def loss_of(tokens, targets, weights, mask):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(tokens, mask)
        losses = F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), reduction="none")
        weights = weights.flatten()
        return (losses * weights).sum() / weights.sum()

    fast = torch.compile(loss_of, dynamic=False)
    sources = {length: rows(tokenizer, f"{SEED}-{length}", length, length == LONG) for length in (SHORT, LONG)}
    feeds = {}

    def batch(step):
        length = LONG if step % LONG_EVERY == LONG_EVERY - 1 else SHORT
        return next(feeds.setdefault(length, batches(sources[length], length)))

    # A training that goes on continues with the documents that it would have come to.
    for step in range(first):
        batch(step)
    log = open(args.folder / "log.jsonl", "a")
    begun, mean = time.monotonic(), None
    for step in range(first, args.steps):
        tokens, targets, weights, mask = batch(step)
        loss = fast(tokens, targets, weights, mask)
        loss.backward()
        rate = rate_at(step)
        for optimizer in both:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        seen += tokens.numel()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if (step + 1) % 50 == 0:
            line = {"step": step + 1, "tokens": seen, "loss": round(mean, 4), "seconds": round(time.monotonic() - begun)}
            if (step + 1) % 500 == 0 or step + 1 == args.steps:
                save(args.folder, step + 1, model, both, seen)
                line |= look(model, tokenizer, 60 if step + 1 == args.steps else 20)
            print(json.dumps(line), flush=True)
            print(json.dumps(line), file=log, flush=True)


if __name__ == "__main__":
    main()
