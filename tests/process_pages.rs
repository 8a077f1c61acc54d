//! Pages that are touched without being written to, and an allocator that gives back what it got.
#![cfg(target_os = "linux")]

mod context_support;

use context_support::process::{alone, anonymous, data};
use sweetspot::engine::pages::{Mappings, steady_allocator};

const MIB: u64 = 1 << 20;

/// Memory that the system has promised and not given.
fn untouched(bytes: u64) -> Vec<u8> {
    vec![0; usize::try_from(bytes).unwrap()] // calloc of so much is a mapping of zeros
}

#[test]
fn every_page_of_what_was_allocated_since_is_resident_afterwards_and_says_the_same() {
    alone("every_page_of_what_was_allocated_since_is_resident_afterwards_and_says_the_same", || {
        steady_allocator();
        let old = untouched(8 * MIB);
        let before = Mappings::now().unwrap();
        let mut new = untouched(96 * MIB);
        for place in (0..new.len()).step_by(1 << 20) {
            new[place] = 7;
        }
        let resident = anonymous();
        let touched = before.touch_new().unwrap();
        let grown = anonymous() - resident;
        println!("touched {touched} bytes, resident grew by {grown}");
        assert!((96 * MIB..97 * MIB).contains(&touched), "{touched}");
        // 96 pages were there already; the 8 MiB from before stay a promise. (2 MiB: pages of that size, where they are on.)
        assert!((93 * MIB..97 * MIB).contains(&grown), "{grown}");
        assert!(new.iter().enumerate().all(|(place, byte)| *byte == if place % (1 << 20) == 0 { 7 } else { 0 }));
        assert!(old.iter().all(|byte| *byte == 0));
        let nothing_new = Mappings::now().unwrap().touch_new().unwrap();
        assert!(nothing_new < MIB, "{nothing_new}");
    });
}

#[test]
fn freed_memory_is_given_back_whatever_was_freed_before() {
    alone("freed_memory_is_given_back_whatever_was_freed_before", || {
        steady_allocator();
        drop(std::hint::black_box(untouched(24 * MIB))); // by itself, glibc would take all blocks up to this size from its heap now
        let before = data();
        let blocks: Vec<_> = (0..4).map(|_| untouched(4 * MIB)).collect();
        let held = data();
        drop(std::hint::black_box(blocks));
        let after = data();
        println!("{before} bytes, then {held}, then {after}");
        assert!(held - before >= 16 * MIB, "{before} {held}");
        assert!(after.abs_diff(before) < MIB / 4, "{before} {after}");
    });
}
