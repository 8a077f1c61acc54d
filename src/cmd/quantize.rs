//! `sweetspot quantize`: quantizations of a model, and the cache that they stay in.
//!
//! Paths go to stdout, one a line, so that a script can take them; the table and the progress to stderr.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use super::{interrupt, out};
use crate::engine::quantize::Quant;
use crate::exit_code::{Exit, Interrupted, UsageError};
use crate::quants::make::Settings;
use crate::quants::store::Kept;
use crate::quants::{self, Base, Importance, Made, Options, Request, Store, demo, export, folder};
use crate::stats::gigabytes;

/// Arguments of `sweetspot quantize`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The files stay in the cache and are made once: `--list` shows them, `--clear` removes them. \
                        The folder is $SWEETSPOT_CACHE, else sweetspot in the system's folder for caches.")]
#[allow(clippy::struct_excessive_bools)] // each is a flag of its own
pub struct Args {
    /// The F16, BF16 or F32 file to quantize (any part of a split one), or `demo`.
    #[arg(required_unless_present_any = ["list", "clear"])]
    base: Option<PathBuf>,
    /// Quantizations, such as `Q4_K_M Q8_0`.
    #[arg(value_name = "QUANT", value_delimiter = ',', required_unless_present_any = ["list", "clear"])]
    quants: Vec<Quant>,
    /// Importance matrix from llama-imatrix: GGUF, or the older .dat.
    #[arg(long, value_name = "FILE")]
    imatrix: Option<PathBuf>,
    /// One type for all tensors instead of llama.cpp's mix.
    #[arg(long)]
    pure: bool,
    /// Quantize a file that is quantized already. It loses more than quantizing the original.
    #[arg(long)]
    allow_requantize: bool,
    /// Put the files into this folder, too: hard links where it is on the same disk, else copies.
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads that compute, all quantizations together [default: one a physical core].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    threads: Option<u32>,
    /// The most that the cache keeps, in GB (10^9 bytes): what was not used for longest goes first [default:
    /// $`SWEETSPOT_CACHE_LIMIT_GB`, else 50].
    #[arg(long, value_name = "N")]
    cache_limit_gb: Option<f64>,
    /// List what is in the cache.
    #[arg(long, conflicts_with_all = ["base", "clear", "out"])]
    list: bool,
    /// Remove from the cache what was made of BASE; without BASE everything.
    #[arg(long, conflicts_with_all = ["quants", "out"])]
    clear: bool,
}

/// Runs the command.
///
/// # Errors
/// A [`UsageError`] for a base, a matrix or arguments that are not right. A quantization that cannot be made is a line on
/// stderr, and the others go on.
#[allow(clippy::needless_pass_by_value)] // every command has the same signature
pub fn run(args: Args) -> anyhow::Result<Exit> {
    let cache = folder::cache()?;
    let store = Store::open(&cache, args.cache_limit_gb)?;
    if args.list {
        return list(&store);
    }
    let base = args.base.as_deref().map(|path| open_base(path, &cache));
    if args.clear {
        return clear(&store, args.base.as_deref(), base.transpose()?.as_ref());
    }
    let base = Rc::new(base.context("no file to quantize was named")??);
    let requests = requests(&args, &base, &cache)?;
    let settings = Settings { threads: args.threads.unwrap_or_else(crate::machine::default_threads), program: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("tokio cannot start")?;
    let results = runtime.block_on(async {
        let cancel = interrupt::watch_saying("stopping (once more to end at once)");
        quants::make(&requests, &store, &settings, cancel).await
    });
    tell(&requests, results, args.out.as_deref())
}

fn open_base(path: &Path, cache: &Path) -> anyhow::Result<Base> {
    match demo::named(path)? {
        Some(None) => demo::base(),
        Some(Some(_)) => {
            Err(UsageError::new(format!("{}: name the base alone: {} QUANT…", path.display(), demo::NAME)))
        }
        None => Base::open(path, cache),
    }
}

fn requests(args: &Args, base: &Rc<Base>, cache: &Path) -> anyhow::Result<Vec<Request>> {
    let imatrix = args.imatrix.as_deref().map(|path| Importance::open(path, base, cache)).transpose()?;
    let options = Options { pure: args.pure, allow_requantize: args.allow_requantize, imatrix };
    let mut requests: Vec<Request> = Vec::new();
    for &quant in &args.quants {
        if requests.iter().all(|r| r.quant != quant) {
            requests.push(Request { base: Rc::clone(base), quant, options: options.clone() });
        }
    }
    // what is wrong with the base is wrong for all: one line, and a usage error
    if base.is_quantized()
        && !args.allow_requantize
        && let Some(reason) = requests.first().and_then(Request::refusal)
    {
        return Err(UsageError::new(reason));
    }
    Ok(requests)
}

/// Paths to stdout, what went wrong and a table to stderr.
fn tell(requests: &[Request], results: Vec<anyhow::Result<Made>>, out: Option<&Path>) -> anyhow::Result<Exit> {
    let mut table = table(&["Model", "Quant", "Size GB", "Bits/weight", "Seconds"]);
    let (mut paths, mut unmade) = (Vec::new(), Vec::new());
    for (request, result) in requests.iter().zip(results) {
        let placed = result.and_then(|made| match out {
            Some(folder) => Ok((export::into_folder(&made.path, folder, &request.file_name())?, made)),
            None => Ok((made.path.clone(), made)),
        });
        match placed {
            Ok((path, made)) => {
                paths.push(format!("{}\n", path.display()));
                table.add_row(row(request, &made));
            }
            Err(error) if error.is::<Interrupted>() => unmade.push(request.quant.name()),
            Err(error) => {
                let error = format!("{error:#}");
                let quant = request.quant.name();
                let about = if error.contains(quant) { String::new() } else { format!("{quant}: ") };
                crate::say!("sweetspot: {about}{error}");
            }
        }
    }
    if !paths.is_empty() {
        crate::say!("{table}");
        out::print(&paths.concat())?;
    }
    if !unmade.is_empty() {
        crate::say!("sweetspot: interrupted; not made: {}", unmade.join(", "));
    }
    Ok(match (!unmade.is_empty(), paths.is_empty()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Nothing,
        (false, false) => Exit::Success,
    })
}

fn row(request: &Request, made: &Made) -> Vec<String> {
    let seconds = match made.seconds {
        Some(seconds) => format!("{seconds:.1}"),
        None if request.is_base() => "is the base".to_owned(),
        None => "was there".to_owned(),
    };
    let (size, bits) = (size(made.size_bytes), format!("{:.2}", made.bits_per_weight));
    vec![request.model_name(), request.quant.name().to_owned(), size, bits, seconds]
}

fn list(store: &Store) -> anyhow::Result<Exit> {
    let kept = store.list();
    let mut table = table(&["Base", "Quant", "Size GB", "Bits/weight", "Last used", "File"]);
    for kept in &kept {
        let Kept { path, entry, .. } = kept;
        let how = match (entry.pure, &entry.imatrix_sha256) {
            (false, None) => entry.quant.name().to_owned(),
            (true, None) => format!("{} pure", entry.quant),
            (false, Some(_)) => format!("{} imatrix", entry.quant),
            (true, Some(_)) => format!("{} pure imatrix", entry.quant),
        };
        let bits = format!("{:.2}", entry.bits_per_weight);
        table.add_row(vec![
            entry.base.clone(),
            how,
            size(entry.stamp.size_bytes),
            bits,
            when(kept),
            path.display().to_string(),
        ]);
    }
    let total = kept.iter().map(|k| k.entry.stamp.size_bytes).sum();
    let (total, limit) = (size(total), gigabytes(store.limit_bytes()));
    let text = if kept.is_empty() { String::new() } else { format!("{table}\n") };
    out::print(&format!("{text}{}: {} files, {total} GB of at most {limit} GB\n", store.root().display(), kept.len()))?;
    Ok(Exit::Success)
}

fn clear(store: &Store, named: Option<&Path>, base: Option<&Base>) -> anyhow::Result<Exit> {
    let (mut removed, mut bytes) = (0, 0);
    for kept in store.list().iter().filter(|k| base.is_none_or(|base| base.sha256 == k.entry.base_sha256)) {
        if store.remove(kept)? {
            removed += 1;
            bytes += kept.entry.stamp.size_bytes;
        } else {
            crate::say!("sweetspot: {}: in use, left as it is", kept.path.display());
        }
    }
    store.sweep();
    let of = named.map(|path| format!(" of {}", path.display())).unwrap_or_default();
    out::print(&format!("{removed} files{of} removed, {} GB\n", size(bytes)))?;
    Ok(Exit::Success)
}

/// Without a width of its own: a path is copied from here, and must not be broken.
fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header.iter().copied());
    for (index, name) in header.iter().enumerate() {
        if ["Size GB", "Bits/weight", "Seconds"].contains(name)
            && let Some(column) = table.column_mut(index)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn size(bytes: u64) -> String {
    let gb = gigabytes(bytes);
    if gb < 1.0 { format!("{gb:.4}") } else { format!("{gb:.2}") }
}

fn when(kept: &Kept) -> String {
    jiff::Timestamp::try_from(kept.last_used).map_or_else(
        |_| "unknown".to_owned(),
        |at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
    )
}
