//! llama.cpp as an [`Engine`].
//!
//! Left out on purpose: everything about files (see [`super::gguf`]) and processes (see [`crate::worker`]); this module is
//! used inside a worker, where llama.cpp may crash.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use llama_cpp_2::LlamaBackendDeviceType;
use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use super::chat::TEMPLATE_KEY;
use super::{
    AbortHandle, ContextParams, DeviceInfo, Engine, EngineError, EngineInfo, LoadProgress, MemoryBreakdown, Model,
    ModelInfo, ModelParams, Sampling, Session, Token, ffi,
};

/// llama.cpp's backend, alive while somebody uses it: it can be initialised once a process at a time.
static BACKEND: Mutex<std::sync::Weak<LlamaBackend>> = Mutex::new(std::sync::Weak::new());

/// llama.cpp.
#[derive(Debug)]
pub struct LlamaEngine {
    backend: Arc<LlamaBackend>,
}

impl LlamaEngine {
    /// Starts llama.cpp, or joins the one that this process has started, and sends its log to stderr.
    ///
    /// # Errors
    /// [`EngineError::Backend`].
    pub fn new() -> Result<Self, EngineError> {
        let mut shared = BACKEND.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(backend) = shared.upgrade() {
            return Ok(Self { backend });
        }
        ffi::route_log_to_stderr();
        #[cfg(feature = "dynamic-backends")]
        llama_cpp_2::llama_backend::load_backends();
        let backend = LlamaBackend::init().map_err(|e| EngineError::Backend(e.to_string()))?;
        let backend = Arc::new(backend);
        *shared = Arc::downgrade(&backend);
        Ok(Self { backend })
    }
}

impl Engine for LlamaEngine {
    fn describe(&self) -> EngineInfo {
        EngineInfo {
            llama_cpp: env!("SWEETSPOT_LLAMA_CPP").to_owned(),
            build: concat!(env!("CARGO_PKG_VERSION"), " (", env!("SWEETSPOT_GIT_REVISION"), ")").to_owned(),
            cpu_features: cpu_features(&ffi::system_info()),
            native: env!("SWEETSPOT_GGML_NATIVE") == "ON" || cfg!(feature = "dynamic-backends"),
            backends: ffi::backend_names(),
            devices: devices(),
        }
    }

    fn load(&self, params: &ModelParams, progress: LoadProgress) -> Result<Box<dyn Model>, EngineError> {
        let not_loaded = |reason: String| EngineError::ModelNotLoaded { path: params.path.clone(), reason };
        if !params.path.exists() {
            return Err(not_loaded("no such file".to_owned()));
        }
        let _ = ffi::last_error(); // what was logged before is not about this
        let model =
            LlamaModel::load_from_file(&self.backend, &params.path, &raw_params(params, progress)).map_err(|e| {
                not_loaded(ffi::last_error().unwrap_or_else(|| format!("{e}; the log of llama.cpp gives no reason")))
            })?;
        let info = model_info(&model, &params.path);
        Ok(Box::new(LoadedModel { model, info, _backend: Arc::clone(&self.backend) }))
    }
}

fn raw_params(params: &ModelParams, mut progress: LoadProgress) -> LlamaModelParams {
    let mut raw = LlamaModelParams::default();
    if let Some(layers) = params.n_gpu_layers {
        raw = raw.with_n_gpu_layers(layers);
    }
    if !params.use_mmap {
        raw = raw.with_use_mmap(false);
    }
    raw.with_no_alloc(params.no_alloc)
        .with_progress_callback(move |fraction| progress(fraction) == ControlFlow::Continue(()))
}

struct LoadedModel {
    model: LlamaModel,
    info: ModelInfo,
    /// Freed after the model.
    _backend: Arc<LlamaBackend>,
}

impl Model for LoadedModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn session<'m>(&'m self, params: &ContextParams) -> Result<Box<dyn Session + 'm>, EngineError> {
        let context = ffi::Context::new(&self.model, params)?;
        let (n_ctx, n_batch) = (context.n_ctx(), context.n_batch().max(1));
        Ok(Box::new(LlamaSession {
            context,
            n_ctx,
            n_past: 0,
            has_logits: false,
            n_scored: 0,
            n_batch,
            abort: params.abort.clone(),
        }))
    }

    fn tokenize(&self, text: &str, add_special: bool, parse_special: bool) -> Vec<Token> {
        self.model.vocab().tokenize(text.as_bytes(), add_special, parse_special).into_iter().map(|t| t.0).collect()
    }

    fn append_piece(&self, token: Token, bytes: &mut Vec<u8>) {
        self.model.vocab().token_to_piece_into(LlamaToken(token), bytes, false, None);
    }

    fn is_end_of_generation(&self, token: Token) -> bool {
        self.model.vocab().is_eog(LlamaToken(token))
    }
}

struct LlamaSession<'m> {
    context: ffi::Context<'m>,
    n_ctx: u32,
    /// Kept here because llama.cpp's own count costs a look-up, and the measuring loops ask often.
    n_past: u32,
    /// The last thing that happened is an append that went well.
    has_logits: bool,
    /// Rows of logits that the last scored append left.
    n_scored: usize,
    n_batch: u32,
    /// Asked here, too: GPU backends do not ask while they compute.
    abort: AbortHandle,
}

impl LlamaSession<'_> {
    /// One batch; `first_scored` is where its rows of logits begin, none: its last token alone has one.
    fn decode(&mut self, batch: &[Token], first_scored: Option<usize>) -> Result<(), EngineError> {
        let n = u32::try_from(batch.len()).unwrap_or(u32::MAX);
        if n > self.n_ctx - self.n_past {
            return Err(EngineError::ContextFull { n_ctx: self.n_ctx });
        }
        if self.abort.ask() {
            return Err(EngineError::Aborted);
        }
        let decoded = match first_scored {
            None => self.context.decode(batch),
            Some(first) => self.context.decode_scored(batch, first),
        };
        if let Err(code) = decoded {
            self.n_past = self.context.n_past(); // what was computed before the failure stays in the cache
            return Err(decode_error(code, self.n_ctx));
        }
        self.n_past += n;
        Ok(())
    }
}

impl Session for LlamaSession<'_> {
    fn n_ctx(&self) -> u32 {
        self.n_ctx
    }

    fn n_past(&self) -> u32 {
        self.n_past
    }

    fn append(&mut self, tokens: &[Token]) -> Result<(), EngineError> {
        (self.has_logits, self.n_scored) = (false, 0);
        for chunk in tokens.chunks(self.n_batch as usize) {
            self.decode(chunk, None)?;
        }
        self.has_logits = !tokens.is_empty();
        Ok(())
    }

    fn append_scored(&mut self, tokens: &[Token], first_scored: usize) -> Result<(), EngineError> {
        (self.has_logits, self.n_scored) = (false, 0);
        if tokens.is_empty() {
            return Ok(());
        }
        self.decode(tokens, Some(first_scored))?;
        self.n_scored = tokens.len().saturating_sub(first_scored);
        self.has_logits = self.n_scored > 0;
        Ok(())
    }

    fn scored_logits(&mut self) -> &[f32] {
        if self.n_scored == 0 { &[] } else { self.context.rows() }
    }

    fn synchronize(&mut self) {
        self.context.synchronize();
    }

    fn set_sampling(&mut self, sampling: &Sampling) {
        self.context.set_sampling(sampling);
    }

    fn sample(&mut self) -> Token {
        assert!(self.has_logits, "nothing was appended, so there are no logits to sample from");
        self.context.sample()
    }

    fn logits(&mut self) -> &[f32] {
        if self.has_logits { self.context.logits() } else { &[] }
    }

    fn clear(&mut self) {
        self.context.clear();
        (self.n_past, self.has_logits, self.n_scored) = (0, false, 0);
    }

    fn snapshot(&mut self) -> Vec<u8> {
        self.context.snapshot()
    }

    fn restore(&mut self, snapshot: &[u8]) -> bool {
        (self.has_logits, self.n_scored) = (false, 0); // a state has no logits
        let restored = self.context.restore(snapshot);
        self.n_past = self.context.n_past();
        restored
    }

    fn kv_used_bytes(&self) -> u64 {
        self.context.kv_used_bytes()
    }

    fn memory(&self) -> MemoryBreakdown {
        self.context.memory()
    }
}

/// `llama_decode`'s return codes, as `llama.h` documents them.
fn decode_error(code: i32, n_ctx: u32) -> EngineError {
    match code {
        1 => EngineError::ContextFull { n_ctx },
        2 => EngineError::Aborted,
        _ => EngineError::DecodeFailed {
            code,
            reason: ffi::last_error().unwrap_or_else(|| "llama.cpp gave no reason".to_owned()),
        },
    }
}

fn model_info(model: &LlamaModel, path: &Path) -> ModelInfo {
    let vocab = model.vocab();
    let meta = |key: &str| model.meta_val_str(key).ok();
    let number = |n: i32| u32::try_from(n).unwrap_or(0);
    // Only what the file itself names: llama.cpp falls back to ids that are ordinary tokens in many vocabularies.
    let text_of = |key: &str, token: LlamaToken| {
        meta(key).filter(|_| token.0 >= 0).and(vocab.text(token)).map(|t| t.to_string_lossy().into_owned())
    };
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    ModelInfo {
        name: meta("general.name").filter(|n| !n.is_empty()).unwrap_or_else(stem),
        architecture: meta("general.architecture").unwrap_or_default(),
        description: ffi::description(model),
        quantization: ffi::quantization(model),
        size_bytes: model.size(),
        n_params: model.n_params(),
        n_layer: model.n_layer(),
        n_embd: number(model.n_embd()),
        n_head: model.n_head(),
        n_head_kv: model.n_head_kv(),
        head_size: head_size(model),
        n_vocab: number(vocab.n_tokens()),
        n_ctx_train: ffi::n_ctx_train(model),
        bos: Some(vocab.bos().0).filter(|&t| t >= 0),
        adds_bos: vocab.should_add_bos(),
        bos_text: text_of("tokenizer.ggml.bos_token_id", vocab.bos()).unwrap_or_default(),
        eos_text: text_of("tokenizer.ggml.eos_token_id", vocab.eos()).unwrap_or_default(),
        chat_template: meta(TEMPLATE_KEY),
        named_templates: named_templates(model),
        synthetic: meta("sweetspot.synthetic").as_deref() == Some("true"),
    }
}

/// `<architecture>.attention.key_length`, which llama.cpp takes to be an equal share of the width where a file does not say.
fn head_size(model: &LlamaModel) -> u32 {
    let length = || {
        let architecture = model.meta_val_str("general.architecture").ok()?;
        model.meta_val_str(&format!("{architecture}.attention.key_length")).ok()?.parse().ok()
    };
    let share = || u32::try_from(model.n_embd()).ok()?.checked_div(model.n_head());
    length().or_else(share).unwrap_or(0)
}

/// `tokenizer.chat_template.<name>`.
fn named_templates(model: &LlamaModel) -> Vec<(String, String)> {
    (0..model.meta_count())
        .filter_map(|i| {
            let key = model.meta_key_by_index(i).ok()?;
            let name = key.strip_prefix(TEMPLATE_KEY)?.strip_prefix('.')?;
            Some((name.to_owned(), model.meta_val_str_by_index(i).ok()?))
        })
        .collect()
}

/// The names in `CPU : SSE3 = 1 | AVX2 = 1 | OPENMP = 1 |` that are on.
fn cpu_features(system_info: &str) -> Vec<String> {
    system_info
        .split('|')
        .filter_map(|part| part.rsplit(':').next()?.split_once('='))
        .filter(|(_, value)| value.trim() != "0")
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

fn devices() -> Vec<DeviceInfo> {
    llama_cpp_2::list_llama_ggml_backend_devices()
        .into_iter()
        .map(|d| DeviceInfo {
            name: d.name,
            description: d.description,
            kind: match d.device_type {
                LlamaBackendDeviceType::Cpu => "cpu",
                LlamaBackendDeviceType::Gpu => "gpu",
                LlamaBackendDeviceType::IntegratedGpu => "igpu",
                LlamaBackendDeviceType::Accelerator => "accel",
                LlamaBackendDeviceType::Unknown => "unknown",
            }
            .to_owned(),
            memory_total_bytes: d.memory_total as u64,
            memory_free_bytes: d.memory_free as u64,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_features_that_are_on_are_read_from_llama_cpps_line() {
        let line = "CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 0 | OPENMP = 1 | REPACK = 1 | ";
        assert_eq!(cpu_features(line), ["SSE3", "AVX2", "OPENMP", "REPACK"]);
        assert!(cpu_features("").is_empty());
    }
}
