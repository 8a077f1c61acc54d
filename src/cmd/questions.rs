//! What `run` and `quality` ask and how, read from the files that their arguments name.

use std::path::{Path, PathBuf};

use crate::exit_code::UsageError;
use crate::plan::catalog::Catalog;
use crate::plan::config::{Config, SetName};
use crate::plan::questions::QuestionSource;
use crate::profiles::divergence;
use crate::profiles::quality::prompts::{PromptSet, file};

/// The prompts: a set's name and files. What is wrong with a file's prompt is a line on stderr, and its others are asked.
///
/// # Errors
/// A [`UsageError`] for a file without a prompt that can be asked.
pub(super) fn source(name: Option<SetName>, files: &[PathBuf]) -> anyhow::Result<QuestionSource> {
    let mut all: Option<PromptSet> = None;
    for path in files {
        let loaded = file::load(path).map_err(|error| UsageError::new(error.to_string()))?;
        for fault in &loaded.faults {
            let line = fault.line.map(|line| format!(":{line}")).unwrap_or_default();
            crate::say!("sweetspot: {}{line}: left out: {fault}", path.display());
        }
        all = Some(match all {
            Some(before) => before.extended_by(loaded.set),
            None => loaded.set,
        });
    }
    Ok(QuestionSource { name, files: all })
}

/// The configuration: of the named file, else of `./sweetspot.toml`, else of the person's own folder, else the defaults. A
/// file that nobody named is told on stderr, since it changes results.
///
/// # Errors
/// A [`UsageError`] for a file that is not there or no configuration.
pub(super) fn configuration(path: Option<&Path>) -> anyhow::Result<Config> {
    let (file, config) = find_configuration(path)?;
    if let Some(file) = file.filter(|_| path.is_none()) {
        crate::say!("configuration: {}", file.display());
    }
    Ok(config)
}

/// The configuration as [`configuration`] finds it, and the file that it was read from.
///
/// # Errors
/// A [`UsageError`] for a file that is not there or no configuration.
pub(super) fn find_configuration(path: Option<&Path>) -> anyhow::Result<(Option<PathBuf>, Config)> {
    if let Some(path) = path {
        let what = format!("--config {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| UsageError::new(format!("{what}: {error}")))?;
        return Ok((Some(path.to_owned()), read(&text, path, &what)?));
    }
    for file in usual_files() {
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let config = read(&text, &file, &file.display().to_string())?;
                return Ok((Some(file), config));
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(UsageError::new(format!("{}: {error}", file.display()))),
        }
    }
    Ok((None, Config::default()))
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Where a configuration is looked for that nobody named, in this order.
fn usual_files() -> Vec<PathBuf> {
    const NAME: &str = "sweetspot.toml";
    let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let own = variable("XDG_CONFIG_HOME").or_else(|| if cfg!(windows) { variable("APPDATA") } else { None });
    let own = own.or_else(|| std::env::home_dir().map(|home| home.join(".config")));
    let own = own.map(|folder| folder.join("sweetspot").join(NAME));
    [Some(PathBuf::from(NAME)), own].into_iter().flatten().collect()
}

/// Reads a configuration's text; `what` names it in errors.
fn read(text: &str, file: &Path, what: &str) -> anyhow::Result<Config> {
    let mut config = Config::parse(text).map_err(|why| UsageError::new(format!("{what}: {why}")))?;
    // a relative path in a file is relative to the file
    if let Some(folder) = file.parent() {
        let files = config.interactive.prompts.iter_mut().chain(&mut config.quality.prompts);
        files.chain(&mut config.quality.divergence_text).for_each(|file| *file = folder.join(&*file));
    }
    Ok(config)
}

/// Name and contents of the text for divergence; `what` names it in errors.
///
/// # Errors
/// A [`UsageError`] for a file that is not there or no text.
pub(super) fn text(what: &str, path: Option<&Path>) -> anyhow::Result<(String, String)> {
    let Some(path) = path else { return Ok((divergence::text::NAME.into(), divergence::text::BUILT_IN.into())) };
    let wrong = |why: String| UsageError::new(format!("{what} {}: {why}", path.display()));
    let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|e| wrong(format!("not UTF-8 from byte {} on; give a plain text", e.utf8_error().valid_up_to())))?;
    Ok((path.display().to_string(), text))
}

/// The catalogue: the built-in one, extended and overridden by files.
///
/// # Errors
/// A [`UsageError`] for a file that is not there or no catalogue.
pub(super) fn catalog(files: &[PathBuf]) -> anyhow::Result<Catalog> {
    let mut catalog = Catalog::built_in().clone();
    for path in files {
        let wrong = |why: String| UsageError::new(format!("--models {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
        catalog = catalog.with_file(&path.display().to_string(), &text).map_err(wrong)?;
    }
    Ok(catalog)
}
