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
use pin_init::{
    MaybeZeroable,
    Zeroable, //
};

// The parameters shared with the kernel's own bindgen run leave these to us.
type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

// SAFETY: `__BindgenBitfieldUnit<Storage>` is a newtype around `Storage`.
unsafe impl<Storage> Zeroable for __BindgenBitfieldUnit<Storage> where Storage: Zeroable {}

include!(env!("RNFS4_BINDINGS"));
include!(env!("RNFS4_HELPERS"));
