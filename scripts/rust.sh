# shellcheck shell=bash
# set-up's part for Rust: whether it is new enough, and getting it with rustup. Needs lib.sh.
# Left out on purpose: changing a person's default toolchain, shell profile or the distribution's Rust.

wanted_rust() {
    sed -n 's/^rust-version *= *"\([0-9.]*\)".*/\1/p' "$ROOT/Cargo.toml"
}

# has_rust: whether cargo and rustc on PATH are new enough; asked in the project's folder, because rustup heeds it.
has_rust() {
    local cargo_says rustc_says
    has cargo && has rustc || return 1
    cargo_says=$(cd "$ROOT" && cargo --version 2>/dev/null) || return 1
    rustc_says=$(cd "$ROOT" && rustc --version 2>/dev/null) || return 1
    version_at_least "$(first_version "$cargo_says")" "$(wanted_rust)" &&
        version_at_least "$(first_version "$rustc_says")" "$(wanted_rust)"
}

# find_rust: looks past a PATH that names no Rust, or an old one first, and past rustup's default toolchain.
find_rust() {
    local bin="${CARGO_HOME:-$HOME/.cargo}/bin"
    has_rust && return 0
    [ ! -x "$bin/cargo" ] || PATH="$bin:$PATH"
    has_rust && return 0
    has rustup && RUSTUP_TOOLCHAIN=stable has_rust && export RUSTUP_TOOLCHAIN=stable
}

ensure_rust() {
    find_rust && return 0
    if has rustup; then
        # An older default toolchain is left as it is: .tools/env chooses `stable` for this project.
        say "setup: no Rust $(wanted_rust) or newer yet; rustup installs the stable toolchain"
        rustup toolchain install stable --profile minimal --component rustfmt --component clippy >&2 ||
            die "rustup could not install the stable toolchain (see above)"
    else
        install_rustup
    fi
    find_rust || die "this needs Rust $(wanted_rust) or newer, and 'rustc --version' says: $(rustc --version 2>&1 || true)"
}

# A Rust of the distribution that is too old stays; rustup's comes before it on the PATH of .tools/env.
install_rustup() {
    local url=https://sh.rustup.rs installer="$TOOLS/rustup-init.sh"
    say "setup: no Rust $(wanted_rust) or newer; installing it with rustup into ${CARGO_HOME:-$HOME/.cargo}"
    mkdir -p "$TOOLS"
    # To a file first, so that a cut connection never runs half an installer.
    if has curl; then
        curl --proto '=https' --tlsv1.2 -sSf -o "$installer" "$url"
    elif has wget; then
        wget -q -O "$installer" "$url"
    else
        die "no Rust, and neither curl nor wget to fetch it; install curl, or Rust $(wanted_rust) from https://rustup.rs"
    fi || die "$url cannot be fetched; install Rust $(wanted_rust) or newer from https://rustup.rs"
    RUSTUP_INIT_SKIP_PATH_CHECK=yes sh "$installer" -y -q --no-modify-path --profile minimal \
        --component rustfmt --component clippy >&2 || die "rustup's installer failed (see above)"
    rm -f "$installer"
}

ensure_lints() {
    (cd "$ROOT" && cargo fmt --version && cargo clippy --version) >/dev/null 2>&1 && return 0
    has rustup || die "cargo has no fmt or no clippy; install your system's packages of rustfmt and clippy"
    say "setup: adding rustfmt and clippy"
    (cd "$ROOT" && rustup component add rustfmt clippy) >&2 || die "rustup could not add rustfmt and clippy (see above)"
}
