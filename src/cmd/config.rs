//! `sweetspot config`: the configuration that is in force, as a file that can be read back; and whether a file is right.

use std::path::{Path, PathBuf};

use super::{out, questions};
use crate::exit_code::{Exit, UsageError};
use crate::plan::config::Config;

/// Arguments of `sweetspot config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Read this file [default: ./sweetspot.toml, else sweetspot/sweetspot.toml in `$XDG_CONFIG_HOME` or ~/.config].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the built-in defaults, whatever files there are.
    #[arg(long, conflicts_with = "config")]
    defaults: bool,
    /// Only say whether a file is right, or all that is wrong with it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "defaults"])]
    check: Option<PathBuf>,
}

const NO_FILE: &str = "there is no configuration file: these are the defaults";

/// Runs the command.
///
/// # Errors
/// A [`UsageError`] for a file that cannot be read or is no configuration.
#[allow(clippy::needless_pass_by_value)] // every command has the same signature
pub fn run(args: Args) -> anyhow::Result<Exit> {
    if let Some(file) = &args.check {
        return check(file);
    }
    let config = if args.defaults {
        Config::default()
    } else {
        let (file, config) = questions::find_configuration(args.config.as_deref())?;
        crate::say!("{}", file.map_or_else(|| NO_FILE.to_owned(), |file| format!("read {}", file.display())));
        config
    };
    out::print(&format!(
        "# sweetspot's configuration. A file may leave out any key; `sweetspot config --check FILE` checks it.\n\n{}",
        config.to_toml()
    ))?;
    Ok(Exit::Success)
}

fn check(file: &Path) -> anyhow::Result<Exit> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| UsageError::new(format!("{shown}: {error}")))?;
    let Err(problems) = Config::parse_all(&text) else {
        out::print(&format!("{shown}: OK\n"))?;
        return Ok(Exit::Success);
    };
    for problem in &problems {
        crate::say!("{shown}: {problem}");
    }
    let things = if problems.len() == 1 { "1 thing is".to_owned() } else { format!("{} things are", problems.len()) };
    Err(UsageError::new(format!("{shown}: {things} wrong")))
}
