//! What a planned context takes, by kind and by the place where it lies: main memory, or a GPU's.

use serde::{Deserialize, Serialize};

use crate::engine::BufferUse;
use crate::probe::context_limit::found::{Planned, Prediction};

/// The name of the place that is no GPU.
pub const MAIN_MEMORY: &str = "main memory";

/// What a context of a size takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Its size in tokens.
    pub n_ctx: u32,
    /// Main memory first, then each GPU that has something of it.
    pub places: Vec<PlaceUsage>,
}

/// What it takes of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaceUsage {
    /// `main memory`, or ggml's name of a GPU.
    pub place: String,
    /// Tensors, once.
    pub weights_bytes: u64,
    /// Copies of them in this CPU's order, beside the mapped file.
    pub repacked_bytes: u64,
    /// KV cache and recurrent state.
    pub kv_bytes: u64,
    /// Scratch space of the computation.
    pub compute_bytes: u64,
    /// Program, vocabulary, threads' stacks, records of the cache's cells.
    pub program_bytes: u64,
}

impl PlaceUsage {
    /// Everything.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes + self.repacked_bytes + self.kv_bytes + self.compute_bytes + self.program_bytes
    }

    fn add(&mut self, buffer: &BufferUse) {
        self.weights_bytes += buffer.weights_bytes;
        self.kv_bytes += buffer.kv_bytes;
        self.compute_bytes += buffer.compute_bytes;
    }
}

impl Usage {
    /// What a prediction says of a planned context.
    #[must_use]
    pub fn of(prediction: &Prediction, planned: &Planned) -> Self {
        let mut places = vec![PlaceUsage {
            place: MAIN_MEMORY.to_owned(),
            repacked_bytes: if prediction.mapped { prediction.repacked_bytes } else { 0 },
            program_bytes: prediction.program_bytes + planned.beside_bytes,
            ..PlaceUsage::default()
        }];
        for buffer in &planned.memory.buffers {
            let name = if buffer.is_host { MAIN_MEMORY } else { buffer.device.as_str() };
            let at = places.iter().position(|place| place.place == name).unwrap_or_else(|| {
                places.push(PlaceUsage { place: name.to_owned(), ..PlaceUsage::default() });
                places.len() - 1
            });
            places[at].add(buffer);
        }
        Self { n_ctx: planned.n_ctx, places }
    }

    /// What it takes of a place; none where it takes nothing.
    #[must_use]
    pub fn of_place(&self, name: &str) -> Option<&PlaceUsage> {
        self.places.iter().find(|place| place.place == name)
    }

    /// One kind of it over all places.
    #[must_use]
    pub fn sum(&self, kind: fn(&PlaceUsage) -> u64) -> u64 {
        self.places.iter().map(kind).sum()
    }

    /// The GPUs' part.
    #[must_use]
    pub fn devices_bytes(&self) -> u64 {
        self.places.iter().filter(|place| place.place != MAIN_MEMORY).map(PlaceUsage::total_bytes).sum()
    }
}
