//! Counts allocations: Rust's through the global allocator, C's through the hooks of `ikcp.c`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is handed on to the system's allocator; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Relaxed);
        unsafe { System.realloc(ptr, layout, new_size) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(ptr: *mut c_void);
}

unsafe extern "C" fn counting_malloc(size: usize) -> *mut c_void {
    COUNT.fetch_add(1, Relaxed);
    unsafe { malloc(size) }
}

/// From now on `ikcp.c` allocates under the same count.
pub fn count_c() {
    // SAFETY: called once, before the first conversation.
    unsafe { kcp_io::sys::ikcp_allocator(counting_malloc, free) }
}

/// Allocations so far.
pub fn allocations() -> usize {
    COUNT.load(Relaxed)
}
