//! Random numbers that are the same for the same seed on every machine.
//!
//! `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): small, several gigabytes a
//! second on one core, and far better than weights, tokens and resamples need. Left out on purpose: secrets.

/// A sequence of random numbers.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, each of 64 bits random.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n` (0 for an `n` of 0); the multiplication's bias is below n / 2^64.
    #[allow(clippy::cast_possible_truncation)] // the high half of the product is below n
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_algorithms_reference() {
        let mut random = SplitMix64::new(1_234_567);
        let expected = [6_457_827_717_110_365_317_u64, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next_u64(), random.next_u64(), random.next_u64()], expected);
    }

    #[test]
    fn every_number_below_a_bound_comes_about_equally_often() {
        let mut random = SplitMix64::new(7);
        let mut seen = [0_u32; 50];
        for _ in 0..5000 {
            seen[random.below(50)] += 1;
        }
        assert!(seen.iter().all(|n| (50..200).contains(n)), "about 100 of each: {seen:?}");
        assert_eq!((random.below(1), random.below(0)), (0, 0));
    }
}
