// SPDX-License-Identifier: GPL-2.0

//! What the page cache asks of a file system: `struct address_space_operations`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h); locking rules:
//! `Documentation/filesystems/locking.rst`.

use core::{
    marker::PhantomData,
    ops::Range,
    ptr::NonNull, //
};

use kernel::{
    bindings as kb,
    error::from_result,
    ffi,
    prelude::*, //
};
use rnfs4_bindings as bindings;

use super::{
    AddressSpaceOps,
    FileSystem,
    INode,
    RegularFile, //
};
use crate::sys::mm::{
    Locked,
    Mapping,
    PageCache,
    Readahead,
    WritebackControl, //
};

/// The page cache's calls into a file system. All may sleep unless something else is said.
pub(crate) trait AddressSpaceOperations: FileSystem + PageCache {
    /// Reads a folio that is not up to date. The value is to be kept until the read has ended
    /// ([`Locked::end_read`]), which need not be before this returns.
    fn read_folio(
        file: Option<&RegularFile<Self>>,
        inode: &INode<Self>,
        folio: Locked<Self>,
    ) -> Result;

    /// Starts reading a run of folios nobody waits for yet; failures show when [`Self::read_folio`] tries again.
    fn readahead(file: Option<&RegularFile<Self>>, inode: &INode<Self>, run: Readahead<'_, Self>);

    /// Writes dirty folios.
    fn writepages(inode: &INode<Self>, wbc: &mut WritebackControl<'_>) -> Result;

    /// Prepares the folio that `folio` finds or makes for `len` bytes at `pos` to be changed: when it is returned, what
    /// it holds beside those bytes is right, or is known to be unknown. The inode is locked.
    fn write_begin(
        file: &RegularFile<Self>,
        pos: u64,
        len: usize,
        folio: impl FnMut() -> Result<Locked<Self>>,
    ) -> Result<Locked<Self>>;

    /// Takes note that `copied` of `len` bytes at `pos` were put into the folio, and returns how many of them count.
    fn write_end(
        file: &RegularFile<Self>,
        pos: u64,
        len: usize,
        copied: usize,
        folio: Locked<Self>,
    ) -> Result<usize>;

    /// A range of a folio with private data is dropped from the file. It is not under writeback. When the range is the
    /// whole folio, its private data must be gone afterwards.
    fn invalidate_folio(inode: &INode<Self>, folio: &Locked<Self>, range: Range<usize>);

    /// Gives up the private data of a clean folio if that is possible, and tells whether it is gone. `may` says what may be done
    /// for that.
    fn release_folio(inode: &INode<Self>, folio: &Locked<Self>, may: Release) -> bool;

    /// Writes a dirty folio that is about to be dropped, and waits until it is safe.
    fn launder_folio(inode: &INode<Self>, folio: &Locked<Self>) -> Result;
}

/// What may be done to release a folio.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// Neither start I/O nor wait for it.
    Nothing,
    /// Start I/O, and wait for nothing: the task wants memory, and whoever is to answer may be the one that wants it.
    Start,
    /// Start I/O and wait for it.
    Wait,
}

impl<T: FileSystem + PageCache> INode<T> {
    /// Returns the page cache of the inode's data.
    pub(crate) fn mapping(&self) -> &Mapping<T> {
        // SAFETY: The mapping belongs to the inode, and `T` says what private data its folios have.
        unsafe { Mapping::from_raw(self.mapping_ptr()) }
    }
}

/// I/O under way on an inode that does not keep the inode, but that its eviction waits for (`i_dio_count`).
///
/// A reply that arrives in a worker thread must not drop the last reference: eviction waits for replies.
///
/// # Invariants
///
/// The value counts in `i_dio_count` of the inode, and the thunk of `->evict_inode()` waits for that to be zero.
pub(crate) struct Inflight<T: FileSystem>(NonNull<INode<T>>);

// SAFETY: The inode may be used and the count be dropped by any thread.
unsafe impl<T: FileSystem> Send for Inflight<T> {}
// SAFETY: As for `INode`.
unsafe impl<T: FileSystem> Sync for Inflight<T> {}

impl<T: FileSystem> Inflight<T> {
    /// Begins I/O.
    pub(crate) fn new(inode: &INode<T>) -> Self {
        // SAFETY: The inode is valid.
        unsafe { bindings::inode_dio_begin(inode.as_ptr()) };
        // INVARIANT: Counted just now.
        Self(NonNull::from(inode))
    }

    /// Borrows the inode.
    pub(crate) fn inode(&self) -> &INode<T> {
        // SAFETY: By the type invariants the inode stays while it is counted.
        unsafe { self.0.as_ref() }
    }
}

impl<T: FileSystem> Clone for Inflight<T> {
    fn clone(&self) -> Self {
        Self::new(self.inode())
    }
}

impl<T: FileSystem> Drop for Inflight<T> {
    fn drop(&mut self) {
        // SAFETY: By the type invariants the inode is valid until its count is dropped, which wakes whoever evicts it.
        unsafe { bindings::inode_dio_end(self.inode().as_ptr()) };
    }
}

/// Returns the address space operations of regular files.
pub(crate) const fn address_space_ops<T: AddressSpaceOperations>() -> &'static AddressSpaceOps<T> {
    &Thunks::<T>::OPS
}

struct Thunks<T>(PhantomData<T>);

/// Returns the inode of a locked folio.
///
/// # Safety
///
/// `folio` must be locked and in the page cache of an inode of `T`.
unsafe fn folio_inode<'a, T: FileSystem>(folio: *mut kb::folio) -> &'a INode<T> {
    // SAFETY: The mapping of a locked folio in a page cache does not change, and its host is the inode.
    unsafe { INode::from_raw((*bindings::folio_mapping_once(folio)).host) }
}

/// # Safety (of all thunks)
///
/// They are called by the page cache as the table's contract says, for inodes of `T`.
impl<T: AddressSpaceOperations> Thunks<T> {
    /// # Safety
    ///
    /// As for `->read_folio()`: `folio` is locked, and the lock is handed over.
    unsafe extern "C" fn read_folio(file: *mut kb::file, folio: *mut kb::folio) -> ffi::c_int {
        // SAFETY: The page cache's contract; the caller has a reference to the folio and keeps it.
        let (inode, file, folio) = unsafe {
            (
                folio_inode::<T>(folio),
                RegularFile::<T>::from_raw_or_null(file),
                Locked::from_locked(NonNull::new_unchecked(folio)),
            )
        };
        from_result(|| T::read_folio(file, inode, folio).map(|()| 0))
    }

    /// # Safety
    ///
    /// As for `->readahead()`.
    unsafe extern "C" fn readahead(rac: *mut kb::readahead_control) {
        // SAFETY: The page cache's contract.
        let (inode, file, run) = unsafe {
            (
                INode::<T>::from_raw((*(*rac).mapping).host),
                RegularFile::<T>::from_raw_or_null((*rac).file),
                Readahead::from_raw(NonNull::new_unchecked(rac)),
            )
        };
        T::readahead(file, inode, run);
    }

    /// # Safety
    ///
    /// As for `->writepages()`.
    unsafe extern "C" fn writepages(
        mapping: *mut kb::address_space,
        wbc: *mut kb::writeback_control,
    ) -> ffi::c_int {
        // SAFETY: The page cache's contract.
        let (inode, mut wbc) = unsafe {
            (
                INode::<T>::from_raw((*mapping).host),
                WritebackControl::from_raw(NonNull::new_unchecked(wbc)),
            )
        };
        from_result(|| T::writepages(inode, &mut wbc).map(|()| 0))
    }

    /// # Safety
    ///
    /// As for `->write_begin()`.
    unsafe extern "C" fn write_begin(
        iocb: *const kb::kiocb,
        mapping: *mut kb::address_space,
        pos: kb::loff_t,
        len: ffi::c_uint,
        foliop: *mut *mut kb::folio,
        _fsdata: *mut *mut ffi::c_void,
    ) -> ffi::c_int {
        from_result(|| {
            if iocb.is_null() {
                return Err(EIO);
            }
            // SAFETY: The page cache's contract; the mapping is that of an inode of `T`.
            let (file, mapping) = unsafe {
                (
                    RegularFile::<T>::from_raw((*iocb).ki_filp),
                    Mapping::<T>::from_raw(mapping),
                )
            };
            let (pos, len) = (pos as u64, len as usize);
            let folio = T::write_begin(file, pos, len, || {
                // SAFETY: `iocb` is valid.
                unsafe { mapping.write_begin_get_folio(iocb, pos, len) }
            })?;
            // SAFETY: `foliop` is where the caller wants the folio, with its lock and reference.
            unsafe { *foliop = folio.into_raw() };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for `->write_end()`: lock and reference of `folio` are handed over.
    unsafe extern "C" fn write_end(
        iocb: *const kb::kiocb,
        _mapping: *mut kb::address_space,
        pos: kb::loff_t,
        len: ffi::c_uint,
        copied: ffi::c_uint,
        folio: *mut kb::folio,
        _fsdata: *mut ffi::c_void,
    ) -> ffi::c_int {
        // SAFETY: The page cache's contract; `iocb` was not null for `->write_begin()`.
        let (file, folio) = unsafe {
            (
                RegularFile::<T>::from_raw((*iocb).ki_filp),
                Locked::from_owned(NonNull::new_unchecked(folio)),
            )
        };
        from_result(|| {
            T::write_end(file, pos as u64, len as usize, copied as usize, folio)
                .map(|n| n as ffi::c_int)
        })
    }

    /// # Safety
    ///
    /// As for `->invalidate_folio()`.
    unsafe extern "C" fn invalidate_folio(folio: *mut kb::folio, offset: usize, len: usize) {
        // SAFETY: The page cache's contract: the folio is locked and stays so.
        let (inode, folio) = unsafe {
            (
                folio_inode::<T>(folio),
                Locked::borrowed(NonNull::new_unchecked(folio)),
            )
        };
        T::invalidate_folio(inode, &folio, offset..offset + len);
    }

    /// # Safety
    ///
    /// As for `->release_folio()`.
    unsafe extern "C" fn release_folio(folio: *mut kb::folio, gfp: kb::gfp_t) -> bool {
        // SAFETY: The page cache's contract: the folio is locked and stays so.
        let (inode, folio, io, reclaiming) = unsafe {
            (
                folio_inode::<T>(folio),
                Locked::borrowed(NonNull::new_unchecked(folio)),
                bindings::gfp_may_do_io(gfp),
                bindings::current_is_reclaiming(),
            )
        };
        let may = match (io, reclaiming) {
            (false, _) => Release::Nothing,
            (true, true) => Release::Start,
            (true, false) => Release::Wait,
        };
        T::release_folio(inode, &folio, may)
    }

    /// # Safety
    ///
    /// As for `->launder_folio()`.
    unsafe extern "C" fn launder_folio(folio: *mut kb::folio) -> ffi::c_int {
        // SAFETY: The page cache's contract: the folio is locked and stays so.
        let (inode, folio) = unsafe {
            (
                folio_inode::<T>(folio),
                Locked::borrowed(NonNull::new_unchecked(folio)),
            )
        };
        from_result(|| T::launder_folio(inode, &folio).map(|()| 0))
    }

    const OPS: AddressSpaceOps<T> = {
        // SAFETY: The thunks are those for `T`, the other functions are good for any file system.
        unsafe { AddressSpaceOps::new(Self::TABLE) }
    };

    const TABLE: kb::address_space_operations = kb::address_space_operations {
        read_folio: Some(Self::read_folio),
        readahead: Some(Self::readahead),
        writepages: Some(Self::writepages),
        dirty_folio: Some(kb::filemap_dirty_folio),
        write_begin: Some(Self::write_begin),
        write_end: Some(Self::write_end),
        invalidate_folio: Some(Self::invalidate_folio),
        release_folio: Some(Self::release_folio),
        launder_folio: Some(Self::launder_folio),
        // Private data does not point at its folio, so it may move with the contents.
        #[cfg(CONFIG_MIGRATION)]
        migrate_folio: Some(kb::filemap_migrate_folio),
        error_remove_folio: Some(kb::generic_error_remove_folio),
        ..pin_init::zeroed()
    };
}
