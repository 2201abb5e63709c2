// SPDX-License-Identifier: GPL-2.0

//! The page cache of one inode.
//!
//! C header: [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h).

use core::{
    marker::PhantomData,
    ops::RangeInclusive,
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    bindings as kb,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi,
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc,
    types::{
        ForeignOwnable,
        Opaque, //
    },
};
use rnfs4_bindings as bindings;

use super::{
    Folio,
    Locked,
    PageCache,
    PageVec, //
};

/// The largest offset a file can have.
pub(crate) const LLONG_MAX: u64 = i64::MAX as u64;

/// A point in the history of a mapping's write errors (`errseq_t`).
#[derive(Clone, Copy)]
pub(crate) struct ErrSeq(kb::errseq_t);

/// An address space: the page cache of an inode.
///
/// # Invariants
///
/// It is the mapping of an inode whose folios have private data of [`PageCache::Private`], put there by
/// [`Mapping::attach_private`] alone, and the inode stays for as long as the value is borrowed.
#[repr(transparent)]
pub(crate) struct Mapping<P: PageCache>(Opaque<kb::address_space>, PhantomData<P>);

// SAFETY: All that the methods reach is atomic or has its own locks.
unsafe impl<P: PageCache> Sync for Mapping<P> {}

impl<P: PageCache> Mapping<P> {
    /// Borrows a C mapping.
    ///
    /// # Safety
    ///
    /// `mapping` must fulfil the type invariants for all of `'a`.
    pub(crate) unsafe fn from_raw<'a>(mapping: *mut kb::address_space) -> &'a Self {
        // SAFETY: `Mapping` is transparent; the rest is the caller's promise.
        unsafe { &*mapping.cast() }
    }

    /// Returns the C mapping.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut kb::address_space {
        self.0.get()
    }

    /// Records an error, to be reported once to each open file by `fsync()` and `close()`. Does not sleep.
    pub(crate) fn set_error(&self, error: Error) {
        // SAFETY: The mapping is valid.
        unsafe { bindings::mapping_set_error(self.as_ptr(), error.to_errno()) };
    }

    /// Marks this point in the history of errors.
    pub(crate) fn sample_wb_err(&self) -> ErrSeq {
        // SAFETY: The mapping is valid.
        ErrSeq(unsafe { bindings::filemap_sample_wb_err(self.as_ptr()) })
    }

    /// Reports an error that came after `since`, and leaves it to be reported to others as well.
    pub(crate) fn check_wb_err(&self, since: ErrSeq) -> Result {
        // SAFETY: The mapping is valid.
        to_result(unsafe { bindings::filemap_check_wb_err(self.as_ptr(), since.0) })
    }

    /// Starts to write what is dirty and not being written yet, and waits for nothing (`filemap_flush()`). May sleep.
    pub(crate) fn flush(&self) -> Result {
        // SAFETY: The mapping is valid.
        to_result(unsafe { kb::filemap_flush(self.as_ptr()) })
    }

    /// Starts writing all dirty folios that hold bytes of `range` (`WB_SYNC_ALL`). Sleeps, but does not wait for the
    /// writes.
    pub(crate) fn fdatawrite_range(&self, range: RangeInclusive<u64>) -> Result {
        let (start, end) = (*range.start() as kb::loff_t, *range.end() as kb::loff_t);
        // SAFETY: The mapping is valid.
        to_result(unsafe { kb::filemap_fdatawrite_range(self.as_ptr(), start, end) })
    }

    /// Waits for the writeback that is under way in `range`. `EINTR` when the task is being killed; write errors are
    /// not looked at, see [`Mapping::check_wb_err`].
    pub(crate) fn wait_writeback_killable(&self, range: RangeInclusive<u64>) -> Result {
        let mut index = (*range.start() / PAGE_SIZE as u64) as ffi::c_ulong;
        let end = (*range.end() / PAGE_SIZE as u64) as ffi::c_ulong;
        let mut batch = FolioBatch::new();
        while index <= end && batch.fill_writeback(self, &mut index, end) {
            for folio in batch.folios::<P>() {
                folio.wait_writeback_killable()?;
            }
        }
        Ok(())
    }

    /// Tells whether some folio is under writeback.
    pub(crate) fn has_writeback(&self) -> bool {
        // SAFETY: The mapping is valid.
        unsafe { bindings::mapping_tagged_writeback(self.as_ptr()) }
    }

    /// Finds or makes the folio for a write of `len` bytes at `pos` and locks it. Sleeps; `EINTR` when the task is being killed.
    ///
    /// `iocb` is what `->write_begin()` was given, or null.
    ///
    /// # Safety
    ///
    /// `iocb` must be null or valid.
    pub(in crate::sys) unsafe fn write_begin_get_folio(
        &self,
        iocb: *const kb::kiocb,
        pos: u64,
        len: usize,
    ) -> Result<Locked<P>> {
        let index = (pos / PAGE_SIZE as u64) as ffi::c_ulong;
        // SAFETY: The mapping is valid, `iocb` by the contract. The function returns a locked folio of this mapping
        // with a reference, or an error pointer.
        unsafe {
            let folio = from_err_ptr(bindings::write_begin_get_folio(
                iocb,
                self.as_ptr(),
                index,
                len,
            ))?;
            Ok(Locked::from_owned(NonNull::new_unchecked(folio)))
        }
    }

    /// Finds the folio that holds the byte at `pos`, if it is cached, and locks it. Sleeps; `EINTR` when the task is being killed.
    pub(crate) fn lock_folio(&self, pos: u64) -> Result<Option<Locked<P>>> {
        let index = (pos / PAGE_SIZE as u64) as ffi::c_ulong;
        // SAFETY: The mapping is valid. The function returns a locked folio of this mapping with a reference, or an
        // error pointer.
        unsafe {
            let folio = bindings::filemap_lock_folio_killable(self.as_ptr(), index);
            match from_err_ptr(folio) {
                Ok(folio) => Ok(NonNull::new(folio).map(|folio| Locked::from_owned(folio))),
                Err(e) if e == ENOENT => Ok(None),
                Err(e) => Err(e),
            }
        }
    }

    /// A new folio of one page for what the file has at that page, locked. `EEXIST` if there is one. May sleep.
    pub(crate) fn new_folio(&self, index: usize) -> Result<Locked<P>> {
        // SAFETY: The mapping is valid. The function returns a locked folio of this mapping with a reference, or an error pointer.
        unsafe {
            let folio = bindings::filemap_new_folio(self.as_ptr(), index as ffi::c_ulong);
            let folio = NonNull::new(from_err_ptr(folio)?).ok_or(ENOMEM)?;
            Ok(Locked::from_owned(folio))
        }
    }

    /// Puts pages into the page cache that hold the first `len` bytes of the file; for a file that nobody else can use yet. What there
    /// is no memory for is left out. May sleep.
    pub(crate) fn adopt(&self, pages: &PageVec, len: usize) {
        for (n, page) in pages.iter().take(len.div_ceil(PAGE_SIZE)).enumerate() {
            // SAFETY: The mapping is valid. The page is a fresh one of order 0, to which the page cache takes a reference of its
            // own, and nobody else uses it.
            let added = unsafe {
                bindings::filemap_adopt_page(
                    self.as_ptr(),
                    page.as_ptr(),
                    n as ffi::c_ulong,
                    len - n * PAGE_SIZE,
                )
            };
            if added != 0 {
                return;
            }
        }
    }

    /// Tells whether `folio` is still part of this page cache. Stable while the folio is locked.
    pub(crate) fn contains(&self, folio: &Folio<P>) -> bool {
        // SAFETY: The folio is valid; the field is a word that may be read at any time.
        let mapping = unsafe { bindings::folio_mapping_once(folio.as_ptr()) };
        ptr::eq(mapping, self.as_ptr())
    }

    /// Makes a folio dirty again whose write is to be repeated, if it still is of this mapping and has private data. The
    /// folio need not be locked. Does not sleep.
    pub(crate) fn redirty(&self, folio: &Folio<P>) {
        self.with_private(folio, || {
            if folio.has_private() {
                // SAFETY: The folio has private data, which truncation takes off under the lock that is held; only
                // then it cancels the dirty state.
                unsafe { kb::filemap_dirty_folio(self.as_ptr(), folio.as_ptr()) };
            }
            Some(())
        });
    }

    /// Drops clean cached folios; dirty ones are written first (`invalidate_inode_pages2`). Sleeps. `EBUSY` when some
    /// could not be dropped.
    pub(crate) fn invalidate_pages2(&self) -> Result {
        // SAFETY: The mapping is valid.
        to_result(unsafe { kb::invalidate_inode_pages2(self.as_ptr()) })
    }

    /// The same for the folios that hold bytes of `range`.
    pub(crate) fn invalidate_pages2_range(&self, range: RangeInclusive<u64>) -> Result {
        let index = |pos: &u64| (*pos / PAGE_SIZE as u64) as ffi::c_ulong;
        let (start, end) = (index(range.start()), index(range.end()));
        // SAFETY: The mapping is valid.
        to_result(unsafe { kb::invalidate_inode_pages2_range(self.as_ptr(), start, end) })
    }

    /// Runs `f` under `i_private_lock` if `folio` is part of this mapping.
    fn with_private<R>(&self, folio: &Folio<P>, f: impl FnOnce() -> Option<R>) -> Option<R> {
        // SAFETY: The mapping is valid.
        unsafe { bindings::mapping_private_lock(self.as_ptr()) };
        // A folio leaves its mapping only after its private data was taken off, which takes this lock: private data
        // that is seen below stays until the lock is given back.
        let res = if self.contains(folio) { f() } else { None };
        // SAFETY: Locked above.
        unsafe { bindings::mapping_private_unlock(self.as_ptr()) };
        res
    }

    /// Returns the private data of a folio of this mapping. Does not sleep.
    pub(crate) fn private(&self, folio: &Folio<P>) -> Option<Arc<P::Private>> {
        self.with_private(folio, || {
            // SAFETY: The folio is valid.
            let data = unsafe { bindings::folio_get_private(folio.as_ptr()) };
            if data.is_null() {
                return None;
            }
            // SAFETY: By the type invariants the data is the pointer of an `Arc` that the folio owns, and it cannot be
            // taken off while the lock is held.
            Some(Arc::from(unsafe {
                <Arc<P::Private> as ForeignOwnable>::borrow(data)
            }))
        })
    }

    /// Gives private data to a folio of this mapping, which holds a reference to the folio from now on. Hands it back
    /// when the folio has some already or is not of this mapping. Does not sleep.
    pub(crate) fn attach_private(
        &self,
        folio: &Locked<P>,
        data: Arc<P::Private>,
    ) -> Result<(), Arc<P::Private>> {
        let mut data = Some(data);
        self.with_private(folio, || {
            if folio.has_private() {
                return None;
            }
            let data = data.take()?.into_foreign();
            // SAFETY: The folio is locked, in this mapping, and has no private data.
            unsafe { bindings::folio_attach_private(folio.as_ptr(), data) };
            Some(())
        });
        match data {
            None => Ok(()),
            Some(data) => Err(data),
        }
    }

    /// Takes the private data off a folio of this mapping. Does not sleep.
    pub(crate) fn detach_private(&self, folio: &Folio<P>) -> Option<Arc<P::Private>> {
        self.with_private(folio, || {
            // SAFETY: The folio is valid, and the caller has a reference besides the one that goes with the data.
            let data = unsafe { bindings::folio_detach_private(folio.as_ptr()) };
            if data.is_null() {
                return None;
            }
            // SAFETY: By the type invariants the data came from `Arc::into_foreign()`, and it is ours now.
            Some(unsafe { <Arc<P::Private> as ForeignOwnable>::from_foreign(data) })
        })
    }
}

/// A handful of folios found in a mapping, with a reference to each.
///
/// # Invariants
///
/// The batch owns a reference to each of its folios.
struct FolioBatch(kb::folio_batch);

impl FolioBatch {
    fn new() -> Self {
        let mut batch = kb::folio_batch::default();
        // SAFETY: The batch is ours to write.
        unsafe { bindings::folio_batch_init(&raw mut batch) };
        // INVARIANT: The batch is empty.
        Self(batch)
    }

    /// Replaces what is in the batch by the next folios under writeback from `index` to `end`; moves `index` behind
    /// them. Tells whether there are any.
    fn fill_writeback<P: PageCache>(
        &mut self,
        mapping: &Mapping<P>,
        index: &mut ffi::c_ulong,
        end: ffi::c_ulong,
    ) -> bool {
        // SAFETY: The batch owns its references and is empty after the first call, as the second one wants it.
        unsafe {
            bindings::folio_batch_release(&raw mut self.0);
            bindings::filemap_get_folios_writeback(mapping.as_ptr(), index, end, &raw mut self.0)
                != 0
        }
    }

    fn folios<P: PageCache>(&self) -> impl Iterator<Item = &Folio<P>> {
        self.0.folios[..usize::from(self.0.nr)]
            .iter()
            // SAFETY: The first `nr` folios are valid and referenced by the batch, which is borrowed.
            .map(|folio| unsafe { &*folio.cast::<Folio<P>>() })
    }
}

impl Drop for FolioBatch {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the references are ours.
        unsafe { bindings::folio_batch_release(&raw mut self.0) };
    }
}
