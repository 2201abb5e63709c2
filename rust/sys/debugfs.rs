// SPDX-License-Identifier: GPL-2.0

//! Files in debugfs that show and take text.
//!
//! The kernel crate's own abstraction does not name the module as the owner of its files: one that is held open across the
//! removal of the module would be closed by code that is gone. Here an open file keeps the module, and a read or write keeps
//! what is shown, as the removal of the directory waits for it.
//!
//! C headers: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use core::marker::PhantomData;

use kernel::{
    bindings as kb,
    error::from_result,
    ffi,
    module::this_module,
    prelude::*,
    seq_file::SeqFile,
    sync::Arc,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// The longest text that a file takes, in bytes.
const WRITE_MAX: usize = 4096;

/// A kind of file.
pub(crate) trait DebugFile: 'static {
    /// What it is about.
    type Data: Send + Sync + 'static;
    /// Its name.
    const NAME: &'static CStr;
    /// Whether root may write to it.
    const WRITABLE: bool = false;

    /// Writes all of the text; runs again, with more room, if it did not fit. May sleep.
    fn show(data: &Self::Data, m: &SeqFile) -> Result;

    /// Takes what was written in one write(2). May sleep.
    fn write(_data: &Self::Data, _text: &[u8]) -> Result {
        Err(EINVAL)
    }
}

/// A directory of the module at the root of debugfs. Goes with all that is in it.
pub(crate) struct Root(*mut kb::dentry);

// SAFETY: debugfs has locks of its own; the pointer is only handed to it.
unsafe impl Send for Root {}
// SAFETY: As above.
unsafe impl Sync for Root {}

impl Root {
    /// Makes it. A kernel without debugfs, or one that refuses, has no files: that is no error. May sleep.
    pub(crate) fn new(name: &CStr) -> Self {
        Self(raw::create_dir(name, core::ptr::null_mut()))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // SAFETY: We made it, and each `Dir` in it holds us: none is left.
        unsafe { raw::remove(self.0) };
    }
}

/// A directory whose files show `T`. It keeps `T`; dropping it waits for the reads and writes that are going on, and may sleep.
pub(crate) struct Dir<T: Send + Sync + 'static> {
    dentry: *mut kb::dentry,
    data: Arc<T>,
    _root: Arc<Root>,
}

// SAFETY: As for `Root`; the data may be sent and shared.
unsafe impl<T: Send + Sync> Send for Dir<T> {}
// SAFETY: As above.
unsafe impl<T: Send + Sync> Sync for Dir<T> {}

impl<T: Send + Sync + 'static> Dir<T> {
    /// Makes an empty directory. May sleep.
    pub(crate) fn new(root: &Arc<Root>, name: &CStr, data: Arc<T>) -> Self {
        Self {
            dentry: raw::create_dir(name, root.0),
            data,
            _root: root.clone(),
        }
    }

    /// Adds a file. May sleep.
    pub(crate) fn file<F: DebugFile<Data = T>>(&self) {
        let mode = if F::WRITABLE { 0o600 } else { 0o400 };
        // SAFETY: The file is removed before `self.data` is dropped, and its operations expect just that type.
        unsafe {
            raw::create_file(
                F::NAME,
                mode,
                self.dentry,
                Arc::as_ptr(&self.data).cast_mut().cast(),
                &Table::<F>::FOPS,
            );
        }
    }
}

impl<T: Send + Sync + 'static> Drop for Dir<T> {
    fn drop(&mut self) {
        // SAFETY: We made it, and the root that it lies in is still there.
        unsafe { raw::remove(self.dentry) };
    }
}

struct Table<F>(PhantomData<F>);

impl<F: DebugFile> Table<F> {
    /// # Safety
    ///
    /// For the VFS only, for a file made by [`Dir::file`] of this kind.
    unsafe extern "C" fn open(inode: *mut kb::inode, file: *mut kb::file) -> ffi::c_int {
        // SAFETY: debugfs does not remove the file during the call. `show` fits the data.
        unsafe { kb::single_open(file, Some(Self::show), (*inode).i_private) }
    }

    /// # Safety
    ///
    /// For `seq_read()` only, of a file opened by [`Self::open`].
    unsafe extern "C" fn show(m: *mut kb::seq_file, _: *mut ffi::c_void) -> ffi::c_int {
        // SAFETY: debugfs does not remove the file during a read, so the data is there; `m` is this thread's alone.
        let (m, data) = unsafe { (SeqFile::from_raw(m), &*(*m).private.cast::<F::Data>()) };
        from_result(|| F::show(data, m).map(|()| 0))
    }

    /// # Safety
    ///
    /// For the VFS only, for a file opened by [`Self::open`].
    unsafe extern "C" fn write(
        file: *mut kb::file,
        buf: *const ffi::c_char,
        len: usize,
        _pos: *mut kb::loff_t,
    ) -> isize {
        // SAFETY: `single_open()` has put a `seq_file` there, and debugfs does not remove the file during the call.
        let data = unsafe {
            let m = (*file).private_data.cast::<kb::seq_file>();
            &*(*m).private.cast::<F::Data>()
        };
        from_result(|| {
            if len > WRITE_MAX {
                return Err(E2BIG);
            }
            let mut text = KVec::new();
            UserSlice::new(UserPtr::from_ptr(buf.cast_mut().cast()), len)
                .read_all(&mut text, GFP_KERNEL)?;
            F::write(data, &text).map(|()| len as isize)
        })
    }

    const FOPS: kb::file_operations = kb::file_operations {
        owner: this_module::<crate::LocalModule>().as_ptr(),
        open: Some(Self::open),
        read: Some(kb::seq_read),
        llseek: Some(kb::seq_lseek),
        release: Some(kb::single_release),
        write: if F::WRITABLE { Some(Self::write) } else { None },
        ..pin_init::zeroed()
    };
}

/// What a kernel without debugfs has not.
#[cfg(CONFIG_DEBUG_FS)]
mod raw {
    use super::*;

    pub(super) fn create_dir(name: &CStr, parent: *mut kb::dentry) -> *mut kb::dentry {
        // SAFETY: The name is copied; the parent is null, an error, or a directory that is there.
        unsafe { kb::debugfs_create_dir(name.as_char_ptr(), parent) }
    }

    /// # Safety
    ///
    /// `data` fits `fops` and stays until the file has been removed.
    pub(super) unsafe fn create_file(
        name: &CStr,
        mode: kb::umode_t,
        parent: *mut kb::dentry,
        data: *mut ffi::c_void,
        fops: &'static kb::file_operations,
    ) {
        // SAFETY: As promised by the caller; the name is copied.
        unsafe {
            kb::debugfs_create_file_full(
                name.as_char_ptr(),
                mode,
                parent,
                data,
                core::ptr::null(),
                fops,
            );
        }
    }

    /// # Safety
    ///
    /// `dentry` came from `create_dir` and has not been removed.
    pub(super) unsafe fn remove(dentry: *mut kb::dentry) {
        // SAFETY: As promised by the caller; an error pointer does nothing.
        unsafe { kb::debugfs_remove(dentry) };
    }
}

#[cfg(not(CONFIG_DEBUG_FS))]
mod raw {
    use super::*;

    pub(super) fn create_dir(_: &CStr, _: *mut kb::dentry) -> *mut kb::dentry {
        core::ptr::null_mut()
    }

    pub(super) unsafe fn create_file(
        _: &CStr,
        _: kb::umode_t,
        _: *mut kb::dentry,
        _: *mut ffi::c_void,
        _: &'static kb::file_operations,
    ) {
    }

    pub(super) unsafe fn remove(_: *mut kb::dentry) {}
}
