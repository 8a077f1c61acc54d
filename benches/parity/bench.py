#!/usr/bin/env python3
"""Compares `sweetspot bench` with llama-bench on one model: the same flags, the same threads, turn by turn.

Each round runs both programs once, and the order changes from round to round (AB, BA, AB, ...), so that a machine that
grows warmer or busier does not favour one of them. Printed is a Markdown table with every run, the medians, the ratio
sweetspot / llama-bench of each round, and the median of these ratios.

Left out on purpose: building either program, and judging noise. Run it on a machine that has nothing else to do.

Exit codes: 0 the median ratio of every test reaches the limit, 1 one of them does not, 2 wrong arguments or a program failed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

OURS, PEER = "sweetspot", "llama-bench"


def main() -> int:
    arguments = parse_arguments()
    commands = {
        OURS: [arguments.sweetspot, "bench", *flags(arguments)],
        PEER: [arguments.llama_bench, *flags(arguments)],
    }
    runs = {OURS: [], PEER: []}
    for turn in range(arguments.rounds):
        order = (OURS, PEER) if turn % 2 == 0 else (PEER, OURS)
        for name in order:
            print(f"round {turn + 1}/{arguments.rounds}: {name}", file=sys.stderr, flush=True)
            runs[name].append(measure(commands[name]))
    tests = list(runs[OURS][0])
    if any(list(run) != tests for name in runs for run in runs[name]):
        fail("the programs did not run the same tests")
    print(f"`{' '.join(flags(arguments))}`, {arguments.rounds} rounds, t/s of each run (its own mean of {arguments.repetitions})\n")
    ratios = {test: print_table(test, runs) for test in tests}
    slow = {test: ratio for test, ratio in ratios.items() if ratio < arguments.limit}
    for test, ratio in slow.items():
        print(f"{test}: median ratio {ratio:.3f} is below {arguments.limit}", file=sys.stderr)
    return 1 if slow else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("llama_bench", metavar="LLAMA_BENCH", help="llama-bench, built from the same llama.cpp for the same CPU")
    parser.add_argument("model", metavar="MODEL", help="a GGUF file")
    parser.add_argument("--sweetspot", default="target/release/sweetspot", help="default: %(default)s")
    parser.add_argument("--rounds", type=positive, default=5, help="default: %(default)s")
    parser.add_argument("-p", "--n-prompt", default="512", help="default: %(default)s")
    parser.add_argument("-n", "--n-gen", default="128", help="default: %(default)s")
    parser.add_argument("-d", "--n-depth", default="0", help="default: %(default)s")
    parser.add_argument("-r", "--repetitions", type=positive, default=3, help="of each test in a run; default: %(default)s")
    parser.add_argument("-t", "--threads", type=positive, default=default_threads(), help="default: %(default)s")
    parser.add_argument("--limit", type=float, default=0.99, help="smallest median ratio; default: %(default)s")
    arguments = parser.parse_args()
    for path in (arguments.llama_bench, arguments.sweetspot, arguments.model):
        if not os.path.isfile(path):
            parser.error(f"{path}: no such file")
    return arguments


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return number


def default_threads() -> int:
    """One a physical core, as both programs choose; the number is given to both so that they cannot differ."""
    siblings = set()
    for cpu in range(os.cpu_count() or 1):
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings", encoding="ascii") as file:
                siblings.add(file.read())
        except OSError:
            return os.cpu_count() or 1
    return len(siblings)


def flags(arguments: argparse.Namespace) -> list[str]:
    """What both programs are told; both write llama-bench's JSON."""
    return [
        *("-m", arguments.model, "-p", arguments.n_prompt, "-n", arguments.n_gen, "-d", arguments.n_depth),
        *("-r", str(arguments.repetitions), "-t", str(arguments.threads), "-o", "json"),
    ]


def measure(command: list[str]) -> dict[str, float]:
    """Tokens per second of each test, by its name."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        fail(f"{command[0]} ended with code {done.returncode}: {last}")
    try:
        return {test_name(entry): float(entry["avg_ts"]) for entry in json.loads(done.stdout)}
    except (ValueError, KeyError, TypeError) as error:
        fail(f"{command[0]} did not write llama-bench's JSON: {error}")


def test_name(entry: dict) -> str:
    parts = [f"pp{entry['n_prompt']}"] if entry["n_prompt"] else []
    parts += [f"tg{entry['n_gen']}"] if entry["n_gen"] else []
    depth = f" @ d{entry['n_depth']}" if entry["n_depth"] else ""
    return "+".join(parts) + depth


def print_table(test: str, runs: dict[str, list[dict[str, float]]]) -> float:
    """Prints one test's table and gives its median ratio."""
    ours, peer = ([run[test] for run in runs[name]] for name in (OURS, PEER))
    ratios = [a / b for a, b in zip(ours, peer)]
    print(f"| {test} | first | {OURS} | {PEER} | ratio |")
    print("| --- | --- | ---: | ---: | ---: |")
    for turn, (a, b, ratio) in enumerate(zip(ours, peer, ratios)):
        first = OURS if turn % 2 == 0 else PEER
        print(f"| round {turn + 1} | {first} | {a:.2f} | {b:.2f} | {ratio:.3f} |")
    median = statistics.median(ratios)
    print(f"| **median** | | **{statistics.median(ours):.2f}** | **{statistics.median(peer):.2f}** | **{median:.3f}** |\n")
    return median


def fail(message: str):
    print(f"bench.py: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main())
