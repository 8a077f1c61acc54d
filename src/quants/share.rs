//! How many quantizations run at once. Pure.

/// How much of the free memory quantizations may take together, in percent: the rest is for what cannot be counted.
const MEMORY_PERCENT: u64 = 80;

/// How many run at once, and with how many threads each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub at_once: usize,
    pub threads: u32,
}

/// Shares `threads` and the free memory (0: not known) among files that need up to `need_bytes` each.
///
/// # Errors
/// The bytes that are there, when they are not enough for one.
pub(super) fn share(files: usize, threads: u32, need_bytes: u64, free_bytes: u64) -> Result<Share, u64> {
    let threads = threads.max(1);
    let fit = if free_bytes == 0 { u64::MAX } else { (free_bytes / 100 * MEMORY_PERCENT) / need_bytes.max(1) };
    if fit == 0 {
        return Err(free_bytes / 100 * MEMORY_PERCENT);
    }
    let at_once = files.min(threads as usize).min(usize::try_from(fit).unwrap_or(usize::MAX)).max(1);
    // threads that are left over help nobody: all files take about as long
    Ok(Share { at_once, threads: (threads / u32::try_from(at_once).unwrap_or(threads)).max(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_and_memory_decide_how_many_run_at_once() {
        let of = |files, threads, free| share(files, threads, 1_000, free).map(|s| (s.at_once, s.threads));
        assert_eq!(of(6, 2, 1_000_000), Ok((2, 1)));
        assert_eq!(of(6, 64, 1_000_000), Ok((6, 10)));
        assert_eq!(of(1, 8, 1_000_000), Ok((1, 8)));
        assert_eq!(of(6, 64, 4_000), Ok((3, 21)), "four fifths of 4000 bytes are enough for three");
        assert_eq!(of(6, 64, 1_200), Err(960), "not even for one");
        assert_eq!(of(6, 4, 0), Ok((4, 1)), "where the free memory is not known");
        assert_eq!(of(6, 0, 0), Ok((1, 1)));
    }
}
