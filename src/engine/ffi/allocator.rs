//! The C library's allocator and the kernel's pages of this process, where Rust's standard library has no words for them.
//!
//! Left out on purpose: which pages; that is [`crate::engine::pages`]'.

#[cfg(target_os = "linux")]
use std::io;
#[cfg(target_os = "linux")]
use std::ops::Range;

/// Makes the private memory of this process a function of what is allocated in it: glibc gives every block of at least 128 KiB a
/// mapping of its own, which is gone when the block is freed, gives back what is free at its heap's end, takes no more for the
/// heap than is asked for, and has one heap for all threads. By itself it raises the first threshold to the largest block that
/// was freed, up to 32 MiB, so that buffers of contexts come from the heap or not, and stay in it or not, by what was freed
/// before; a thread gets a heap of its own at its first allocation, whenever that is. Call it before anything large is allocated
/// and before threads are started. Other C libraries are left as they are.
pub fn steady_allocator() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use nix::libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD, mallopt};
        const THRESHOLD_BYTES: i32 = 128 << 10;
        // SAFETY: takes numbers, locks the allocator itself and may be called at any time.
        unsafe {
            mallopt(M_MMAP_THRESHOLD, THRESHOLD_BYTES);
            // Not more: a heap that stays large serves large blocks, too, and then grows by what lies between them.
            mallopt(M_TRIM_THRESHOLD, THRESHOLD_BYTES);
            mallopt(M_TOP_PAD, 0);
            mallopt(M_ARENA_MAX, 1);
        }
    }
}

/// Gives back what is free at the end of glibc's heap. By itself it does so only when a large block is freed, so that what many
/// small ones left stays. Other C libraries are left as they are.
pub fn trim_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes a number, locks the allocator itself and touches nothing that is in use.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}

/// Makes the kernel back every page between two addresses (whole pages, writable memory of this process) with memory of its
/// own, as if each had been written to; what stands in them stays.
///
/// # Errors
/// [`io::ErrorKind::Unsupported`] where the kernel cannot (Linux can from 5.14 on), and the kernel's own reasons: no memory, no
/// such pages any more.
#[cfg(target_os = "linux")]
pub fn back_pages(addresses: &Range<usize>) -> io::Result<()> {
    use nix::libc::{EINVAL, MADV_POPULATE_WRITE, madvise};
    /// Steps, because a signal in the middle of a call makes the kernel end it, and begin anew what is called again.
    const STEP_BYTES: usize = 64 << 20;
    let mut start = addresses.start;
    while start < addresses.end {
        let length = STEP_BYTES.min(addresses.end - start);
        // SAFETY: this advice changes no byte of what is mapped there, and no rights: whatever lies at these addresses, even
        // if another thread has mapped something else there meanwhile, is as it was. Nothing is read or written from here.
        let code = unsafe { madvise(std::ptr::with_exposed_provenance_mut(start), length, MADV_POPULATE_WRITE) };
        if code == 0 {
            start += length;
            continue;
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            _ if error.kind() == io::ErrorKind::Interrupted => {}
            Some(EINVAL) => {
                let reason = "this kernel cannot back pages with memory (MADV_POPULATE_WRITE, Linux 5.14)";
                return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
            }
            _ => return Err(error),
        }
    }
    Ok(())
}
