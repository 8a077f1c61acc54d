//! A `llama_context` that borrows its model, with the sampler that picks from its logits.

use std::ffi::{CStr, c_char, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2 as sys;

use super::log::last_error;
use super::model::raw;
use crate::engine::{
    AbortHandle, BufferUse, ContextParams, EngineError, FlashAttention, KvType, MemoryBreakdown, Sampling,
};

/// The only sequence there is.
const SEQUENCE: sys::llama_seq_id = 0;

/// Most buffer types that a context can be spread over; ggml has at most 16 devices with a few types each.
const MAX_BUFFERS: usize = 128;

/// KV cache, compute buffers and a sampler.
pub struct Context<'m> {
    raw: NonNull<sys::llama_context>,
    sampler: Sampler,
    n_vocab: usize,
    /// Rows of logits that a batch may ask for; llama.cpp aborts the process above them.
    n_outputs_max: usize,
    /// Rows of logits that the last decode left; none after one that failed.
    n_rows: usize,
    /// Which tokens of a batch are scored; kept to save the allocation.
    scored: Vec<i8>,
    /// Owned; llama.cpp has its address for as long as the context lives.
    abort: NonNull<AbortHandle>,
    model: PhantomData<&'m LlamaModel>,
}

// SAFETY: llama.cpp ties a context to no thread, and every method that computes or writes takes `&mut self`, so only one
// thread uses it at a time. The model that several contexts share is read only once it is loaded (llama.cpp's own
// test-thread-safety runs many contexts of one model, a thread each), the sampler belongs to the context alone, and the abort
// handle consists of atomics.
unsafe impl Send for Context<'_> {}

impl<'m> Context<'m> {
    /// Allocates the KV cache and the compute buffers; with a `no_alloc` model only counts them.
    ///
    /// # Errors
    /// [`EngineError::ContextNotCreated`], mostly because memory cannot be had.
    pub fn new(model: &'m LlamaModel, params: &ContextParams) -> Result<Self, EngineError> {
        let abort = NonNull::from(Box::leak(Box::new(params.abort.clone()))); // taken back below, or by drop
        let _ = last_error(); // what was logged before is not about this
        let raw_params = raw_params(params, abort);
        // SAFETY: the model is alive and stays borrowed for as long as this context lives; the only pointer in the
        // parameters is the abort handle's, which is freed after the context.
        let context = unsafe { sys::llama_init_from_model(raw(model), raw_params) };
        let Some(context) = NonNull::new(context) else {
            // SAFETY: leaked above, and there is no context that could ask it.
            drop(unsafe { Box::from_raw(abort.as_ptr()) });
            let reason = last_error().unwrap_or_else(|| "llama.cpp gave no reason".to_owned());
            return Err(EngineError::ContextNotCreated { n_ctx: params.n_ctx, reason });
        };
        let n_vocab = usize::try_from(model.n_vocab()).unwrap_or(0);
        let n_outputs_max = match params.n_outputs_max {
            0 => params.n_batch, // llama.cpp's own default
            n => n,
        } as usize;
        let (sampler, scored) = (Sampler::new(&Sampling::Greedy), Vec::new());
        Ok(Self { raw: context, sampler, n_vocab, n_outputs_max, n_rows: 0, scored, abort, model: PhantomData })
    }

    /// Size in tokens, as llama.cpp rounded it.
    pub fn n_ctx(&self) -> u32 {
        // SAFETY: the context is alive.
        unsafe { sys::llama_n_ctx(self.raw.as_ptr()) }
    }

    /// Most tokens of one [`Context::decode`]; llama.cpp lowers what was asked for to the context's size.
    pub fn n_batch(&self) -> u32 {
        // SAFETY: the context is alive.
        unsafe { sys::llama_n_batch(self.raw.as_ptr()) }
    }

    /// Computes at most `n_batch` tokens after those in the cache; logits of the last one.
    ///
    /// # Errors
    /// llama.cpp's return code where it is not 0.
    pub fn decode(&mut self, tokens: &[i32]) -> Result<(), i32> {
        let n_tokens = i32::try_from(tokens.len()).map_err(|_| -1)?;
        self.n_rows = 0;
        if tokens.is_empty() || tokens.len() > self.n_batch() as usize {
            return Err(-1); // what llama.h calls an invalid batch; llama.cpp itself would abort the process
        }
        // SAFETY: the context is alive; the batch points to `n_tokens` tokens, which llama.cpp reads during the call and
        // does not write (its signature lacks the const).
        let code = unsafe {
            let batch = sys::llama_batch_get_one(tokens.as_ptr().cast_mut(), n_tokens);
            sys::llama_decode(self.raw.as_ptr(), batch)
        };
        if code == 0 { Ok(()) } else { Err(code) }
    }

    /// Computes at most `n_batch` tokens after those in the cache; logits of those from `first_scored` on.
    ///
    /// # Errors
    /// llama.cpp's return code where it is not 0; -1 for more tokens or rows than this context was made for.
    pub fn decode_scored(&mut self, tokens: &[i32], first_scored: usize) -> Result<(), i32> {
        let n_tokens = i32::try_from(tokens.len()).map_err(|_| -1)?;
        let n_rows = tokens.len().saturating_sub(first_scored);
        self.n_rows = 0;
        if tokens.is_empty() || tokens.len() > self.n_batch() as usize || n_rows > self.n_outputs_max {
            return Err(-1); // llama.cpp itself would abort the process
        }
        self.scored.clear();
        self.scored.extend((0..tokens.len()).map(|place| i8::from(place >= first_scored)));
        // SAFETY: as in `decode`; `logits` points to as many bytes as there are tokens, which llama.cpp reads during the call.
        let code = unsafe {
            let mut batch = sys::llama_batch_get_one(tokens.as_ptr().cast_mut(), n_tokens);
            batch.logits = self.scored.as_mut_ptr();
            sys::llama_decode(self.raw.as_ptr(), batch)
        };
        if code != 0 {
            return Err(code);
        }
        self.n_rows = n_rows;
        Ok(())
    }

    /// The rows of logits that the last [`Context::decode_scored`] has asked for, one after the other; none where it failed or
    /// another decode came after it.
    pub fn rows(&mut self) -> &[f32] {
        if self.n_rows == 0 {
            return &[];
        }
        // SAFETY: the context is alive and borrowed mutably for as long as the slice lives; llama.cpp waits for the logits and
        // keeps the rows of a batch in its tokens' order in one buffer, which has `n_rows` of them since the last decode.
        unsafe {
            let rows = sys::llama_get_logits(self.raw.as_ptr());
            if rows.is_null() { &[] } else { std::slice::from_raw_parts(rows, self.n_rows * self.n_vocab) }
        }
    }

    /// Waits until all work is done.
    pub fn synchronize(&mut self) {
        // SAFETY: the context is alive and borrowed mutably.
        unsafe { sys::llama_synchronize(self.raw.as_ptr()) }
    }

    /// Replaces the sampler.
    pub fn set_sampling(&mut self, sampling: &Sampling) {
        self.sampler = Sampler::new(sampling);
    }

    /// Picks from the logits of the last token. The caller has decoded one.
    pub fn sample(&mut self) -> i32 {
        // SAFETY: sampler and context are alive; index -1 is the last row of logits, and llama.cpp waits for it.
        unsafe { sys::llama_sampler_sample(self.sampler.0.as_ptr(), self.raw.as_ptr(), -1) }
    }

    /// The logits of the last token, or nothing where llama.cpp has none.
    pub fn logits(&mut self) -> &[f32] {
        // SAFETY: the context is alive and borrowed mutably for as long as the slice lives; a row has `n_vocab` numbers.
        unsafe {
            let row = sys::llama_get_logits_ith(self.raw.as_ptr(), -1);
            if row.is_null() { &[] } else { std::slice::from_raw_parts(row, self.n_vocab) }
        }
    }

    /// Empties the cache; its bytes stay as they are.
    pub fn clear(&mut self) {
        // SAFETY: the context is alive; every context of a generating model has a memory, and null is checked by llama.cpp.
        unsafe { sys::llama_memory_clear(sys::llama_get_memory(self.raw.as_ptr()), false) }
    }

    /// Tokens in the cache.
    pub fn n_past(&self) -> u32 {
        // SAFETY: the context is alive; -1 stands for an empty sequence.
        let last = unsafe { sys::llama_memory_seq_pos_max(sys::llama_get_memory(self.raw.as_ptr()), SEQUENCE) };
        u32::try_from(last + 1).unwrap_or(0)
    }

    /// The sequence's state; empty where llama.cpp cannot give it.
    pub fn snapshot(&mut self) -> Vec<u8> {
        // SAFETY: the context is alive; llama.cpp writes at most `bytes.len()` bytes and says how many.
        unsafe {
            let mut bytes = vec![0; sys::llama_state_seq_get_size(self.raw.as_ptr(), SEQUENCE)];
            let n = sys::llama_state_seq_get_data(self.raw.as_ptr(), bytes.as_mut_ptr(), bytes.len(), SEQUENCE);
            bytes.truncate(n);
            bytes
        }
    }

    /// Bytes of keys, values and recurrent state that the sequence uses. llama.cpp counts what it would save; of that, the
    /// records of its cells (`llama_kv_cache::state_write_meta`: position, number of sequences, sequence) are no KV cache. What
    /// remains besides the data are some ten bytes a layer, and the records of a sliding window's cells, whose number does not
    /// grow once the window is full.
    pub fn kv_used_bytes(&self) -> u64 {
        const RECORD_BYTES: u64 = 12;
        // SAFETY: the context is alive, and so is the model that it gives; llama.cpp only counts.
        let (saved, is_recurrent) = unsafe {
            let model = sys::llama_get_model(self.raw.as_ptr());
            (sys::llama_state_seq_get_size(self.raw.as_ptr(), SEQUENCE), sys::llama_model_is_recurrent(model))
        };
        let records = if is_recurrent { 0 } else { u64::from(self.n_past()) };
        (saved as u64).saturating_sub(RECORD_BYTES * records)
    }

    /// Sets the sequence's state; false where it does not fit.
    pub fn restore(&mut self, snapshot: &[u8]) -> bool {
        if snapshot.is_empty() {
            return false;
        }
        // SAFETY: the context is alive; llama.cpp reads at most `snapshot.len()` bytes and checks their contents.
        unsafe { sys::llama_state_seq_set_data(self.raw.as_ptr(), snapshot.as_ptr(), snapshot.len(), SEQUENCE) != 0 }
    }

    /// Exact bytes per buffer type.
    pub fn memory(&self) -> MemoryBreakdown {
        let mut rows = [const { RawBufferUse::EMPTY }; MAX_BUFFERS];
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // 128
        // SAFETY: the context is alive; the shim writes at most MAX_BUFFERS rows.
        let n = unsafe { sweetspot_memory_breakdown(self.raw.as_ptr(), rows.as_mut_ptr(), MAX_BUFFERS as i32) };
        let n = usize::try_from(n).unwrap_or(0).min(MAX_BUFFERS);
        let mut buffers: Vec<_> = rows[..n].iter().map(RawBufferUse::to_buffer_use).collect();
        buffers.sort_by(|a, b| a.name.cmp(&b.name)); // llama.cpp orders them by address
        MemoryBreakdown { buffers }
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // SAFETY: made by llama_init_from_model and freed once; after it nobody asks the abort handle, which was leaked in
        // `new` and is taken back once.
        unsafe {
            sys::llama_free(self.raw.as_ptr());
            drop(Box::from_raw(self.abort.as_ptr()));
        }
    }
}

fn raw_params(params: &ContextParams, abort: NonNull<AbortHandle>) -> sys::llama_context_params {
    // SAFETY: takes nothing and returns a plain struct.
    let mut raw = unsafe { sys::llama_context_default_params() };
    let n_threads = i32::try_from(params.n_threads).unwrap_or(i32::MAX);
    raw.n_ctx = params.n_ctx;
    raw.n_batch = params.n_batch;
    raw.n_ubatch = params.n_ubatch;
    raw.n_seq_max = 1;
    raw.n_outputs_max = params.n_outputs_max;
    raw.n_threads = n_threads;
    raw.n_threads_batch = n_threads;
    raw.type_k = ggml_type(params.type_k);
    raw.type_v = ggml_type(params.type_v);
    raw.flash_attn_type = match params.flash_attention {
        FlashAttention::Auto => sys::LLAMA_FLASH_ATTN_TYPE_AUTO,
        FlashAttention::Off => sys::LLAMA_FLASH_ATTN_TYPE_DISABLED,
        FlashAttention::On => sys::LLAMA_FLASH_ATTN_TYPE_ENABLED,
    };
    raw.swa_full = false; // a sliding window's cache is as large as the window, as llama.cpp's programs have it
    raw.abort_callback = Some(ask_abort);
    raw.abort_callback_data = abort.as_ptr().cast();
    raw
}

fn ggml_type(kv: KvType) -> sys::ggml_type {
    match kv {
        KvType::F32 => sys::GGML_TYPE_F32,
        KvType::F16 => sys::GGML_TYPE_F16,
        KvType::Bf16 => sys::GGML_TYPE_BF16,
        KvType::Q8_0 => sys::GGML_TYPE_Q8_0,
        KvType::Q4_0 => sys::GGML_TYPE_Q4_0,
        KvType::Q4_1 => sys::GGML_TYPE_Q4_1,
        KvType::Iq4Nl => sys::GGML_TYPE_IQ4_NL,
        KvType::Q5_0 => sys::GGML_TYPE_Q5_0,
        KvType::Q5_1 => sys::GGML_TYPE_Q5_1,
    }
}

unsafe extern "C" fn ask_abort(handle: *mut c_void) -> bool {
    // SAFETY: `handle` is the leaked AbortHandle of the context that asks, which outlives the context.
    unsafe { &*handle.cast::<AbortHandle>() }.ask()
}

/// A chain of llama.cpp's samplers.
struct Sampler(NonNull<sys::llama_sampler>);

impl Sampler {
    fn new(sampling: &Sampling) -> Self {
        // SAFETY: the constructors take plain numbers and never fail but by running out of memory, which aborts; the chain
        // owns what is added to it.
        unsafe {
            let mut params = sys::llama_sampler_chain_default_params();
            params.no_perf = true;
            let chain =
                NonNull::new(sys::llama_sampler_chain_init(params)).expect("llama.cpp aborts when out of memory");
            let add = |sampler| sys::llama_sampler_chain_add(chain.as_ptr(), sampler);
            match *sampling {
                Sampling::Greedy => add(sys::llama_sampler_init_greedy()),
                Sampling::Seeded { seed, temperature, top_k, top_p, min_p } => {
                    add(sys::llama_sampler_init_top_k(i32::try_from(top_k).unwrap_or(i32::MAX)));
                    add(sys::llama_sampler_init_top_p(top_p, 1));
                    add(sys::llama_sampler_init_min_p(min_p, 1));
                    add(sys::llama_sampler_init_temp(temperature));
                    add(sys::llama_sampler_init_dist(seed));
                }
            }
            Self(chain)
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        // SAFETY: made by llama_sampler_chain_init and freed once.
        unsafe { sys::llama_sampler_free(self.0.as_ptr()) }
    }
}

/// `GGML_BACKEND_DEVICE_TYPE_CPU`.
#[allow(clippy::cast_possible_wrap)] // 0
const CPU_DEVICE: i32 = sys::GGML_BACKEND_DEVICE_TYPE_CPU as i32;

/// `struct sweetspot_buffer_use` of the shim.
#[repr(C)]
struct RawBufferUse {
    name: *const c_char,
    device_name: *const c_char,
    device_type: i32,
    is_host: i32,
    model_bytes: u64,
    context_bytes: u64,
    compute_bytes: u64,
}

impl RawBufferUse {
    const EMPTY: Self = Self {
        name: std::ptr::null(),
        device_name: std::ptr::null(),
        device_type: -1,
        is_host: 0,
        model_bytes: 0,
        context_bytes: 0,
        compute_bytes: 0,
    };

    fn to_buffer_use(&self) -> BufferUse {
        let text = |s: *const c_char| {
            // SAFETY: null, or a NUL-terminated name of ggml's that lives as long as the program.
            if s.is_null() { String::new() } else { unsafe { CStr::from_ptr(s) }.to_string_lossy().into_owned() }
        };
        BufferUse {
            name: text(self.name),
            device: text(self.device_name),
            // ggml does not call the CPU's repacked weights "host" memory because others cannot read their layout
            is_host: self.is_host != 0 || self.device_type == CPU_DEVICE,
            weights_bytes: self.model_bytes,
            kv_bytes: self.context_bytes,
            compute_bytes: self.compute_bytes,
        }
    }
}

unsafe extern "C" {
    fn sweetspot_memory_breakdown(context: *const sys::llama_context, out: *mut RawBufferUse, capacity: i32) -> i32;
}
