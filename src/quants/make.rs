//! Several quantizations at once, as memory and cores allow.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use tokio::sync::{Semaphore, watch};

use super::console::Console;
use super::job::{Held, Shop};
use super::lock::Lock;
use super::request::Request;
use super::share::share;
use super::store::Store;
use crate::engine::quantize::working_bytes;
use crate::exit_code::Interrupted;
use crate::stats::{float, gigabytes};

/// What a worker takes besides its buffers: the program and llama.cpp, a few threads' stacks.
const PROCESS_BYTES: u64 = 64 << 20;

/// Files in use stay in the cache until this process ends.
static IN_USE: Mutex<Vec<Lock>> = Mutex::new(Vec::new());

/// A quantization that is there.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// The file; it is not removed from the cache while this process runs.
    pub path: PathBuf,
    /// Its length.
    pub size_bytes: u64,
    /// Bits of its tensors for each number in them.
    pub bits_per_weight: f64,
    /// How long it took to make; none: it was there.
    pub seconds: Option<f64>,
}

/// Who computes where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Threads that compute, all quantizations together.
    pub threads: u32,
    /// The program to run as a worker; none: this one.
    pub program: Option<PathBuf>,
}

/// Makes what is not in the cache yet; one result for each request, in their order. `cancel` becoming true ends those that
/// are not done with [`Interrupted`].
pub async fn make(
    requests: &[Request],
    store: &Store,
    settings: &Settings,
    cancel: watch::Receiver<bool>,
) -> Vec<anyhow::Result<Made>> {
    let console = Console::new();
    let open: Vec<_> = requests.iter().filter(|r| !r.is_base() && r.refusal().is_none()).collect();
    let need = open.iter().map(|r| need_bytes(r)).max().unwrap_or(0);
    let free = crate::machine::memory::available_bytes();
    let share = match share(open.len(), settings.threads, need, free) {
        Ok(share) => share,
        Err(there) => {
            let too_little = |request: &Request| {
                let (base, need) = (request.base.path.display(), gigabytes(need_bytes(request)));
                anyhow::anyhow!(
                    "{base}: quantizing it takes {need:.2} GB of memory, {:.2} GB are free",
                    gigabytes(there)
                )
            };
            return requests
                .iter()
                .map(|request| settled(request).unwrap_or_else(|| Err(too_little(request))))
                .collect();
        }
    };
    let shop = Shop { store, console: &console, threads: share.threads, program: settings.program.clone() };
    let (seats, shop) = (Semaphore::new(share.at_once), &shop);
    let jobs = requests.iter().map(|request| {
        let (cancel, seats) = (cancel.clone(), &seats);
        async move {
            if let Some(settled) = settled(request) {
                return settled;
            }
            let _seat = seats.acquire().await; // never closed
            if *cancel.borrow() {
                bail!(Interrupted);
            }
            shop.serve(request, cancel).await.map(made)
        }
    });
    join_all(jobs.collect()).await
}

/// As [`make`] of one request, from where no runtime is and none may be: on a thread of its own. Ctrl-C ends it.
///
/// # Errors
/// As [`make`]'s.
pub fn make_and_wait(request: &Request, store: &Store, settings: &Settings) -> anyhow::Result<Made> {
    let (path, how) = (request.base.path.clone(), (request.quant, request.options.clone()));
    let base = (*request.base).clone();
    // On a thread, since the caller may be inside a runtime; Linux kills the worker when this thread ends, not before.
    let made = std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let request = Request { base: Rc::new(base), quant: how.0, options: how.1 };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let cancel = crate::interrupt::watch_saying("stopping");
                make(&[request], store, settings, cancel).await.pop().context("nothing was made")?
            })
        });
        thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the program panicked")))
    });
    made.with_context(|| format!("{}: {} cannot be made of it", path.display(), request.quant))
}

/// What needs no work: the base itself, and what is refused.
fn settled(request: &Request) -> Option<anyhow::Result<Made>> {
    if request.is_base() {
        let (path, size_bytes) = (request.base.path.clone(), request.base.size_bytes());
        let bytes: u64 = request.base.tensors().iter().filter_map(|(_, dims, kind)| kind.tensor_bytes(dims)).sum();
        let bits_per_weight = 8.0 * float(bytes) / float(request.base.n_params().max(1));
        return Some(Ok(Made { path, size_bytes, bits_per_weight, seconds: None }));
    }
    request.refusal().map(|reason| Err(anyhow::anyhow!(reason)))
}

fn need_bytes(request: &Request) -> u64 {
    // the matrix once as it was read, once as llama.cpp copies it
    let imatrix = request.options.imatrix.as_ref().map_or(0, |i| 2 * i.bytes);
    working_bytes(&request.base.tensors(), request.quant) + imatrix + PROCESS_BYTES
}

fn made(held: Held) -> Made {
    let Held { kept, seconds, lock } = held;
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
    Made {
        path: kept.path,
        size_bytes: kept.entry.stamp.size_bytes,
        bits_per_weight: kept.entry.bits_per_weight,
        seconds,
    }
}

/// Polls all of them on this thread, which is the workers' parent, until all are done.
async fn join_all<T>(jobs: Vec<impl Future<Output = T>>) -> Vec<T> {
    let results: Vec<RefCell<Option<T>>> = jobs.iter().map(|_| RefCell::new(None)).collect();
    let mut running: Vec<_> = jobs.into_iter().map(Box::pin).zip(&results).map(Some).collect();
    std::future::poll_fn(|context| {
        for slot in &mut running {
            let Some((job, result)) = slot else { continue };
            if let std::task::Poll::Ready(value) = job.as_mut().poll(context) {
                result.replace(Some(value));
                *slot = None;
            }
        }
        if running.iter().all(Option::is_none) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    results.into_iter().filter_map(RefCell::into_inner).collect()
}
