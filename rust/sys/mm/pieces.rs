// SPDX-License-Identifier: GPL-2.0

//! A program's memory as pages: what O_DIRECT reads into and writes from, without a copy.
//!
//! C header: [`include/linux/uio.h`](srctree/include/linux/uio.h)

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings as kb,
    error::Error,
    ffi,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    page::PAGE_SIZE,
    prelude::*, //
};
use rnfs4_bindings as bindings;

use super::pages::{
    Hold,
    PageVec, //
};

/// The memory of a read() or write(), taken piece by piece (`iov_iter_extract_pages()`).
///
/// # Invariants
///
/// `iter` is valid and nobody else uses it for `'a`; it was advanced by `taken` bytes since the value was made, and `left` are left.
pub(crate) struct Pieces<'a> {
    iter: NonNull<kb::iov_iter>,
    hold: Hold,
    taken: usize,
    left: usize,
    _iter: PhantomData<&'a mut kb::iov_iter>,
}

impl<'a> Pieces<'a> {
    /// Takes the memory that is read into; `None` if it cannot be taken, being neither a program's nor in pages that somebody keeps.
    /// `outlives`: the call ends when the transfer does, and not before (an asynchronous one).
    pub(crate) fn of_dest(iter: &'a mut IovIterDest<'_>, outlives: bool) -> Option<Self> {
        let left = iter.len();
        let iter = NonNull::new(iter.as_raw())?;
        // SAFETY: The iterator is borrowed for `'a`, and has that length.
        unsafe { Self::new(iter, left, true, outlives) }
    }

    /// The same for memory that is written from.
    pub(crate) fn of_source(iter: &'a mut IovIterSource<'_>, outlives: bool) -> Option<Self> {
        let left = iter.len();
        let iter = NonNull::new(iter.as_raw())?;
        // SAFETY: As above.
        unsafe { Self::new(iter, left, false, outlives) }
    }

    /// Whether memory that is written from can be taken.
    pub(crate) fn has_source(iter: &mut IovIterSource<'_>, outlives: bool) -> bool {
        // SAFETY: The iterator is borrowed.
        unsafe { Self::hold(iter.as_raw(), false, outlives) }.is_some()
    }

    /// What keeps the memory.
    ///
    /// # Safety
    ///
    /// `iter` must be valid.
    unsafe fn hold(iter: *const kb::iov_iter, dirty: bool, outlives: bool) -> Option<Hold> {
        // SAFETY: By the contract.
        let (user, bvec) = unsafe {
            (
                bindings::iov_iter_is_user(iter),
                bindings::iov_iter_is_bvec(iter),
            )
        };
        match (user, bvec) {
            (true, _) => Some(Hold::Pins { dirty }),
            // Such pages may be those of an allocator, of which nobody can have a reference.
            (_, true) if outlives => Some(Hold::Borrowed),
            _ => None,
        }
    }

    /// # Safety
    ///
    /// `iter` must be valid, `left` bytes long, and used by nobody else for `'a`.
    unsafe fn new(
        iter: NonNull<kb::iov_iter>,
        left: usize,
        dirty: bool,
        outlives: bool,
    ) -> Option<Self> {
        // SAFETY: By the contract.
        let hold = unsafe { Self::hold(iter.as_ptr(), dirty, outlives) }?;
        // SAFETY: Both only count for the calling task.
        unsafe {
            match dirty {
                true => bindings::task_io_account_read(left),
                false => bindings::task_io_account_write(left),
            }
        }
        // INVARIANT: By the contract.
        Some(Self {
            iter,
            hold,
            taken: 0,
            left,
            _iter: PhantomData,
        })
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Bytes that have been taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// Gives back the last `n` bytes that were taken: nothing was transferred there.
    pub(crate) fn give_back(&mut self, n: usize) {
        let n = n.min(self.taken);
        // SAFETY: By the type invariants the iterator was advanced by at least as much.
        unsafe { kb::iov_iter_revert(self.iter.as_ptr(), n) };
        self.taken -= n;
        self.left += n;
    }

    /// Takes at most `max` bytes, which are not 0. `EFAULT` where there is no memory of the program's. May sleep.
    pub(crate) fn take(&mut self, max: usize) -> Result<PageVec> {
        let mut pages = PageVec::new();
        pages.hold = self.hold;
        loop {
            let len = max.saturating_sub(pages.rest).min(self.left);
            // SAFETY: By the type invariants.
            let offset = unsafe { bindings::iov_iter_offset_in_page(self.iter.as_ptr()) };
            if len == 0 || !pages.continues_at(offset) {
                return Ok(pages);
            }
            match self.extract(&mut pages, offset, len) {
                Err(e) if pages.rest == 0 => return Err(e),
                // The next call will say so.
                Err(_) => return Ok(pages),
                Ok(()) => {}
            }
        }
    }

    /// Appends memory that may follow what is there, and begins at `offset` of a page.
    fn extract(&mut self, pages: &mut PageVec, offset: usize, len: usize) -> Result {
        let room = (offset + len).div_ceil(PAGE_SIZE);
        pages.pages.reserve(room, GFP_KERNEL)?;
        let mut array: *mut *mut kb::page = pages.pages.spare_capacity_mut().as_mut_ptr().cast();
        let mut at = 0;
        // SAFETY: The iterator is valid, and the array has room for as many pages.
        let n = unsafe {
            kb::iov_iter_extract_pages(
                self.iter.as_ptr(),
                &raw mut array,
                len,
                room as ffi::c_uint,
                0,
                &raw mut at,
            )
        };
        let n = match usize::try_from(n) {
            Ok(0) => return Err(EFAULT),
            Ok(n) => n,
            Err(_) => return Err(Error::from_errno(n as ffi::c_int)),
        };
        // SAFETY: So many elements of the spare capacity are pages now, none of them null.
        unsafe { pages.pages.inc_len((at + n).div_ceil(PAGE_SIZE)) };
        // INVARIANT: The pages are pinned for us, or kept by others. What follows others begins with its page.
        if pages.rest == 0 {
            pages.base = at;
        }
        pages.rest += n;
        self.taken += n;
        self.left -= n;
        Ok(())
    }
}
