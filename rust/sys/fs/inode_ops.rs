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
    Access,
    ChildDentry,
    Dentry,
    FileFlags,
    FileSystem,
    INode,
    Iattr,
    InodeOps,
    KStat,
    LookupFlags,
    OpeningFile, //
};

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
    /// umask applied, unless `NewSuperBlock::set_no_umask` was called.
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

    /// Tells how names behave in the file system of the inode.
    fn fileattr_get(_inode: &INode<Self::Fs>) -> FileFlags {
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
        // SAFETY: The VFS gives the file that it is opening.
        let file = unsafe { OpeningFile::from_raw(file, open_flag) };
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
        errno(O::setattr(inode, Iattr::new(attr)))
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
        errno(O::getattr(inode, KStat::new(stat), request_mask, flags))
    }

    /// # Safety
    ///
    /// As for `lookup`; the dentry is positive.
    unsafe extern "C" fn fileattr_get(
        dentry: *mut kb::dentry,
        attr: *mut kb::file_kattr,
    ) -> ffi::c_int {
        // SAFETY: By the contract. Both declarations of `file_kattr` are of the same C type, of which the kernel crate knows the
        // name alone.
        let (dentry, attr) = unsafe {
            (
                Dentry::<O::Fs>::from_raw(dentry),
                &mut *attr.cast::<bindings::file_kattr>(),
            )
        };
        let Some(inode) = dentry.inode() else {
            return ENOENT.to_errno();
        };
        O::fileattr_get(inode).fill(attr);
        0
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
        let access = Access::new(mask as u32);
        if mask as u32 & kb::MAY_NOT_BLOCK == 0 {
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
        /// # Safety
        ///
        /// To be called once, with what `get_link` gave.
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

    const VTABLE: InodeOps<O::Fs> = {
        // SAFETY: The functions expect objects of `O::Fs`.
        unsafe {
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
                fileattr_get: if O::HAS_FILEATTR_GET {
                    Some(Self::fileattr_get)
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
        }
    };
}

/// Returns the table of the inode operations `O`.
pub(crate) const fn inode_ops<O: InodeOperations>() -> &'static InodeOps<O::Fs> {
    &InodeOperationsVTable::<O>::VTABLE
}
