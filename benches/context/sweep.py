#!/usr/bin/env python3
"""How long `sweetspot context` takes for three types of the KV cache, predicted and proved, without the loading of the model.

Makes a synthetic Llama 3.2 1B in Q4_0 (0.77 GB), sweeps f16, q8_0 and q4_0 under 4 GiB several times and prints a Markdown table:
the time of each sweep (the program's own clock, less the loads), how often the model was loaded, and how far proof and
prediction are apart. Growth of the cache is left out (--grow-to 0): it takes as long as one lets it.

Only worth something on a machine that has nothing else to do: most of the time goes into clearing pages.

Exit codes: 0 the median is within the limit, with at most one load for each type; 1 it is not; 2 wrong arguments or a program
failed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

TYPES = ["f16", "q8_0", "q4_0"]
BUDGET = "4GiB"
LIMIT_SECONDS = 15.0


def main() -> int:
    arguments = parse_arguments()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "1b.gguf")
        run([arguments.sweetspot, "synth", "--shape", "llama-3.2-1b", "--quant", "Q4_0", "-o", model])
        for number in range(1, arguments.rounds + 1):
            rows.append(sweep(arguments.sweetspot, model, os.path.join(folder, str(number))))
    print("| round | seconds without loading | loads | seconds of loading | proved less predicted |")
    print("|--:|--:|--:|--:|---|")
    for number, (seconds, loads, errors) in enumerate(rows, 1):
        print(f"| {number} | {seconds:.1f} | {len(loads)} | {sum(loads):.1f} | {', '.join(map(str, errors))} |")
    median = statistics.median(seconds for seconds, _, _ in rows)
    most_loads = max(len(loads) for _, loads, _ in rows)
    print(f"\nmedian {median:.1f} s (limit {LIMIT_SECONDS:.0f} s), at most {most_loads} loads (limit {len(TYPES)})")
    return 0 if median <= LIMIT_SECONDS and most_loads <= len(TYPES) else 1


def sweep(sweetspot, model, out):
    """Seconds without the loads, the loads' seconds, and the errors of the predictions in tokens."""
    run([sweetspot, "context", model, "--kv-types", ",".join(TYPES), "--budget", BUDGET, "--grow-to", "0", "--out", out])
    with open(os.path.join(out, "context.json"), encoding="utf-8") as file:
        report = json.load(file)
    loads = report["metadata"]["load_seconds"]
    errors = [sweep["prediction_error_tokens"] for sweep in report["sweeps"]]
    return report["metadata"]["test_duration_seconds"] - sum(loads), loads, errors


def run(command):
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        print(f"{' '.join(command)}: exit code {ran.returncode}\n{ran.stderr}", file=sys.stderr)
        sys.exit(2)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweetspot", default="target/release/sweetspot", help="the program [target/release/sweetspot]")
    parser.add_argument("--rounds", type=int, default=5, help="how often [5]")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
