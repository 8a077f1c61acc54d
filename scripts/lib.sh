# shellcheck shell=bash
# What setup, demo and test share: messages, versions, the environment that setup wrote.
# Written for bash 3.2 (macOS), so without mapfile, associative arrays or empty arrays under `set -u`.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
TOOLS="$ROOT/.tools"

# say TEXT…: a line for the person; stderr, because stdout belongs to the program's results.
say() {
    printf '%s\n' "$*" >&2
}

# die TEXT…: the one line that says what is wrong and what to do, and the end.
die() {
    say "error: $*"
    exit 1
}

# has COMMAND: whether it is on PATH.
has() {
    command -v "$1" >/dev/null 2>&1
}

# first_version TEXT: the first dotted number in it, such as 1.95.0 in `cargo 1.95.0 (…)`.
first_version() {
    printf '%s\n' "$1" | sed -n 's/^[^0-9]*\([0-9][0-9]*\(\.[0-9][0-9]*\)*\).*/\1/p' | head -n 1
}

# version_at_least HAVE WANT: compares up to three numbers; an empty HAVE is never enough.
version_at_least() {
    local have=$1 want=$2 h w i
    [ -n "$have" ] || return 1
    for i in 1 2 3; do
        h=$(printf '%s.0.0.0' "$have" | cut -d. -f"$i")
        w=$(printf '%s.0.0.0' "$want" | cut -d. -f"$i")
        [ "$h" -eq "$w" ] || { [ "$h" -gt "$w" ]; return; }
    done
}

# read_environment: takes over what scripts/setup found.
read_environment() {
    # shellcheck disable=SC1091 # written by scripts/setup
    . "$TOOLS/env"
}

# cargo_here ARGUMENTS…: cargo in the project's folder, where .cargo/config.toml (target-cpu=native) applies to it.
cargo_here() {
    (cd "$ROOT" && cargo "$@")
}

# feature_flags: `--features …` for SWEETSPOT_FEATURES (such as cuda or vulkan), or nothing.
feature_flags() {
    if [ -n "${SWEETSPOT_FEATURES:-}" ]; then
        printf -- '--features=%s' "$SWEETSPOT_FEATURES"
    fi
}

# release_folder: where cargo puts what it built.
release_folder() {
    case ${CARGO_TARGET_DIR:-} in
        '') printf '%s/target/release' "$ROOT" ;;
        /*) printf '%s/release' "$CARGO_TARGET_DIR" ;;
        *) printf '%s/%s/release' "$ROOT" "$CARGO_TARGET_DIR" ;;
    esac
}
