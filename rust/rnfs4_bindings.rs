// SPDX-License-Identifier: GPL-2.0

//! The C side as bindgen sees it: nothing here is written by hand but this frame.
//!
//! Types that the `kernel` crate already knows in full are taken from [`kernel::bindings`], so that both mean the
//! same type; the rest comes from `bindings/bindings.h` and the inline functions wrapped in `bindings/helpers.c`.
//! Only `rnfs4`'s `sys` module may name this crate.

#![allow(
    clippy::all,
    clippy::as_underscore,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]
#![cfg_attr(not(CONFIG_RUSTC_HAS_UNNECESSARY_TRANSMUTES), allow(unknown_lints))]
#![allow(unnecessary_transmutes)]

use kernel::{
    bindings::*,
    ffi, //
};
use pin_init::MaybeZeroable;

// The parameters shared with the kernel's own bindgen run leave these to us.
type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

include!(env!("RNFS4_BINDINGS"));
include!(env!("RNFS4_HELPERS"));

/// Rust lays these out as the C compiler does: the size, and where a field near the end is. A type that was taken from the kernel
/// crate but is only a name there would show here.
macro_rules! layout {
    ($($type:ident.$last:ident $size:ident $offset:ident,)*) => {
        $(const _: () = assert!(
            core::mem::size_of::<$type>() == $size as usize
                && core::mem::offset_of!($type, $last) == $offset as usize
        );)*
    };
}

layout! {
    address_space_operations.migrate_folio SIZEOF_address_space_operations OFFSETOF_address_space_operations,
    dentry.d_fsdata SIZEOF_dentry OFFSETOF_dentry,
    dentry_operations.d_real SIZEOF_dentry_operations OFFSETOF_dentry_operations,
    file.private_data SIZEOF_file OFFSETOF_file,
    file_operations.remap_file_range SIZEOF_file_operations OFFSETOF_file_operations,
    file_system_type.i_mutex_dir_key SIZEOF_file_system_type OFFSETOF_file_system_type,
    fs_context.sb_flags_mask SIZEOF_fs_context OFFSETOF_fs_context,
    fs_parameter.size SIZEOF_fs_parameter OFFSETOF_fs_parameter,
    inode.i_private SIZEOF_inode OFFSETOF_inode,
    inode_operations.fileattr_get SIZEOF_inode_operations OFFSETOF_inode_operations,
    kiocb.ki_flags SIZEOF_kiocb OFFSETOF_kiocb,
    rpc_call_ops.rpc_release SIZEOF_rpc_call_ops OFFSETOF_rpc_call_ops,
    rpc_create_args.reconnect_timeout SIZEOF_rpc_create_args OFFSETOF_rpc_create_args,
    rpc_procinfo.p_name SIZEOF_rpc_procinfo OFFSETOF_rpc_procinfo,
    rpc_rqst.rq_rcv_buf SIZEOF_rpc_rqst OFFSETOF_rpc_rqst,
    rpc_task.tk_rpc_status SIZEOF_rpc_task OFFSETOF_rpc_task,
    rpc_task_setup.priority SIZEOF_rpc_task_setup OFFSETOF_rpc_task_setup,
    rpc_wait_queue.qlen SIZEOF_rpc_wait_queue OFFSETOF_rpc_wait_queue,
    super_block.s_fs_info SIZEOF_super_block OFFSETOF_super_block,
    super_operations.umount_begin SIZEOF_super_operations OFFSETOF_super_operations,
    writeback_control.range_end SIZEOF_writeback_control OFFSETOF_writeback_control,
    xdr_buf.len SIZEOF_xdr_buf OFFSETOF_xdr_buf,
    xdr_stream.rqst SIZEOF_xdr_stream OFFSETOF_xdr_stream,
}
