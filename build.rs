//! Builds the C++ shim against the llama.cpp that the bindings crate compiled, and embeds what the reports tell about this
//! build: git revision, llama.cpp revision, CPU features. Fails with one line when shim and bindings do not belong together.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

fn main() {
    if let Err(message) = build() {
        println!("cargo::error={message}");
    }
}

fn build() -> Result<(), String> {
    println!("cargo::rerun-if-changed=vendor/llama-shim");
    println!("cargo::rerun-if-changed=build.rs");
    // all that makes a checkout differ from its commit: else a changed program would claim the clean revision
    for source in ["src", "prompts", "models.toml", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={source}");
    }
    let pin = Pin::read(Path::new("vendor/llama-shim/pin.txt"))?;
    let bindings_out = PathBuf::from(env("DEP_LLAMA_ROOT").map_err(|_| {
        "llama-cpp-sys-2 does not say where it built llama.cpp (DEP_LLAMA_ROOT); the shim needs version ".to_owned()
            + &pin.crate_version
    })?);
    let cache = CmakeCache::read(&bindings_out)?;
    let source = cache.get("CMAKE_HOME_DIRECTORY").ok_or("llama.cpp's CMakeCache.txt names no source folder")?;
    let source = Path::new(source);
    pin.check(source)?;
    build_shim(source);
    embed(&pin, source, &cache);
    Ok(())
}

/// What `vendor/llama-shim/pin.txt` says the shim was written for.
struct Pin {
    crate_version: String,
    llama_cpp_rs_revision: String,
    llama_ext_sha256: String,
}

impl Pin {
    fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let value = |key: &str| {
            text.lines()
                .filter_map(|line| line.split_once('='))
                .find(|(k, _)| k.trim() == key)
                .map(|(_, v)| v.trim().to_owned())
                .ok_or_else(|| format!("{}: no line '{key} = …'", path.display()))
        };
        Ok(Self {
            crate_version: value("crate_version")?,
            llama_cpp_rs_revision: value("llama_cpp_rs_revision")?,
            llama_ext_sha256: value("llama_ext_sha256")?,
        })
    }

    fn check(&self, source: &Path) -> Result<(), String> {
        let header = source.join("src/llama-ext.h");
        let text = std::fs::read(&header).map_err(|e| format!("{}: {e}", header.display()))?;
        let found = hex(&Sha256::digest(&text));
        let folder = source.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        // a registry's folder is named by the version; a path or git dependency is known by its header alone
        let version = folder.strip_prefix("llama-cpp-sys-2-").unwrap_or(&self.crate_version);
        if found == self.llama_ext_sha256 && version == self.crate_version {
            return Ok(());
        }
        let pinned = &self.crate_version;
        Err(format!(
            "the llama.cpp shim was written for llama-cpp-sys-2 {pinned} (llama-ext.h {}…), this is {version} \
             (llama-ext.h {}…): pin {pinned} in Cargo.toml, or adapt vendor/llama-shim as its pin.txt says",
            start(&self.llama_ext_sha256),
            start(&found),
        ))
    }
}

struct CmakeCache(String);

impl CmakeCache {
    fn read(out: &Path) -> Result<Self, String> {
        let path = out.join("build/CMakeCache.txt");
        std::fs::read_to_string(&path).map(Self).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            (name.split(':').next() == Some(key)).then_some(value)
        })
    }
}

fn build_shim(source: &Path) {
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("vendor/llama-shim/shim.cpp")
        .include("vendor/llama-shim")
        .include(source.join("include"))
        .include(source.join("src"))
        .include(source.join("ggml/include"))
        .warnings(false)
        .compile("sweetspot_llama_shim");
}

fn embed(pin: &Pin, source: &Path, cache: &CmakeCache) {
    let version = llama_version(source).unwrap_or_else(|| "unknown".to_owned());
    let revision = start(&pin.llama_cpp_rs_revision);
    set("SWEETSPOT_LLAMA_CPP", &format!("{version} (llama-cpp-sys-2 {}, llama-cpp-rs {revision})", pin.crate_version));
    set("SWEETSPOT_GIT_REVISION", &git_revision().unwrap_or_else(|| "unknown".to_owned()));
    set("SWEETSPOT_TARGET_FEATURES", &env("CARGO_CFG_TARGET_FEATURE").unwrap_or_default());
    set("SWEETSPOT_GGML_NATIVE", cache.get("GGML_NATIVE").unwrap_or("OFF"));
    set("SWEETSPOT_GGML_BUILD_TYPE", cache.get("CMAKE_BUILD_TYPE").unwrap_or("unknown"));
    set("SWEETSPOT_PROFILE", &env("PROFILE").unwrap_or_default());
    set("SWEETSPOT_TARGET", &env("TARGET").unwrap_or_default());
}

/// llama.cpp's own version number, from the three `set(LLAMA_VERSION_…)` lines of its CMakeLists.txt.
fn llama_version(source: &Path) -> Option<String> {
    let text = std::fs::read_to_string(source.join("CMakeLists.txt")).ok()?;
    let part = |name: &str| {
        let start = text.find(&format!("set(LLAMA_VERSION_{name} "))?;
        text[start..].split([' ', ')']).nth(1).map(str::to_owned)
    };
    Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
}

/// The commit that is checked out, with `-dirty` where tracked files differ from it; none outside a git checkout.
fn git_revision() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let dir = git(&["rev-parse", "--git-dir"])?;
    for file in ["HEAD", "logs/HEAD", "index"] {
        let path = Path::new(&dir).join(file);
        if path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    let revision = git(&["rev-parse", "--short=12", "HEAD"])?;
    let clean = git(&["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { revision } else { format!("{revision}-dirty") })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

/// Enough of a hash to tell it from others.
fn start(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn env(name: &str) -> Result<String, std::env::VarError> {
    std::env::var(name)
}

fn set(name: &str, value: &str) {
    println!("cargo::rustc-env={name}={value}");
}
