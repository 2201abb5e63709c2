// SPDX-License-Identifier: GPL-2.0

//! Reads and writes under way: `struct kiocb`.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    ptr::NonNull, //
};

use kernel::{
    bindings as kb,
    ffi,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};
use rnfs4_bindings as bindings;

use super::{
    FileSystem,
    InodeLockGuard,
    InodeLocked,
    RegularFile, //
};

/// A read or write under way (`struct kiocb`).
pub(crate) struct Iocb<'a, T: FileSystem> {
    iocb: NonNull<kb::kiocb>,
    _file: PhantomData<&'a RegularFile<T>>,
}

/// Takes a count or an error out of the return value of a C function.
fn to_count(ret: isize) -> Result<usize> {
    usize::try_from(ret).map_err(|_| Error::from_errno(ret as ffi::c_int))
}

impl<'a, T: FileSystem> Iocb<'a, T> {
    /// # Safety
    ///
    /// `iocb` must be valid for `'a` and its file a regular file of `T`.
    pub(super) unsafe fn from_raw(iocb: *mut kb::kiocb) -> Self {
        Self {
            // SAFETY: The caller's promise.
            iocb: unsafe { NonNull::new_unchecked(iocb) },
            _file: PhantomData,
        }
    }

    /// Returns the file.
    pub(crate) fn file(&self) -> &'a RegularFile<T> {
        // SAFETY: The file of a call under way stays open.
        unsafe { RegularFile::from_raw((*self.iocb.as_ptr()).ki_filp) }
    }

    /// Returns the position in the file.
    pub(crate) fn pos(&self) -> u64 {
        // SAFETY: The control block is ours during the call.
        unsafe { (*self.iocb.as_ptr()).ki_pos as u64 }
    }

    /// Moves the position in the file.
    pub(crate) fn set_pos(&mut self, pos: u64) {
        // SAFETY: The control block is ours during the call.
        unsafe { (*self.iocb.as_ptr()).ki_pos = pos as kb::loff_t };
    }

    fn has(&self, flag: u32) -> bool {
        // SAFETY: The control block is ours during the call.
        unsafe { (*self.iocb.as_ptr()).ki_flags as u32 & flag != 0 }
    }

    /// Tells whether the data goes to the end of the file (`O_APPEND`).
    pub(crate) fn is_append(&self) -> bool {
        self.has(bindings::IOCB_APPEND as u32)
    }

    /// Tells whether the page cache is to be left out (`O_DIRECT`).
    pub(crate) fn is_direct(&self) -> bool {
        self.has(bindings::IOCB_DIRECT)
    }

    /// Has the call go through the page cache all the same.
    pub(crate) fn clear_direct(&mut self) {
        // SAFETY: The control block is ours during the call.
        unsafe { (*self.iocb.as_ptr()).ki_flags &= !(bindings::IOCB_DIRECT as ffi::c_int) };
    }

    /// Tells whether data and all attributes are to be safe at the end (`O_SYNC`, not `O_DSYNC`).
    pub(crate) fn is_sync(&self) -> bool {
        self.has(bindings::IOCB_SYNC as u32)
    }

    /// Tells whether the caller wants to be told of the end later, and does not wait for it (aio, io_uring).
    pub(crate) fn is_async(&self) -> bool {
        // SAFETY: The control block is ours during the call.
        unsafe { (*self.iocb.as_ptr()).ki_complete.is_some() }
    }

    /// Takes an asynchronous call along, to be ended later; `None` for any other. Where there is one, `->read_iter()` or
    /// `->write_iter()` must return `EIOCBQUEUED`, and may not use anything of the call after its end.
    pub(crate) fn queue(self) -> Option<QueuedIocb<T>> {
        // INVARIANT: The call does not end before `QueuedIocb` says so.
        self.is_async().then_some(QueuedIocb {
            iocb: self.iocb,
            _file: PhantomData,
        })
    }

    /// Reads through the page cache. Sleeps.
    pub(crate) fn generic_file_read_iter(&mut self, iter: &mut IovIterDest<'_>) -> Result<usize> {
        // SAFETY: Both are valid during the call.
        to_count(unsafe { kb::generic_file_read_iter(self.iocb.as_ptr(), iter.as_raw()) })
    }

    /// Checks limits, and moves the position to the end of the file for `O_APPEND`. Returns how many bytes may be
    /// written.
    pub(crate) fn generic_write_checks(
        &mut self,
        iter: &mut IovIterSource<'_>,
        _lock: &impl InodeLocked,
    ) -> Result<usize> {
        // SAFETY: Both are valid during the call, and the inode is locked.
        to_count(unsafe { kb::generic_write_checks(self.iocb.as_ptr(), iter.as_raw()) })
    }

    /// Writes into the page cache. Sleeps.
    pub(crate) fn generic_perform_write(
        &mut self,
        iter: &mut IovIterSource<'_>,
        _lock: &InodeLockGuard<'_>,
    ) -> Result<usize> {
        // SAFETY: Both are valid during the call, and the inode is locked.
        to_count(unsafe { kb::generic_perform_write(self.iocb.as_ptr(), iter.as_raw()) })
    }

    /// After a write of `count` bytes: does what `O_SYNC` and `O_DSYNC` ask for. Sleeps.
    pub(crate) fn generic_write_sync(&mut self, count: usize) -> Result<usize> {
        // SAFETY: The control block is valid during the call.
        to_count(unsafe { bindings::generic_write_sync(self.iocb.as_ptr(), count as isize) })
    }
}

/// An asynchronous call of which `->read_iter()` or `->write_iter()` has said `EIOCBQUEUED`.
///
/// # Invariants
///
/// The call, its file and what it transfers to or from stay until the value is gone.
pub(crate) struct QueuedIocb<T: FileSystem> {
    iocb: NonNull<kb::kiocb>,
    _file: PhantomData<T>,
}

// SAFETY: A queued call may be ended by any thread.
unsafe impl<T: FileSystem> Send for QueuedIocb<T> {}

impl<T: FileSystem> QueuedIocb<T> {
    /// Ends the call. Does not sleep.
    pub(crate) fn complete(self, res: Result<usize>) {
        ManuallyDrop::new(self).end(res);
    }

    fn end(&mut self, res: Result<usize>) {
        let res = match res {
            Ok(n) => n as ffi::c_long,
            Err(e) => e.to_errno() as ffi::c_long,
        };
        // SAFETY: By the type invariants the control block is valid until `ki_complete()`, which an asynchronous one has, and which is
        // called just once: the value is gone after this.
        unsafe {
            let iocb = self.iocb.as_ptr();
            (*iocb).ki_pos += res.max(0) as kb::loff_t;
            if let Some(complete) = (*iocb).ki_complete {
                complete(iocb, res);
            }
        }
    }
}

impl<T: FileSystem> Drop for QueuedIocb<T> {
    fn drop(&mut self) {
        self.end(Err(EIO));
    }
}
