// SPDX-License-Identifier: GPL-2.0

//! Operations on inodes: names in a directory, attributes, permission.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h).

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    bindings as kb,
    error::VTABLE_DEFAULT_ERROR,
    ffi,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc, //
    },
    types::ForeignOwnable, //
};

use rnfs4_bindings as bindings;

use super::{
    check,
    ChildDentry,
    Dentry,
    FileSystem,
    INode,
    InodeOps,
    LookupFlags,
    Timespec, //
};

/// The access that a permission check is about (`MAY_*`).
#[derive(Clone, Copy)]
pub(crate) struct Access(u32);

impl Access {
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
        self.has(bindings::ATTR_UID)
            .then(|| unsafe { self.0.__bindgen_anon_1.ia_uid.val })
    }

    /// Returns the group.
    pub(crate) fn gid(&self) -> Option<u32> {
        // SAFETY: Both members of the union are the same word.
        self.has(bindings::ATTR_GID)
            .then(|| unsafe { self.0.__bindgen_anon_2.ia_gid.val })
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

/// What `stat()` tells (`struct kstat`).
pub(crate) struct KStat<'a>(&'a mut kb::kstat);

impl KStat<'_> {
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

    /// Sets the number that changes with each change (`STATX_CHANGE_COOKIE`).
    pub(crate) fn set_change_cookie(&mut self, change: u64) {
        self.0.change_cookie = change;
        self.0.result_mask |= bindings::STATX_CHANGE_COOKIE;
    }

    /// Sets the preferred I/O size in bytes.
    pub(crate) fn set_blksize(&mut self, blksize: u32) {
        self.0.blksize = blksize;
    }

    /// Sets the birth time.
    pub(crate) fn set_btime(&mut self, t: Timespec) {
        self.0.btime = t.to_raw();
        self.0.result_mask |= kb::STATX_BTIME;
    }
}

/// A file that [`InodeOperations::atomic_open`] is to open.
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
        unsafe extern "C" fn open(_inode: *mut kb::inode, _file: *mut kb::file) -> ffi::c_int {
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

/// The operations of a kind of inodes; which of them there are depends on the kind.
#[vtable]
pub(crate) trait InodeOperations: Sized + 'static {
    /// The file system.
    type Fs: FileSystem;

    /// Looks a name up. Returns another dentry where the VFS is to use that instead. `dir` is locked, shared at least.
    fn lookup(
        _dir: &INode<Self::Fs>,
        _dentry: &ChildDentry<Self::Fs>,
        _flags: LookupFlags,
    ) -> Result<Option<ARef<Dentry<Self::Fs>>>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Looks up, creates and opens in one go. `dir` is locked, for writing where the open may create. `mode` has the
    /// umask applied.
    fn atomic_open(
        _dir: &INode<Self::Fs>,
        _dentry: &ChildDentry<Self::Fs>,
        _file: OpeningFile<'_, Self::Fs>,
        _mode: u16,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Creates a regular file. As for the operations after it: `dir` is locked for writing and `dentry` is negative.
    fn create(_dir: &INode<Self::Fs>, _dentry: &ChildDentry<Self::Fs>, _mode: u16) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a directory.
    fn mkdir(
        _dir: &INode<Self::Fs>,
        _dentry: &ChildDentry<Self::Fs>,
        _mode: u16,
    ) -> Result<Option<ARef<Dentry<Self::Fs>>>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a symbolic link.
    fn symlink(_dir: &INode<Self::Fs>, _dentry: &ChildDentry<Self::Fs>, _target: &CStr) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Makes a device node, FIFO or socket, as the type bits of `mode` say.
    fn mknod(
        _dir: &INode<Self::Fs>,
        _dentry: &ChildDentry<Self::Fs>,
        _mode: u16,
        _major: u32,
        _minor: u32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Gives the object behind `old` a further name.
    fn link(
        _old: &Dentry<Self::Fs>,
        _dir: &INode<Self::Fs>,
        _dentry: &ChildDentry<Self::Fs>,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Removes a name that is not a directory's. `dentry` is positive.
    fn unlink(_dir: &INode<Self::Fs>, _dentry: &ChildDentry<Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Removes an empty directory. `dentry` is positive.
    fn rmdir(_dir: &INode<Self::Fs>, _dentry: &ChildDentry<Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Renames; `flags` are those of `renameat2()`. Both directories are locked.
    fn rename(
        _old_dir: &INode<Self::Fs>,
        _old: &ChildDentry<Self::Fs>,
        _new_dir: &INode<Self::Fs>,
        _new: &ChildDentry<Self::Fs>,
        _flags: u32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Changes attributes. The inode is locked for writing.
    fn setattr(_inode: &INode<Self::Fs>, _attr: Iattr<'_, Self::Fs>) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells attributes; `request_mask` and `flags` are those of `statx()`.
    fn getattr(
        _inode: &INode<Self::Fs>,
        _stat: KStat<'_>,
        _request_mask: u32,
        _flags: u32,
    ) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Tells whether the current task may access the inode. May sleep.
    fn permission(_inode: &INode<Self::Fs>, _access: Access) -> Result {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The same in an RCU walk, for the data of an inode that nobody may hold; must not sleep. `None` means that it
    /// takes more than that.
    fn permission_rcu(
        _info: &<Self::Fs as FileSystem>::InodeInfo,
        _access: Access,
    ) -> Option<Result> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// Returns the target of a symbolic link. May sleep.
    fn get_link(_inode: &INode<Self::Fs>) -> Result<Arc<CString>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }

    /// The same in an RCU walk: must not sleep. `None` means that it takes more than a look at our data.
    fn get_link_rcu(_info: &<Self::Fs as FileSystem>::InodeInfo) -> Option<Arc<CString>> {
        build_error!(VTABLE_DEFAULT_ERROR)
    }
}

/// The C table of a kind of inodes.
struct InodeOperationsVTable<O>(PhantomData<O>);

/// Turns a result into what C expects.
fn errno(res: Result) -> ffi::c_int {
    match res {
        Ok(()) => 0,
        Err(e) => e.to_errno(),
    }
}

/// Turns a result into what C expects of those that return a dentry.
fn dentry_ptr<T: FileSystem>(res: Result<Option<ARef<Dentry<T>>>>) -> *mut kb::dentry {
    match res {
        Ok(None) => ptr::null_mut(),
        Ok(Some(dentry)) => ARef::into_raw(dentry).as_ptr().cast(),
        Err(e) => e.to_ptr(),
    }
}

impl<O: InodeOperations> InodeOperationsVTable<O> {
    /// Borrows what most operations are about.
    ///
    /// # Safety
    ///
    /// Both must be of `O::Fs` and referenced for `'a`, `dir` locked so that the name of `dentry` holds still.
    unsafe fn at<'a>(
        dir: *mut kb::inode,
        dentry: *mut kb::dentry,
    ) -> (&'a INode<O::Fs>, &'a ChildDentry<O::Fs>) {
        // SAFETY: By the contract.
        unsafe { (INode::from_raw(dir), ChildDentry::from_raw(dentry)) }
    }

    /// # Safety
    ///
    /// To be called by the VFS only, as for all functions of this table: for objects of `O::Fs`, which the VFS holds
    /// references to, and with the locks that it takes for the operation.
    unsafe extern "C" fn lookup(
        dir: *mut kb::inode,
        dentry: *mut kb::dentry,
        flags: ffi::c_uint,
    ) -> *mut kb::dentry {
        // SAFETY: By the contract.
        let (dir, dentry) = unsafe { Self::at(dir, dentry) };
        dentry_ptr(O::lookup(dir, dentry, LookupFlags::new(flags)))
    }

    /// # Safety
    ///
    /// As for `lookup`.
    unsafe extern "C" fn atomic_open(
        dir: *mut kb::inode,
        dentry: *mut kb::dentry,
        file: *mut kb::file,
        open_flag: ffi::c_uint,
        mode: kb::umode_t,
    ) -> ffi::c_int {
        // SAFETY: By the contract.
        let (dir, dentry) = unsafe { Self::at(dir, dentry) };
        // INVARIANT: The VFS gives the file that it is opening.
        let file = OpeningFile {
            file,
            flags: open_flag,
            _p: PhantomData,
        };
        errno(O::atomic_open(dir, dentry, file, mode))
    }

    /// # Safety
    ///
    /// As for `lookup`.
    unsafe extern "C" fn create(
        _idmap: *mut kb::mnt_idmap,
        dir: *mut kb::inode,
        dentry: *mut kb::dentry,
        mode: kb::umode_t,
    ) -> ffi::c_int {
        // SAFETY: By the contract.
        let (dir, dentry) = unsafe { Self::at(dir, dentry) };
        errno(O::create(dir, dentry, mode))
    }

    /// # Safety
    ///
    /// As for `lookup`.
    unsafe extern "C" fn mkdir(
        _idmap: *mut kb::mnt_idmap,
        dir: *mut kb::inode,
        dentry: *mut kb::dentry,
        mode: kb::umode_t,
    ) -> *mut kb::dentry {
        // SAFETY: By the contract.
        let (dir, dentry) = unsafe { Self::at(dir, dentry) };
        dentry_ptr(O::mkdir(dir, dentry, mode))
    }

    /// # Safety
    ///
    /// As for `lookup`; `target` is a string.
    unsafe extern "C" fn symlink(
        _idmap: *mut kb::mnt_idmap,
        dir: *mut kb::inode,
        dentry: *mut kb::dentry,
        target: *const ffi::c_char,
    ) -> ffi::c_int {
        // SAFETY: By the contract.
        let ((dir, dentry), target) =
            unsafe { (Self::at(dir, dentry), CStr::from_char_ptr(target)) };
        errno(O::symlink(dir, dentry, target))
    }

    /// # Safety
    ///
    /// As for `lookup`.
    unsafe extern "C" fn mknod(
        _idmap: *mut kb::mnt_idmap,
        dir: *mut kb::inode,
        dentry: *mut kb::dentry,
        mode: kb::umode_t,
        dev: kb::dev_t,
    ) -> ffi::c_int {
        // SAFETY: By the contract.
        let (dir, dentry) = unsafe { Self::at(dir, dentry) };
        let (major, minor) = (
            dev >> bindings::MINORBITS,
            dev & ((1 << bindings::MINORBITS) - 1),
        );
        errno(O::mknod(dir, dentry, mode, major, minor))
    }

    /// # Safety
    ///
    /// As for `lookup`.
    unsafe extern "C" fn link(
        old: *mut kb::dentry,
        dir: *mut kb::inode,
        dentry: *mut kb::dentry,
    ) -> ffi::c_int {
        // SAFETY: By the contract.
        let (old, (dir, dentry)) = unsafe { (Dentry::from_raw(old), Self::at(dir, dentry)) };
        errno(O::link(old, dir, dentry))
    }

    /// # Safety
    ///
    /// As for `lookup`.
    unsafe extern "C" fn unlink(dir: *mut kb::inode, dentry: *mut kb::dentry) -> ffi::c_int {
        // SAFETY: By the contract.
        let (dir, dentry) = unsafe { Self::at(dir, dentry) };
        errno(O::unlink(dir, dentry))
    }

    /// # Safety
    ///
    /// As for `lookup`.
    unsafe extern "C" fn rmdir(dir: *mut kb::inode, dentry: *mut kb::dentry) -> ffi::c_int {
        // SAFETY: By the contract.
        let (dir, dentry) = unsafe { Self::at(dir, dentry) };
        errno(O::rmdir(dir, dentry))
    }

    /// # Safety
    ///
    /// As for `lookup`.
    unsafe extern "C" fn rename(
        _idmap: *mut kb::mnt_idmap,
        old_dir: *mut kb::inode,
        old: *mut kb::dentry,
        new_dir: *mut kb::inode,
        new: *mut kb::dentry,
        flags: ffi::c_uint,
    ) -> ffi::c_int {
        // SAFETY: By the contract.
        let ((old_dir, old), (new_dir, new)) =
            unsafe { (Self::at(old_dir, old), Self::at(new_dir, new)) };
        errno(O::rename(old_dir, old, new_dir, new, flags))
    }

    /// # Safety
    ///
    /// As for `lookup`; the dentry is positive.
    unsafe extern "C" fn setattr(
        idmap: *mut kb::mnt_idmap,
        dentry: *mut kb::dentry,
        attr: *mut kb::iattr,
    ) -> ffi::c_int {
        // SAFETY: By the contract. The permission to change is the server's to give, so `idmap` is of no use.
        let (dentry, attr) = unsafe { (Dentry::<O::Fs>::from_raw(dentry), &mut *attr) };
        let _ = idmap;
        let Some(inode) = dentry.inode() else {
            return ENOENT.to_errno();
        };
        errno(O::setattr(inode, Iattr(attr, PhantomData)))
    }

    /// # Safety
    ///
    /// As for `lookup`; the dentry of the path is positive.
    unsafe extern "C" fn getattr(
        _idmap: *mut kb::mnt_idmap,
        path: *const kb::path,
        stat: *mut kb::kstat,
        request_mask: u32,
        flags: ffi::c_uint,
    ) -> ffi::c_int {
        // SAFETY: By the contract.
        let (dentry, stat) = unsafe { (Dentry::<O::Fs>::from_raw((*path).dentry), &mut *stat) };
        let Some(inode) = dentry.inode() else {
            return ENOENT.to_errno();
        };
        errno(O::getattr(inode, KStat(stat), request_mask, flags))
    }

    /// # Safety
    ///
    /// As for `lookup`; with `MAY_NOT_BLOCK` in an RCU walk, which keeps the inode from being freed.
    unsafe extern "C" fn permission(
        _idmap: *mut kb::mnt_idmap,
        inode: *mut kb::inode,
        mask: ffi::c_int,
    ) -> ffi::c_int {
        // SAFETY: By the contract. In an RCU walk only our data is looked at.
        let inode = unsafe { INode::<O::Fs>::from_raw(inode) };
        let access = Access(mask as u32);
        if access.0 & kb::MAY_NOT_BLOCK == 0 {
            return errno(O::permission(inode, access));
        }
        if !O::HAS_PERMISSION_RCU {
            return ECHILD.to_errno();
        }
        O::permission_rcu(inode.info(), access).map_or(ECHILD.to_errno(), errno)
    }

    /// # Safety
    ///
    /// As for `lookup`; without a dentry in an RCU walk, which keeps the inode from being freed.
    unsafe extern "C" fn get_link(
        dentry: *mut kb::dentry,
        inode: *mut kb::inode,
        done: *mut kb::delayed_call,
    ) -> *const ffi::c_char {
        unsafe extern "C" fn put(link: *mut ffi::c_void) {
            // SAFETY: The VFS calls this once, with what `get_link` gave it.
            drop(unsafe { Arc::<CString>::from_foreign(link) });
        }
        // SAFETY: By the contract. In an RCU walk only our data is looked at.
        let inode = unsafe { INode::<O::Fs>::from_raw(inode) };
        let link = if !dentry.is_null() {
            O::get_link(inode)
        } else if O::HAS_GET_LINK_RCU {
            O::get_link_rcu(inode.info()).ok_or(ECHILD)
        } else {
            Err(ECHILD)
        };
        match link {
            Ok(link) => {
                let target = link.as_char_ptr();
                // SAFETY: The VFS gives a `delayed_call` to be set, and calls it when it is done with the string.
                unsafe {
                    (*done).fn_ = Some(put);
                    (*done).arg = link.into_foreign();
                }
                target
            }
            Err(e) => e.to_ptr::<ffi::c_char>().cast_const(),
        }
    }

    // SAFETY: The functions expect objects of `O::Fs`.
    const VTABLE: InodeOps<O::Fs> = unsafe {
        InodeOps::new(kb::inode_operations {
            lookup: if O::HAS_LOOKUP {
                Some(Self::lookup)
            } else {
                None
            },
            atomic_open: if O::HAS_ATOMIC_OPEN {
                Some(Self::atomic_open)
            } else {
                None
            },
            create: if O::HAS_CREATE {
                Some(Self::create)
            } else {
                None
            },
            mkdir: if O::HAS_MKDIR {
                Some(Self::mkdir)
            } else {
                None
            },
            symlink: if O::HAS_SYMLINK {
                Some(Self::symlink)
            } else {
                None
            },
            mknod: if O::HAS_MKNOD {
                Some(Self::mknod)
            } else {
                None
            },
            link: if O::HAS_LINK { Some(Self::link) } else { None },
            unlink: if O::HAS_UNLINK {
                Some(Self::unlink)
            } else {
                None
            },
            rmdir: if O::HAS_RMDIR {
                Some(Self::rmdir)
            } else {
                None
            },
            rename: if O::HAS_RENAME {
                Some(Self::rename)
            } else {
                None
            },
            setattr: if O::HAS_SETATTR {
                Some(Self::setattr)
            } else {
                None
            },
            getattr: if O::HAS_GETATTR {
                Some(Self::getattr)
            } else {
                None
            },
            permission: if O::HAS_PERMISSION {
                Some(Self::permission)
            } else {
                None
            },
            get_link: if O::HAS_GET_LINK {
                Some(Self::get_link)
            } else {
                None
            },
            ..pin_init::zeroed()
        })
    };
}

/// Returns the table of the inode operations `O`.
pub(crate) const fn inode_ops<O: InodeOperations>() -> &'static InodeOps<O::Fs> {
    &InodeOperationsVTable::<O>::VTABLE
}
