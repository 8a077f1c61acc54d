//! Exact memory of a model and its context: bytes per buffer type, as ggml allocated (or, with `no_alloc`, would allocate)
//! them. Source: `llama_get_memory_breakdown` of llama.cpp's `llama-ext.h`, through the shim.

use serde::{Deserialize, Serialize};

/// Name of the buffer type of weights that ggml re-ordered for this CPU: a second copy beside the mapped file.
const REPACK: &str = "CPU_REPACK";

/// Bytes in one buffer type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BufferUse {
    /// ggml's name of the buffer type, such as `CPU`, `CPU_REPACK` or `CUDA0`.
    pub name: String,
    /// ggml's name of the device the bytes lie on; empty where there is none.
    pub device: String,
    /// Whether the bytes lie in this machine's main memory.
    pub is_host: bool,
    /// Weights.
    pub weights_bytes: u64,
    /// KV cache and recurrent state.
    pub kv_bytes: u64,
    /// Scratch space of the computation, outputs included.
    pub compute_bytes: u64,
}

/// All buffers of a context and its model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryBreakdown {
    /// One entry a buffer type, in ggml's order.
    pub buffers: Vec<BufferUse>,
}

impl MemoryBreakdown {
    /// Weights, repacked copies included.
    #[must_use]
    pub fn weights_bytes(&self) -> u64 {
        self.buffers.iter().map(|b| b.weights_bytes).sum()
    }

    /// Weights that ggml copied into the CPU's preferred order; the mapped file stays beside them.
    #[must_use]
    pub fn repacked_bytes(&self) -> u64 {
        self.buffers.iter().filter(|b| b.name == REPACK).map(|b| b.weights_bytes).sum()
    }

    /// KV cache and recurrent state.
    #[must_use]
    pub fn kv_bytes(&self) -> u64 {
        self.buffers.iter().map(|b| b.kv_bytes).sum()
    }

    /// Compute buffers, outputs included.
    #[must_use]
    pub fn compute_bytes(&self) -> u64 {
        self.buffers.iter().map(|b| b.compute_bytes).sum()
    }

    /// Everything.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.weights_bytes() + self.kv_bytes() + self.compute_bytes()
    }

    /// Everything that lies in main memory.
    #[must_use]
    pub fn host_bytes(&self) -> u64 {
        self.buffers.iter().filter(|b| b.is_host).map(|b| b.weights_bytes + b.kv_bytes + b.compute_bytes).sum()
    }
}
