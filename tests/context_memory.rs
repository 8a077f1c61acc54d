//! llama.cpp's own count of a context against what the context really takes of a process's memory, for every kind of model and
//! three types of the KV cache. It is on this that predictions rest.
//!
//! The count knows the buffers. What llama.cpp keeps beside them (graphs, records of cells) a context that is only counted
//! takes, too, so that its growth is seen there; what a computation takes for itself is seen in the smallest context.
#![cfg(target_os = "linux")]

mod context_support;

use std::cell::Cell;

use context_support::process::{alone, anonymous, data};
use context_support::shapes;
use sweetspot::engine::pages::steady_allocator;
use sweetspot::engine::{AbortHandle, ContextParams, EngineError, KvType, MemoryBreakdown, Model, Session};
use sweetspot::probe::context_limit::{KvPair, formula};

/// Types of the KV cache, each with a context in which it takes some 500 MB.
const TYPES: [(KvType, u32); 3] = [(KvType::F16, 16_384), (KvType::Q8_0, 32_768), (KvType::Q4_0, 65_536)];

/// Tokens that are computed at once: two such batches fill the context that is filled.
const BATCH: u32 = 256;

/// What the C library adds to the mappings of buffers, pages that were half used, and holes of the heap that one run finds
/// where another does not (addresses differ from run to run, and with them what fits where).
const ROUNDING_BYTES: u64 = 256 << 10;

fn params(n_ctx: u32, kv: KvType) -> ContextParams {
    ContextParams { type_k: kv, type_v: kv, n_batch: BATCH, n_ubatch: BATCH, ..ContextParams::new(n_ctx, 1) }
}

#[allow(clippy::cast_precision_loss)] // far below 2^53
fn percent(bytes: u64, of: u64) -> f64 {
    (bytes as f64 / of as f64 - 1.0) * 100.0
}

/// Growth of this process's memory: private, and the resident part of it.
struct Grown {
    data: u64,
    resident: u64,
}

struct Since(u64, u64);

impl Since {
    fn now() -> Self {
        Self(data(), anonymous())
    }

    fn grown(&self) -> Grown {
        Grown { data: data().saturating_sub(self.0), resident: anonymous().saturating_sub(self.1) }
    }
}

/// A model twice: only counted, and real.
struct Pair {
    kind: &'static str,
    planned: Box<dyn Model>,
    real: Box<dyn Model>,
    /// What a context that is only counted allocates of its cache all the same.
    allocated: Cell<u64>,
}

impl Pair {
    fn of(kind: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = shapes::write(folder.path(), kind);
        Self { kind, planned: shapes::load(&path, true), real: shapes::load(&path, false), allocated: Cell::new(0) }
    }

    /// The count, and what a context takes beside its buffers: what one takes that is only counted, less what that really
    /// allocates of its cache.
    fn counted(&self, n_ctx: u32, kv: KvType) -> (MemoryBreakdown, Grown) {
        drop(self.planned.session(&params(n_ctx, kv)).unwrap()); // the heap is as large as it needs to be from here on
        let since = Since::now();
        let session = self.planned.session(&params(n_ctx, kv)).unwrap();
        let (grown, state) = (since.grown(), self.allocated.get());
        (
            session.memory(),
            Grown { data: grown.data.saturating_sub(state), resident: grown.resident.saturating_sub(state) },
        )
    }

    /// What a context that is only counted allocates of its cache all the same: it takes so much more than a real one leaves
    /// when its buffers are taken off. llama.cpp counts keys and values without allocating them, but not recurrent states.
    fn allocated_by_counting(&self, kv: KvType) -> u64 {
        self.allocated.set(0);
        let (count, counted) = self.counted(BATCH, kv);
        let since = Since::now();
        let _session = self.real.session(&params(BATCH, kv)).unwrap();
        let beside = since.grown().data - count.kv_bytes() - count.compute_bytes();
        let allocated = counted.data.saturating_sub(beside);
        self.allocated.set(allocated);
        allocated
    }

    /// What a computation takes besides its context: in the smallest context there is, and ended as soon as it has begun.
    fn scratch(&self, kv: KvType) -> u64 {
        let mut session =
            self.real.session(&ContextParams { abort: AbortHandle::after(1), ..params(BATCH, kv) }).unwrap();
        let since = Since::now();
        let ended = session.append(&tokens(BATCH));
        assert!(matches!(ended, Ok(()) | Err(EngineError::Aborted)), "{ended:?}");
        since.grown().data
    }

    fn a_context_takes_what_was_counted_for_it(&self, kv: KvType, n_ctx: u32) {
        let (count, beside) = self.counted(n_ctx, kv);
        let since = Since::now();
        let session = self.real.session(&params(n_ctx, kv)).unwrap();
        let grown = since.grown();
        let name = format!("{} {} {n_ctx}", self.kind, kv.name());
        assert_eq!(buffers(&session.memory()), buffers(&count), "{name}: real and counted buffers");
        let kv_bytes = count.kv_bytes();
        let all = kv_bytes + count.compute_bytes() + beside.data;
        let of_kv = grown.resident.saturating_sub(beside.resident);
        println!(
            "created | {} | {} | {n_ctx} | {kv_bytes} | {} | {:+.2} % | {of_kv} | {:+.2} % | {all} | {} | {:+.3} %",
            self.kind,
            kv.name(),
            grown.resident,
            percent(grown.resident, kv_bytes),
            percent(of_kv, kv_bytes),
            grown.data,
            percent(grown.data, all),
        );
        let tolerance = ROUNDING_BYTES + all / 500; // the heap has holes of its own making
        assert!(grown.data.abs_diff(all) <= tolerance, "{name}: {} private bytes, {all} counted", grown.data);
        assert!(percent(of_kv, kv_bytes).abs() <= 1.0, "{name}: {kv_bytes} bytes of KV cache, {of_kv} resident");
        // A recurrent state is too small for what comes beside it to be left in.
        let is_small = kv_bytes < 100_000_000;
        assert!(is_small || percent(grown.resident, kv_bytes).abs() <= 1.0, "{name}: {} resident", grown.resident);
    }

    fn full_batches_take_no_more_than_was_counted(&self, kv: KvType) {
        let n_ctx = 2 * BATCH;
        let scratch = self.scratch(kv);
        let (count, beside) = self.counted(n_ctx, kv);
        let buffers = count.kv_bytes() + count.compute_bytes();
        let total = buffers + beside.resident + scratch;
        let since = Since::now();
        let mut session = self.real.session(&params(n_ctx, kv)).unwrap();
        append(&mut *session, BATCH);
        let half = session.kv_used_bytes();
        append(&mut *session, BATCH);
        let grown = since.grown();
        println!(
            "filled | {} | {} | {n_ctx} | {} | {} | {} | {scratch} | {total} | {} | {:+.2} %",
            self.kind,
            kv.name(),
            count.kv_bytes(),
            count.compute_bytes(),
            beside.resident,
            grown.resident,
            percent(grown.resident, total),
        );
        let name = format!("{} {}", self.kind, kv.name());
        assert_eq!(session.n_past(), n_ctx);
        assert!(percent(grown.resident, total) <= 1.0, "{name}: {} resident, {total} predicted", grown.resident);
        assert!(
            grown.resident >= buffers / 100 * 90,
            "{name}: {} resident of {buffers} that were counted",
            grown.resident
        );
        let all = buffers + beside.data + scratch;
        assert!(grown.data <= all + ROUNDING_BYTES, "{name}: {} private bytes, {all} counted", grown.data);
        self.growth_is_exact(kv, (session.kv_used_bytes() - half) / u64::from(BATCH));
    }

    /// Bytes in use grow by what a token more takes of the cache, far from the beginning, where windows are full.
    fn growth_is_exact(&self, kv: KvType, used_a_token: u64) {
        let kv_bytes = |n_ctx| self.planned.session(&params(n_ctx, kv)).unwrap().memory().kv_bytes();
        let slope = (kv_bytes(8192) - kv_bytes(4096)) / 4096;
        let formula = formula::kv_bytes_per_token(self.planned.info(), KvPair { k: kv, v: kv });
        println!("growth | {} | {} | {slope} | {used_a_token} | {formula:?}", self.kind, kv.name());
        let is_close = used_a_token.abs_diff(slope) * 1000 <= slope * 5; // 0.5 %
        assert!(is_close, "{} {}: {used_a_token} bytes used a token, {slope} counted", self.kind, kv.name());
    }
}

/// KV and compute bytes by buffer; the real model's weights lie in other buffers than the planned one's.
fn buffers(memory: &MemoryBreakdown) -> Vec<(String, u64, u64)> {
    let used = memory.buffers.iter().filter(|buffer| buffer.kv_bytes + buffer.compute_bytes > 0);
    used.map(|buffer| (buffer.name.clone(), buffer.kv_bytes, buffer.compute_bytes)).collect()
}

fn tokens(n: u32) -> Vec<i32> {
    (0..n.cast_signed()).map(|place| 3 + place * 7 % 2000).collect()
}

fn append(session: &mut dyn Session, n: u32) {
    session.append(&tokens(n)).unwrap();
    session.synchronize();
}

/// All types of one kind, in a process of its own.
fn check(test: &str, kind: &'static str) {
    alone(test, || {
        steady_allocator();
        let pair = Pair::of(kind);
        for (kv, n_ctx) in TYPES {
            // Once for nothing: threads are started, and the heap takes what it keeps.
            pair.scratch(kv);
            let allocated = pair.allocated_by_counting(kv);
            let state = if kind == "recurrent" { pair.counted(BATCH, kv).0.kv_bytes() } else { 0 };
            assert!(allocated.abs_diff(state) <= ROUNDING_BYTES, "{kind}: counting allocates {allocated} bytes");
            pair.a_context_takes_what_was_counted_for_it(kv, n_ctx);
            pair.full_batches_take_no_more_than_was_counted(kv);
        }
    });
}

#[test]
fn with_grouped_heads_the_count_is_what_is_taken() {
    check("with_grouped_heads_the_count_is_what_is_taken", "dense");
}

#[test]
fn with_a_sliding_window_the_count_is_what_is_taken() {
    check("with_a_sliding_window_the_count_is_what_is_taken", "window");
}

#[test]
fn with_experts_the_count_is_what_is_taken() {
    check("with_experts_the_count_is_what_is_taken", "experts");
}

#[test]
fn of_a_hybrid_the_count_is_what_is_taken() {
    check("of_a_hybrid_the_count_is_what_is_taken", "hybrid");
}

#[test]
fn of_a_recurrent_model_the_count_is_what_is_taken() {
    check("of_a_recurrent_model_the_count_is_what_is_taken", "recurrent");
}
