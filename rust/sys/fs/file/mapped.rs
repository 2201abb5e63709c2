// SPDX-License-Identifier: GPL-2.0

//! Mappings of regular files (`struct vm_operations_struct`).
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h).

use core::ptr::NonNull;

use kernel::{
    bindings as kb,
    error::{
        from_result,
        to_result, //
    },
    ffi, //
};
use rnfs4_bindings as bindings;

use super::{
    FileOperations,
    MkWrite,
    RegularFile,
    Thunks, //
};
use crate::sys::mm::Locked;

impl<T: FileOperations> Thunks<T> {
    /// # Safety
    ///
    /// As for `->mmap_prepare()` of a regular file of `T`.
    pub(super) unsafe extern "C" fn mmap_prepare(desc: *mut kb::vm_area_desc) -> ffi::c_int {
        from_result(|| {
            // SAFETY: The VFS's contract.
            to_result(unsafe { kb::generic_file_mmap_prepare(desc) })?;
            // SAFETY: As above; the table is static.
            let file = unsafe {
                (*desc).vm_ops = &Self::VM_TABLE;
                RegularFile::<T>::from_raw((*desc).file)
            };
            T::map(file).map(|()| 0)
        })
    }

    /// # Safety
    ///
    /// As for `->fault()` and `->map_pages()` of a mapping of a regular file of `T`. What is returned is good as long as the fault has its
    /// lock.
    unsafe fn file_of<'a>(vmf: *mut kb::vm_fault) -> &'a RegularFile<T> {
        // SAFETY: The fault's area maps the file, which it keeps open.
        unsafe { RegularFile::from_raw((*(*vmf).__bindgen_anon_1.vma).vm_file) }
    }

    /// # Safety
    ///
    /// As for `->fault()` of a mapping of a regular file of `T`.
    unsafe extern "C" fn fault(vmf: *mut kb::vm_fault) -> kb::vm_fault_t {
        // SAFETY: As above. Where the fault may be tried again it may let go of its lock; the area may go then, so that the file is kept
        // by a reference of our own.
        unsafe {
            let file = Self::file_of(vmf);
            if T::is_map_due(file) && bindings::fault_may_wait(vmf) {
                let raw = kb::get_file(file.as_ptr());
                bindings::release_fault_lock(vmf);
                T::look_at_map(RegularFile::from_raw(raw));
                kb::fput(raw);
                return kb::vm_fault_reason_VM_FAULT_RETRY;
            }
            kb::filemap_fault(vmf)
        }
    }

    /// # Safety
    ///
    /// As for `->map_pages()` of a mapping of a regular file of `T`.
    unsafe extern "C" fn map_pages(
        vmf: *mut kb::vm_fault,
        start: ffi::c_ulong,
        end: ffi::c_ulong,
    ) -> kb::vm_fault_t {
        // SAFETY: As above.
        unsafe {
            match T::is_map_due(Self::file_of(vmf)) {
                // Nothing was mapped: `fault` comes next.
                true => 0,
                false => kb::filemap_map_pages(vmf, start, end),
            }
        }
    }

    /// # Safety
    ///
    /// As for `->page_mkwrite()` of a mapping of a regular file of `T`.
    unsafe extern "C" fn page_mkwrite(vmf: *mut kb::vm_fault) -> kb::vm_fault_t {
        // SAFETY: The fault's area maps the file, which it keeps open; `page` is set and has a reference.
        let (file, folio) = unsafe {
            let vma = (*vmf).__bindgen_anon_1.vma;
            (
                RegularFile::<T>::from_raw((*vma).vm_file),
                bindings::page_folio((*vmf).page),
            )
        };
        // SAFETY: The superblock of an open file is alive.
        unsafe { bindings::sb_start_pagefault((*file.inode().as_ptr()).i_sb) };
        let ret = Self::mkwrite_folio(file, folio);
        // SAFETY: Begun above.
        unsafe { bindings::sb_end_pagefault((*file.inode().as_ptr()).i_sb) };
        ret
    }

    fn mkwrite_folio(file: &RegularFile<T>, folio: *mut kb::folio) -> kb::vm_fault_t {
        // SAFETY: The fault has a reference to the folio, which is or was one of the file's.
        if unsafe { bindings::folio_lock_killable(folio) } != 0 {
            return kb::vm_fault_reason_VM_FAULT_NOPAGE;
        }
        // SAFETY: Locked just now, and the lock is ours.
        let folio = unsafe { Locked::<T>::from_locked(NonNull::new_unchecked(folio)) };
        if !file.inode().mapping().contains(&folio) {
            return kb::vm_fault_reason_VM_FAULT_NOPAGE;
        }
        match T::page_mkwrite(file, &folio) {
            Ok(MkWrite::Writable) => {
                // The lock goes to the fault handler; the reference was an extra one.
                let raw = folio.into_raw();
                // SAFETY: The reference of `from_locked` is ours to give up.
                unsafe { bindings::folio_put(raw) };
                kb::vm_fault_reason_VM_FAULT_LOCKED
            }
            Ok(MkWrite::Gone) => kb::vm_fault_reason_VM_FAULT_NOPAGE,
            Ok(MkWrite::Later) => {
                // Its lock is what the other may wait for.
                drop(folio);
                T::wait_mkwrite(file);
                kb::vm_fault_reason_VM_FAULT_NOPAGE
            }
            Err(_) => kb::vm_fault_reason_VM_FAULT_SIGBUS,
        }
    }

    const VM_TABLE: kb::vm_operations_struct = kb::vm_operations_struct {
        fault: Some(Self::fault),
        map_pages: Some(Self::map_pages),
        page_mkwrite: Some(Self::page_mkwrite),
        ..pin_init::zeroed()
    };
}
