// SPDX-License-Identifier: GPL-2.0

//! Superblocks and their operations.
//!
//! C header: [`include/linux/fs/super_types.h`](srctree/include/linux/fs/super_types.h).

use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

use kernel::{
    bindings as kb,
    error::VTABLE_DEFAULT_ERROR,
    ffi,
    prelude::*,
    seq_file::SeqFile,
    sync::aref::AlwaysRefCounted,
    types::Opaque, //
};

use rnfs4_bindings as bindings;

use super::{
    Dentry,
    DentryOps,
    FileSystem,
    INode,
    OpsTable,
    Registration, //
};

/// A `struct super_block` of the file system `T`.
///
/// # Invariants
///
/// The superblock is alive for as long as the value is borrowed, and its `s_fs_info` is a `KBox<T::SuperInfo>`.
#[repr(transparent)]
pub(crate) struct SuperBlock<T: FileSystem>(Opaque<kb::super_block>, PhantomData<T>);

// SAFETY: Active references may be given up by any thread.
unsafe impl<T: FileSystem> Send for SuperBlock<T> {}
// SAFETY: All methods on shared references read what does not change, or take the locks that are needed.
unsafe impl<T: FileSystem> Sync for SuperBlock<T> {}

// SAFETY: An `ARef<SuperBlock>` owns an active reference (`s_active`).
unsafe impl<T: FileSystem> AlwaysRefCounted for SuperBlock<T> {
    fn inc_ref(&self) {
        // SAFETY: By the type invariants the superblock is alive, so `s_active` is not zero.
        unsafe { bindings::sb_active_inc(self.as_ptr()) };
    }

    unsafe fn dec_ref(obj: NonNull<Self>) {
        // SAFETY: The caller gives up an active reference. `SuperBlock` is transparent.
        unsafe { kb::deactivate_super(obj.as_ptr().cast()) };
    }
}

impl<T: FileSystem> SuperBlock<T> {
    /// Borrows a C superblock.
    ///
    /// # Safety
    ///
    /// `sb` must be a superblock of `T` with `s_fs_info` set, alive for all of `'a`.
    pub(crate) unsafe fn from_raw<'a>(sb: *mut kb::super_block) -> &'a Self {
        // SAFETY: `SuperBlock` is transparent; the rest is the caller's promise.
        unsafe { &*sb.cast() }
    }

    /// Returns the C superblock.
    pub(crate) fn as_ptr(&self) -> *mut kb::super_block {
        self.0.get()
    }

    /// Whether it is read-only.
    pub(crate) fn is_rdonly(&self) -> bool {
        self.has_flag(bindings::SB_RDONLY)
    }

    /// Whether all writes are synchronous.
    pub(crate) fn is_synchronous(&self) -> bool {
        self.has_flag(bindings::SB_SYNCHRONOUS)
    }

    fn has_flag(&self, flag: u32) -> bool {
        // SAFETY: The superblock is alive; a remount may change the flags at any time.
        let flags = unsafe { core::ptr::read_volatile(&raw const (*self.as_ptr()).s_flags) };
        flags & flag as ffi::c_ulong != 0
    }

    /// Returns our own data.
    pub(crate) fn info(&self) -> &T::SuperInfo {
        // SAFETY: By the type invariants.
        unsafe { &*(*self.as_ptr()).s_fs_info.cast::<T::SuperInfo>() }
    }
}

/// A superblock that is being set up: its mount is not to be seen yet.
pub(crate) struct NewSuperBlock<'a, T: FileSystem>(&'a SuperBlock<T>);

impl<'a, T: FileSystem> core::ops::Deref for NewSuperBlock<'a, T> {
    type Target = SuperBlock<T>;

    fn deref(&self) -> &SuperBlock<T> {
        self.0
    }
}

impl<'a, T: SuperOperations> NewSuperBlock<'a, T> {
    /// Begins.
    ///
    /// # Safety
    ///
    /// `sb` must be new (from `sget_fc()`, with `s_umount` held for writing and without a root) with `s_fs_info` set.
    pub(super) unsafe fn new(sb: *mut kb::super_block) -> Self {
        // SAFETY: By the contract.
        let new = Self(unsafe { SuperBlock::from_raw(sb) });
        new.raw(|sb| sb.s_op = SuperOperationsVTable::<T>::TABLE.as_ptr());
        new
    }

    fn raw(&self, f: impl FnOnce(&mut kb::super_block)) {
        // SAFETY: The superblock is new, so nobody else uses it.
        f(unsafe { &mut *self.0.as_ptr() });
    }

    /// Sets the magic number that `statfs()` shows.
    pub(crate) fn set_magic(&mut self, magic: u64) {
        self.raw(|sb| sb.s_magic = magic as ffi::c_ulong);
    }

    /// Leaves the umask to the file system (`SB_I_NOUMASK`).
    pub(crate) fn set_no_umask(&mut self) {
        self.raw(|sb| sb.s_iflags |= kb::SB_I_NOUMASK as ffi::c_ulong);
    }

    /// Sets the size in bytes that files cannot grow beyond.
    pub(crate) fn set_maxbytes(&mut self, maxbytes: u64) {
        self.raw(|sb| {
            sb.s_maxbytes = kb::loff_t::try_from(maxbytes).unwrap_or(kb::loff_t::MAX);
        });
    }

    /// Sets the granularity of times in nanoseconds.
    pub(crate) fn set_time_gran(&mut self, gran: u32) {
        self.raw(|sb| sb.s_time_gran = gran);
    }

    /// Sets the block size, which is 2^`bits` bytes.
    pub(crate) fn set_blocksize_bits(&mut self, bits: u8) {
        self.raw(|sb| {
            sb.s_blocksize_bits = bits;
            sb.s_blocksize = 1 << bits;
        });
    }

    /// Sets the operations that new dentries get.
    pub(crate) fn set_default_d_op(&mut self, ops: &'static DentryOps<T>) {
        // SAFETY: The superblock is new and the table is for its type and static.
        unsafe { kb::set_default_d_op(self.0.as_ptr(), ops.as_ptr()) };
    }

    /// Sets the number of bytes that read-ahead aims at.
    pub(crate) fn set_readahead(&mut self, bytes: u64) {
        self.raw(|sb| {
            // SAFETY: `super_setup_bdi()` gave this superblock a `backing_dev_info` of its own.
            unsafe {
                (*sb.s_bdi).ra_pages =
                    bytes as ffi::c_ulong / kernel::page::PAGE_SIZE as ffi::c_ulong;
                (*sb.s_bdi).io_pages = (*sb.s_bdi).ra_pages;
            }
        });
    }
}

/// What `statfs()` tells; sizes are in blocks of `bsize` bytes.
#[derive(Clone, Copy, Default)]
pub(crate) struct StatFs {
    /// Magic number of the file system.
    pub(crate) magic: u64,
    /// Block size in bytes.
    pub(crate) bsize: u32,
    /// All blocks.
    pub(crate) blocks: u64,
    /// Free blocks.
    pub(crate) bfree: u64,
    /// Blocks free for users.
    pub(crate) bavail: u64,
    /// All file nodes.
    pub(crate) files: u64,
    /// Free file nodes.
    pub(crate) ffree: u64,
    /// Longest name.
    pub(crate) namelen: u32,
}

/// The operations of a file system on its superblocks.
#[vtable]
pub(crate) trait SuperOperations: FileSystem {
    /// Writes back what belongs to an inode but not to its pages; `sync` waits for it. May sleep. The inode may have
    /// lost its last reference already.
    fn write_inode(_inode: &INode<Self>, _sync: bool) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells whether an inode without users is not to be kept in the cache. Called under `i_lock`.
    fn drop_inode(_info: &Self::InodeInfo) -> bool {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Gives up what an inode holds. Its pages are gone by now. May sleep.
    fn evict_inode(_info: &Self::InodeInfo, _sb: &SuperBlock<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Answers `statfs()`. May sleep.
    fn statfs(_dentry: &Dentry<Self>) -> Result<StatFs> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The superblock is about to be killed; what is dirty will be written next. May sleep.
    fn kill_begin(sb: &SuperBlock<Self>);

    /// The superblock is about to be killed, and everything dirty has been written: waits until no I/O holds an inode. False after
    /// a while: it may be that data became dirty again meanwhile, which is then written before this is called once more, with
    /// `again`. May sleep.
    fn written(sb: &SuperBlock<Self>, again: bool) -> bool;

    /// Gives up the data of a superblock that is dead, or of a mount that came to share another one. May sleep.
    fn kill_super(info: KBox<Self::SuperInfo>);

    /// `umount -f`: makes what waits for the server fail.
    fn umount_begin(_sb: &SuperBlock<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// All inodes are gone; the superblock goes next. May sleep.
    fn put_super(_sb: &SuperBlock<Self>) {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Prints the mount options, each with a comma before it.
    fn show_options(_m: &SeqFile, _sb: &SuperBlock<Self>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// How the type of the file system is called in `/proc/PID/mountstats`, whose readers may know it by another name; not longer than
    /// its own.
    const STATS_TYPE: &'static [u8] = Self::NAME.to_bytes();

    /// Prints what `/proc/PID/mountstats` shows.
    fn show_stats(_m: &SeqFile, _sb: &SuperBlock<Self>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The C table of a file system's superblock operations.
struct SuperOperationsVTable<T>(PhantomData<T>);

impl<T: SuperOperations> SuperOperationsVTable<T> {
    /// # Safety
    ///
    /// To be called by the VFS only, for a superblock of `T`.
    unsafe extern "C" fn alloc_inode(sb: *mut kb::super_block) -> *mut kb::inode {
        // SAFETY: The type of a superblock of `T` is part of a `Registration<T>`, which outlives it.
        unsafe {
            Registration::<T>::from_fs_type((*sb).s_type)
                .inode_cache
                .alloc_inode(sb)
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, after a grace period, for an inode that `alloc_inode` made.
    unsafe extern "C" fn free_inode(inode: *mut kb::inode) {
        // SAFETY: By the contract.
        unsafe { super::inode::free_inode::<T>(inode) }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for an inode of `T`.
    unsafe extern "C" fn write_inode(
        inode: *mut kb::inode,
        wbc: *mut kb::writeback_control,
    ) -> ffi::c_int {
        // SAFETY: The inode is not freed while the VFS writes it back.
        let (inode, sync) = unsafe {
            (
                INode::<T>::from_raw(inode),
                (*wbc).sync_mode == kb::writeback_sync_modes_WB_SYNC_ALL,
            )
        };
        match T::write_inode(inode, sync) {
            Ok(()) => 0,
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for an inode of `T`, with its `i_lock` held.
    unsafe extern "C" fn drop_inode(inode: *mut kb::inode) -> ffi::c_int {
        // SAFETY: The inode is valid, and so is our data in it.
        unsafe {
            let drop = T::drop_inode(INode::<T>::from_raw(inode).info());
            (drop || bindings::inode_generic_drop(inode) != 0).into()
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for an inode of `T` that nobody uses any more.
    unsafe extern "C" fn evict_inode(inode: *mut kb::inode) {
        // SAFETY: The inode is valid and being evicted: its pages are ours to drop, then our data, then its state.
        unsafe {
            kb::truncate_inode_pages_final(&raw mut (*inode).i_data);
            // Calls under way use the inode without a reference, see `Inflight`.
            kb::inode_dio_wait(inode);
            if T::HAS_EVICT_INODE {
                let evicted = INode::<T>::from_raw(inode);
                T::evict_inode(evicted.info(), evicted.sb());
            }
            kb::clear_inode(inode);
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a dentry of `T`.
    unsafe extern "C" fn statfs(dentry: *mut kb::dentry, buf: *mut kb::kstatfs) -> ffi::c_int {
        // SAFETY: The VFS holds a reference to the dentry.
        let dentry = unsafe { Dentry::<T>::from_raw(dentry) };
        let stat = match T::statfs(dentry) {
            Ok(stat) => stat,
            Err(e) => return e.to_errno(),
        };
        // SAFETY: The VFS gives a zeroed `kstatfs`; both declarations are of the same C type, of which the kernel crate
        // knows the name alone.
        let buf = unsafe { &mut *buf.cast::<bindings::kstatfs>() };
        buf.f_type = stat.magic as ffi::c_long;
        buf.f_bsize = stat.bsize as ffi::c_long;
        buf.f_frsize = stat.bsize as ffi::c_long;
        buf.f_blocks = stat.blocks;
        buf.f_bfree = stat.bfree;
        buf.f_bavail = stat.bavail;
        buf.f_files = stat.files;
        buf.f_ffree = stat.ffree;
        buf.f_namelen = stat.namelen as ffi::c_long;
        0
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a superblock of `T`.
    unsafe extern "C" fn umount_begin(sb: *mut kb::super_block) {
        // SAFETY: The superblock is mounted, hence alive.
        T::umount_begin(unsafe { SuperBlock::from_raw(sb) });
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a superblock of `T`.
    unsafe extern "C" fn put_super(sb: *mut kb::super_block) {
        // SAFETY: The superblock is alive until `kill_sb` returns.
        T::put_super(unsafe { SuperBlock::from_raw(sb) });
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a dentry of `T`.
    unsafe extern "C" fn show_options(m: *mut kb::seq_file, dentry: *mut kb::dentry) -> ffi::c_int {
        // SAFETY: Both are valid during the call, and `m` is this thread's alone.
        let (m, dentry) = unsafe { (SeqFile::from_raw(m), Dentry::<T>::from_raw(dentry)) };
        match T::show_options(m, dentry.sb()) {
            Ok(()) => 0,
            Err(e) => e.to_errno(),
        }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, for a dentry of `T`.
    unsafe extern "C" fn show_stats(m: *mut kb::seq_file, dentry: *mut kb::dentry) -> ffi::c_int {
        // SAFETY: As in `show_options`.
        let (m, dentry) = unsafe {
            call_type(&mut *m, T::NAME.to_bytes(), T::STATS_TYPE);
            (SeqFile::from_raw(m), Dentry::<T>::from_raw(dentry))
        };
        match T::show_stats(m, dentry.sb()) {
            Ok(()) => 0,
            Err(e) => e.to_errno(),
        }
    }

    const VTABLE: OpsTable<T, kb::super_operations> = {
        // SAFETY: The functions expect superblocks, inodes and dentries of `T`.
        unsafe {
            OpsTable::new(kb::super_operations {
                alloc_inode: Some(Self::alloc_inode),
                free_inode: Some(Self::free_inode),
                write_inode: if T::HAS_WRITE_INODE {
                    Some(Self::write_inode)
                } else {
                    None
                },
                drop_inode: if T::HAS_DROP_INODE {
                    Some(Self::drop_inode)
                } else {
                    None
                },
                evict_inode: Some(Self::evict_inode),
                statfs: if T::HAS_STATFS {
                    Some(Self::statfs)
                } else {
                    None
                },
                umount_begin: if T::HAS_UMOUNT_BEGIN {
                    Some(Self::umount_begin)
                } else {
                    None
                },
                put_super: if T::HAS_PUT_SUPER {
                    Some(Self::put_super)
                } else {
                    None
                },
                show_options: if T::HAS_SHOW_OPTIONS {
                    Some(Self::show_options)
                } else {
                    None
                },
                show_stats: if T::HAS_SHOW_STATS {
                    Some(Self::show_stats)
                } else {
                    None
                },
                ..pin_init::zeroed()
            })
        }
    };

    const TABLE: &'static OpsTable<T, kb::super_operations> = &Self::VTABLE;
}

/// Replaces the type of the file system in the line that the VFS has begun, `device D mounted on M with fstype NAME `, where this is how
/// it ends.
fn call_type(m: &mut kb::seq_file, name: &[u8], called: &[u8]) {
    // A full buffer is a larger one's beginning: all of it is printed again.
    if m.buf.is_null() || m.count >= m.size {
        return;
    }
    // SAFETY: That many bytes of the buffer have been written, and this thread alone uses it.
    let line = unsafe { core::slice::from_raw_parts_mut(m.buf.cast::<u8>(), m.count) };
    let ends = line
        .strip_suffix(b" ")
        .and_then(|line| line.strip_suffix(name))
        .filter(|head| head.ends_with(b" with fstype "))
        .map(<[u8]>::len);
    let Some(begin) = ends.filter(|_| called.len() <= name.len()) else {
        return;
    };
    for (place, byte) in line
        .iter_mut()
        .skip(begin)
        .zip(Iterator::chain(called.iter(), b" "))
    {
        *place = *byte;
    }
    m.count = begin + called.len() + 1;
}

/// Answers `->kill_sb()`: the last active reference is gone.
///
/// # Safety
///
/// To be called by the VFS only, for a superblock of `T` that `sget_fc()` made.
pub(super) unsafe extern "C" fn kill_sb<T: SuperOperations>(sb: *mut kb::super_block) {
    // SAFETY: The superblock is alive until the end of this function; `s_fs_info` was a `KBox` when it was set. After
    // `kill_anon_super()` no `test` of `sget_fc()` runs on this superblock, and no inode of it is in use.
    unsafe {
        let info = (*sb).s_fs_info.cast::<T::SuperInfo>();
        T::kill_begin(SuperBlock::from_raw(sb));
        // `generic_shutdown_super()` writes back, too, but then finds fault with inodes that I/O still holds.
        kb::sync_filesystem(sb);
        let mut again = false;
        while !T::written(SuperBlock::from_raw(sb), again) {
            kb::sync_filesystem(sb);
            again = true;
        }
        kb::kill_anon_super(sb);
        T::kill_super(KBox::from_raw(info));
    }
}
