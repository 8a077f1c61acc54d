//! Touching the pages of what was just allocated. A system gives addresses first and memory at the first write, so that a
//! buffer that "could be allocated" proves nothing; llama.cpp clears a KV cache itself, but a compute buffer's pages are
//! touched by the largest batch only.
//!
//! Linux alone says what is mapped (`/proc/self/maps`) and backs pages without changing what stands in them. Elsewhere nothing
//! is touched, and whoever asked is told so. Left out on purpose: memory of GPUs, which their drivers back when they give it.

use std::io;
use std::ops::Range;

pub use super::ffi::{steady_allocator, trim_heap};

/// The private memory of this process that no file backs, at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mappings {
    /// Addresses in ascending order; adjacent ones may be one or two.
    ranges: Vec<Range<usize>>,
}

impl Mappings {
    /// What is mapped now; none where the system does not say.
    #[must_use]
    pub fn now() -> Option<Self> {
        if cfg!(target_os = "linux") { Some(Self::of(&std::fs::read_to_string("/proc/self/maps").ok()?)) } else { None }
    }

    /// Backs all private memory that was mapped since with pages, as if every one had been written to; returns how many bytes
    /// there are. Threads that began meanwhile count with their whole stacks, so that both moments should lie close around
    /// the allocation that is meant. What was freed and mapped anew at the same addresses is not seen.
    ///
    /// # Errors
    /// [`io::ErrorKind::Unsupported`] where the system or the kernel cannot; [`io::ErrorKind::OutOfMemory`] where there is not
    /// that much memory and the kernel says so instead of killing the process.
    pub fn touch_new(&self) -> io::Result<u64> {
        let unsupported = || io::Error::new(io::ErrorKind::Unsupported, "this system does not tell what is mapped");
        let new = Self::now().ok_or_else(unsupported)?.without(self);
        for range in &new {
            back(range)?;
        }
        Ok(new.iter().map(|range| range.len() as u64).sum())
    }

    /// Reads the text of `/proc/<pid>/maps`: memory that may be written, belongs to the process alone and has no file. The
    /// stack of the main thread is left out: it grows by itself.
    fn of(maps: &str) -> Self {
        let range = |line: &str| {
            let mut fields = line.split_whitespace();
            let (addresses, rights) = (fields.next()?, fields.next()?);
            let (inode, name) = (fields.nth(2)?, fields.next().unwrap_or(""));
            let is_ours = rights.as_bytes().get(1) == Some(&b'w') && rights.ends_with('p') && inode == "0";
            let is_plain = name.is_empty() || name == "[heap]" || name.starts_with("[anon");
            let (start, end) = addresses.split_once('-')?;
            let address = |text| usize::from_str_radix(text, 16).ok();
            (is_ours && is_plain).then_some(address(start)?..address(end)?)
        };
        Self { ranges: maps.lines().filter_map(range).collect() }
    }

    /// The addresses that are here and were not there. The kernel makes one mapping of two that touch, so that addresses are
    /// compared and not mappings.
    fn without(&self, earlier: &Self) -> Vec<Range<usize>> {
        let mut new = Vec::new();
        for range in &self.ranges {
            let mut start = range.start;
            for old in earlier.ranges.iter().filter(|old| old.end > range.start && old.start < range.end) {
                if old.start > start {
                    new.push(start..old.start);
                }
                start = start.max(old.end);
            }
            if start < range.end {
                new.push(start..range.end);
            }
        }
        new
    }
}

#[cfg(target_os = "linux")]
use super::ffi::back_pages as back;

#[cfg(not(target_os = "linux"))]
fn back(_: &Range<usize>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
555500000000-555500001000 r--p 00000000 08:01 1234                       /usr/bin/some program
555500001000-555500002000 rw-p 00001000 08:01 1234                       /usr/bin/some program
555500002000-555500004000 rw-p 00000000 00:00 0                          [heap]
7f0000000000-7f0000010000 rw-p 00000000 00:00 0
7f0000010000-7f0000020000 ---p 00000000 00:00 0
7f0000020000-7f0000021000 rw-s 00000000 00:01 99                         /dev/zero (deleted)
7f0000030000-7f0000031000 rw-p 00000000 00:00 0                          [anon:a name]
7fff00000000-7fff00021000 rw-p 00000000 00:00 0                          [stack]
7fff00030000-7fff00032000 r-xp 00000000 00:00 0                          [vdso]
";

    #[test]
    fn only_private_memory_without_a_file_counts() {
        let ranges = [
            0x5555_0000_2000..0x5555_0000_4000,
            0x7f00_0000_0000..0x7f00_0001_0000,
            0x7f00_0003_0000..0x7f00_0003_1000,
        ];
        assert_eq!(Mappings::of(MAPS).ranges, ranges);
        assert!(Mappings::of("no maps\n\n7f00-zz rw-p 0 0 0\n").ranges.is_empty());
    }

    #[test]
    fn a_mapping_that_grew_at_either_end_or_merged_with_others_is_new_in_its_new_parts() {
        let mappings = |ranges: &[Range<usize>]| Mappings { ranges: ranges.to_vec() };
        let earlier = mappings(&[10..20, 30..40, 50..60]);
        assert_eq!(mappings(&[5..45, 50..60]).without(&earlier), [5..10, 20..30, 40..45]);
        assert_eq!(mappings(&[12..15, 52..70, 80..90]).without(&earlier), [60..70, 80..90]);
        assert!(earlier.without(&earlier).is_empty());
    }
}
