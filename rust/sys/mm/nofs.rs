// SPDX-License-Identifier: GPL-2.0

//! Allocating without re-entering the file system.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use kernel::{
    ffi,
    types::NotThreadSafe, //
};
use rnfs4_bindings as bindings;

/// While it lives, what the calling task allocates is taken as `GFP_NOFS`: reclaim does not wait for our own writeback.
#[must_use = "the scope ends when the value is dropped"]
pub(crate) struct NofsScope {
    flags: ffi::c_uint,
    _here: NotThreadSafe,
}

impl NofsScope {
    /// Enters the scope. Scopes may be nested.
    pub(crate) fn enter() -> Self {
        Self {
            // SAFETY: Only touches flags of the current task; `Drop` restores them.
            flags: unsafe { bindings::memalloc_nofs_save() },
            _here: NotThreadSafe,
        }
    }
}

impl Drop for NofsScope {
    fn drop(&mut self) {
        // SAFETY: `flags` is what `memalloc_nofs_save()` returned to this task.
        unsafe { bindings::memalloc_nofs_restore(self.flags) };
    }
}

/// Tells whether the calling task is to allocate without entering a file system: others' memory, or their writeback, waits for it.
pub(crate) fn current_is_nofs() -> bool {
    // SAFETY: The helper looks at the current task only.
    unsafe { bindings::current_is_nofs() }
}
