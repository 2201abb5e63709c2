// SPDX-License-Identifier: GPL-2.0

//! Folios of the page cache, and the two states that belong to whom holds them: locked, and under writeback.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/page-flags.h`](srctree/include/linux/page-flags.h).

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ops::{
        Deref,
        Range, //
    },
    ptr::NonNull,
};

use kernel::{
    bindings as kb,
    error::to_result,
    prelude::*,
    sync::aref::{
        ARef,
        AlwaysRefCounted, //
    },
    types::Opaque, //
};
use rnfs4_bindings as bindings;

use super::PageCache;
use crate::sys::fs::{
    FileSystem,
    SuperBlock, //
};

/// A folio that is, or until it was truncated has been, in the page cache of an inode with private data
/// [`PageCache::Private`].
///
/// # Invariants
///
/// The folio has a reference for as long as the value is borrowed.
#[repr(transparent)]
pub(crate) struct Folio<P: PageCache>(Opaque<kb::folio>, PhantomData<P>);

// SAFETY: References are counted atomically and may be put by any thread.
unsafe impl<P: PageCache> Send for Folio<P> {}
// SAFETY: Flags are atomic, position and size do not change while there is a reference, the rest wants a lock.
unsafe impl<P: PageCache> Sync for Folio<P> {}

// SAFETY: `folio_get()` and `folio_put()` count references.
unsafe impl<P: PageCache> AlwaysRefCounted for Folio<P> {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: By the type invariants there is a reference already.
        unsafe { bindings::folio_get(self.as_ptr()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference; `Folio` is transparent.
        unsafe { bindings::folio_put(obj.as_ptr().cast()) };
    }
}

impl<P: PageCache> Folio<P> {
    /// Returns the C folio.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut kb::folio {
        self.0.get()
    }

    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// `folio` must come from the page cache of an inode with private data `P`, and its reference becomes the value's.
    pub(super) unsafe fn from_owned(folio: NonNull<kb::folio>) -> ARef<Self> {
        // SAFETY: `Folio` is transparent; the rest is the caller's promise.
        unsafe { ARef::from_raw(folio.cast()) }
    }

    /// Returns the offset in the file of the first byte.
    #[inline]
    pub(crate) fn pos(&self) -> u64 {
        // SAFETY: The folio is valid by the type invariants.
        unsafe { bindings::folio_pos(self.as_ptr()) as u64 }
    }

    /// Returns the size in bytes: a power of two, at least a page.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        // SAFETY: The folio is valid by the type invariants.
        unsafe { bindings::folio_size(self.as_ptr()) }
    }

    /// Returns how many bytes of the folio lie below `i_size`: what there is to read or write.
    pub(crate) fn length_within(&self, i_size: u64) -> usize {
        i_size.saturating_sub(self.pos()).min(self.size() as u64) as usize
    }

    /// Tells whether all of the folio holds the file's data.
    #[inline]
    pub(crate) fn is_uptodate(&self) -> bool {
        // SAFETY: The folio is valid by the type invariants.
        unsafe { bindings::folio_test_uptodate(self.as_ptr()) }
    }

    /// Tells whether there is something to be written back.
    #[inline]
    pub(crate) fn is_dirty(&self) -> bool {
        // SAFETY: The folio is valid by the type invariants.
        unsafe { bindings::folio_test_dirty(self.as_ptr()) }
    }

    /// Tells whether the folio is being written back.
    #[inline]
    pub(crate) fn is_writeback(&self) -> bool {
        // SAFETY: The folio is valid by the type invariants.
        unsafe { bindings::folio_test_writeback(self.as_ptr()) }
    }

    /// Tells whether the folio has private data.
    #[inline]
    pub(crate) fn has_private(&self) -> bool {
        // SAFETY: The folio is valid by the type invariants.
        unsafe { bindings::folio_test_private(self.as_ptr()) }
    }

    /// Drops the folio from the cache if it was to stay there only until it is written, and is. Does not sleep.
    pub(crate) fn end_dropbehind(&self) {
        // SAFETY: The folio is valid by the type invariants, and ours to keep.
        unsafe { bindings::folio_end_dropbehind(self.as_ptr()) };
    }

    /// Counts `nr` of the folio's pages as being in writeback, or no longer for a negative number: data that the server
    /// has but has not made stable. Does not sleep.
    pub(crate) fn account_writeback<T: FileSystem>(&self, sb: &SuperBlock<T>, nr: isize) {
        // SAFETY: Folio and superblock are valid.
        unsafe { bindings::folio_mod_writeback(self.as_ptr(), sb.as_ptr(), nr) };
    }

    /// Sleeps until the folio is not under writeback. `EINTR` when the task is being killed.
    pub(crate) fn wait_writeback_killable(&self) -> Result {
        // SAFETY: The folio is valid by the type invariants.
        to_result(unsafe { kb::folio_wait_writeback_killable(self.as_ptr()) })
    }
}

/// A locked folio, with a reference to it. Dropping it unlocks.
///
/// # Invariants
///
/// The folio is locked, and the lock is this value's.
pub(crate) struct Locked<P: PageCache>(ARef<Folio<P>>);

impl<P: PageCache> Deref for Locked<P> {
    type Target = Folio<P>;

    #[inline]
    fn deref(&self) -> &Folio<P> {
        &self.0
    }
}

impl<P: PageCache> Locked<P> {
    /// Takes over a lock and a reference.
    ///
    /// # Safety
    ///
    /// `folio` must be locked, come from the page cache of an inode with private data `P`, and its lock and one
    /// reference become the value's.
    #[inline]
    pub(crate) unsafe fn from_owned(folio: NonNull<kb::folio>) -> Self {
        // SAFETY: The caller's promise.
        Self(unsafe { Folio::from_owned(folio) })
    }

    /// Takes over the lock alone, and takes a reference.
    ///
    /// # Safety
    ///
    /// As for [`Locked::from_owned`], but the reference stays the caller's.
    pub(crate) unsafe fn from_locked(folio: NonNull<kb::folio>) -> Self {
        // SAFETY: The folio has a reference by the caller's promise.
        unsafe {
            bindings::folio_get(folio.as_ptr());
            Self::from_owned(folio)
        }
    }

    /// Borrows a folio that is locked by the caller of a C callback and stays so.
    ///
    /// # Safety
    ///
    /// `folio` must be locked and referenced until the value is gone, and come from the page cache of an inode with
    /// private data `P`.
    pub(crate) unsafe fn borrowed(folio: NonNull<kb::folio>) -> ManuallyDrop<Self> {
        // SAFETY: The value is never dropped, so neither lock nor reference are given up.
        ManuallyDrop::new(unsafe { Self::from_owned(folio) })
    }

    /// Gives lock and reference to the C side.
    pub(crate) fn into_raw(self) -> *mut kb::folio {
        let this = ManuallyDrop::new(self);
        this.as_ptr()
    }

    /// Marks the folio dirty. May take `i_lock`; does not sleep.
    pub(crate) fn mark_dirty(&self) {
        // SAFETY: The folio is locked, so it is not truncated meanwhile.
        unsafe { kb::folio_mark_dirty(self.as_ptr()) };
    }

    /// Clears the dirty state to begin writing; tells whether it was set. Mapped pages become read-only.
    pub(crate) fn clear_dirty_for_io(&self) -> bool {
        // SAFETY: The folio is locked.
        unsafe { kb::folio_clear_dirty_for_io(self.as_ptr()) }
    }

    /// Moves the dirty state of the page tables into the folio and makes mapped pages read-only. Tells whether some were dirty.
    pub(crate) fn mkclean(&self) -> bool {
        // SAFETY: The folio is locked.
        let dirty = unsafe { bindings::folio_mkclean(self.as_ptr()) } != 0;
        if dirty {
            self.mark_dirty();
        }
        dirty
    }

    /// Begins writeback; the folio must be clean and not under writeback.
    pub(crate) fn start_writeback(&self) -> Writeback<P> {
        // SAFETY: The folio is locked.
        unsafe { bindings::folio_start_writeback(self.as_ptr()) };
        // INVARIANT: The bit was just set, and nobody else has a value for it.
        Writeback(self.0.clone())
    }

    /// Says that all of the folio holds the file's data.
    pub(crate) fn mark_uptodate(&self) {
        // SAFETY: The folio is locked.
        unsafe { bindings::folio_mark_uptodate(self.as_ptr()) };
    }

    /// Fills a range of bytes with zeroes. Ranges beyond the folio are cut.
    pub(crate) fn zero(&self, range: Range<usize>) {
        let end = range.end.min(self.size());
        if range.start < end {
            // SAFETY: The range lies in the folio, which is locked.
            unsafe { bindings::folio_zero_segment(self.as_ptr(), range.start, end) };
        }
    }

    /// Ends a read of the whole folio: it becomes up to date if that went well, and is unlocked.
    pub(crate) fn end_read(self, success: bool) {
        let this = ManuallyDrop::new(self);
        // SAFETY: The folio is locked; `folio_end_read()` takes over the lock. A folio that is up to date already must
        // only be unlocked.
        unsafe {
            if this.is_uptodate() {
                kb::folio_unlock(this.as_ptr());
            } else {
                kb::folio_end_read(this.as_ptr(), success);
            }
            bindings::folio_put(this.as_ptr());
        }
    }
}

impl<P: PageCache> Drop for Locked<P> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the lock is ours.
        unsafe { kb::folio_unlock(self.as_ptr()) };
    }
}

/// A folio under writeback, with a reference to it. Dropping it ends the writeback.
///
/// # Invariants
///
/// The folio is under writeback, and it is this value that ends that.
pub(crate) struct Writeback<P: PageCache>(ARef<Folio<P>>);

impl<P: PageCache> Deref for Writeback<P> {
    type Target = Folio<P>;

    #[inline]
    fn deref(&self) -> &Folio<P> {
        &self.0
    }
}

impl<P: PageCache> Drop for Writeback<P> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: By the type invariants the folio is under writeback and it is ours to end. Any context but hard
        // interrupts; the inode is kept from being freed by the folio being in its page cache until now.
        unsafe {
            if self.has_private() {
                // Something waits for it to be written once more: it is not to be dropped yet.
                bindings::folio_end_writeback_no_dropbehind(self.as_ptr());
            } else {
                kb::folio_end_writeback(self.as_ptr());
            }
        }
    }
}
