#!/usr/bin/env python3
"""Compares `sweetspot quality --reference` with llama-perplexity's two passes of `--kl-divergence`, turn by turn.

For each candidate both read the same text in the same chunks on the same number of threads. llama-perplexity takes two passes
(the reference's logits to a file, then the candidate against them), sweetspot one; what is compared is the time of its one with
the time of both passes together, the start of each program included. The order changes from round to round (AB, BA, AB, ...).

Printed are two Markdown tables: the agreement of the numbers, and the time of every round with the median of the ratios.

Left out on purpose: building either program, and judging noise. Time is only worth something on a machine that has nothing else
to do; the numbers do not depend on that.

Exit codes: 0 all agree and the median ratio of every candidate is within the limit, 1 something does not, 2 wrong arguments or
a program failed.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

OURS, PEER = "sweetspot", "llama-perplexity"
NUMBER = r"(-?\d+\.\d+)"
# What llama-perplexity prints at its end, and the name that the number has in sweetspot's JSON.
PRINTED = {
    "kld_mean": rf"Mean +KLD: +{NUMBER}",
    "kld_p99": rf"99\.0% +KLD: +{NUMBER}",
    "kld_max": rf"Maximum KLD: +{NUMBER}",
    "perplexity": rf"Mean PPL\(Q\) +: +{NUMBER}",
    "log_perplexity_ratio": rf"Mean ln\(PPL\(Q\)/PPL\(base\)\) +: +{NUMBER}",
    "p_change_rms_percent": rf"RMS Δp +: +{NUMBER}",
    "same_top_percent": rf"Same top p: +{NUMBER}",
}
# The reference's perplexity as the first pass prints it. The second pass prints one of its own, "Mean PPL(base)", of what it reads
# back from the file, where every logit further than 16 below the largest is raised to that: too low where a text surprises.
FIRST_PASS = {"perplexity_reference": rf"Final estimate: PPL = {NUMBER}"}
NUMBERS = [*PRINTED, *FIRST_PASS]
# Its log is written by a thread that does not always finish before the program ends.
ATTEMPTS = 5
# Largest difference: a share of llama-perplexity's number, or points.
SHARES = {"kld_mean": 0.02, "perplexity": 0.02, "perplexity_reference": 0.02}
POINTS = {"same_top_percent": 1.0}


def main() -> int:
    arguments = parse_arguments()
    runs = {candidate: {OURS: [], PEER: []} for candidate in arguments.candidates}
    with tempfile.TemporaryDirectory() as folder:
        logits = os.path.join(folder, "logits.kld")
        measure = {OURS: lambda c: measure_ours(arguments, c), PEER: lambda c: measure_peer(arguments, c, logits)}
        for turn in range(arguments.rounds):
            for candidate in arguments.candidates:
                for name in (OURS, PEER) if turn % 2 == 0 else (PEER, OURS):
                    say(f"round {turn + 1}/{arguments.rounds}: {os.path.basename(candidate)}: {name}")
                    runs[candidate][name].append(measure[name](candidate))
    print(f"reference `{os.path.basename(arguments.reference)}`, chunks of {arguments.chunk}, {arguments.threads} threads, "
          f"{arguments.rounds} rounds\n")
    problems = print_agreement(runs) + print_times(runs, arguments.limit)
    for problem in problems:
        say(problem)
    return 1 if problems else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("llama_perplexity", metavar="LLAMA_PERPLEXITY", help="built from the same llama.cpp for the same CPU")
    parser.add_argument("reference", metavar="REFERENCE", help="a GGUF file, such as the F16 or BF16 of the candidates")
    parser.add_argument("candidates", metavar="CANDIDATE", nargs="+", help="GGUF files")
    parser.add_argument("--text", required=True, metavar="FILE", help="what both read; at least two chunks")
    parser.add_argument("--sweetspot", default="target/release/sweetspot", help="default: %(default)s")
    parser.add_argument("--rounds", type=positive, default=5, help="default: %(default)s")
    parser.add_argument("-c", "--chunk", type=positive, default=512, help="default: %(default)s")
    parser.add_argument("-t", "--threads", type=positive, default=os.cpu_count() or 1, help="default: %(default)s")
    parser.add_argument("--precision", default="0", help="sweetspot's; above 0 it reads less, and numbers need not agree")
    parser.add_argument("--limit", type=float, default=0.6, help="largest median ratio of the times; default: %(default)s")
    arguments = parser.parse_args()
    for path in (arguments.llama_perplexity, arguments.sweetspot, arguments.reference, arguments.text, *arguments.candidates):
        if not os.path.isfile(path):
            parser.error(f"{path}: no such file")
    return arguments


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def measure_ours(arguments: argparse.Namespace, candidate: str) -> dict:
    command = [arguments.sweetspot, "quality", candidate, "--reference", arguments.reference, "--text", arguments.text,
               "-c", str(arguments.chunk), "-t", str(arguments.threads), "--precision", arguments.precision, "-o", "json"]
    seconds, output = timed(command)
    divergence = json.loads(output)["divergence"]
    return {"seconds": seconds, "logits_bytes": 0, **{name: divergence[name] for name in NUMBERS}, "tokens": divergence["tokens"]}


def measure_peer(arguments: argparse.Namespace, candidate: str, logits: str) -> dict:
    both = ["-c", str(arguments.chunk), "-t", str(arguments.threads), "--kl-divergence-base", logits]
    command = [arguments.llama_perplexity, "-m", arguments.reference, "-f", arguments.text, *both]
    first, of_reference = printed(command, FIRST_PASS)
    size = os.path.getsize(logits)
    second, of_candidate = printed([arguments.llama_perplexity, "-m", candidate, "--kl-divergence", *both], PRINTED)
    os.remove(logits)
    return {"seconds": first + second, "first_seconds": first, "logits_bytes": size, **of_reference, **of_candidate}


def printed(command: list[str], patterns: dict) -> tuple[float, dict]:
    """Seconds of a run that printed all numbers, and the numbers."""
    for _ in range(ATTEMPTS):
        seconds, output = timed(command)
        found = {name: re.search(pattern, output) for name, pattern in patterns.items()}
        if all(found.values()):
            return seconds, {name: float(match.group(1)) for name, match in found.items()}
        say("llama-perplexity ended before it had printed its numbers: once more")
    fail("llama-perplexity did not print its numbers; are there at least 100 scored tokens?")


def timed(command: list[str]) -> tuple[float, str]:
    """Seconds from start to end, and what the program printed on both of its outputs, stdout first."""
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        fail(f"{' '.join(command)} ended with code {done.returncode}: {last}")
    return seconds, done.stdout if command[1] == "quality" else done.stdout + done.stderr


def print_agreement(runs: dict) -> list[str]:
    """Prints the numbers of the last round; sweetspot's have to be the same in all rounds."""
    problems = []
    print("| candidate | number | sweetspot | llama-perplexity | difference |")
    print("| --- | --- | ---: | ---: | ---: |")
    for candidate, of in runs.items():
        name = os.path.basename(candidate)
        ours, peer = of[OURS][-1], of[PEER][-1]
        if any(run[number] != ours[number] for run in of[OURS] for number in NUMBERS):
            problems.append(f"{name}: sweetspot's numbers differ from round to round")
        for number in NUMBERS:
            difference = ours[number] - peer[number]
            if number in POINTS or number.endswith("_percent") or number == "log_perplexity_ratio":
                shown, wrong = f"{difference:+.4f}", number in POINTS and abs(difference) > POINTS[number]
            else:
                share = difference / peer[number] if peer[number] else 0.0
                shown, wrong = f"{100 * share:+.3f} %", number in SHARES and abs(share) > SHARES[number]
            print(f"| {name} | {number} | {ours[number]:.6f} | {peer[number]:.6f} | {shown} |")
            if wrong:
                problems.append(f"{name}: {number} differs by {shown}")
    print()
    return problems


def print_times(runs: dict, limit: float) -> list[str]:
    problems = []
    print("| candidate | round | first | sweetspot s | llama-perplexity s (two passes) | its logits MB | ratio |")
    print("| --- | ---: | --- | ---: | ---: | ---: | ---: |")
    for candidate, of in runs.items():
        name = os.path.basename(candidate)
        ratios = [a["seconds"] / b["seconds"] for a, b in zip(of[OURS], of[PEER])]
        for turn, (a, b, ratio) in enumerate(zip(of[OURS], of[PEER], ratios)):
            first, passes = OURS if turn % 2 == 0 else PEER, f"{b['first_seconds']:.2f} + {b['seconds'] - b['first_seconds']:.2f}"
            print(f"| {name} | {turn + 1} | {first} | {a['seconds']:.2f} | {b['seconds']:.2f} ({passes}) "
                  f"| {b['logits_bytes'] / 1e6:.1f} | {ratio:.3f} |")
        median = statistics.median(ratios)
        middle = [statistics.median(run["seconds"] for run in of[program]) for program in (OURS, PEER)]
        print(f"| **{name}** | **median** | | **{middle[0]:.2f}** | **{middle[1]:.2f}** | | **{median:.3f}** |")
        if median > limit:
            problems.append(f"{name}: the median ratio {median:.3f} is above {limit}")
    print()
    return problems


def say(line: str):
    print(line, file=sys.stderr, flush=True)


def fail(message: str):
    say(f"kld.py: {message}")
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
