//! The command that starts llama.cpp's server so that it takes the memory that was proved, and no more.

use crate::engine::FlashAttention;
use crate::probe::context_limit::task::GRANULE;
use crate::report::context::view::{ContextReport, SweepReport};
use crate::verdict::recommendation::quoted;

/// The command line, for a POSIX shell.
///
/// Besides what was measured with, it switches off what the server would take more memory for by its own defaults: further
/// slots (`-np 1`), copies of old prompts in RAM (`--cache-ram 0`; 8 GiB by default), checkpoints of the context
/// (`--ctx-checkpoints 0`; up to 32 copies of the state of sliding-window and recurrent models), and fitting its settings to the
/// memory that is free (`-fit off`).
#[must_use]
pub fn command(report: &ContextReport, sweep: &SweepReport) -> String {
    let settings = &report.settings;
    let mut words = vec!["llama-server".to_owned(), "-m".to_owned(), quoted(&report.model_path.to_string_lossy())];
    let mut flag = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    flag("-c", &context(sweep).to_string());
    flag("-ctk", sweep.kv.k.name());
    flag("-ctv", sweep.kv.v.name());
    flag("-fa", flash_attention(settings.flash_attention));
    flag("-b", &settings.n_batch.to_string());
    flag("-ub", &settings.n_ubatch.to_string());
    flag("-t", &settings.n_threads.to_string());
    // said in any case: a server that was built for a GPU would take one by itself
    flag("-ngl", &gpu_layers(report));
    flag("-np", "1");
    flag("--cache-ram", "0");
    flag("--ctx-checkpoints", "0");
    flag("-fit", "off");
    if !settings.use_mmap {
        flag("--load-mode", "none");
    }
    words.join(" ")
}

/// What is recommended, in whole granules: llama.cpp rounds up, which memory may not allow.
fn context(sweep: &SweepReport) -> u32 {
    let context = sweep.recommended_context.unwrap_or(0);
    // what the model was trained for may be no multiple; rounded up it lies within the safe context
    let up = context.div_ceil(GRANULE) * GRANULE;
    if sweep.max_context.is_some_and(|max| up <= max) { context } else { context / GRANULE * GRANULE }
}

fn flash_attention(mode: FlashAttention) -> &'static str {
    match mode {
        FlashAttention::Auto => "auto",
        FlashAttention::Off => "off",
        FlashAttention::On => "on",
    }
}

fn gpu_layers(report: &ContextReport) -> String {
    match report.settings.n_gpu_layers {
        _ if report.budget.devices.is_empty() => "0".to_owned(),
        Some(layers) => layers.to_string(),
        None => "all".to_owned(),
    }
}
