//! A Modelfile for ollama. Types of the KV cache are no part of it: they are variables of the server's environment, given in
//! its comments.

use std::fmt::Write as _;

use crate::engine::{FlashAttention, KvType};
use crate::report::context::view::{ContextReport, SweepReport};

/// The Modelfile, with `about` as its first lines.
///
/// # Errors
/// In a line: a type that ollama does not know, different types for keys and values, or a path that a Modelfile cannot hold.
pub fn modelfile(report: &ContextReport, sweep: &SweepReport, about: &str) -> Result<String, String> {
    let kv = kv_type(sweep)?;
    let path = report.model_path.to_str().filter(|path| !path.chars().any(char::is_control));
    let path = path.ok_or_else(|| format!("{}: a Modelfile cannot hold this path", report.model_path.display()))?;
    let mut text = about.to_owned();
    text.push_str("# the server's environment decides on the KV cache; start `ollama serve` with\n");
    // ollama stores keys and values in fewer bits only with flash attention
    let flash = match report.settings.flash_attention {
        FlashAttention::Off if kv == KvType::F16 => 0,
        _ => 1,
    };
    let _ =
        writeln!(text, "#   OLLAMA_FLASH_ATTENTION={flash} OLLAMA_KV_CACHE_TYPE={} OLLAMA_NUM_PARALLEL=1", kv.name());
    let _ = writeln!(text, "FROM {path}");
    let _ = writeln!(text, "PARAMETER num_ctx {}", sweep.recommended_context.unwrap_or(0));
    // ollama computes a whole batch at once: its size is that of the compute buffers
    let _ = writeln!(text, "PARAMETER num_batch {}", report.settings.n_ubatch);
    let _ = writeln!(text, "PARAMETER num_thread {}", report.settings.n_threads);
    if report.budget.devices.is_empty() {
        text.push_str("PARAMETER num_gpu 0\n");
    } else if let Some(layers) = report.settings.n_gpu_layers {
        let _ = writeln!(text, "PARAMETER num_gpu {layers}");
    }
    Ok(text)
}

fn kv_type(sweep: &SweepReport) -> Result<KvType, String> {
    let known = [KvType::F16, KvType::Q8_0, KvType::Q4_0];
    if sweep.kv.k != sweep.kv.v {
        return Err(format!("ollama has one type for keys and values, not {}; emit f16, q8_0 or q4_0", sweep.kv_type));
    }
    known
        .into_iter()
        .find(|kv| *kv == sweep.kv.k)
        .ok_or_else(|| format!("ollama does not know the KV cache type {}; emit f16, q8_0 or q4_0", sweep.kv_type))
}
