// SPDX-License-Identifier: GPL-2.0

//! A file that is being opened by its name.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h).

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    bindings as kb,
    ffi,
    prelude::*,
    sync::aref::ARef,
    types::ForeignOwnable, //
};

use rnfs4_bindings as bindings;

use super::{
    check,
    Dentry,
    FileSystem, //
};

/// A file that [`super::InodeOperations::atomic_open`] is to open.
///
/// # Invariants
///
/// `file` is being opened by this task.
pub(crate) struct OpeningFile<'a, T: FileSystem> {
    file: *mut kb::file,
    flags: u32,
    _p: PhantomData<(&'a (), T)>,
}

impl<'a, T: FileSystem> OpeningFile<'a, T> {
    /// Takes over a file with the flags of its open.
    ///
    /// # Safety
    ///
    /// `file` must be a file of `T` that this task is opening, for all of `'a`.
    pub(super) unsafe fn from_raw(file: *mut kb::file, flags: u32) -> Self {
        // INVARIANT: By the contract.
        Self {
            file,
            flags,
            _p: PhantomData,
        }
    }

    /// Returns the flags of the open (`O_*`).
    pub(crate) fn flags(&self) -> u32 {
        self.flags
    }

    /// Notes that the file was created by this open.
    pub(crate) fn set_created(&mut self) {
        // SAFETY: The file is ours until the open is finished.
        unsafe { (*self.file).f_mode |= bindings::FMODE_CREATED };
    }

    /// Opens the file as `dentry`, which must be positive, with `info` as its data. On failure `info` is dropped.
    pub(crate) fn finish_open(self, dentry: &Dentry<T>, info: T::FileInfo) -> Result {
        /// # Safety
        ///
        /// `file` must be a regular file of ours that is being opened.
        unsafe extern "C" fn open(_inode: *mut kb::inode, file: *mut kb::file) -> ffi::c_int {
            // SAFETY: By the contract.
            unsafe { (*file).f_mode |= bindings::FMODE_CAN_ODIRECT };
            0
        }
        if dentry.inode().is_none() {
            return Err(ENOENT);
        }
        // SAFETY: The file is being opened and the dentry is positive. Only after success is there a `release`, which
        // takes the data back.
        unsafe {
            check(kb::finish_open(self.file, dentry.as_ptr(), Some(open)))?;
            (*self.file).private_data = info.into_foreign();
        }
        Ok(())
    }

    /// Leaves the open to the VFS, which goes on with `dentry` (`None`: the one it gave).
    pub(crate) fn finish_no_open(self, dentry: Option<ARef<Dentry<T>>>) -> Result {
        let dentry = dentry.map_or(ptr::null_mut(), |d| ARef::into_raw(d).as_ptr().cast());
        // SAFETY: The file is being opened; the call takes the reference over.
        check(unsafe { kb::finish_no_open(self.file, dentry) })
    }
}
