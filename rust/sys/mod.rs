// SPDX-License-Identifier: GPL-2.0

//! Safe wrappers over the kernel's C interfaces: the only place that names bindings or says `unsafe`.
//!
//! One file for each C header, under the C side's names. Nothing in here knows NFS.

pub(crate) mod cred;
pub(crate) mod debugfs;
pub(crate) mod fs;
pub(crate) mod keys;
pub(crate) mod kthread;
pub(crate) mod mm;
pub(crate) mod net;
pub(crate) mod ratelimit;
pub(crate) mod sunrpc;
pub(crate) mod time;
pub(crate) mod trace;
pub(crate) mod wait;
pub(crate) mod workqueue;
