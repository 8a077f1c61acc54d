//! A scripted engine: it says what its script says, as fast as the script says, and breaks where the script says.
//!
//! Over a [`ManualClock`] its timings are exact, for the tests of the profiles and of whole runs ([`Script::virtual_time`]);
//! without one it really sleeps, for the tests of the worker and the lab. Left out on purpose: any model of a language. A text is tokenized byte by byte.

mod misbehave;
mod model;
mod session;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Engine, EngineError, EngineInfo, LoadProgress, MemoryBreakdown, Model, ModelInfo, ModelParams, Token};
use crate::profiles::clock::ManualClock;
use model::FakeModel;

/// The tokens below this one stand for single bytes: what [`Model::tokenize`] gives.
pub const FIRST_BYTE: Token = 0;
/// Beginning of a sequence; no text.
pub const BOS: Token = 256;
/// End of generation; no text.
pub const END: Token = 257;
/// The logit of a token that never comes: its probability is 0 for every practical purpose.
pub const NEVER: f32 = -1e9;
/// The first scripted piece; the pieces of all answers follow one another.
pub const FIRST_PIECE: Token = 258;

/// What a [`FakeEngine`] does. The default answers `Hello world` over and over, at once, and never breaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Script {
    /// What the model says of itself; `n_vocab` is at least what the pieces need.
    pub model: ModelInfo,
    /// One answer a sequence of tokens: the first sequence that a session begins (anew after a clear) gets the first one.
    /// After the last answer the first one comes again, and so does an answer's first piece after its last.
    pub answers: Vec<Vec<Piece>>,
    /// How long things take.
    pub delays: Delays,
    /// What [`super::Session::memory`] says of a context without tokens.
    pub memory: MemoryBreakdown,
    /// Bytes of KV cache that each token of `n_ctx` adds to the first buffer of `memory`.
    pub kv_bytes_per_token: u64,
    /// Contexts of more tokens than this cannot be had.
    pub max_context: Option<u32>,
    /// Why the model cannot be loaded.
    pub load_failure: Option<String>,
    /// What goes wrong, and where.
    pub misbehaviours: Vec<Misbehaviour>,
    /// Logits that [`super::Session::scored_logits`] gives after a token: row `token % rows`; the vocabulary's rest is
    /// [`NEVER`]. None: certain of the answer's next piece.
    pub logit_rows: Vec<Vec<f32>>,
    /// Files with scripts of their own, by their names; all other files have this one.
    pub others: Vec<(String, Script)>,
    /// In a worker: delays pass on a clock of the worker's own, which the profiles read, too. Nobody waits for them, and all
    /// measured times are exact. What the worker and its parent do by the real time (signs of life, timeouts) is not
    /// changed. Means nothing in a script of [`Self::others`].
    pub virtual_time: bool,
}

/// What comes out of one [`super::Session::sample`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Piece {
    /// A token with this text.
    Text(String),
    /// A token with these bytes, which may be half a character.
    Bytes(Vec<u8>),
    /// The token that ends the generation.
    End,
}

/// How long things take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delays {
    /// Loading the model, in steps of one percent.
    pub load: Duration,
    /// Making a context.
    pub context: Duration,
    /// Each token of an append of several tokens.
    pub prefill_per_token: Duration,
    /// Appends of one token: the first one of a sequence takes the first entry, the ones after the list the last entry.
    pub decode: Vec<Duration>,
    /// Picking a token.
    pub sample: Duration,
    /// Text to tokens, a call.
    pub tokenize: Duration,
    /// Token to text, a call.
    pub detokenize: Duration,
    /// An append returns at once and its time passes in the next call that needs its result, as on a GPU.
    pub asynchronous: bool,
}

/// Something that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Misbehaviour {
    /// Where.
    pub at: Place,
    /// What.
    pub act: Act,
}

/// A place in an engine's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Loading the model.
    Load,
    /// Making each context.
    Context,
    /// Making each context of more than so many tokens.
    ContextAbove(u32),
    /// The n-th append of the model's life, from 1.
    Append(u64),
    /// The n-th sample of the model's life, from 1.
    Sample(u64),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Act {
    /// The process aborts (SIGABRT), as after a failed `GGML_ASSERT`.
    Abort,
    /// The process dies of a segmentation fault.
    Segfault,
    /// The process ends with this code.
    Exit(i32),
    /// A panic with this message.
    Panic(String),
    /// An error with this text; a panic where a token is sampled, which cannot fail.
    Fail(String),
    /// This many bytes are allocated, written to and kept; the process aborts when it cannot have them.
    Allocate(u64),
    /// Nothing happens any more, and nobody asks whether to go on.
    Hang {
        /// Whether [`super::AbortHandle::raise`] ends it.
        honours_abort: bool,
    },
    /// These lines go to the log (stderr).
    Log(Vec<String>),
    /// This text goes to file descriptor 1, past Rust's own stdout, as C code prints.
    Print(String),
    /// File descriptor 1 is closed.
    CloseStdout,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            model: ModelInfo {
                name: "fake".into(),
                architecture: "fake".into(),
                description: "fake 1B Q4_0".into(),
                quantization: "Q4_0".into(),
                size_bytes: 600_000_000,
                n_params: 1_000_000_000,
                n_layer: 16,
                n_embd: 2048,
                n_head: 32,
                n_head_kv: 8,
                head_size: 64,
                n_vocab: 0,
                n_ctx_train: 4096,
                bos: Some(BOS),
                adds_bos: true,
                bos_text: "<s>".into(),
                eos_text: "</s>".into(),
                chat_template: None,
                named_templates: Vec::new(),
                synthetic: false,
            },
            answers: vec![vec![Piece::Text("Hello".into()), Piece::Text(" world".into())]],
            delays: Delays::default(),
            memory: MemoryBreakdown::default(),
            kv_bytes_per_token: 0,
            max_context: None,
            load_failure: None,
            misbehaviours: Vec::new(),
            logit_rows: Vec::new(),
            others: Vec::new(),
            virtual_time: false,
        }
    }
}

impl Script {
    /// The script with one more thing that goes wrong.
    #[must_use]
    pub fn with(mut self, at: Place, act: Act) -> Self {
        self.misbehaviours.push(Misbehaviour { at, act });
        self
    }
}

/// An engine that does what its script says. With [`ModelParams::no_alloc`] a model takes no time, nothing goes wrong with
/// it, and it cannot compute.
#[derive(Clone, Debug)]
pub struct FakeEngine {
    script: Script,
    clock: Option<ManualClock>,
}

impl FakeEngine {
    /// An engine whose delays really pass.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self { script, clock: None }
    }

    /// An engine whose delays move `clock` and nothing else.
    #[must_use]
    pub fn with_clock(script: Script, clock: ManualClock) -> Self {
        Self { script, clock: Some(clock) }
    }
}

impl Engine for FakeEngine {
    fn describe(&self) -> EngineInfo {
        EngineInfo {
            llama_cpp: "none: a script".into(),
            build: env!("CARGO_PKG_VERSION").into(),
            cpu_features: Vec::new(),
            native: true,
            backends: vec!["fake".into()],
            devices: Vec::new(),
        }
    }

    fn load(&self, params: &ModelParams, mut progress: LoadProgress) -> Result<Box<dyn Model>, EngineError> {
        let name = params.path.file_name().unwrap_or_default();
        let script = self.script.others.iter().find(|(file, _)| name == file.as_str());
        let script = script.map_or(&self.script, |(_, other)| other);
        let refused = |reason: &str| EngineError::ModelNotLoaded { path: params.path.clone(), reason: reason.into() };
        if let (true, Some(reason)) = (params.no_alloc, &script.load_failure) {
            return Err(refused(reason));
        }
        let model = FakeModel::new(script.clone(), self.clock.clone(), params.no_alloc);
        if params.no_alloc {
            return Ok(Box::new(model));
        }
        for percent in 0..100_u8 {
            if progress(f32::from(percent) / 100.0).is_break() {
                return Err(refused("aborted"));
            }
            model.pass(script.delays.load / 100);
        }
        let aborted = || progress(0.99) == ControlFlow::Break(());
        model.misbehave(Place::Load, aborted).map_err(|stop| refused(&stop.reason()))?;
        if let Some(reason) = &script.load_failure {
            return Err(refused(reason));
        }
        let _ = progress(1.0);
        Ok(Box::new(model))
    }
}
