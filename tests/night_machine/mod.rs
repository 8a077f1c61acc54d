//! Simulated machines: how long a model takes on them and how much memory, by arithmetic.
//!
//! A model file is read at the disk's speed. Generating reads all active weights from memory for each token, a prompt takes two
//! operations a token and active parameter and reads the weights once. What memory has no room for is read from the disk
//! again, for each token and for each prompt; of a mixture of experts as much of it as a token reads of the weights.
#![allow(dead_code)] // each test file uses a part

use sweetspot::plan::order::{Level, order};
use sweetspot::plan::termination::Candidate;

/// A model: its name, billions of parameters, and of those that compute a token.
pub type Size = (&'static str, f64, f64);

/// Names and bits a weight.
const QUANTS: [(&str, f64); 6] =
    [("Q2_K", 3.0), ("Q3_K_M", 3.9), ("Q4_K_M", 4.85), ("Q5_K_M", 5.7), ("Q6_K", 6.56), ("Q8_0", 8.5)];

/// Tokens of a chat's prompt.
pub const PROMPT_TOKENS: u32 = 100;

/// A machine, in GB and seconds.
pub struct Machine {
    pub free_gb: f64,
    /// What reaches llama.cpp of the memory's bandwidth.
    pub memory_gb_per_second: f64,
    pub operations_per_second: f64,
    pub disk_gb_per_second: f64,
    /// The engine keeps a second, rearranged copy of weights whose quantization begins so.
    pub repacks: &'static [&'static str],
}

/// What a model takes on a machine.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub load_seconds: f64,
    /// Computing one token of a prompt, without reading the weights.
    pub prompt_token_seconds: f64,
    /// One generated token, what is swapped for it included.
    pub token_seconds: f64,
    /// What is swapped for it.
    pub swapped_seconds: f64,
    /// Weights in memory, second copies included.
    pub weights_gb: f64,
    /// The KV cache.
    pub kv_gb: f64,
    /// Scratch space.
    pub compute_gb: f64,
}

impl Machine {
    pub fn pace(&self, cell: &Candidate) -> Pace {
        let size_gb = float(cell.size_bytes) / 1e9;
        let params = float(cell.n_params.unwrap()) / 1e9;
        let active = float(cell.n_active_params.unwrap()) / 1e9;
        let copies = if self.repacks.iter().any(|quant| cell.quant.starts_with(quant)) { 1.95 } else { 1.02 };
        // vocabularies and caches differ between models: some take a little more, some a little less
        let oddness = 0.97 + 0.06 * (params * 7.0).fract();
        let (weights_gb, kv_gb, compute_gb) = (size_gb * copies * oddness, 0.05 * params * oddness, 0.15 * oddness);
        let missing_gb = (weights_gb + kv_gb + compute_gb - self.free_gb).max(0.0);
        let swapped_seconds = missing_gb / self.disk_gb_per_second * active / params;
        Pace {
            load_seconds: size_gb / self.disk_gb_per_second,
            prompt_token_seconds: 2.0 * active * 1e9 / self.operations_per_second,
            token_seconds: size_gb * active / params / self.memory_gb_per_second + swapped_seconds,
            swapped_seconds,
            weights_gb,
            kv_gb,
            compute_gb,
        }
    }
}

impl Pace {
    /// A chat's first token.
    pub fn ttft_seconds(&self) -> f64 {
        f64::from(PROMPT_TOKENS) * self.prompt_token_seconds + self.token_seconds
    }

    pub fn memory_gb(&self) -> f64 {
        self.weights_gb + self.kv_gb + self.compute_gb
    }
}

/// All quantizations of the models, in run order; no need is counted.
pub fn cells_in_order(sizes: &[Size]) -> Vec<Candidate> {
    let of = |&(model, params, active): &Size, (quant, bits): (&str, f64)| Candidate {
        model: model.into(),
        quant: quant.into(),
        size_bytes: rounded(params * 1e9 * bits / 8.0),
        n_params: Some(rounded(params * 1e9)),
        n_active_params: Some(rounded(active * 1e9)),
        need_bytes: None,
    };
    let mut cells: Vec<Candidate> =
        sizes.iter().flat_map(|size| QUANTS.into_iter().map(move |quant| of(size, quant))).collect();
    order(&mut cells, |cell| (Level::of(&cell.quant), cell.size_bytes));
    cells
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive
pub fn rounded(value: f64) -> u64 {
    value.round() as u64
}

#[allow(clippy::cast_precision_loss)] // far below 2^53
pub fn float(value: u64) -> f64 {
    value as f64
}
