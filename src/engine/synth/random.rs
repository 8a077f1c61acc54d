//! Random bytes for weights: streams of one seed, the same on every machine.

use crate::stats::random::SplitMix64;

/// A stream of random bytes.
#[derive(Clone, Debug)]
pub(super) struct Random(SplitMix64);

impl Random {
    /// The stream number `stream` of a seed; streams of one seed share nothing that could be seen.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let base = SplitMix64::new(seed).next_u64();
        let start = SplitMix64::new(base ^ stream.wrapping_mul(0xd134_2543_de82_ef95)).next_u64();
        Self(SplitMix64::new(start))
    }

    /// Fills a buffer; a length that is no multiple of 8 wastes the rest of the last number.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) {
        let mut words = buffer.chunks_exact_mut(8);
        for word in &mut words {
            word.copy_from_slice(&self.0.next_u64().to_le_bytes());
        }
        let rest = words.into_remainder();
        let last = self.0.next_u64().to_le_bytes();
        rest.copy_from_slice(&last[..rest.len()]);
    }
}
