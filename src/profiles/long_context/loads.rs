//! Which sizes are loaded into one context, and how large that must be. Pure.

use super::{Job, LeftOut, Load};

/// A load at the end of what the model was trained for is worth its time where it is so much larger than the one before it.
const WORTH: f64 = 1.25;

/// The sizes of one filling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loads {
    /// All of them, the smallest first.
    pub(super) all: Vec<Load>,
    /// The size that the rating is about.
    pub(super) target_tokens: u32,
    gen_tokens: u32,
}

impl Loads {
    /// The wanted sizes for a model that was trained for `n_ctx_train` tokens. Where that is less than a wanted size and what is
    /// generated on the way, the largest that fits takes the place of the first that does not.
    pub(super) fn plan(job: &Job, n_ctx_train: u32) -> Self {
        let mut sizes = job.loads.clone();
        sizes.push(job.target_tokens);
        sizes.retain(|&tokens| tokens > 0);
        sizes.sort_unstable();
        sizes.dedup();
        let end = if job.beyond_trained { u32::MAX } else { n_ctx_train };
        let (mut all, mut made): (Vec<Load>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut has_last = false;
        for tokens in sizes {
            let generated = job.gen_tokens.saturating_mul(u32::try_from(made.len() + 1).unwrap_or(u32::MAX));
            let room = end.saturating_sub(generated);
            if tokens <= room {
                made.push(tokens);
                all.push(Load { tokens, left_out: None });
                continue;
            }
            let before = made.last().copied().unwrap_or(0);
            if !has_last && room > 0 && f64::from(room) >= WORTH * f64::from(before) {
                made.push(room);
                all.push(Load { tokens: room, left_out: None });
            }
            has_last = true;
            all.push(Load { tokens, left_out: Some(LeftOut::Untrained) });
        }
        let target = made.iter().copied().filter(|&tokens| tokens <= job.target_tokens).max();
        Self { all, target_tokens: target.unwrap_or(job.target_tokens), gen_tokens: job.gen_tokens }
    }

    /// The sizes that are to be loaded.
    pub(super) fn made(&self) -> impl Iterator<Item = u32> + '_ {
        self.all.iter().filter(|load| load.left_out.is_none()).map(|load| load.tokens)
    }

    /// Tokens of a context that holds the largest load and all that is generated; none where nothing is to be loaded.
    pub(super) fn n_ctx(&self) -> Option<u32> {
        let generated = self.gen_tokens.saturating_mul(u32::try_from(self.made().count()).unwrap_or(u32::MAX));
        Some(self.made().max()?.saturating_add(generated))
    }

    /// Why the smallest load that there is no memory for was given up.
    pub(super) fn reason(&self) -> Option<String> {
        self.all.iter().find_map(|load| match &load.left_out {
            Some(LeftOut::Memory(reason)) => Some(reason.clone()),
            _ => None,
        })
    }

    /// Gives up the largest load that was to be made, because there is no memory for it.
    pub(super) fn narrow(&mut self, reason: &str) {
        if let Some(load) = self.all.iter_mut().rev().find(|load| load.left_out.is_none()) {
            load.left_out = Some(LeftOut::Memory(reason.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ContextParams;

    fn job(loads: &[u32], target_tokens: u32) -> Job {
        Job {
            context: ContextParams::new(0, 1),
            loads: loads.to_vec(),
            target_tokens,
            gen_tokens: 32,
            seconds: 60,
            beyond_trained: false,
            seed: 1,
        }
    }

    const USUAL: [u32; 5] = [4096, 8192, 16_384, 32_768, 65_536];

    fn made(loads: &Loads) -> Vec<u32> {
        loads.made().collect()
    }

    #[test]
    fn a_model_that_was_trained_for_enough_gets_every_load_and_the_target_is_one_of_them() {
        let loads = Loads::plan(&job(&[8192, 4096], 6000), 131_072);
        assert_eq!((made(&loads), loads.target_tokens), (vec![4096, 6000, 8192], 6000));
        assert_eq!(loads.n_ctx(), Some(8192 + 3 * 32));
    }

    #[test]
    fn the_last_load_ends_where_the_training_did() {
        let small = Loads::plan(&job(&USUAL, 16_384), 1024);
        assert_eq!((made(&small), small.target_tokens, small.n_ctx()), (vec![992], 992, Some(1024)));
        assert_eq!(small.all.iter().filter(|load| load.left_out == Some(LeftOut::Untrained)).count(), 5);
        let exact = Loads::plan(&job(&USUAL, 16_384), 8192);
        assert_eq!((made(&exact), exact.target_tokens, exact.n_ctx()), (vec![4096, 8192 - 64], 8128, Some(8192)));
        let between = Loads::plan(&job(&USUAL, 16_384), 40_960);
        assert_eq!(made(&between), [4096, 8192, 16_384, 32_768], "8032 more tokens tell nothing new");
        assert_eq!(between.target_tokens, 16_384);
    }

    #[test]
    fn loads_beyond_the_training_are_made_where_somebody_wants_them() {
        let loads = Loads::plan(&Job { beyond_trained: true, ..job(&USUAL, 16_384) }, 1024);
        assert_eq!((made(&loads).len(), loads.target_tokens), (5, 16_384));
    }

    #[test]
    fn a_model_that_was_trained_for_next_to_nothing_gets_no_load() {
        assert_eq!(Loads::plan(&job(&USUAL, 16_384), 32).n_ctx(), None);
    }

    #[test]
    fn narrowing_gives_up_the_largest_and_leaves_the_target_what_it_was() {
        let mut loads = Loads::plan(&job(&USUAL, 65_536), 131_072);
        loads.narrow("too much");
        loads.narrow("still too much");
        assert_eq!((made(&loads), loads.target_tokens), (vec![4096, 8192, 16_384], 65_536));
        assert_eq!(loads.all[4].left_out, Some(LeftOut::Memory("too much".into())));
        assert_eq!(loads.n_ctx(), Some(16_384 + 3 * 32));
    }
}
