//! `sweetspot models fetch`: models from the hub into the cache. Paths go to stdout, one a line; progress to stderr.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::entry;
use crate::cmd::{interrupt, out};
use crate::engine::quantize::Quant;
use crate::exit_code::{Exit, Interrupted, UsageError};
use crate::hub::console::{Console, bytes};
use crate::hub::{Fetched, Hub, HubError, Ledger, Remote, Wish, ledger};
use crate::lab::wishes::Names;

/// Arguments of `sweetspot models fetch`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Files go to Hugging Face's cache ($HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub); those that \
                        are there, or in llama.cpp's, are not fetched again. A broken download goes on where it ended."
)]
pub struct Args {
    /// Models: a name of the catalogue (`qwen2.5-1.5b-instruct:Q4_K_M`), `user/repo`, or `user/repo:Q4_K_M`.
    #[arg(value_name = "WISH", required = true)]
    wishes: Vec<String>,
    /// Quantizations of those that name none, such as `Q4_K_M,Q8_0` [default: `Q4_K_M`, as llama.cpp].
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    quants: Vec<String>,
    /// A catalogue of your own (TOML) over the built-in one.
    #[arg(long, value_name = "FILE")]
    models: Option<PathBuf>,
    /// Ask nobody: only what is here already.
    #[arg(long)]
    offline: bool,
}

/// Runs the command.
///
/// # Errors
/// A [`UsageError`] for a name that is not right; of one model what went wrong. Of several models each that does not come is a
/// line on stderr, and the others go on.
#[allow(clippy::needless_pass_by_value)] // the signature of all commands
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let wishes = all_wishes(&args)?;
    let stop = interrupt::flag("stopping; what came is kept (once more to end at once)")?;
    let hub = Hub::from_env(args.offline).map_err(report)?.stopped_by(Arc::clone(&stop));
    let mut exit = Exit::Success;
    for wish in &wishes {
        match bring(&hub, wish, &stop) {
            Ok(path) => out::print(&format!("{}\n", path.display()))?,
            Err(error) if wishes.len() == 1 || matches!(error, HubError::Stopped { .. }) => return Err(report(error)),
            Err(error) => {
                crate::say!("sweetspot: {error}");
                exit = Exit::Nothing;
            }
        }
    }
    Ok(exit)
}

fn all_wishes(args: &Args) -> anyhow::Result<Vec<Wish>> {
    let catalog = entry::catalog(args.models.as_deref())?;
    let names = Names { catalog: &catalog, quants: &[], usual: &[Quant::Q4KM] };
    let mut all: Vec<Wish> = Vec::new();
    for text in &args.wishes {
        let texts = if args.quants.is_empty() || text.contains(':') {
            vec![text.clone()]
        } else {
            args.quants.iter().map(|quant| format!("{text}:{quant}")).collect()
        };
        for text in texts {
            all.extend(names.find(&text)?.into_iter().map(|named| named.wish));
        }
    }
    Ok(all)
}

/// What the person can put right is a usage error; a wish to stop is an interruption.
pub(in crate::cmd) fn report(error: HubError) -> anyhow::Error {
    match error {
        HubError::Stopped { .. } => anyhow::Error::new(Interrupted).context(error.to_string()),
        _ if error.is_usage() => UsageError::new(error.to_string()),
        _ => error.into(),
    }
}

/// The file to load; without a hub, one that is here does.
pub(in crate::cmd) fn bring(hub: &Hub, wish: &Wish, stop: &AtomicBool) -> Result<PathBuf, HubError> {
    let remote = match hub.resolve(wish) {
        Ok(remote) => remote,
        Err(error) => {
            let is_absent = error.is_absence_of_the_hub() || matches!(error, HubError::Offline { .. });
            let here = if is_absent { hub.locate_wish(wish) } else { None };
            let Some((path, remote)) = here else { return Err(error) };
            crate::say!("{remote}: here already; the hub was not asked whether there is a newer one");
            return Ok(path);
        }
    };
    if let Some(path) = hub.locate(&remote) {
        crate::say!("{remote}: here already");
        return Ok(path);
    }
    let mut console = Console::begin(&remote.to_string(), hub.missing_bytes(&remote));
    let fetched = hub.fetch(&remote, stop, &mut |transfer| console.show(&transfer));
    console.finish();
    let fetched = fetched?;
    say_how(&remote, &fetched);
    remember(&remote, &fetched);
    Ok(fetched.path)
}

fn say_how(remote: &Remote, fetched: &Fetched) {
    let (came, all) = (bytes(fetched.downloaded_bytes), bytes(remote.size_bytes()));
    let verified = if fetched.unhashed.is_empty() { "size and SHA-256 are" } else { "its size is" };
    crate::say!("{remote}: {all}, of which {came} came now; {verified} as the hub states");
    for name in &fetched.unhashed {
        crate::say!("{name}: the hub states no SHA-256 of it: its size is right and its header says that it is whole");
    }
}

/// The ledger is a convenience: a download that it does not remember is a download all the same.
fn remember(remote: &Remote, fetched: &Fetched) {
    let entry = ledger::Entry::downloaded(remote, Path::new(&fetched.path));
    let recorded = Ledger::open().and_then(|ledger| ledger.record_download(entry, jiff::Timestamp::now()));
    if let Err(error) = recorded {
        crate::say!("sweetspot: the download is not remembered: {error:#}");
    }
}
