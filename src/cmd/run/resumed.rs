//! `sweetspot run --resume DIR`: the arguments of the run that is gone on with, and whether it still is the same run.

use std::path::Path;

use anyhow::Context;

use super::args::Args;
use crate::cli::{self, Command};
use crate::exit_code::UsageError;
use crate::lab::outcome::Outcome;
use crate::lab::resume::Earlier;
use crate::lab::run_file::RunFile;

/// So many differences are shown; more would hide the first ones.
const SHOWN: usize = 12;

/// The arguments to run with, and the run that is gone on with. `--resume DIR` alone takes the command line that the run was
/// begun with, from the folder that it was begun in.
///
/// # Errors
/// A [`UsageError`] when the folder is no run's, or its command line cannot be used any more.
pub(super) fn arguments(args: Args) -> anyhow::Result<(Args, Option<Earlier>)> {
    let Some(folder) = args.resume.clone() else { return Ok((args, None)) };
    let earlier = Earlier::read(&folder)?;
    for warning in &earlier.warnings {
        crate::say!("sweetspot: {warning}");
    }
    let folder = folder.canonicalize().with_context(|| format!("{}: cannot be found", folder.display()))?;
    if !args.is_resume_alone() {
        let has_models = stored(&earlier, &folder).is_ok_and(|stored| !stored.all_models().is_empty());
        if args.all_models().is_empty() && has_models {
            return Err(UsageError::new(format!(
                "--resume with other flags: give the run's models again, too (it was begun with: sweetspot {})",
                earlier.run.arguments.join(" ")
            )));
        }
        return Ok((args, Some(earlier)));
    }
    let mut stored = stored(&earlier, &folder)?;
    stored.is_stored = true;
    if let Some(working) = &earlier.run.working_folder {
        std::env::set_current_dir(working).map_err(|error| {
            UsageError::new(format!(
                "--resume: the run was begun in {}, which cannot be entered ({error}); give its models and flags again",
                working.display()
            ))
        })?;
    }
    (stored.resume, stored.accept_changes, stored.out) = (Some(folder), args.accept_changes, None);
    Ok((stored, Some(earlier)))
}

/// The run's own command line.
fn stored(earlier: &Earlier, folder: &Path) -> anyhow::Result<Args> {
    let words = std::iter::once("sweetspot").chain(earlier.run.arguments.iter().map(String::as_str));
    match cli::parse(words.map(Into::into)) {
        Ok(cli) => match cli.command {
            Command::Run(args) => Ok(args),
            _ => {
                Err(UsageError::new(format!("--resume {}: it is not the folder of `sweetspot run`", folder.display())))
            }
        },
        Err(error) => Err(UsageError::new(format!(
            "--resume {}: its command line is not understood any more; give its models and flags again: {}",
            folder.display(),
            error.to_string().lines().next().unwrap_or_default()
        ))),
    }
}

/// Says what differs, and refuses unless it is accepted.
///
/// # Errors
/// A [`UsageError`] with what differs.
pub(super) fn check(earlier: &Earlier, now: &RunFile, accept: bool) -> anyhow::Result<()> {
    let differences = earlier.differences(now);
    for difference in differences.iter().take(SHOWN) {
        crate::say!("differs: {difference}");
    }
    if differences.len() > SHOWN {
        crate::say!("and {} more", differences.len() - SHOWN);
    }
    if !differences.is_empty() && !accept {
        return Err(UsageError::new(
            "--resume: it is not the run that was begun (see above); restore what differs, go on all the same with \
             --accept-changes, or begin a new run",
        ));
    }
    let is_planned = |outcome: &&Outcome| now.plan.iter().any(|planned| planned.cell.is(&outcome.cell));
    let (done, all) = (earlier.finished().filter(is_planned).count(), now.plan.len());
    crate::say!("going on: {done} of {all} cells are done");
    Ok(())
}
