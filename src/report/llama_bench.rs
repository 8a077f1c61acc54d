//! llama_bench
