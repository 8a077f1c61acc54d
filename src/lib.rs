//! sweetspot measures which local language model, quantization and context size suit this machine.
//!
//! # Data flow
//! ```text
//! catalog + config + machine ──► plan ──► lab loop ──► worker (engine + profile) ──► samples
//!                                 ▲          │                                          │
//!                                 │          ▼                                          ▼
//!                           termination ◄─ outcome ◄── verdict ◄── stats ◄──────────────┘
//!                                            │
//!                                            ▼
//!                                 checkpoint (append, fsync) ──► report (reads only the run's folder)
//! ```
//!
//! # Modules
//! - [`cli`], [`cmd`], [`exit_code`]: the command line; one file a subcommand, no logic of its own.
//! - [`hub`]: models from Hugging Face's hub: what there is, what is here, verified downloads.
//! - [`quants`]: the quantizations that this program makes, and the cache they stay in.
//! - [`plan`]: WHAT to run. Pure: no clock, no file, no print.
//! - [`lab`]: the run: loop, checkpoint, outcomes, console.
//! - [`worker`]: WHERE it runs: the child process, its protocol, its limits and its end.
//! - [`engine`]: WHO runs it: llama.cpp, or a script that stands in for it in tests. The only folder with `unsafe`.
//! - [`profiles`]: HOW each use case is measured.
//! - [`probe`]: what the hardware can do at most.
//! - [`machine`]: what this hardware is and how it is doing.
//! - [`stats`], [`verdict`]: pure numbers and pure judgements over them.
//! - [`report`]: from a run's folder to terminal, JSON, CSV and Markdown.

pub mod cli;
pub mod cmd;
pub mod engine;
pub mod exit_code;
pub mod hub;
mod interrupt;
pub mod lab;
pub mod machine;
pub mod plan;
pub mod probe;
pub mod profiles;
pub mod quants;
pub mod report;
mod say;
pub mod stats;
pub mod verdict;
pub mod worker;
