// SPDX-License-Identifier: GPL-2.0

//! Attributes on their way from and to user space, and what a permission check is about.
//!
//! C headers: [`include/linux/fs.h`](srctree/include/linux/fs.h), [`include/linux/stat.h`](srctree/include/linux/stat.h).

use core::marker::PhantomData;

use kernel::{
    bindings as kb,
    prelude::*,
    types::ForeignOwnable, //
};

use rnfs4_bindings as bindings;

use super::{
    check,
    FileSystem,
    INode,
    Timespec, //
};

/// The access that a permission check is about (`MAY_*`).
#[derive(Clone, Copy)]
pub(crate) struct Access(u32);

impl Access {
    pub(super) fn new(mask: u32) -> Self {
        Self(mask)
    }

    /// To read a file or list a directory.
    pub(crate) fn read(self) -> bool {
        self.0 & kb::MAY_READ != 0
    }

    /// To write to a file or change a directory.
    pub(crate) fn write(self) -> bool {
        self.0 & kb::MAY_WRITE != 0
    }

    /// To execute a file or pass through a directory.
    pub(crate) fn exec(self) -> bool {
        self.0 & kb::MAY_EXEC != 0
    }

    /// As part of an open.
    pub(crate) fn open(self) -> bool {
        self.0 & kb::MAY_OPEN != 0
    }

    /// By `access()` or `chdir()`: the answer is what the user came for.
    pub(crate) fn asked(self) -> bool {
        self.0 & (kb::MAY_ACCESS | kb::MAY_CHDIR) != 0
    }
}

/// A time to be set.
#[derive(Clone, Copy)]
pub(crate) enum SetTime {
    /// Leave it.
    Keep,
    /// The server's own time.
    Now,
    /// This time.
    To(Timespec),
}

/// The attributes that a program wants to change (`struct iattr`).
pub(crate) struct Iattr<'a, T: FileSystem>(&'a mut kb::iattr, PhantomData<T>);

impl<'a, T: FileSystem> Iattr<'a, T> {
    pub(super) fn new(attr: &'a mut kb::iattr) -> Self {
        Self(attr, PhantomData)
    }

    fn has(&self, bit: u32) -> bool {
        self.0.ia_valid & bit != 0
    }

    /// Returns the permission bits, or `None` to keep them.
    pub(crate) fn mode(&self) -> Option<u32> {
        self.has(bindings::ATTR_MODE)
            .then(|| u32::from(self.0.ia_mode) & 0o7777)
    }

    /// Returns the owner.
    pub(crate) fn uid(&self) -> Option<u32> {
        // SAFETY: Both members of the union are the same word.
        let uid = unsafe { self.0.__bindgen_anon_1.ia_uid.val };
        self.has(bindings::ATTR_UID).then_some(uid)
    }

    /// Returns the group.
    pub(crate) fn gid(&self) -> Option<u32> {
        // SAFETY: Both members of the union are the same word.
        let gid = unsafe { self.0.__bindgen_anon_2.ia_gid.val };
        self.has(bindings::ATTR_GID).then_some(gid)
    }

    /// Returns the size in bytes.
    pub(crate) fn size(&self) -> Option<u64> {
        self.has(bindings::ATTR_SIZE)
            .then_some(self.0.ia_size as u64)
    }

    /// Returns the access time.
    pub(crate) fn atime(&self) -> SetTime {
        if self.has(bindings::ATTR_ATIME_SET) {
            SetTime::To(Timespec::from_raw(&self.0.ia_atime))
        } else if self.has(bindings::ATTR_ATIME) {
            SetTime::Now
        } else {
            SetTime::Keep
        }
    }

    /// Returns the modification time.
    pub(crate) fn mtime(&self) -> SetTime {
        if self.has(bindings::ATTR_MTIME_SET) {
            SetTime::To(Timespec::from_raw(&self.0.ia_mtime))
        } else if self.has(bindings::ATTR_MTIME) {
            SetTime::Now
        } else {
            SetTime::Keep
        }
    }

    /// Tells whether this is the truncation of an `open()` with `O_TRUNC`.
    pub(crate) fn is_open_truncate(&self) -> bool {
        self.has(bindings::ATTR_OPEN)
    }

    /// Leaves setuid and setgid bits to the server, which clears them by its own rules.
    pub(crate) fn drop_kill_bits(&mut self) {
        if self.has(bindings::ATTR_KILL_SUID | bindings::ATTR_KILL_SGID) {
            self.0.ia_valid &= !(bindings::ATTR_MODE
                | bindings::ATTR_KILL_SUID
                | bindings::ATTR_KILL_SGID
                | bindings::ATTR_KILL_PRIV);
        }
    }

    /// Forgets the size, which needs no change.
    pub(crate) fn drop_size(&mut self) {
        self.0.ia_valid &= !(bindings::ATTR_SIZE | bindings::ATTR_OPEN);
    }

    /// Returns the data of the open file through which the change is made, if it is.
    pub(crate) fn file(&self) -> Option<<T::FileInfo as ForeignOwnable>::Borrowed<'_>> {
        if !self.has(bindings::ATTR_FILE) || self.0.ia_file.is_null() {
            return None;
        }
        // SAFETY: `ia_file` is an open file of this inode, which is regular (sizes are set by `ftruncate()` only there)
        // and of `T`; its private data is set from open to release.
        unsafe {
            let private = (*self.0.ia_file).private_data;
            (!private.is_null()).then(|| T::FileInfo::borrow(private))
        }
    }

    /// Fails with `EFBIG` or `ETXTBSY` where the inode cannot have `size` bytes. Sends `SIGXFSZ` as need be.
    pub(crate) fn newsize_ok(inode: &INode<T>, size: u64) -> Result {
        let size = kb::loff_t::try_from(size).map_err(|_| EFBIG)?;
        // SAFETY: The inode is valid.
        check(unsafe { kb::inode_newsize_ok(inode.as_ptr(), size) })
    }
}

/// How the names of an inode's file system behave, which `lsattr` shows (`struct file_kattr`).
#[derive(Clone, Copy)]
pub(crate) struct FileFlags {
    /// Upper and lower case are the same.
    pub(crate) case_insensitive: bool,
    /// A name keeps the case in which it was given.
    pub(crate) case_preserving: bool,
}

impl FileFlags {
    pub(super) fn fill(self, attr: &mut bindings::file_kattr) {
        if self.case_insensitive {
            attr.fsx_xflags |= bindings::FS_XFLAG_CASEFOLD;
            attr.flags |= bindings::FS_CASEFOLD_FL;
        }
        if !self.case_preserving {
            attr.fsx_xflags |= bindings::FS_XFLAG_CASENONPRESERVING;
        }
    }
}

/// What `stat()` tells (`struct kstat`).
pub(crate) struct KStat<'a>(&'a mut kb::kstat);

impl<'a> KStat<'a> {
    pub(super) fn new(stat: &'a mut kb::kstat) -> Self {
        Self(stat)
    }

    /// Fills in what the inode has.
    pub(crate) fn generic_fillattr<T: FileSystem>(&mut self, inode: &INode<T>, request_mask: u32) {
        // SAFETY: Inode and `kstat` are valid; the file system has no idmapped mounts.
        unsafe {
            kb::generic_fillattr(
                bindings::get_nop_mnt_idmap().cast(),
                request_mask,
                inode.as_ptr(),
                self.0,
            );
        }
    }

    /// Sets the number that changes with each change (`STATX_CHANGE_COOKIE`); `monotonic` if it only grows.
    pub(crate) fn set_change_cookie(&mut self, change: u64, monotonic: bool) {
        self.0.change_cookie = change;
        self.0.result_mask |= bindings::STATX_CHANGE_COOKIE;
        self.0.attributes_mask |= kb::STATX_ATTR_CHANGE_MONOTONIC as u64;
        if monotonic {
            self.0.attributes |= kb::STATX_ATTR_CHANGE_MONOTONIC as u64;
        }
    }

    /// Sets the preferred I/O size in bytes.
    pub(crate) fn set_blksize(&mut self, blksize: u32) {
        self.0.blksize = blksize;
    }

    /// Sets what `O_DIRECT` asks of a program's memory and of its offsets, in bytes (`STATX_DIOALIGN`, `STATX_DIO_READ_ALIGN`).
    pub(crate) fn set_dio_align(&mut self, mem: u32, offset: u32) {
        self.0.dio_mem_align = mem;
        self.0.dio_offset_align = offset;
        self.0.dio_read_offset_align = offset;
        self.0.result_mask |= kb::STATX_DIOALIGN | kb::STATX_DIO_READ_ALIGN;
    }

    /// Sets the birth time.
    pub(crate) fn set_btime(&mut self, t: Timespec) {
        self.0.btime = t.to_raw();
        self.0.result_mask |= kb::STATX_BTIME;
    }
}
