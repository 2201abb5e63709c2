// SPDX-License-Identifier: GPL-2.0

//! [`VfsInode`]: an inode of any file system, its size and attributes, and its locks.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h).

use core::{
    marker::PhantomData,
    ops::{
        Deref,
        Range, //
    },
    ptr::NonNull, //
};

use kernel::{
    bindings as kb,
    error::to_result,
    ffi,
    prelude::*,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

use rnfs4_bindings as bindings;

/// Seconds and nanoseconds since the epoch, as `struct timespec64`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timespec {
    /// Seconds, negative before the epoch.
    pub(crate) sec: i64,
    /// Nanoseconds, less than 10^9.
    pub(crate) nsec: u32,
}

impl Timespec {
    pub(super) fn from_raw(ts: &kb::timespec64) -> Self {
        Self {
            sec: ts.tv_sec,
            nsec: ts.tv_nsec as u32,
        }
    }

    pub(super) fn to_raw(self) -> kb::timespec64 {
        kb::timespec64 {
            tv_sec: self.sec,
            tv_nsec: self.nsec as ffi::c_long,
        }
    }
}

/// A `struct inode` of any file system.
///
/// # Invariants
///
/// The inode has a reference for as long as the value is borrowed.
#[repr(transparent)]
pub(crate) struct VfsInode(Opaque<kb::inode>);

// SAFETY: The reference count is atomic and `iput()` may be called from any thread.
unsafe impl Send for VfsInode {}
// SAFETY: All methods on shared references read single words or take the inode's own locks.
unsafe impl Sync for VfsInode {}

// SAFETY: `ihold()` and `iput()` count references.
unsafe impl AlwaysRefCounted for VfsInode {
    #[inline]
    fn inc_ref(&self) {
        // SAFETY: By the type invariants there is a reference already.
        unsafe { kb::ihold(self.as_ptr()) };
    }

    #[inline]
    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up a reference. `VfsInode` is transparent.
        unsafe { kb::iput(obj.as_ptr().cast()) };
    }
}

impl VfsInode {
    /// Returns the C inode.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut kb::inode {
        self.0.get()
    }

    /// Returns the inode number.
    pub(crate) fn ino(&self) -> u64 {
        // SAFETY: The inode is valid by the type invariants; `i_ino` does not change once it is set up.
        unsafe { (*self.as_ptr()).i_ino }
    }

    /// Returns type and permission bits.
    pub(crate) fn mode(&self) -> u16 {
        // SAFETY: The inode is valid by the type invariants; a racing writer replaces the aligned word at once.
        unsafe { (&raw const (*self.as_ptr()).i_mode).read_volatile() }
    }

    /// Returns the type bits of the mode (`S_IFMT`).
    pub(crate) fn file_type(&self) -> u16 {
        self.mode() & kb::S_IFMT as u16
    }

    /// Tells whether this is a directory.
    pub(crate) fn is_dir(&self) -> bool {
        self.file_type() == kb::S_IFDIR as u16
    }

    /// Tells whether this is a directory that something is to be mounted on.
    pub(crate) fn is_automount(&self) -> bool {
        // SAFETY: The inode is valid by the type invariants; the word is read at once.
        let flags = unsafe { (&raw const (*self.as_ptr()).i_flags).read_volatile() };
        flags & bindings::S_AUTOMOUNT != 0
    }

    /// Tells whether this is a regular file.
    pub(crate) fn is_reg(&self) -> bool {
        self.file_type() == kb::S_IFREG as u16
    }

    /// Returns the size in bytes.
    pub(crate) fn i_size(&self) -> u64 {
        // SAFETY: The inode is valid by the type invariants.
        unsafe { bindings::i_size_read(self.as_ptr()) as u64 }
    }

    /// Returns the number of links.
    pub(crate) fn nlink(&self) -> u32 {
        // SAFETY: The inode is valid by the type invariants; a racing writer replaces the aligned word at once.
        unsafe { (&raw const (*self.as_ptr()).__bindgen_anon_1.i_nlink).read_volatile() }
    }

    /// Returns the owner as an id of the initial user namespace.
    pub(crate) fn uid(&self) -> u32 {
        // SAFETY: The inode is valid by the type invariants; a racing writer replaces the aligned word at once.
        unsafe { (&raw const (*self.as_ptr()).i_uid.val).read_volatile() }
    }

    /// Returns the group as an id of the initial user namespace.
    pub(crate) fn gid(&self) -> u32 {
        // SAFETY: The inode is valid by the type invariants; a racing writer replaces the aligned word at once.
        unsafe { (&raw const (*self.as_ptr()).i_gid.val).read_volatile() }
    }

    /// Returns the address space of the inode's data.
    pub(crate) fn mapping_ptr(&self) -> *mut kb::address_space {
        // SAFETY: The inode is valid by the type invariants; `i_mapping` does not change once it is set up.
        unsafe { (*self.as_ptr()).i_mapping }
    }

    /// Tells whether the page cache holds no page of this inode.
    pub(crate) fn mapping_empty(&self) -> bool {
        // SAFETY: The mapping belongs to the inode; `nrpages` is a word that may be read at any time.
        unsafe { (&raw const (*self.mapping_ptr()).nrpages).read_volatile() == 0 }
    }

    /// Records an error of the mapping, to be reported once to each open file by `fsync()` and `close()`. Does not
    /// sleep.
    pub(crate) fn set_mapping_error(&self, error: Error) {
        // SAFETY: The mapping belongs to the inode and lives as long.
        unsafe { bindings::mapping_set_error(self.mapping_ptr(), error.to_errno()) };
    }

    /// Takes `i_lock`, under which the attributes are changed. Do not sleep while it is held.
    pub(crate) fn lock_attrs(&self) -> AttrsGuard<'_> {
        // SAFETY: The inode is valid by the type invariants.
        unsafe { bindings::inode_spin_lock(self.as_ptr()) };
        AttrsGuard(self, PhantomData)
    }

    /// Sets the size and drops the pages beyond it. May sleep. The inode is locked, or its size is under the file
    /// system's own control otherwise.
    pub(crate) fn truncate_setsize(&self, size: u64) {
        // SAFETY: The inode is valid by the type invariants.
        unsafe { kb::truncate_setsize(self.as_ptr(), size as kb::loff_t) };
    }

    /// Drops what is cached of a part, and makes zeros of it where a folio has other parts, too. May sleep. The inode is locked.
    pub(crate) fn truncate_pagecache_range(&self, part: Range<u64>) {
        if !part.is_empty() {
            let (start, last) = (part.start as kb::loff_t, (part.end - 1) as kb::loff_t);
            // SAFETY: The inode is valid by the type invariants.
            unsafe { kb::truncate_pagecache_range(self.as_ptr(), start, last) };
        }
    }

    /// Locks the inode for this task alone. Sleeps; `EINTR` when the task is being killed.
    pub(crate) fn inode_lock_killable(&self) -> Result<InodeLockGuard<'_>> {
        // SAFETY: The inode is valid by the type invariants.
        to_result(unsafe { bindings::inode_lock_killable(self.as_ptr()) })?;
        Ok(InodeLockGuard(self, PhantomData))
    }

    /// Locks the inode together with others who do so, but not with whom [`VfsInode::inode_lock_killable`] lets in. `EINTR` when
    /// the task is being killed.
    pub(crate) fn inode_lock_shared_killable(&self) -> Result<SharedLockGuard<'_>> {
        // SAFETY: The inode is valid by the type invariants.
        to_result(unsafe { bindings::inode_lock_shared_killable(self.as_ptr()) })?;
        Ok(SharedLockGuard(self, PhantomData))
    }

    /// Has the VFS call `->write_inode()` by and by: there is data to be committed. Does not sleep.
    pub(crate) fn mark_dirty_datasync(&self) {
        // SAFETY: The inode is valid by the type invariants.
        unsafe {
            kb::__mark_inode_dirty(
                self.as_ptr(),
                kb::inode_state_flags_enum_I_DIRTY_DATASYNC as ffi::c_int,
            )
        };
    }

    /// Tells whether the inode has just been allocated by `iget5_locked()` and is not set up yet.
    pub(crate) fn is_new(&self) -> bool {
        // SAFETY: The inode is valid by the type invariants.
        unsafe { bindings::inode_is_new(self.as_ptr()) }
    }
}

/// `i_lock` is held; released by drop.
pub(crate) struct AttrsGuard<'a>(&'a VfsInode, PhantomData<*mut ()>);

impl AttrsGuard<'_> {
    fn inode(&mut self) -> &mut kb::inode {
        // SAFETY: `i_lock` is held, under which alone the fields that the methods below name are written. The reference
        // ends with each of those methods.
        unsafe { &mut *self.0.as_ptr() }
    }

    /// Sets type and permission bits.
    pub(crate) fn set_mode(&mut self, mode: u16) {
        self.inode().i_mode = mode;
    }

    /// Sets the number of links.
    pub(crate) fn set_nlink(&mut self, nlink: u32) {
        // SAFETY: The inode is valid.
        unsafe { kb::set_nlink(self.0.as_ptr(), nlink) };
    }

    /// Sets the owner, an id of the initial user namespace.
    pub(crate) fn set_uid(&mut self, uid: u32) {
        self.inode().i_uid.val = uid;
    }

    /// Sets the group, an id of the initial user namespace.
    pub(crate) fn set_gid(&mut self, gid: u32) {
        self.inode().i_gid.val = gid;
    }

    /// Sets the size in bytes; leaves the page cache alone.
    pub(crate) fn i_size_write(&mut self, size: u64) {
        // SAFETY: The inode is valid, and `i_lock` keeps writers apart.
        unsafe { bindings::i_size_write(self.0.as_ptr(), size as kb::loff_t) };
    }

    /// Sets the number of 512-byte blocks.
    pub(crate) fn set_blocks(&mut self, blocks: u64) {
        self.inode().i_blocks = blocks;
    }

    /// Sets the access time.
    pub(crate) fn set_atime(&mut self, t: Timespec) {
        let inode = self.inode();
        inode.i_atime_sec = t.sec;
        inode.i_atime_nsec = t.nsec;
    }

    /// Sets the modification time.
    pub(crate) fn set_mtime(&mut self, t: Timespec) {
        let inode = self.inode();
        inode.i_mtime_sec = t.sec;
        inode.i_mtime_nsec = t.nsec;
    }

    /// Sets the time of the last status change.
    pub(crate) fn set_ctime(&mut self, t: Timespec) {
        let inode = self.inode();
        inode.i_ctime_sec = t.sec;
        inode.i_ctime_nsec = t.nsec;
    }
}

impl Deref for AttrsGuard<'_> {
    type Target = VfsInode;

    fn deref(&self) -> &VfsInode {
        self.0
    }
}

impl Drop for AttrsGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The existence of the guard means that the lock is held.
        unsafe { bindings::inode_spin_unlock(self.0.as_ptr()) };
    }
}

/// `i_rwsem` is held for writing; released by drop.
pub(crate) struct InodeLockGuard<'a>(&'a VfsInode, PhantomData<*mut ()>);

impl Drop for InodeLockGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The existence of the guard means that the lock is held by this task.
        unsafe { bindings::inode_unlock(self.0.as_ptr()) };
    }
}

/// `i_rwsem` is held for reading; released by drop.
pub(crate) struct SharedLockGuard<'a>(&'a VfsInode, PhantomData<*mut ()>);

impl Drop for SharedLockGuard<'_> {
    fn drop(&mut self) {
        // SAFETY: The existence of the guard means that the lock is held by this task.
        unsafe { bindings::inode_unlock_shared(self.0.as_ptr()) };
    }
}

/// Proof that `i_rwsem` is held for reading or for writing.
pub(crate) trait InodeLocked {}

impl InodeLocked for InodeLockGuard<'_> {}
impl InodeLocked for SharedLockGuard<'_> {}
