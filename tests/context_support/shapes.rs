//! Models for tests of contexts: small weights, and a KV cache that is large beside whatever else a process allocates.
//!
//! 256 tokens, the step of llama.cpp's contexts, take about 2 MB of `q4_0` in all of them that have a cache which grows; each file
//! is 10 to 30 MB and written in a blink.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sweetspot::engine::llama::LlamaEngine;
use sweetspot::engine::quantize::Quant;
use sweetspot::engine::synth::{self, Spec};
use sweetspot::engine::{Engine, Model, ModelParams};
use sweetspot::plan::catalog::Shape;

/// The shapes, in the catalogue's own format.
const SHAPES: &str = r#"
[[shape]] # grouped heads: two heads share one of the cache
name = "dense"
model = "Dense"
architecture = "llama"
n_layer = 16
n_embd = 256
n_ff = 512
n_head = 8
n_head_kv = 4
head_dim = 128
n_vocab = 2048
n_ctx_train = 131072
norm_epsilon = 1e-5
rope_base = 500000.0
tied = true

[[shape]] # every sixth layer sees everything, the others 128 tokens
name = "window"
model = "Window"
architecture = "gemma3"
n_layer = 24
n_embd = 256
n_ff = 256
n_head = 8
n_head_kv = 8
head_dim = 256
n_vocab = 2048
n_ctx_train = 131072
norm_epsilon = 1e-6
rope_base = 1000000.0
sliding_window = 128
tied = true

[[shape]]
name = "experts"
model = "Experts"
architecture = "qwen3moe"
n_layer = 16
n_embd = 256
n_ff = 256
n_head = 8
n_head_kv = 4
head_dim = 128
n_vocab = 2048
n_ctx_train = 131072
norm_epsilon = 1e-6
rope_base = 1000000.0
tied = false
experts = { count = 4, used = 2, n_ff = 256 }

[[shape]] # 14 of its 18 layers attend
name = "hybrid"
model = "Hybrid"
architecture = "lfm2"
n_layer = 18
n_embd = 512
n_ff = 512
n_head = 4
n_head_kv = 4
head_dim = 128
n_vocab = 2048
n_ctx_train = 131072
norm_epsilon = 1e-5
rope_base = 1000000.0
tied = true
attention_layers = [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16]
short_conv = 3

[[shape]] # no cache that grows: a state
name = "recurrent"
model = "Recurrent"
architecture = "mamba"
n_layer = 16
n_embd = 512
n_vocab = 2048
n_ctx_train = 131072
norm_epsilon = 1e-5
tied = true
ssm = { inner = 1024, state = 64, conv = 4, dt_rank = 32 }
"#;

/// The kinds that there are.
pub const KINDS: [&str; 5] = ["dense", "window", "experts", "hybrid", "recurrent"];

/// Writes the model of a kind, in `Q4_0`, into a folder.
pub fn write(folder: &Path, kind: &str) -> PathBuf {
    #[derive(Deserialize)]
    struct Shapes {
        shape: Vec<Shape>,
    }
    let shapes: Shapes = toml::from_str(SHAPES).unwrap();
    let shape = shapes.shape.into_iter().find(|shape| shape.name == kind).unwrap();
    let path = folder.join(format!("{kind}.gguf"));
    // Once for each test's process, which ends soon: specifications want a shape that stays.
    let plan = synth::plan(&Spec::of_shape(Box::leak(Box::new(shape)), Quant::Q4_0)).unwrap();
    synth::write(&plan, &path, true, &mut |_| {}).unwrap();
    path
}

/// Loads a model as a run does, or only to count its bytes.
pub fn load(path: &Path, no_alloc: bool) -> Box<dyn Model> {
    let params = ModelParams { no_alloc, ..ModelParams::new(path) };
    LlamaEngine::new().unwrap().load(&params, Box::new(|_| ControlFlow::Continue(()))).unwrap()
}
