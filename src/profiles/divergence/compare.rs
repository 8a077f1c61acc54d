//! Two rows of logits for the same place of a text, compared. Pure.
//!
//! Written for the compiler to vectorize: fixed-width blocks, no branches, an exponential of its own (the C library's is a
//! call for each number). Exponentials are f32, sums f64. The divergence is taken as
//! Σ p·(a − b) − (ln Σeᵃ − ln Σeᵇ), in which equal rows give exactly 0.

/// Numbers handled at once: two AVX-512 registers of f64, and a multiple of every narrower vector.
const WIDTH: usize = 16;

/// Below this a logit says "never" (some models mask tokens with −∞, whose differences would not be numbers).
const LOWEST: f32 = -1e30;

/// How two models' predictions of one token differ. Natural logarithms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Compared {
    /// Kullback-Leibler divergence of the candidate from the reference: Σ p ln(p / q), p being the reference's.
    pub(super) kld: f64,
    /// A token that is most likely for both.
    pub(super) same_top: bool,
    /// The candidate's −ln q of the text's own token.
    pub(super) nll: f64,
    /// The reference's −ln p of it.
    pub(super) nll_reference: f64,
}

/// Compares two rows of the same length; `token` is what the text goes on with. None where a row has no numbers in it (NaN) or
/// lacks the token.
pub(super) fn compare(reference: &[f32], candidate: &[f32], token: usize) -> Option<Compared> {
    let (&a, &b) = (reference.get(token)?, candidate.get(token)?);
    let (top_a, top_b) = (largest(reference), largest(candidate));
    let mut sums = Sums::default();
    let mut blocks = reference.chunks_exact(WIDTH).zip(candidate.chunks_exact(WIDTH));
    for (a, b) in &mut blocks {
        sums.add(block(a), block(b), top_a, top_b);
    }
    let rest = reference.len() / WIDTH * WIDTH;
    sums.add(&padded(&reference[rest..]), &padded(candidate.get(rest..)?), top_a, top_b);
    let (sum_a, sum_b) = (total(&sums.a), total(&sums.b));
    let (log_a, log_b) = (f64::from(top_a) + sum_a.ln(), f64::from(top_b) + sum_b.ln());
    let compared = Compared {
        // rounding may leave a little less than nothing
        kld: (total(&sums.difference) / sum_a - (log_a - log_b)).max(0.0),
        same_top: sums.both_top.iter().any(|&both| both != 0),
        nll: log_b - f64::from(b.max(LOWEST)),
        nll_reference: log_a - f64::from(a.max(LOWEST)),
    };
    // `max` above turns NaN into 0, so the sums are asked
    let numbers = total(&sums.difference).is_finite() && sum_a.is_finite() && sum_b.is_finite();
    (numbers && compared.nll.is_finite() && compared.nll_reference.is_finite()).then_some(compared)
}

/// Sums over the vocabulary, one a place of a block.
#[derive(Default)]
struct Sums {
    /// e^(a − largest a).
    a: [f64; WIDTH],
    /// e^(b − largest b).
    b: [f64; WIDTH],
    /// e^(a − largest a) · (a − b).
    difference: [f64; WIDTH],
    /// Not 0 where a and b both were the largest.
    both_top: [u32; WIDTH],
}

impl Sums {
    #[inline]
    fn add(&mut self, a: &[f32; WIDTH], b: &[f32; WIDTH], top_a: f32, top_b: f32) {
        for place in 0..WIDTH {
            let (a, b) = (at_least_lowest(a[place]), at_least_lowest(b[place]));
            let (share_a, share_b) = (exp(a - top_a), exp(b - top_b));
            self.a[place] += f64::from(share_a);
            self.b[place] += f64::from(share_b);
            self.difference[place] += f64::from(share_a) * f64::from(a - b);
            self.both_top[place] |= u32::from(a >= top_a) & u32::from(b >= top_b);
        }
    }
}

/// Like `max`, but NaN stays NaN.
#[inline]
fn at_least_lowest(logit: f32) -> f32 {
    if logit < LOWEST { LOWEST } else { logit }
}

fn largest(row: &[f32]) -> f32 {
    let mut largest = [LOWEST; WIDTH];
    let mut blocks = row.chunks_exact(WIDTH);
    for values in &mut blocks {
        for (largest, &value) in largest.iter_mut().zip(block(values)) {
            *largest = if value > *largest { value } else { *largest };
        }
    }
    largest.iter().chain(blocks.remainder()).copied().fold(LOWEST, f32::max)
}

fn block(values: &[f32]) -> &[f32; WIDTH] {
    values.try_into().expect("chunks_exact gives blocks of this width")
}

/// A row's end as a block; what it lacks adds nothing.
fn padded(rest: &[f32]) -> [f32; WIDTH] {
    let mut block = [LOWEST; WIDTH];
    block[..rest.len()].copy_from_slice(rest);
    block
}

fn total(places: &[f64; WIDTH]) -> f64 {
    places.iter().sum()
}

/// e^x for x ≤ 0 with a relative error below 2e-7; below −87 it is e^−87, 1.6e-38. NaN stays NaN.
///
/// Method and coefficients: S. Moshier's Cephes library, `expf.c`: e^x = 2^n · e^r with |r| ≤ ln 2 / 2, and a polynomial of r.
#[inline]
#[allow(clippy::excessive_precision)] // the coefficients as they are published
fn exp(x: f32) -> f32 {
    /// Adding it rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2^23
    let x = if x < -87.0 { -87.0 } else { x };
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * 0.693_359_375 + n * 2.121_944_40e-4; // ln 2 in two parts, the first one exact
    let mut p = 1.987_569_150_0e-4;
    for coefficient in
        [1.398_199_950_7e-3, 8.333_451_907_3e-3, 4.166_579_589_4e-2, 1.666_666_545_9e-1, 5.000_000_120_1e-1]
    {
        p = p * r + coefficient;
    }
    let p = p * (r * r) + r + 1.0;
    f32::from_bits(p.to_bits().wrapping_add(rounded.to_bits() << 23)) // times 2^n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::float;
    use crate::stats::random::SplitMix64;

    /// The same in f64, as the formula is written in books.
    fn by_the_book(reference: &[f32], candidate: &[f32], token: usize) -> (f64, f64, f64) {
        let logs = |row: &[f32]| {
            let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
            row.iter().map(|&logit| f64::from(logit) - sum.ln()).collect::<Vec<_>>()
        };
        let (p, q) = (logs(reference), logs(candidate));
        let kld = p.iter().zip(&q).map(|(p, q)| p.exp() * (p - q)).sum();
        (kld, -q[token], -p[token])
    }

    fn random_row(random: &mut SplitMix64, n: usize) -> Vec<f32> {
        #[allow(clippy::cast_possible_truncation)] // noise
        (0..n).map(|_| (float(random.next_u64() >> 11) / float(1 << 53) * 24.0 - 12.0) as f32).collect()
    }

    #[test]
    fn two_known_distributions_have_the_divergence_that_is_computed_by_hand() {
        // p = (1/2, 1/4, 1/4), q = (1/4, 1/4, 1/2): KLD = 1/2 ln 2 + 0 − 1/4 ln 2
        let (p, q) = ([0.5_f32.ln(), 0.25_f32.ln(), 0.25_f32.ln()], [0.25_f32.ln(), 0.25_f32.ln(), 0.5_f32.ln()]);
        let compared = compare(&p, &q, 2).unwrap();
        assert!((compared.kld - 0.25 * std::f64::consts::LN_2).abs() < 1e-7, "{compared:?}");
        assert!((compared.nll - std::f64::consts::LN_2).abs() < 1e-7);
        assert!((compared.nll_reference - 4_f64.ln()).abs() < 1e-7);
        assert!(!compared.same_top);
        assert!(compare(&p, &p, 0).unwrap().same_top);
    }

    #[test]
    fn rows_of_every_length_agree_with_the_formula_in_double_precision() {
        let mut random = SplitMix64::new(3);
        for n in [1, 2, 15, 16, 17, 31, 33, 2048, 2051] {
            let reference = random_row(&mut random, n);
            for noise in [1.0, 0.03] {
                let candidate: Vec<f32> =
                    reference.iter().zip(random_row(&mut random, n)).map(|(a, b)| a + noise * b / 4.0).collect();
                let (kld, nll, nll_reference) = by_the_book(&reference, &candidate, n / 2);
                let compared = compare(&reference, &candidate, n / 2).unwrap();
                // the exponentials' relative error times the spread of the logits' differences, about 0.4 for the small noise
                assert!((compared.kld - kld).abs() < 1e-6 * kld + 8e-8, "{n}: {} instead of {kld}", compared.kld);
                assert!((compared.nll - nll).abs() < 1e-6 && (compared.nll_reference - nll_reference).abs() < 1e-6);
            }
        }
    }

    #[test]
    fn equal_rows_diverge_by_exactly_nothing() {
        let mut random = SplitMix64::new(4);
        for n in [3, 2048, 5000] {
            let row = random_row(&mut random, n);
            let compared = compare(&row, &row, 1).unwrap();
            assert!(
                compared.kld == 0.0 && compared.same_top && compared.nll.total_cmp(&compared.nll_reference).is_eq()
            );
        }
    }

    #[test]
    fn rows_without_numbers_are_told_wherever_they_are_damaged_and_masked_tokens_are_not_damage() {
        let row = random_row(&mut SplitMix64::new(5), 40);
        for place in [0, 20, 39] {
            let mut damaged = row.clone();
            damaged[place] = f32::NAN;
            assert_eq!(compare(&row, &damaged, 1), None, "{place}");
            assert_eq!(compare(&damaged, &row, 1), None, "{place}");
        }
        assert_eq!(compare(&row, &row, 40), None);
        let mut masked = row.clone();
        masked[7] = f32::NEG_INFINITY;
        assert_eq!(compare(&masked, &masked, 1).map(|c| c.kld), Some(0.0));
        let (kld, ..) = by_the_book(&masked[8..], &row[8..], 1);
        assert!((compare(&masked[8..], &row[8..], 1).unwrap().kld - kld).abs() < 1e-7);
    }

    #[test]
    fn the_exponential_is_within_two_tenths_of_a_millionth() {
        for step in 0..87_000_u32 {
            let x = -0.001 * f64::from(step);
            #[allow(clippy::cast_possible_truncation)] // f32 is what is tested
            let x = x as f32;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 2e-7, "e^{x}");
        }
        assert_eq!(exp(0.0).to_bits(), 1.0_f32.to_bits());
        assert!(exp(-1e30) < 1e-37 && exp(f32::NAN).is_nan());
    }
}
