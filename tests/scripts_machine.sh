# shellcheck shell=bash disable=SC2016 # programs in quotes are for the machine's own shells
# Machines made of stand-ins, for scripts_setup.sh: each has its own PATH of small scripts that write down how they were
# called, and the checks that a test makes.

PROJECT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
WORK="$(mktemp -d "${TMPDIR:-/tmp}/sweetspot setup.XXXXXX")" # with a space, as some people's home has one
trap 'rm -rf "$WORK"' EXIT
failures=0
passed=0

# ---- machines --------------------------------------------------------------------------------------------------------

# bare_machine: a clone of the project's scripts, a home, and a PATH with only what every system has.
bare_machine() {
    rm -rf "$WORK/machine"
    MACHINE="$WORK/machine"
    BIN="$MACHINE/bin"
    CALLS="$MACHINE/calls"
    mkdir -p "$BIN" "$MACHINE/home" "$MACHINE/clone/scripts" "$MACHINE/system"
    cp "$PROJECT"/scripts/* "$MACHINE/clone/scripts/"
    printf '[package]\nrust-version = "1.95"\n' >"$MACHINE/clone/Cargo.toml"
    : >"$CALLS"
    local name
    for name in bash sh env cat cp cut dirname head mkdir mktemp mv rm sed tr chmod touch; do
        ln -s "$(command -v "$name")" "$BIN/$name"
    done
    stand_in uname 'echo Linux'
    stand_in id 'echo 1000'
}

# stand_in NAME BODY: a program on the machine's PATH; `note` in BODY writes the call down.
stand_in() {
    {
        echo '#!/usr/bin/env bash'
        printf 'note() { echo "%s $*" >>%q; }\n' "$1" "$CALLS"
        printf 'MACHINE=%q BIN=%q\n' "$MACHINE" "$BIN"
        printf '%s\n' "$2"
    } >"$BIN/$1"
    chmod +x "$BIN/$1"
}

with_compiler() {
    mkdir -p "$MACHINE/gcc include"
    touch "$MACHINE/gcc include/stddef.h"
    stand_in cc '[ "$1" = -print-file-name=include ] && echo "$MACHINE/gcc include"'
    stand_in c++ 'true'
    stand_in make 'true'
}

with_cmake() {
    stand_in cmake "echo 'cmake version $1'"
}

with_libclang() {
    mkdir -p "$MACHINE/system/usr/lib/llvm-14/lib/clang/14.0.6/include"
    touch "$MACHINE/system/usr/lib/llvm-14/lib/libclang.so.1" "$MACHINE/system/usr/lib/llvm-14/lib/clang/14.0.6/include/stddef.h"
}

with_rust() {
    stand_in cargo "echo 'cargo $1 (abc 2026-01-01)'"
    stand_in rustc "echo 'rustc $1 (abc 2026-01-01)'"
}

# A pip that lays out what the two wheels lay out.
with_pip() {
    stand_in python3 'note "$@"
[ "$3" = --version ] && exit 0
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/cmake/data/bin" "$2/clang/native"
printf "#!/usr/bin/env bash\necho cmake version 3.31.6\n" >"$2/cmake/data/bin/cmake"
chmod +x "$2/cmake/data/bin/cmake"
touch "$2/clang/native/libclang.so"'
}

complete_machine() {
    bare_machine
    with_compiler
    with_cmake 3.25.1
    with_libclang
    with_rust 1.95.0
}

# A curl that brings an installer, which lays out what rustup's does.
with_download() {
    stand_in curl 'note "$@"
while [ "$1" != -o ]; do shift; done
cat >"$2" <<"END"
echo "installer $*" >>"$CALLS"
mkdir -p "$HOME/.cargo/bin"
for name in cargo rustc; do
    printf "#!/usr/bin/env bash\necho $name 1.96.0\n" >"$HOME/.cargo/bin/$name"
    chmod +x "$HOME/.cargo/bin/$name"
done
END'
}

# ---- running and checking --------------------------------------------------------------------------------------------

# on_machine COMMAND…: with the machine's PATH and home and nothing of this shell's environment.
on_machine() {
    "$BIN/env" -i PATH="$BIN" HOME="$MACHINE/home" CALLS="$CALLS" SWEETSPOT_SYSTEM_ROOT="$MACHINE/system" "$@"
}

# setup ARGUMENTS…: runs it, with VARIABLES before it; leaves STATUS and OUTPUT.
setup() {
    OUTPUT=$(on_machine "${VARIABLES:-NONE=}" bash "$MACHINE/clone/scripts/setup" "$@" 2>&1)
    STATUS=$?
}

# in_environment COMMAND…: what a shell that read .tools/env does.
in_environment() {
    on_machine bash -c '. "$0"; eval "$1"' "$MACHINE/clone/.tools/env" "$*"
}

fail() {
    printf '    %s\n' "$*" "status $STATUS, output: $OUTPUT" "calls: $(cat "$CALLS")"
    bad=yes
}

expect_status() {
    [ "$STATUS" -eq "$1" ] || fail "expected exit status $1"
}

expect_output() {
    case $OUTPUT in *"$1"*) ;; *) fail "expected in the output: $1" ;; esac
}

expect_call() {
    grep -qxF -- "$1" "$CALLS" || fail "expected the call: $1"
}

expect_no_call() {
    ! grep -q -- "^$1" "$CALLS" || fail "expected no call of $1"
}

expect_equal() {
    [ "$1" = "$2" ] || fail "expected '$2', found '$1'"
}

expect_one_error_line() {
    expect_equal "$(printf '%s\n' "$OUTPUT" | grep -c '^error: ')" 1
}

check() {
    bad=no
    VARIABLES=''
    "$1"
    if [ "$bad" = yes ]; then
        failures=$((failures + 1))
        echo "FAILED $1"
    else
        passed=$((passed + 1))
        echo "ok     $1"
    fi
}
