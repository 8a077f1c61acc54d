//! When a service trims a conversation, and by how much.
//!
//! A conversation grows by `r` tokens a request (its answer included) in a context of `S` tokens.
//!
//! - threshold `T = S − r`: at `T` tokens or fewer one more request surely fits; above it the conversation is trimmed first;
//! - interval `i = max(1, ⌊T ÷ 2 ÷ r⌋)`: requests from one trim to the next. A trim drops the cached beginning, so that
//!   everything that stays is read again: trimming to half makes that rare and still keeps half of the conversation;
//! - what a trim leaves: `T − i · r`, so that exactly `i` more requests end at the threshold.

use crate::probe::context_limit::task::GRANULE;

/// Share of the maximum that is safe to plan with, in percent.
const SAFE_PERCENT: u64 = 80;

/// The three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    /// A conversation of more tokens is trimmed.
    pub threshold: u32,
    /// Tokens that a trim leaves.
    pub keep: u32,
    /// Requests until the next one.
    pub interval: u32,
}

impl Trim {
    /// For a context and tokens per request; absent where the context does not hold two requests.
    #[must_use]
    pub fn of(context: u32, tokens_per_request: u32) -> Option<Self> {
        let request = tokens_per_request.max(1);
        let threshold = context.checked_sub(request).filter(|threshold| *threshold >= request)?;
        let interval = (threshold / 2 / request).max(1);
        Some(Self { threshold, keep: threshold - interval * request, interval })
    }
}

/// 80 % of the maximum, rounded down to what llama.cpp allocates in; absent where that leaves nothing.
#[must_use]
pub fn safe_context(max_context: u32) -> Option<u32> {
    let share = u32::try_from(u64::from(max_context) * SAFE_PERCENT / 100).unwrap_or(max_context);
    Some(share / GRANULE * GRANULE).filter(|safe| *safe > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_trim_is_what_was_worked_out_by_hand() {
        // 8192 − 512 = 7680; half of it are 3840, in which 7 requests fit; 7680 − 7 · 512 = 4096
        assert_eq!(Trim::of(8192, 512), Some(Trim { threshold: 7680, keep: 4096, interval: 7 }));
        assert_eq!(Trim::of(1024, 512), Some(Trim { threshold: 512, keep: 0, interval: 1 }));
    }

    #[test]
    fn a_context_that_holds_no_two_requests_has_no_trim() {
        assert_eq!(Trim::of(1023, 512), None);
        assert_eq!(Trim::of(100, 512), None);
        assert_eq!(Trim::of(0, 0), None);
    }

    #[test]
    fn the_safe_context_is_four_fifths_in_whole_granules() {
        assert_eq!(safe_context(98_304), Some(78_592)); // 78 643.2 → 307 granules
        assert_eq!(safe_context(320), Some(256));
        assert_eq!(safe_context(256), None);
        assert_eq!(safe_context(u32::MAX), Some(3_435_973_632)); // 3 435 973 836 → whole granules
    }

    proptest! {
        #[test]
        fn after_a_trim_the_promised_requests_fit_and_the_threshold_leaves_room_for_one(
            context in 0_u32..2_000_000, request in 1_u32..100_000,
        ) {
            if let Some(trim) = Trim::of(context, request) {
                prop_assert_eq!(trim.keep + trim.interval * request, trim.threshold);
                prop_assert_eq!(trim.threshold + request, context);
                prop_assert!(trim.interval >= 1);
                prop_assert!(trim.keep >= trim.threshold / 2 || trim.interval == 1);
            } else {
                prop_assert!(context < 2 * request);
            }
        }

        #[test]
        fn a_safe_context_is_a_multiple_of_the_granule_and_at_most_four_fifths(max in 0_u32..u32::MAX) {
            let safe = safe_context(max).unwrap_or(0);
            prop_assert_eq!(safe % GRANULE, 0);
            prop_assert!(u64::from(safe) * 5 <= u64::from(max) * 4);
            prop_assert!(u64::from(safe + GRANULE) * 5 > u64::from(max) * 4 - 4);
        }
    }
}
