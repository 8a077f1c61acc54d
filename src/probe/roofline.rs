//! Memory bandwidth and matrix throughput.
