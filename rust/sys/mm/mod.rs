// SPDX-License-Identifier: GPL-2.0

//! The page cache: folios, mappings, writeback and readahead.
//!
//! A file system says by [`PageCache`] what it keeps in `folio->private`; [`Folio`], [`Locked`] and [`Mapping`] carry
//! that type along. What a folio may be asked for follows from the value one has of it: [`Locked`] holds its lock,
//! [`Writeback`] its writeback bit, and either gives it back when dropped.
//!
//! C headers: [`include/linux/pagemap.h`](srctree/include/linux/pagemap.h),
//! [`include/linux/writeback.h`](srctree/include/linux/writeback.h).

mod folio;
mod mapping;
mod nofs;
mod pages;
mod pieces;
mod readahead;
mod writeback;

pub(crate) use self::{
    folio::*,
    mapping::*,
    nofs::{
        current_is_nofs,
        NofsScope, //
    },
    pages::PageVec,
    pieces::Pieces,
    readahead::Readahead,
    writeback::*, //
};

/// What a file system keeps in the private data of its folios.
pub(crate) trait PageCache: 'static {
    /// The data, shared between the folio and the I/O on it.
    type Private: Send + Sync + 'static;
}
