//! Matrix throughput: how many floating-point operations a second this machine's CPU reaches in a matrix multiplication.
//!
//! Processing a prompt is matrix multiplication. The kernel here is the classic one (panels packed for the caches, a tile of
//! the result in registers; Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008) in plain Rust
//! that the compiler vectorises for the CPU it compiles for: an estimate of what f32 code can reach, not the hardware's peak.
//!
//! Left out on purpose: integer dot products (VNNI, AMX, I8MM), with which quantized models may exceed the f32 number.

use std::hint::black_box;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Rates, Repeat, timed_passes};
use crate::stats::float;

/// Rows and columns of the matrices: three of them together lie in a level-2 cache of 2 MiB, the packed panels in 1 MiB.
const SIZE: usize = 384;
/// Depth of a block: a packed panel of the right matrix stays in the level-1 cache.
const DEPTH: usize = 192;
/// Rows of a register tile.
const ROWS: usize = 6;
/// Columns of a register tile: 6 × 16 numbers fill 12 of AVX2's 16 registers; SSE2's are half as wide.
const COLUMNS: usize = if cfg!(all(target_arch = "x86_64", not(target_feature = "avx"))) { 8 } else { 16 };
/// Multiplications in a pass, so that waiting for each other does not count.
const PER_PASS: u32 = 8;
/// Floating-point operations of a multiplication: a product and a sum for each triple.
const OPERATIONS: u64 = 2 * (SIZE * SIZE * SIZE) as u64;
/// Time for each of the two measurements.
const TIME: Duration = Duration::from_millis(500);

/// Measured f32 matrix throughput.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throughput {
    /// The fastest repetition, in 10^9 floating-point operations a second.
    pub best_gflops: f64,
    /// The middle repetition.
    pub median_gflops: f64,
    /// From the slowest to the fastest repetition, in percent of the median.
    pub spread_percent: f64,
    /// Repetitions that were counted.
    pub repetitions: u32,
    /// Threads that computed at once.
    pub threads: u32,
    /// How it was measured.
    pub method: String,
}

impl Throughput {
    /// The fastest repetition in operations per second.
    #[must_use]
    pub fn operations_per_second(&self) -> f64 {
        self.best_gflops * 1e9
    }
}

/// Measures with `threads` threads and with one, in about a second.
#[must_use]
pub fn measure(threads: u32) -> (Throughput, Throughput) {
    let threads = threads.max(1);
    let many = measure_once(threads);
    let single = if threads == 1 { many.clone() } else { measure_once(1) };
    (many, single)
}

fn measure_once(threads: u32) -> Throughput {
    let repeat = Repeat { least: 3, most: 200, time: TIME };
    let (times, _) = timed_passes(
        threads,
        repeat,
        |_| Multiplication::new(),
        |multiplication| {
            for _ in 0..PER_PASS {
                multiplication.run();
                black_box(&mut multiplication.result);
            }
        },
    );
    let operations = float(OPERATIONS * u64::from(PER_PASS) * u64::from(threads));
    let rates: Vec<f64> = times.iter().map(|time| operations / time.as_secs_f64().max(1e-9) / 1e9).collect();
    let rates = Rates::of(&rates);
    Throughput {
        best_gflops: rates.best,
        median_gflops: rates.median,
        spread_percent: rates.spread_percent,
        repetitions: rates.repetitions,
        threads,
        method: format!(
            "f32 matrix multiplication, {SIZE} x {SIZE}, cache-blocked, a pair of matrices for each thread"
        ),
    }
}

/// A product of two square matrices, row by row in memory, and the room to compute it in.
struct Multiplication {
    left: Vec<f32>,
    right: Vec<f32>,
    result: Vec<f32>,
    left_panels: Vec<[f32; ROWS]>,
    right_panels: Vec<[f32; COLUMNS]>,
}

impl Multiplication {
    /// Small numbers, so that sums neither overflow nor become denormal.
    fn new() -> Self {
        #[allow(clippy::cast_precision_loss)] // below 17
        let numbers = |step: usize| (0..SIZE * SIZE).map(|i| (i * step % 17) as f32 / 16.0 - 0.5).collect();
        Self {
            left: numbers(3),
            right: numbers(5),
            result: vec![0.0; SIZE * SIZE],
            left_panels: vec![[0.0; ROWS]; SIZE / ROWS * DEPTH],
            right_panels: vec![[0.0; COLUMNS]; SIZE / COLUMNS * DEPTH],
        }
    }

    /// Computes the result anew.
    fn run(&mut self) {
        self.result.fill(0.0);
        for first in (0..SIZE).step_by(DEPTH) {
            self.pack(first);
            for (column, right) in self.right_panels.chunks_exact(DEPTH).enumerate() {
                for (row, left) in self.left_panels.chunks_exact(DEPTH).enumerate() {
                    let tile = multiply_panels(left, right);
                    for (i, sums) in tile.iter().enumerate() {
                        let start = (row * ROWS + i) * SIZE + column * COLUMNS;
                        for (out, sum) in self.result[start..start + COLUMNS].iter_mut().zip(sums) {
                            *out += sum;
                        }
                    }
                }
            }
        }
    }

    /// Lays `DEPTH` columns of the left and rows of the right matrix out in the order in which they are used.
    fn pack(&mut self, first: usize) {
        for (panel, packed) in self.left_panels.chunks_exact_mut(DEPTH).enumerate() {
            for (k, column) in packed.iter_mut().enumerate() {
                for (i, number) in column.iter_mut().enumerate() {
                    *number = self.left[(panel * ROWS + i) * SIZE + first + k];
                }
            }
        }
        for (panel, packed) in self.right_panels.chunks_exact_mut(DEPTH).enumerate() {
            for (k, row) in packed.iter_mut().enumerate() {
                let start = (first + k) * SIZE + panel * COLUMNS;
                row.copy_from_slice(&self.right[start..start + COLUMNS]);
            }
        }
    }
}

/// A tile of the product. The rows have names because an array of them is not kept in registers by every compiler version.
#[inline(never)]
fn multiply_panels(left: &[[f32; ROWS]], right: &[[f32; COLUMNS]]) -> [[f32; COLUMNS]; ROWS] {
    let [mut row0, mut row1, mut row2, mut row3, mut row4, mut row5] = [[0.0; COLUMNS]; ROWS];
    for (left, right) in left.iter().zip(right) {
        add_product(&mut row0, left[0], right);
        add_product(&mut row1, left[1], right);
        add_product(&mut row2, left[2], right);
        add_product(&mut row3, left[3], right);
        add_product(&mut row4, left[4], right);
        add_product(&mut row5, left[5], right);
    }
    [row0, row1, row2, row3, row4, row5]
}

#[inline(always)]
#[allow(clippy::inline_always)] // a call here would cost more than the work
fn add_product(sums: &mut [f32; COLUMNS], factor: f32, numbers: &[f32; COLUMNS]) {
    for (sum, number) in sums.iter_mut().zip(numbers) {
        // Without the instruction `mul_add` is a slow function of the C library.
        *sum = if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            factor.mul_add(*number, *sum)
        } else {
            factor * number + *sum
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocked_product_is_the_plain_product() {
        let mut multiplication = Multiplication::new();
        multiplication.run();
        multiplication.run();
        for (i, j) in [(0, 0), (1, 17), (5, 383), (6, 8), (200, 201), (383, 0), (383, 383)] {
            let row = &multiplication.left[i * SIZE..(i + 1) * SIZE];
            let column = multiplication.right.iter().skip(j).step_by(SIZE);
            let plain: f64 = row.iter().zip(column).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let blocked = f64::from(multiplication.result[i * SIZE + j]);
            assert!((blocked - plain).abs() < 1e-3, "({i}, {j}): {blocked} instead of {plain}");
        }
    }

    #[test]
    fn tiles_and_blocks_cover_the_matrices_exactly() {
        assert_eq!((SIZE % ROWS, SIZE % COLUMNS, SIZE % DEPTH), (0, 0, 0));
    }

    #[test]
    fn one_thread_and_two_both_compute_at_some_speed_and_say_how() {
        let (many, single) = measure(2);
        assert_eq!((many.threads, single.threads), (2, 1));
        for throughput in [&many, &single] {
            assert!(throughput.median_gflops.is_finite() && throughput.median_gflops > 0.01, "{throughput:?}");
            assert!(throughput.best_gflops >= throughput.median_gflops && throughput.repetitions >= 3);
        }
    }
}
