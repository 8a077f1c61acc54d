#!/usr/bin/env bash
# Tests of what scripts/setup decides, on machines made of stand-ins (scripts_machine.sh). Nothing is installed and
# nothing is fetched.
# shellcheck disable=SC2016 # commands in quotes are for the machine's own shells
set -uo pipefail
# shellcheck source-path=SCRIPTDIR source=scripts_machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/scripts_machine.sh"

# ---- tests -----------------------------------------------------------------------------------------------------------

a_complete_machine_is_left_as_it_is() {
    complete_machine
    stand_in apt-get note
    stand_in sudo 'note'
    setup
    expect_status 0
    expect_equal "$(cat "$CALLS")" ''
    # A variable that cargo watches would make a build in the person's own shell start from bindgen again.
    expect_equal "$(in_environment 'echo "${LIBCLANG_PATH-} ${BINDGEN_EXTRA_CLANG_ARGS-} ${RUSTUP_TOOLCHAIN-}"')" '  '
}

root_gets_the_missing_packages_and_nothing_else() {
    complete_machine
    rm "$BIN/cmake" "$BIN/make"
    stand_in id 'echo 0'
    stand_in apt-get 'note "$@"
[ "$1" = install ] || exit 0
printf "#!/usr/bin/env bash\necho cmake version 3.25.1\n" | tee "$BIN/cmake" >"$BIN/make"
chmod +x "$BIN/cmake" "$BIN/make"'
    ln -s "$(command -v tee)" "$BIN/tee"
    setup
    expect_status 0
    expect_call 'apt-get install -qq -y --no-install-recommends g++ make cmake'
}

sudo_is_used_when_it_asks_for_no_password() {
    complete_machine
    rm -r "$MACHINE/system/usr"
    stand_in sudo 'note "$@"; [ "$1" = -n ] && shift; "$@"'
    stand_in dnf 'note "$@"; mkdir -p "$MACHINE/system/usr/lib64"; touch "$MACHINE/system/usr/lib64/libclang.so.17"'
    setup
    expect_status 0
    expect_call 'dnf install -q -y clang-devel'
}

sudo_that_asks_for_a_password_is_not_used() {
    complete_machine
    rm "$BIN/cmake"
    stand_in sudo 'note "$@"; exit 1'
    stand_in apt-get 'note "$@"'
    with_pip
    setup
    expect_status 0
    expect_no_call apt-get
    expect_no_call 'sudo -n apt'
}

without_root_cmake_and_libclang_come_as_wheels() {
    complete_machine
    rm -r "$BIN/cmake" "$MACHINE/system/usr"
    stand_in id 'echo 0'
    stand_in apt-get 'note "$@"'
    with_pip
    VARIABLES=SWEETSPOT_NO_ROOT=1
    setup
    expect_status 0
    expect_no_call apt-get
    expect_equal "$(in_environment 'command -v cmake')" "$MACHINE/clone/.tools/wheels/cmake/data/bin/cmake"
    expect_equal "$(in_environment 'echo "$LIBCLANG_PATH"')" "$MACHINE/clone/.tools/wheels/clang/native"
    # The wheel has no stddef.h; the compiler's serves, quoted as bindgen splits it.
    expect_equal "$(in_environment 'echo "$BINDGEN_EXTRA_CLANG_ARGS"')" "-I'$MACHINE/gcc include'"
    grep -q 'cmake==.* libclang==' "$CALLS" || fail 'expected both wheels in one call of pip'
}

a_second_run_fetches_nothing_and_writes_the_same_environment() {
    complete_machine
    rm -r "$BIN/cmake" "$MACHINE/system/usr"
    with_pip
    setup
    local first
    first=$(cat "$MACHINE/clone/.tools/env")
    : >"$CALLS"
    setup --quiet
    expect_status 0
    expect_equal "$OUTPUT$(cat "$CALLS")" ''
    expect_equal "$(cat "$MACHINE/clone/.tools/env")" "$first"
    # From a shell that has read the file, too.
    in_environment "bash '$MACHINE/clone/scripts/setup' --quiet"
    expect_equal "$(cat "$MACHINE/clone/.tools/env")" "$first"
    expect_equal "$(in_environment ". '$MACHINE/clone/.tools/env'; echo \"\$BINDGEN_EXTRA_CLANG_ARGS\"")" "-I'$MACHINE/gcc include'"
}

a_cmake_that_is_too_old_is_not_used() {
    complete_machine
    with_cmake 3.10.2
    with_pip
    setup
    expect_status 0
    expect_equal "$(in_environment 'command -v cmake')" "$MACHINE/clone/.tools/wheels/cmake/data/bin/cmake"
}

a_package_manager_that_fails_leads_to_the_wheels() {
    complete_machine
    rm "$BIN/cmake"
    stand_in id 'echo 0'
    stand_in apt-get 'note "$@"; exit 100'
    with_pip
    setup
    expect_status 0
    expect_call 'apt-get install -qq -y --no-install-recommends cmake'
    expect_output 'apt-get did not install'
}

libclang_without_headers_gets_the_compilers() {
    complete_machine
    rm -r "$MACHINE/system/usr/lib/llvm-14/lib/clang"
    setup
    expect_status 0
    expect_equal "$(in_environment 'echo "${LIBCLANG_PATH-}$BINDGEN_EXTRA_CLANG_ARGS"')" "-I'$MACHINE/gcc include'"
}

no_compiler_and_no_root_is_one_line_that_says_what_to_install() {
    complete_machine
    rm "$BIN/c++"
    stand_in apt-get 'note "$@"'
    with_pip
    setup
    expect_status 1
    expect_one_error_line
    expect_output 'error: no C++ compiler and make; as root: apt-get install g++ make'
    expect_no_call python3
}

neither_pip_nor_venv_is_one_line_that_says_what_to_install() {
    complete_machine
    rm "$BIN/cmake"
    stand_in python3 'exit 1'
    stand_in pacman 'note "$@"'
    setup
    expect_status 1
    expect_one_error_line
    expect_output 'as root: pacman -S cmake clang'
}

a_mac_without_its_command_line_tools_is_told_how_to_get_them() {
    complete_machine
    stand_in uname 'echo Darwin'
    stand_in xcode-select 'exit 2'
    setup
    expect_status 1
    expect_one_error_line
    expect_output 'xcode-select --install'
}

a_mac_gets_cmake_from_brew_and_libclang_from_its_command_line_tools() {
    complete_machine
    rm -r "$BIN/cmake" "$MACHINE/system/usr"
    mkdir -p "$MACHINE/system/Library/Developer/CommandLineTools/usr/lib"
    touch "$MACHINE/system/Library/Developer/CommandLineTools/usr/lib/libclang.dylib"
    stand_in uname 'echo Darwin'
    stand_in xcode-select 'true'
    stand_in clang 'true'
    stand_in brew 'note "$@"; printf "#!/usr/bin/env bash\necho cmake version 4.0.1\n" >"$BIN/cmake"; chmod +x "$BIN/cmake"'
    setup
    expect_status 0
    expect_call 'brew install --quiet cmake'
}

without_rust_rustup_is_fetched_and_its_cargo_used() {
    complete_machine
    rm "$BIN/cargo" "$BIN/rustc"
    with_download
    setup
    expect_status 0
    grep -q '^curl .*https://sh.rustup.rs$' "$CALLS" || fail 'expected a download of rustup'
    expect_call 'installer -y -q --no-modify-path --profile minimal --component rustfmt --component clippy'
    expect_equal "$(in_environment 'cargo --version')" 'cargo 1.96.0'
    : >"$CALLS"
    setup
    expect_equal "$STATUS$(cat "$CALLS")" 0
}

root_without_rust_and_curl_gets_curl_first() {
    complete_machine
    rm "$BIN/cargo" "$BIN/rustc"
    stand_in id 'echo 0'
    with_download
    mv "$BIN/curl" "$MACHINE/curl"
    stand_in apt-get 'note "$@"; [ "$1" = update ] || mv "$MACHINE/curl" "$BIN/curl"'
    setup
    expect_status 0
    expect_call 'apt-get install -qq -y --no-install-recommends curl ca-certificates'
    expect_equal "$(in_environment 'cargo --version')" 'cargo 1.96.0'
}

a_bindgen_argument_of_the_persons_own_is_kept() {
    complete_machine
    rm -r "$MACHINE/system/usr/lib/llvm-14/lib/clang"
    VARIABLES=BINDGEN_EXTRA_CLANG_ARGS=-DOWN=1
    setup
    expect_status 0
    expect_equal "$(in_environment 'unset BINDGEN_EXTRA_CLANG_ARGS; BINDGEN_EXTRA_CLANG_ARGS=-DOWN=1; . "$0"
        echo "$BINDGEN_EXTRA_CLANG_ARGS"')" "-DOWN=1 -I'$MACHINE/gcc include'"
}

a_distributions_old_rust_makes_way_for_rustups() {
    complete_machine
    with_rust 1.63.0
    with_download
    setup
    expect_status 0
    expect_equal "$(in_environment 'rustc --version')" 'rustc 1.96.0'
}

an_old_default_toolchain_of_rustup_stays_and_stable_is_used_here() {
    complete_machine
    stand_in cargo 'if [ "${RUSTUP_TOOLCHAIN-}" = stable ] && [ -e "$MACHINE/stable" ]; then echo cargo 1.97.1; else echo cargo 1.80.0; fi'
    cp "$BIN/cargo" "$BIN/rustc"
    stand_in rustup 'note "$@"; touch "$MACHINE/stable"'
    setup
    expect_status 0
    expect_call 'rustup toolchain install stable --profile minimal --component rustfmt --component clippy'
    expect_equal "$(in_environment 'cargo --version')" 'cargo 1.97.1'
    : >"$CALLS"
    setup
    expect_equal "$STATUS$(cat "$CALLS")" 0
    expect_equal "$(in_environment 'cargo --version')" 'cargo 1.97.1'
}

a_download_that_fails_is_one_line() {
    complete_machine
    rm "$BIN/cargo" "$BIN/rustc"
    stand_in curl 'exit 6'
    setup
    expect_status 1
    expect_one_error_line
    expect_output 'cannot be fetched; install Rust 1.95 or newer'
}

tests_get_rustfmt_and_clippy_where_they_are_missing() {
    complete_machine
    stand_in cargo 'case $1 in fmt | clippy) [ -e "$MACHINE/lints" ] ;; *) echo cargo 1.95.0 ;; esac'
    stand_in rustup 'note "$@"; touch "$MACHINE/lints"'
    setup
    expect_equal "$STATUS$(cat "$CALLS")" 0
    setup --for-tests
    expect_status 0
    expect_call 'rustup component add rustfmt clippy'
}

an_unknown_argument_is_a_usage_error() {
    complete_machine
    setup --frobnicate
    expect_status 2
    expect_one_error_line
}

versions_are_compared_as_numbers() {
    STATUS=0 OUTPUT=''
    # shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
    . "$PROJECT/scripts/lib.sh"
    version_at_least 1.100.0 1.95 || fail '1.100.0 is newer than 1.95'
    version_at_least 1.95 1.95.0 || fail '1.95 is 1.95.0'
    version_at_least 2 1.95 || fail '2 is newer than 1.95'
    ! version_at_least 1.94.9 1.95 || fail '1.94.9 is older than 1.95'
    ! version_at_least '' 1.0 || fail 'no version is never enough'
    expect_equal "$(first_version 'cmake version 3.25.1 (Debian)')" 3.25.1
}

while read -r name; do
    check "$name"
done < <(sed -n 's/^\([a-z_]*\)() {$/\1/p' "${BASH_SOURCE[0]}")
printf '%s tests of set-up passed, %s failed\n' "$passed" "$failures"
[ "$failures" -eq 0 ]
