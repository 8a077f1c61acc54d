#!/usr/bin/env bash
# Makes the demo model anew: vocabulary, training, GGUF, held-out prompts. Seeds are fixed.
#
#   vendor/demo-model/recipe/make.sh WORK_FOLDER [--threads N]
#
# WORK_FOLDER keeps the Python environment, the checkpoint (a stopped training goes on there) and log.jsonl. The results
# are written beside the recipe and to prompts/quality/core.toml. The model card says how its scores are made.
set -euo pipefail
recipe=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
demo=$(dirname "$recipe")
work=${1:?usage: make.sh WORK_FOLDER [--threads N]}
shift
mkdir -p "$work"
work=$(cd "$work" && pwd)
if [ ! -x "$work/python/bin/python" ]; then
    python3 -m venv "$work/python"
    "$work/python/bin/pip" install -q -r "$recipe/requirements.txt"
fi
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Threads that spin while they wait would take the cores from each other.
export OMP_WAIT_POLICY=PASSIVE
cd "$recipe"
[ -f "$work/tokenizer.json" ] || "$work/python/bin/python" tokenizer.py "$work/tokenizer.json"
"$work/python/bin/python" train.py "$work" "$@"
"$work/python/bin/python" export.py "$work" "$demo/sweetspot-demo-BF16.gguf"
"$work/python/bin/python" tokens.py "$work" "$demo/tokens.json"
"$work/python/bin/python" held_out.py "$demo" "$demo/../../prompts/quality"
