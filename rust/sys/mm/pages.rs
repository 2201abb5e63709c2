// SPDX-License-Identifier: GPL-2.0

//! Pages for the data of a call: what READ receives into and WRITE sends from, without a copy.

use core::{
    ops::Range,
    ptr::NonNull, //
};

use kernel::{
    bindings as kb,
    ffi,
    page::PAGE_SIZE,
    prelude::*, //
};
use rnfs4_bindings as bindings;

use super::{
    Folio,
    PageCache, //
};

/// What keeps the pages of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    /// A reference to each.
    References,
    /// A pin on each (`pin_user_pages()`): they are a program's memory.
    Pins {
        /// They are written to.
        dirty: bool,
    },
    /// Nothing of ours: whoever gave them keeps them until the transfer has ended.
    Borrowed,
}

/// An array of pages and the part of them that is to be transferred: [`len`](Self::len) bytes, beginning
/// [`base`](Self::base) bytes into the first page of [`as_ptr`](Self::as_ptr).
///
/// # Invariants
///
/// Each element of `pages` is a valid page that is kept as `hold` says, by the value where that is a reference or a pin; pages of
/// one folio lie in one piece of the array for each push. `base + rest` does not exceed the size of the pages.
pub(crate) struct PageVec {
    pub(super) pages: KVec<NonNull<kb::page>>,
    pub(super) hold: Hold,
    /// Where the data begins.
    pub(super) base: usize,
    /// How much there is.
    pub(super) rest: usize,
    /// How much of it is shown at once.
    limit: usize,
}

// SAFETY: Pages belong to no thread, their references are counted atomically.
unsafe impl Send for PageVec {}
// SAFETY: `&PageVec` only gives out addresses.
unsafe impl Sync for PageVec {}

impl PageVec {
    /// An empty array.
    pub(crate) const fn new() -> Self {
        Self {
            pages: KVec::new(),
            hold: Hold::References,
            base: 0,
            rest: 0,
            limit: usize::MAX,
        }
    }

    /// Allocates fresh pages for `len` bytes. They hold whatever was there before: who reads them goes by what was received. May sleep.
    pub(crate) fn alloc(len: usize) -> Result<Self> {
        let nr = len.div_ceil(PAGE_SIZE);
        let mut this = Self {
            pages: KVec::with_capacity(nr, GFP_KERNEL)?,
            ..Self::new()
        };
        while this.pages.len() < nr {
            // SAFETY: Plain allocation of one page.
            let page = unsafe { bindings::alloc_page(kb::GFP_KERNEL) };
            // INVARIANT: The reference of the fresh page becomes the array's.
            this.pages
                .push(NonNull::new(page).ok_or(ENOMEM)?, GFP_KERNEL)?;
        }
        this.rest = len;
        Ok(this)
    }

    /// Appends the bytes `range` of a folio. They must continue the array: what is there must end at a page boundary
    /// unless the array is empty, and `range` must begin at one, else `EINVAL`. Not for a program's memory.
    pub(crate) fn push_folio<P: PageCache>(
        &mut self,
        folio: &Folio<P>,
        range: Range<usize>,
    ) -> Result {
        let first = range.start / PAGE_SIZE;
        let nr = range.end.div_ceil(PAGE_SIZE) - first;
        if range.is_empty() || range.end > folio.size() || self.hold != Hold::References {
            return Err(EINVAL);
        }
        if !self.pages.is_empty() && !self.continues_at(range.start) {
            return Err(EINVAL);
        }
        self.pages.reserve(nr, GFP_KERNEL)?;
        // SAFETY: The folio is valid and has a reference.
        unsafe { bindings::folio_ref_add(folio.as_ptr(), nr as ffi::c_int) };
        if self.pages.is_empty() {
            self.base = range.start % PAGE_SIZE;
        }
        for n in first..first + nr {
            // SAFETY: `n` is below the number of pages of the folio, whose page structures are never null.
            let page = unsafe { NonNull::new_unchecked(bindings::folio_page(folio.as_ptr(), n)) };
            // INVARIANT: One of the references taken above belongs to this element. There is room for it.
            let _ = self.pages.push_within_capacity(page);
        }
        self.rest += range.len();
        Ok(())
    }

    /// Tells whether data at `offset` of a folio may follow what is in the array.
    pub(crate) fn continues_at(&self, offset: usize) -> bool {
        self.pages.is_empty()
            || (offset % PAGE_SIZE == 0 && (self.base + self.rest) % PAGE_SIZE == 0)
    }

    /// Leaves out the first `n` bytes: they have been transferred. At most [`PageVec::rest`].
    pub(crate) fn advance(&mut self, n: usize) {
        let n = n.min(self.rest);
        self.base += n;
        self.rest -= n;
    }

    /// Takes back what [`PageVec::advance`] did for the last `n` bytes, and leaves out what comes behind them: they are to be
    /// transferred again. No more than have been transferred.
    pub(crate) fn rewind_to(&mut self, n: usize) {
        let n = n.min(self.base);
        self.base -= n;
        self.rest = n;
    }

    /// Shows at most `limit` bytes at once: what a call can transfer.
    pub(crate) fn limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Number of bytes that are left, shown or not.
    pub(crate) fn rest(&self) -> usize {
        self.rest
    }

    /// The pages, of what was made by [`PageVec::alloc`].
    pub(super) fn iter(&self) -> impl Iterator<Item = NonNull<kb::page>> + '_ {
        self.pages.iter().copied()
    }

    /// The C array, beginning with the page that has the first byte.
    pub(crate) fn as_ptr(&self) -> *mut *mut kb::page {
        let skip = (self.base / PAGE_SIZE).min(self.pages.len());
        self.pages[skip..].as_ptr().cast_mut().cast()
    }

    /// Offset of the first byte in the first page.
    pub(crate) fn base(&self) -> usize {
        self.base % PAGE_SIZE
    }

    /// Number of bytes to be transferred by a call.
    pub(crate) fn len(&self) -> usize {
        self.rest.min(self.limit)
    }
}

impl PageVec {
    fn put_references(&self) {
        let mut rest = &self.pages[..];
        while let Some(first) = rest.first() {
            // SAFETY: We have a reference to the page, and with it to its folio.
            let folio = unsafe { bindings::page_folio(first.as_ptr()) };
            let nr = rest
                .iter()
                // SAFETY: As above.
                .take_while(|page| unsafe { bindings::page_folio(page.as_ptr()) } == folio)
                .count();
            // SAFETY: By the type invariants we own a reference for each of the `nr` pages.
            unsafe { bindings::folio_put_refs(folio, nr as ffi::c_int) };
            rest = &rest[nr..];
        }
    }
}

impl Drop for PageVec {
    /// May sleep where the pages are a program's memory that was written to.
    fn drop(&mut self) {
        match self.hold {
            Hold::References => self.put_references(),
            Hold::Pins { dirty } => {
                let pages: *mut *mut kb::page = self.pages.as_mut_ptr().cast();
                // SAFETY: By the type invariants we own a pin on each of the pages. What was written to them is to be kept, which
                // takes the lock of each folio: nothing is locked here.
                unsafe { bindings::unpin_user_pages_dirty_lock(pages, self.pages.len(), dirty) };
            }
            Hold::Borrowed => {}
        }
    }
}
