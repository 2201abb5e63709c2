// SPDX-License-Identifier: GPL-2.0

//! The beginning of a file, read along with its OPEN: all of a small file that nothing is cached of.
//!
//! What is asked for, and whether at all, is [`rnfs4_proto::together::Foresight`]'s. If it does not come, nobody misses it.

use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};
use rnfs4_proto::ops::io::ReadRes;

use super::{
    Inode,
    Rnfs4Fs, //
};
use crate::{
    client::{
        Bulk,
        IoBytes,
        Server, //
    },
    sys::{
        fs::Inflight,
        mm::{
            Locked,
            PageVec, //
        },
    },
};

/// Where the beginning of a file goes.
pub(super) enum Beginning {
    /// Pages of no file yet.
    Fresh(PageVec),
    /// Folios of the file's page cache, locked, as readahead has them.
    Cached(Cached),
}

/// See [`Beginning::Cached`].
pub(super) struct Cached {
    pages: PageVec,
    folios: KVec<Locked<Rnfs4Fs>>,
    /// Keeps the inode while its folios are locked for us.
    _io: Inflight<Rnfs4Fs>,
}

impl Bulk for Beginning {
    fn pages(&self) -> &PageVec {
        match self {
            Self::Fresh(pages) => pages,
            Self::Cached(cached) => &cached.pages,
        }
    }
}

impl Beginning {
    /// That of a file of which nothing is known. `None` where it is not to be read. May sleep to allocate.
    pub(super) fn fresh(server: &Server) -> Option<Self> {
        match server.read_with_open() {
            0 => None,
            bytes => PageVec::alloc(bytes as usize).ok().map(Self::Fresh),
        }
    }

    /// That of a known file of which nothing is cached. `None` where it is not to be read. May sleep to allocate.
    pub(super) fn cached(inode: &Inode) -> Option<Self> {
        let size = inode.i_size();
        if size == 0 || size > u64::from(inode.server().read_with_open()) {
            return None;
        }
        let count = (size as usize).div_ceil(PAGE_SIZE);
        let mut pages = PageVec::new();
        let mut folios = KVec::with_capacity(count, GFP_KERNEL).ok()?;
        for index in 0..count {
            let folio = inode.mapping().new_folio(index).ok()?;
            pages.push_folio(&folio, 0..folio.size()).ok()?;
            folios.push_within_capacity(folio).ok()?;
        }
        Some(Self::Cached(Cached {
            pages,
            folios,
            _io: Inflight::new(inode),
        }))
    }

    /// It has come, for an inode which, if it goes to fresh pages, nobody else knows yet. May sleep.
    pub(super) fn came(self, inode: &Inode, read: &ReadRes) {
        let count = read.count as usize;
        let io = inode.server().io();
        io.add(IoBytes::ServerRead, u64::from(read.count));
        match self {
            // As long as the attributes say, or it has changed in between.
            Self::Fresh(pages) if count as u64 == inode.i_size().min(pages.len() as u64) => {
                inode.mapping().adopt(&pages, count);
            }
            Self::Fresh(_) => {}
            Self::Cached(cached) => cached.came(count, read.eof),
        }
    }
}

impl Cached {
    fn came(self, count: usize, eof: bool) {
        let Self { folios, _io, .. } = self;
        for folio in folios {
            let have = count.saturating_sub(folio.pos() as usize).min(folio.size());
            if eof {
                folio.zero(have..folio.size());
            }
            let success = eof || have == folio.size();
            folio.end_read(success);
        }
    }
}
