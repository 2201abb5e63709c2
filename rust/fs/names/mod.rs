// SPDX-License-Identifier: GPL-2.0

//! Names: directories, what is in them, and how it comes and goes.
//!
//! [`dir`] has the table of a directory's operations, and each of them its file: [`lookup`] and the life of dentries, [`atomic_open`],
//! [`create`], [`namei`] for link, unlink and rename, [`silly`] for what is unlinked while it is open; [`readdir`], and [`listing`] for what
//! is kept of its replies.

mod atomic_open;
mod create;
mod dir;
mod listing;
mod lookup;
mod namei;
mod readdir;
mod silly;

pub(super) use self::{
    dir::Dir,
    listing::Listing,
    readdir::DirCursor,
    silly::SillyUnlink, //
};
