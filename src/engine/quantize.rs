//! Quantization types.
