// SPDX-License-Identifier: GPL-2.0

//! The operations, one file for each family.

pub mod attr;
pub mod dir;
pub mod fh;
pub mod io;
pub mod lock;
pub mod open;
pub mod readdir;
pub mod secinfo;
pub mod session;
pub mod space;
pub mod state;
