//! Which context is tried next: from the predicted limit to the true one by as few probes as possible. Pure.
//!
//! A correct prediction takes two probes: it fits, and one step more does not. Nothing at or above a known failure is tried
//! again, as it would only cost another worker; nothing at or below a known fit either, as it would teach nothing.

use super::found::{Probe, Sweep};

/// The grid that is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Step in tokens, at least 1.
    pub step: u32,
    /// The largest context that is tried, in tokens.
    pub ceiling: u32,
}

impl Grid {
    /// The largest multiple of the step that is no more than `tokens` and the ceiling.
    #[must_use]
    pub fn floor(self, tokens: u64) -> u32 {
        let tokens = u32::try_from(tokens).unwrap_or(u32::MAX).min(self.ceiling);
        tokens - tokens % self.step
    }

    /// The largest context that the search may try.
    #[must_use]
    pub fn last(self) -> u32 {
        self.floor(self.ceiling.into())
    }

    /// The context to probe next, in tokens; none: the limit is known.
    #[must_use]
    pub fn next(self, predicted: u32, probes: &[Probe]) -> Option<u32> {
        let fits = probes.iter().filter(|probe| probe.fits()).map(|probe| probe.n_ctx).max();
        let fails = probes.iter().filter(|probe| !probe.fits()).map(|probe| probe.n_ctx).min();
        match (fits, fails) {
            (None, None) => Some(self.floor(predicted.into()).max(self.step)),
            (Some(fits), None) if fits >= self.last() => None,
            // one step, then further and further: a prediction that was too careful is rarely far off
            (Some(fits), None) => Some(self.floor(u64::from(fits) + self.stride(probes.len()))),
            (None, Some(fails)) if fails <= self.step => None,
            (None, Some(fails)) => {
                Some(self.floor(u64::from(fails).saturating_sub(self.stride(probes.len()))).max(self.step))
            }
            // a failure below a fit came by chance (memory that others took): the failure counts
            (Some(fits), Some(fails)) if fails <= fits + self.step => None,
            (Some(fits), Some(fails)) => Some(self.floor(u64::midpoint(fits.into(), fails.into()))),
        }
    }

    /// How far to go after so many probes in one direction: 1, 2, 4, … steps.
    fn stride(self, probes: usize) -> u64 {
        let doublings = u32::try_from(probes.saturating_sub(1)).unwrap_or(u32::MAX).min(31);
        u64::from(self.step) << doublings
    }
}

/// The largest context that fits below every known failure; none where none does.
#[must_use]
pub fn limit(sweep: &Sweep) -> Option<u32> {
    let fails = sweep.failed().map_or(u32::MAX, |(n_ctx, _)| n_ctx);
    let fits = sweep.probes.iter().filter(|probe| probe.fits() && probe.n_ctx < fails);
    fits.map(|probe| probe.n_ctx).max()
}

/// The largest multiple of `step` up to `last` whose room is not below 0; 0: none. `room` must not grow with the context. As
/// it is nearly a line, it is asked twice where the line through what is known crosses 0, then next to that, then in the middle.
///
/// # Errors
/// What `room` gives.
pub fn largest<E>(step: u32, last: u32, mut room: impl FnMut(u32) -> Result<i128, E>) -> Result<u32, E> {
    let (mut low, mut high) = (1, last / step); // in steps
    if high == 0 {
        return Ok(0);
    }
    let (mut room_low, mut room_high) = (room(step)?, room(high * step)?);
    if room_high >= 0 {
        return Ok(high * step);
    }
    if room_low < 0 {
        return Ok(0);
    }
    let mut asked = (0..).map(|round| round % 4);
    let mut latest = low;
    while high - low > 1 {
        let place = match asked.next() {
            Some(0 | 1) => {
                let share = i128::from(high - low) * room_low / (room_low - room_high).max(1);
                low.saturating_add(u32::try_from(share).unwrap_or(u32::MAX))
            }
            Some(2) if latest == low => low + 1,
            Some(2) => high - 1,
            _ => low + (high - low) / 2,
        };
        latest = place.clamp(low + 1, high - 1);
        let here = room(latest * step)?;
        if here >= 0 {
            (low, room_low) = (latest, here);
        } else {
            (high, room_high) = (latest, here);
        }
    }
    Ok(low * step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::context_limit::{Failure, FailureKind, ProbeResult};
    use proptest::prelude::*;

    const GRID: Grid = Grid { step: 256, ceiling: 1 << 20 };

    fn probe(n_ctx: u32, fits: bool) -> Probe {
        let failed = || ProbeResult::Failed(Failure { kind: FailureKind::Refused, reason: "no memory".into() });
        let result = if fits { ProbeResult::Fits(Box::default()) } else { failed() };
        Probe { n_ctx, result, seconds: 0.0 }
    }

    /// All probes of a search on a machine where contexts up to `truth` fit.
    fn search(grid: Grid, predicted: u32, truth: u32) -> Vec<Probe> {
        let mut probes = Vec::new();
        while let Some(n_ctx) = grid.next(predicted, &probes) {
            probes.push(probe(n_ctx, n_ctx <= truth));
            assert!(probes.len() < 100, "the search does not end");
        }
        probes
    }

    fn sizes(probes: &[Probe]) -> Vec<u32> {
        probes.iter().map(|probe| probe.n_ctx).collect()
    }

    #[test]
    fn a_right_prediction_takes_two_probes() {
        assert_eq!(sizes(&search(GRID, 8192, 8192)), [8192, 8448]);
    }

    #[test]
    fn a_careless_prediction_is_narrowed_downwards_and_a_careful_one_upwards() {
        assert_eq!(sizes(&search(GRID, 8192, 7424)), [8192, 7936, 7424, 7680]);
        assert_eq!(sizes(&search(GRID, 8192, 8704)), [8192, 8448, 8960, 8704]);
    }

    #[test]
    fn a_context_at_the_end_of_the_search_needs_no_failure_above_it() {
        let grid = Grid { step: 256, ceiling: 1000 };
        assert_eq!(sizes(&search(grid, 5000, 5000)), [768]);
    }

    #[test]
    fn where_not_even_one_step_fits_that_is_shown() {
        assert_eq!(sizes(&search(GRID, 0, 0)), [256]);
        assert_eq!(sizes(&search(GRID, 512, 100)), [512, 256]);
    }

    #[test]
    fn a_failure_below_a_fit_is_the_limit_and_not_probed_again() {
        let sweep = Sweep {
            probes: vec![probe(1024, true), probe(512, false), probe(256, true)],
            ..Sweep::new("f16".parse().unwrap())
        };
        assert_eq!(GRID.next(1024, &sweep.probes), None);
        assert_eq!(limit(&sweep), Some(256));
    }

    proptest! {
        #[test]
        fn every_search_ends_at_the_truth_and_tries_nothing_above_a_failure_or_below_a_fit(
            step in prop::sample::select(vec![256_u32, 512, 768, 4096]),
            predicted in 0_u32..2_000_000, truth in 0_u32..2_000_000,
        ) {
            let grid = Grid { step, ..GRID };
            let probes = search(grid, predicted, truth);
            for (place, one) in probes.iter().enumerate() {
                prop_assert_eq!(one.n_ctx % step, 0);
                for earlier in &probes[..place] {
                    let teaches = (one.n_ctx > earlier.n_ctx) == earlier.fits();
                    prop_assert!(teaches && one.n_ctx != earlier.n_ctx);
                }
            }
            let sweep = Sweep { probes, ..Sweep::new("f16".parse().unwrap()) };
            let expected = grid.floor(truth.into());
            prop_assert_eq!(limit(&sweep).unwrap_or(0), expected);
            prop_assert!(sweep.probes.len() <= 45, "{}", sweep.probes.len());
        }

        #[test]
        fn the_largest_with_room_is_found(
            step in 1_u32..5000, last in 0_u32..2_000_000, truth in 0_u32..3_000_000, knee in 0_u32..2_000_000, steep in 1_i128..200,
        ) {
            // dearer below the knee than above it, as with a sliding window
            let cost = |n: u32| i128::from(n) + (steep - 1) * i128::from(n.min(knee));
            let mut asked = 0;
            let room = |n: u32| { asked += 1; Ok::<_, ()>(cost(truth) - cost(n)) };
            let found = largest(step, last, room).unwrap();
            prop_assert_eq!(found, truth.min(last) / step * step);
            prop_assert!(asked <= 88, "{}", asked);
        }

        #[test]
        fn on_a_line_few_questions_are_enough(truth in 256_u32..1_000_000, each in 1_i128..100_000) {
            let mut asked = 0;
            let room = |n: u32| { asked += 1; Ok::<_, ()>(each * (i128::from(truth) - i128::from(n))) };
            prop_assert_eq!(largest(256, 1 << 20, room).unwrap(), truth / 256 * 256);
            prop_assert!(asked <= 8, "{}", asked);
        }
    }
}
