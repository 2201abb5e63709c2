// SPDX-License-Identifier: GPL-2.0

//! Open regular files: `struct file_operations` and what a file system calls back from them.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use core::{
    marker::PhantomData,
    ops::{
        Range,
        RangeInclusive, //
    },
};

use kernel::{
    bindings as kb,
    error::{
        from_result,
        to_result, //
    },
    ffi,
    fs::File,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    module::this_module,
    prelude::*,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};
use rnfs4_bindings as bindings;

mod mapped;

use super::{
    locks::lock_call,
    FileOps,
    FileSystem,
    INode,
    Iocb,
    LockCall,
    LockRequest, //
};
use crate::sys::mm::{
    Locked,
    PageCache, //
};

/// An open regular file of the file system `T`.
///
/// # Invariants
///
/// `private_data` is a [`FileSystem::FileInfo`] for as long as the value is borrowed.
#[repr(transparent)]
pub(crate) struct RegularFile<T: FileSystem>(Opaque<kb::file>, PhantomData<T>);

impl<T: FileSystem> RegularFile<T> {
    /// Borrows a C file.
    ///
    /// # Safety
    ///
    /// `file` must be an open regular file of `T`, valid for all of `'a`.
    pub(super) unsafe fn from_raw<'a>(file: *mut kb::file) -> &'a Self {
        // SAFETY: `RegularFile` is transparent; the rest is the caller's promise.
        unsafe { &*file.cast() }
    }

    /// The same for a pointer that may be null.
    ///
    /// # Safety
    ///
    /// As for [`RegularFile::from_raw`] unless `file` is null.
    pub(super) unsafe fn from_raw_or_null<'a>(file: *mut kb::file) -> Option<&'a Self> {
        // SAFETY: The caller's promise.
        unsafe { file.cast::<Self>().as_ref() }
    }

    /// Returns the C file.
    pub(crate) fn as_ptr(&self) -> *mut kb::file {
        self.0.get()
    }

    /// Returns the file system's own data.
    pub(crate) fn info(&self) -> <T::FileInfo as ForeignOwnable>::Borrowed<'_> {
        // SAFETY: By the type invariants `private_data` came from `into_foreign()` and stays while `self` is borrowed.
        unsafe { <T::FileInfo as ForeignOwnable>::borrow((*self.as_ptr()).private_data) }
    }

    /// Returns the inode.
    pub(crate) fn inode(&self) -> &INode<T> {
        // SAFETY: An open file has its inode, which is of its file system.
        unsafe { INode::from_raw((*self.as_ptr()).f_inode) }
    }

    /// In `->flush()`: tells whether the descriptor that is being closed is the last reference to the file, so that `->release()` is
    /// next. (A file system that lies over this one may flush its only reference and go on.)
    pub(crate) fn is_last(&self) -> bool {
        // SAFETY: The file is valid.
        unsafe { bindings::file_is_last(self.as_ptr()) }
    }

    /// Tells whether the file was opened for reading.
    pub(crate) fn can_read(&self) -> bool {
        // SAFETY: The file is valid, and these bits do not change after open.
        unsafe { (*self.as_ptr()).f_mode & bindings::FMODE_READ != 0 }
    }

    /// Tells whether the file was opened for writing.
    pub(crate) fn can_write(&self) -> bool {
        // SAFETY: The file is valid, and these bits do not change after open.
        unsafe { (*self.as_ptr()).f_mode & bindings::FMODE_WRITE != 0 }
    }

    /// Reports a write error of the mapping that this open file has not reported yet, and leaves it to be reported.
    pub(crate) fn check_wb_err(&self) -> Result {
        // SAFETY: The file is valid, and so is its mapping; the error sequences are words that may be read at any time.
        to_result(unsafe {
            let since = (&raw const (*self.as_ptr()).f_wb_err).read_volatile();
            bindings::filemap_check_wb_err((*self.as_ptr()).f_mapping, since)
        })
    }

    /// Reports a write error of the mapping that this open file has not reported yet
    /// (`file_check_and_advance_wb_err`).
    pub(crate) fn check_and_advance_wb_err(&self) -> Result {
        // SAFETY: The file is valid.
        to_result(unsafe { kb::file_check_and_advance_wb_err(self.as_ptr()) })
    }
}

/// What a shared mapping's page that is about to be written is to be told.
pub(crate) enum MkWrite {
    /// It may be written.
    Writable,
    /// It is no longer part of the file: look again.
    Gone,
    /// Not yet: look again after [`FileOperations::wait_mkwrite`].
    Later,
}

/// The VFS's calls into a file system for a regular file. All may sleep.
pub(crate) trait FileOperations: FileSystem + PageCache {
    /// Opens an inode that is known already.
    fn open(inode: &INode<Self>, file: &File) -> Result<Self::FileInfo>;

    /// The last reference to the open file is gone; its pages may be dirty from a mapping.
    fn release(inode: &INode<Self>, info: Self::FileInfo);

    /// A descriptor is being closed: what the program should know of its writes is to be told now.
    fn flush(file: &RegularFile<Self>) -> Result;

    /// Makes the data of a range safe.
    fn fsync(file: &RegularFile<Self>, range: RangeInclusive<u64>, datasync: bool) -> Result;

    /// Sees to it that cached data which is out of date is not read (`read()`, `splice()`).
    fn revalidate_mapping(file: &RegularFile<Self>) -> Result;

    /// The file is being mapped. The process's memory is locked: not to wait for anybody.
    fn map(file: &RegularFile<Self>) -> Result;

    /// Whether [`look_at_map`](Self::look_at_map) is to be called before a page of a mapping is had. Does not sleep.
    fn is_map_due(file: &RegularFile<Self>) -> bool;

    /// What [`map`](Self::map) could not do. Nothing is locked.
    fn look_at_map(file: &RegularFile<Self>);

    /// Sees to it that the size is the server's before it is relied on (`lseek()` from the end).
    fn revalidate_size(inode: &INode<Self>) -> Result;

    /// Where, from `offset` on, a hole begins, or data (`SEEK_HOLE`, `SEEK_DATA`); `ENXIO` if there is none. `None` if nobody can
    /// tell: then all of the file is data.
    fn seek(file: &RegularFile<Self>, offset: u64, hole: bool) -> Result<Option<u64>>;

    /// fallocate(): makes a hole of a part, and then room for it. The part is not empty and ends within what a file may have.
    fn reserve(file: &RegularFile<Self>, part: Range<u64>, hole: bool, room: bool) -> Result;

    /// Reads. `EIOCBQUEUED` when the end will be told later ([`Iocb::queue`]).
    fn read_iter(iocb: Iocb<'_, Self>, iter: &mut IovIterDest<'_>) -> Result<usize>;

    /// Writes. `EIOCBQUEUED` as above.
    fn write_iter(iocb: Iocb<'_, Self>, iter: &mut IovIterSource<'_>) -> Result<usize>;

    /// fcntl() and flock() locks: does what `call` says with what is requested.
    fn lock(file: &RegularFile<Self>, call: LockCall, req: LockRequest<'_, Self>) -> Result;

    /// A page of a shared mapping is about to be written. The folio is in the page cache of the file.
    fn page_mkwrite(file: &RegularFile<Self>, folio: &Locked<Self>) -> Result<MkWrite>;

    /// Waits for what has made it [`MkWrite::Later`]; not for long, as the process may not be able to change its mappings meanwhile.
    fn wait_mkwrite(file: &RegularFile<Self>);
}

/// Returns the file operations of regular files.
pub(crate) const fn file_ops<T: FileOperations>() -> &'static FileOps<T> {
    &Thunks::<T>::OPS
}

struct Thunks<T>(PhantomData<T>);

impl<T: FileOperations> Thunks<T> {
    /// # Safety
    ///
    /// As for `->open()` of a regular file of `T`.
    unsafe extern "C" fn open(inode: *mut kb::inode, file: *mut kb::file) -> ffi::c_int {
        from_result(|| {
            // SAFETY: The VFS's contract; the file has no position that others use while it is being opened.
            let (inode, opening) =
                unsafe { (INode::<T>::from_raw(inode), File::from_raw_file(file)) };
            let info = T::open(inode, opening)?;
            // SAFETY: `->open()` sets the private data.
            unsafe {
                (*file).private_data = info.into_foreign();
                (*file).f_mode |= bindings::FMODE_CAN_ODIRECT;
            }
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for `->release()` of a regular file of `T`.
    unsafe extern "C" fn release(inode: *mut kb::inode, file: *mut kb::file) -> ffi::c_int {
        // SAFETY: The file was opened, so its private data is a `FileInfo`, which nobody uses any more.
        unsafe {
            let info = T::FileInfo::from_foreign((*file).private_data);
            (*file).private_data = core::ptr::null_mut();
            T::release(INode::from_raw(inode), info);
        }
        0
    }

    /// # Safety
    ///
    /// As for `->flush()` of a regular file of `T`.
    unsafe extern "C" fn flush(file: *mut kb::file, _id: kb::fl_owner_t) -> ffi::c_int {
        // SAFETY: The VFS's contract.
        from_result(|| T::flush(unsafe { RegularFile::from_raw(file) }).map(|()| 0))
    }

    /// # Safety
    ///
    /// As for `->fsync()` of a regular file of `T`.
    unsafe extern "C" fn fsync(
        file: *mut kb::file,
        start: kb::loff_t,
        end: kb::loff_t,
        datasync: ffi::c_int,
    ) -> ffi::c_int {
        from_result(|| {
            // SAFETY: The VFS's contract.
            let file = unsafe { RegularFile::from_raw(file) };
            T::fsync(file, start as u64..=end as u64, datasync != 0).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// As for `->llseek()` of a regular file of `T`.
    unsafe extern "C" fn llseek(
        file: *mut kb::file,
        offset: kb::loff_t,
        whence: ffi::c_int,
    ) -> kb::loff_t {
        let whence = whence as u32;
        if !matches!(whence, kb::SEEK_SET | kb::SEEK_CUR) {
            // SAFETY: The VFS's contract.
            let this = unsafe { RegularFile::<T>::from_raw(file) };
            let found = match (whence, u64::try_from(offset)) {
                (kb::SEEK_HOLE | kb::SEEK_DATA, Ok(offset)) => {
                    T::seek(this, offset, whence == kb::SEEK_HOLE)
                }
                _ => Ok(None),
            };
            match found {
                Err(e) => return e.to_errno().into(),
                // SAFETY: The VFS's contract; the limit is the superblock's own.
                Ok(Some(found)) => unsafe {
                    let limit = (*(*(*file).f_inode).i_sb).s_maxbytes;
                    return match kb::loff_t::try_from(found) {
                        Ok(found) => kb::vfs_setpos(file, found, limit),
                        Err(_) => EIO.to_errno().into(),
                    };
                },
                Ok(None) => {
                    if let Err(e) = T::revalidate_size(this.inode()) {
                        return e.to_errno().into();
                    }
                }
            }
        }
        // SAFETY: The VFS's contract.
        unsafe { kb::generic_file_llseek(file, offset, whence as ffi::c_int) }
    }

    /// # Safety
    ///
    /// As for `->fallocate()` of a regular file of `T`.
    unsafe extern "C" fn fallocate(
        file: *mut kb::file,
        mode: ffi::c_int,
        offset: kb::loff_t,
        len: kb::loff_t,
    ) -> ffi::c_long {
        const HOLE: u32 = bindings::FALLOC_FL_PUNCH_HOLE | bindings::FALLOC_FL_KEEP_SIZE;
        let (hole, room) = match mode as u32 {
            0 => (false, true),
            HOLE => (true, false),
            bindings::FALLOC_FL_ZERO_RANGE => (true, true),
            _ => return EOPNOTSUPP.to_errno() as ffi::c_long,
        };
        // SAFETY: The VFS's contract.
        let file = unsafe { RegularFile::from_raw(file) };
        let start = offset as u64;
        // The VFS has looked at the sum.
        match T::reserve(file, start..start.saturating_add(len as u64), hole, room) {
            Ok(()) => 0,
            Err(e) => e.to_errno() as ffi::c_long,
        }
    }

    /// # Safety
    ///
    /// As for `->read_iter()` of a regular file of `T`.
    unsafe extern "C" fn read_iter(iocb: *mut kb::kiocb, iter: *mut kb::iov_iter) -> isize {
        // SAFETY: The VFS's contract.
        let (iocb, iter) = unsafe { (Iocb::from_raw(iocb), IovIterDest::from_raw(iter)) };
        match T::read_iter(iocb, iter) {
            Ok(n) => n as isize,
            Err(e) => e.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// As for `->write_iter()` of a regular file of `T`.
    unsafe extern "C" fn write_iter(iocb: *mut kb::kiocb, iter: *mut kb::iov_iter) -> isize {
        // SAFETY: The VFS's contract.
        let (iocb, iter) = unsafe { (Iocb::from_raw(iocb), IovIterSource::from_raw(iter)) };
        match T::write_iter(iocb, iter) {
            Ok(n) => n as isize,
            Err(e) => e.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// As for `->splice_read()` of a regular file of `T`.
    unsafe extern "C" fn splice_read(
        file: *mut kb::file,
        pos: *mut kb::loff_t,
        pipe: *mut kb::pipe_inode_info,
        len: usize,
        flags: ffi::c_uint,
    ) -> isize {
        // SAFETY: The VFS's contract.
        if let Err(e) = T::revalidate_mapping(unsafe { RegularFile::from_raw(file) }) {
            return e.to_errno() as isize;
        }
        // SAFETY: The VFS's contract.
        unsafe { kb::filemap_splice_read(file, pos, pipe, len, flags) }
    }

    /// # Safety
    ///
    /// As for `->lock()` and `->flock()` of a regular file of `T`.
    unsafe extern "C" fn lock(
        file: *mut kb::file,
        cmd: ffi::c_int,
        lock: *mut kb::file_lock,
    ) -> ffi::c_int {
        from_result(|| {
            // SAFETY: The VFS's contract; the lock is the caller's own, and about this file.
            let (file, req) = unsafe { (RegularFile::from_raw(file), LockRequest::from_raw(lock)) };
            let call = lock_call(cmd, req.mode())?;
            T::lock(file, call, req).map(|()| 0)
        })
    }

    const OPS: FileOps<T> = {
        // SAFETY: The thunks are those for `T`, the other functions are good for any file system.
        unsafe { FileOps::new(Self::TABLE) }
    };

    const TABLE: kb::file_operations = kb::file_operations {
        owner: this_module::<crate::LocalModule>().as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        flush: Some(Self::flush),
        fsync: Some(Self::fsync),
        llseek: Some(Self::llseek),
        fallocate: Some(Self::fallocate),
        read_iter: Some(Self::read_iter),
        write_iter: Some(Self::write_iter),
        splice_read: Some(Self::splice_read),
        splice_write: Some(kb::iter_file_splice_write),
        mmap_prepare: Some(Self::mmap_prepare),
        lock: Some(Self::lock),
        flock: Some(Self::lock),
        fop_flags: bindings::FOP_DONTCACHE,
        ..pin_init::zeroed()
    };
}
