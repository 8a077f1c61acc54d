//! `/proc`: what its text means. Numbers that are not there or make no sense are `None`.

use crate::machine::LoadAverage;
use crate::machine::memory::Memory;
use crate::machine::vitals::ProcessMemory;

/// `/proc/meminfo`.
pub(super) fn memory(meminfo: &str) -> Memory {
    let bytes = |key| kibibytes(meminfo, key).unwrap_or(0);
    let available = kibibytes(meminfo, "MemAvailable")
        // Kernels before 3.14 leave the sum to the reader.
        .unwrap_or_else(|| bytes("MemFree") + bytes("Buffers") + bytes("Cached"));
    Memory {
        total_bytes: bytes("MemTotal"),
        available_bytes: available,
        swap_total_bytes: bytes("SwapTotal"),
        swap_used_bytes: bytes("SwapTotal").saturating_sub(bytes("SwapFree")),
    }
}

/// `/proc/<pid>/status`; `None` for a process that is gone, a zombie or a kernel thread.
pub(super) fn process_memory(status: &str) -> Option<ProcessMemory> {
    Some(ProcessMemory {
        rss_bytes: kibibytes(status, "VmRSS")?,
        rss_peak_bytes: kibibytes(status, "VmHWM"),
        rss_anon_bytes: kibibytes(status, "RssAnon"),
        rss_file_bytes: kibibytes(status, "RssFile"),
        swap_bytes: kibibytes(status, "VmSwap"),
        data_bytes: kibibytes(status, "VmData"),
    })
}

/// How many CPUs a process may run on, from its `/proc/<pid>/status`.
pub(super) fn cpus_allowed(status: &str) -> Option<u32> {
    let cpus = cpu_list(value(status, "Cpus_allowed_list")?).len();
    u32::try_from(cpus).ok().filter(|count| *count > 0)
}

/// A list such as `0-3,8,10-11`; what is not a number in it is skipped.
pub(super) fn cpu_list(text: &str) -> Vec<u32> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
            // No kernel knows more CPUs; a damaged line must not ask for memory.
            cpus.extend(first..=last.min(first.saturating_add(1 << 16)));
        }
    }
    cpus
}

/// CPU time of all CPUs together, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticks {
    /// Everything but idle and waiting for a disk. Time stolen by the host counts: it disturbs as a program does.
    pub(super) busy: u64,
    /// Everything.
    pub(super) all: u64,
}

/// The first line of `/proc/stat`.
pub(super) fn stat(stat: &str) -> Option<Ticks> {
    let fields: Vec<u64> =
        stat.lines().next()?.strip_prefix("cpu ")?.split_whitespace().map_while(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guest and guest_nice behind them are contained in user and nice.
    let all: u64 = fields.iter().take(8).sum();
    let idle = *fields.get(3)? + fields.get(4).copied().unwrap_or(0);
    Some(Ticks { busy: all - idle, all })
}

/// CPU time of a process and of the children that it has reaped, in ticks, from `/proc/<pid>/stat`.
///
/// With the children that ended, the sum over parent and worker does not jump back when the worker ends.
pub(super) fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name in parentheses may contain spaces and parentheses itself; fields are counted from the last one.
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Vec<u64> = fields.split_whitespace().skip(11).take(4).map_while(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

/// Pages swapped in and out since the start of the machine, from `/proc/vmstat`.
pub(super) fn swapped_pages(vmstat: &str) -> (Option<u64>, Option<u64>) {
    let count = |key: &str| {
        let mut lines = vmstat.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(name, _)| *name == key).and_then(|(_, count)| count.trim().parse().ok())
    };
    (count("pswpin"), count("pswpout"))
}

/// `/proc/loadavg`.
pub(super) fn load_average(loadavg: &str) -> Option<LoadAverage> {
    let mut loads = loadavg.split_whitespace().map_while(|load| load.parse::<f64>().ok());
    Some(LoadAverage { one_minute: loads.next()?, five_minutes: loads.next()?, fifteen_minutes: loads.next()? })
}

/// The value of a line `Key: value`.
pub(super) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim)
}

/// A line `Key:   123 kB`, in bytes.
fn kibibytes(text: &str, key: &str) -> Option<u64> {
    value(text, key)?.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MEMINFO: &str = "MemTotal:       24684084 kB\nMemFree:        21315472 kB\nMemAvailable:   24228828 kB\n\
        Buffers:           10504 kB\nCached:          2977784 kB\nSwapCached:            0 kB\nSwapTotal:       2097148 kB\n\
        SwapFree:        2000000 kB\n";

    #[test]
    fn meminfo_is_read_in_bytes() {
        let memory = memory(MEMINFO);
        assert_eq!(memory.total_bytes, 24_684_084 * 1024);
        assert_eq!(memory.available_bytes, 24_228_828 * 1024);
        assert_eq!(memory.swap_total_bytes, 2_097_148 * 1024);
        assert_eq!(memory.swap_used_bytes, 97_148 * 1024);
    }

    #[test]
    fn an_old_kernel_without_mem_available_gets_the_sum() {
        let memory = memory("MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\n");
        assert_eq!(memory.available_bytes, 420 * 1024);
        assert_eq!(memory.swap_total_bytes, 0);
    }

    #[test]
    fn a_status_gives_resident_peak_and_anonymous_memory() {
        let status = "Name:\tllama\nVmPeak:\t  99999 kB\nVmHWM:\t    1684 kB\nVmRSS:\t    1600 kB\nRssAnon:\t     112 kB\n\
            RssFile:\t    1488 kB\nVmData:\t     700 kB\nVmSwap:\t       8 kB\n";
        let memory = process_memory(status).expect("VmRSS is there");
        assert_eq!(memory.rss_bytes, 1600 * 1024);
        assert_eq!(memory.rss_peak_bytes, Some(1684 * 1024));
        assert_eq!(memory.rss_anon_bytes, Some(112 * 1024));
        assert_eq!((memory.rss_file_bytes, memory.swap_bytes), (Some(1488 * 1024), Some(8 * 1024)));
        assert_eq!(memory.data_bytes, Some(700 * 1024));
        assert_eq!(process_memory("Name:\tkthreadd\nState:\tS (sleeping)\n"), None);
        assert_eq!(process_memory(""), None);
    }

    #[test]
    fn a_cpu_list_counts_ranges_and_singles() {
        assert_eq!(cpu_list("0-3,8,10-11\n"), [0, 1, 2, 3, 8, 10, 11]);
        assert_eq!(cpu_list(""), Vec::<u32>::new());
        assert_eq!(cpus_allowed("Cpus_allowed:\tff\nCpus_allowed_list:\t0-7\n"), Some(8));
        assert_eq!(cpus_allowed("Name:\tx\n"), None);
    }

    #[test]
    fn busy_time_is_all_but_idle_and_disk_and_guests_are_not_counted_twice() {
        let text = "cpu  120124 10 12698 91462 686 5 89 92 700 7\ncpu0 1 0 0 0 0 0 0 0 0 0\n";
        let busy = 120_124 + 10 + 12_698 + 5 + 89 + 92;
        assert_eq!(stat(text), Some(Ticks { busy, all: busy + 91_462 + 686 }));
        assert_eq!(stat("intr 5\n"), None);
        assert_eq!(stat("cpu  1 2\n"), None);
    }

    #[test]
    fn a_process_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194304 101 0 0 0 700 50 30 4 20 0 1 0 112804 3133440 411";
        assert_eq!(cpu_ticks(stat), Some(784));
        assert_eq!(cpu_ticks("42 (cut) S 1 42"), None);
        assert_eq!(cpu_ticks(""), None);
    }

    #[test]
    fn swap_traffic_and_load_are_read() {
        assert_eq!(swapped_pages("nr_free_pages 5\npswpin 17\npswpout 4\n"), (Some(17), Some(4)));
        assert_eq!(swapped_pages("pswpin_x 17\n"), (None, None));
        let load = load_average("0.05 0.79 1.00 1/120 4711\n").expect("three numbers");
        assert_eq!((load.one_minute, load.five_minutes, load.fifteen_minutes), (0.05, 0.79, 1.0));
        assert_eq!(load_average("0.05"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,200}") {
            memory(&text);
            let _ = (process_memory(&text), cpu_ticks(&text), stat(&text), load_average(&text), cpu_list(&text));
        }

        #[test]
        fn busy_ticks_never_exceed_all_ticks(fields in prop::collection::vec(0_u64..1 << 40, 4..11)) {
            let text = fields.iter().fold("cpu ".to_owned(), |text, field| format!("{text} {field}"));
            let ticks = stat(&text).expect("four fields");
            prop_assert!(ticks.busy <= ticks.all);
        }
    }
}
