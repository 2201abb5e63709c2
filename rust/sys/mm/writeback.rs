// SPDX-License-Identifier: GPL-2.0

//! Writeback: which dirty folios `->writepages()` is to write.
//!
//! C header: [`include/linux/writeback.h`](srctree/include/linux/writeback.h).

use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    bindings as kb,
    error::to_result,
    ffi,
    prelude::*, //
};

use super::{
    Locked,
    Mapping,
    PageCache, //
};

/// What the caller of `->writepages()` wants (`struct writeback_control`).
pub(crate) struct WritebackControl<'a> {
    wbc: NonNull<kb::writeback_control>,
    _call: PhantomData<&'a mut kb::writeback_control>,
}

impl WritebackControl<'_> {
    /// Wraps what `->writepages()` or `->write_inode()` was given.
    ///
    /// # Safety
    ///
    /// `wbc` must be valid, and used by nobody else for as long as the value lives.
    pub(crate) unsafe fn from_raw(wbc: NonNull<kb::writeback_control>) -> Self {
        Self {
            wbc,
            _call: PhantomData,
        }
    }

    /// Calls `f` with a control block of our own, for all of a file and somebody who waits.
    pub(crate) fn with_all<R>(f: impl FnOnce(&mut WritebackControl<'_>) -> R) -> R {
        // SAFETY: All zeroes is a control block.
        let mut wbc: kb::writeback_control = unsafe { core::mem::zeroed() };
        wbc.sync_mode = kb::writeback_sync_modes_WB_SYNC_ALL;
        wbc.nr_to_write = ffi::c_long::MAX;
        wbc.range_end = kb::loff_t::MAX;
        // SAFETY: It is ours until `f` returns.
        f(&mut unsafe { WritebackControl::from_raw(NonNull::from(&mut wbc)) })
    }

    /// Tells whether the caller is going to wait for the data to be safe (`WB_SYNC_ALL`).
    pub(crate) fn is_sync(&self) -> bool {
        // SAFETY: Valid by the contract of `from_raw`.
        unsafe { (*self.wbc.as_ptr()).sync_mode == kb::writeback_sync_modes_WB_SYNC_ALL }
    }

    /// Calls `write` for each folio that is to be written, locked, its dirty bit just cleared, in the order of the
    /// file, and returns the first error. After an error only a synchronous writeback goes on. Sleeps.
    pub(crate) fn for_each_folio<P: PageCache>(
        &mut self,
        mapping: &Mapping<P>,
        mut write: impl FnMut(&mut Self, Locked<P>) -> Result,
    ) -> Result {
        let mut error = 0;
        let mut last = ptr::null_mut();
        loop {
            // SAFETY: `wbc` and the mapping are valid; `last` is null or what the call before returned, to which the
            // batch in `wbc` holds a reference; the loop goes on until null is returned.
            let folio = unsafe {
                kb::writeback_iter(mapping.as_ptr(), self.wbc.as_ptr(), last, &raw mut error)
            };
            let Some(folio) = NonNull::new(folio) else {
                return to_result(error);
            };
            last = folio.as_ptr();
            // SAFETY: `writeback_iter()` returned the folio locked, and the lock is ours; it is of `mapping`.
            let folio = unsafe { Locked::from_locked(folio) };
            error = match write(self, folio) {
                Ok(()) => 0,
                Err(e) => e.to_errno(),
            };
        }
    }
}
