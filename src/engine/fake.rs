//! A scripted engine: it says what its script says, as fast as the script says, and breaks where the script says.
//!
//! Over a [`ManualClock`] its timings are exact, for the tests of the profiles; without one it really sleeps, for the tests
//! of the worker and the lab. Left out on purpose: any model of a language. A text is tokenized byte by byte.

mod misbehave;
mod session;

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    AbortHandle, ContextParams, Engine, EngineError, EngineInfo, LoadProgress, MemoryBreakdown, Model, ModelInfo,
    ModelParams, Session, Token,
};
use crate::profiles::clock::ManualClock;

/// The tokens below this one stand for single bytes: what [`Model::tokenize`] gives.
pub const FIRST_BYTE: Token = 0;
/// Beginning of a sequence; no text.
pub const BOS: Token = 256;
/// End of generation; no text.
pub const END: Token = 257;
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
    /// What [`Session::memory`] says of a context without tokens.
    pub memory: MemoryBreakdown,
    /// Bytes of KV cache that each token of `n_ctx` adds to the first buffer of `memory`.
    pub kv_bytes_per_token: u64,
    /// Contexts of more tokens than this cannot be had.
    pub max_context: Option<u32>,
    /// Why the model cannot be loaded.
    pub load_failure: Option<String>,
    /// What goes wrong, and where.
    pub misbehaviours: Vec<Misbehaviour>,
}

/// What comes out of one [`Session::sample`].
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
        /// Whether [`AbortHandle::raise`] ends it.
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

/// An engine that does what its script says.
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
        let refused = |reason: &str| EngineError::ModelNotLoaded { path: params.path.clone(), reason: reason.into() };
        let model = FakeModel::new(self.script.clone(), self.clock.clone());
        for percent in 0..100_u8 {
            if progress(f32::from(percent) / 100.0).is_break() {
                return Err(refused("aborted"));
            }
            model.pass(self.script.delays.load / 100);
        }
        let aborted = || progress(0.99) == ControlFlow::Break(());
        model.misbehave(Place::Load, aborted).map_err(|stop| refused(&stop.reason()))?;
        if let Some(reason) = &self.script.load_failure {
            return Err(refused(reason));
        }
        let _ = progress(1.0);
        Ok(Box::new(model))
    }
}

/// A model that answers what the script says.
struct FakeModel {
    script: Script,
    clock: Option<ManualClock>,
    /// Sequences that were begun.
    sequences: Cell<usize>,
    appends: Cell<u64>,
    samples: Cell<u64>,
    /// What [`Act::Allocate`] took.
    hoard: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl FakeModel {
    fn new(mut script: Script, clock: Option<ManualClock>) -> Self {
        let pieces: usize = script.answers.iter().map(Vec::len).sum();
        let needed = u32::try_from(pieces).unwrap_or(u32::MAX).saturating_add(FIRST_PIECE.unsigned_abs());
        script.model.n_vocab = script.model.n_vocab.max(needed);
        let (sequences, appends, samples) = (Cell::new(0), Cell::new(0), Cell::new(0));
        Self { script, clock, sequences, appends, samples, hoard: Rc::default() }
    }

    /// Lets time pass.
    fn pass(&self, time: Duration) {
        match &self.clock {
            Some(clock) => clock.advance(time),
            None if time.is_zero() => {}
            None => std::thread::sleep(time),
        }
    }

    /// Lets time pass as a computation does that asks whether to go on; false when it is not to.
    fn compute(&self, time: Duration, abort: &AbortHandle) -> bool {
        const BETWEEN_QUESTIONS: Duration = Duration::from_millis(10);
        let mut left = time;
        while !abort.ask() {
            let step = left.min(BETWEEN_QUESTIONS);
            self.pass(step);
            left -= step;
            if left.is_zero() {
                return true;
            }
        }
        false
    }

    fn piece(&self, token: Token) -> Option<&Piece> {
        let place = usize::try_from(token.checked_sub(FIRST_PIECE)?).ok()?;
        self.script.answers.iter().flatten().nth(place)
    }
}

impl Model for FakeModel {
    fn info(&self) -> &ModelInfo {
        &self.script.model
    }

    fn session<'m>(&'m self, params: &ContextParams) -> Result<Box<dyn Session + 'm>, EngineError> {
        let n_ctx = params.n_ctx;
        let refused = |reason: String| EngineError::ContextNotCreated { n_ctx, reason };
        self.misbehave(Place::Context, || params.abort.is_raised()).map_err(|stop| refused(stop.reason()))?;
        if self.script.max_context.is_some_and(|max| n_ctx > max) {
            eprintln!("fake: failed to allocate buffer for kv cache");
            return Err(refused("failed to allocate buffer for kv cache".into()));
        }
        self.pass(self.script.delays.context);
        Ok(Box::new(session::FakeSession::new(self, params)))
    }

    fn tokenize(&self, text: &str, add_special: bool, _parse_special: bool) -> Vec<Token> {
        self.pass(self.script.delays.tokenize);
        let bos = (add_special && self.script.model.adds_bos).then_some(BOS);
        bos.into_iter().chain(text.bytes().map(|byte| FIRST_BYTE + Token::from(byte))).collect()
    }

    fn append_piece(&self, token: Token, bytes: &mut Vec<u8>) {
        self.pass(self.script.delays.detokenize);
        match self.piece(token) {
            Some(Piece::Text(text)) => bytes.extend_from_slice(text.as_bytes()),
            Some(Piece::Bytes(piece)) => bytes.extend_from_slice(piece),
            Some(Piece::End) => {}
            None => bytes.extend(u8::try_from(token - FIRST_BYTE)),
        }
    }

    fn is_end_of_generation(&self, token: Token) -> bool {
        token == END || self.piece(token) == Some(&Piece::End)
    }
}
