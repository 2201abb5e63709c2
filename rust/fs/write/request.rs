// SPDX-License-Identifier: GPL-2.0

//! What is dirty: requests (`struct nfs_page`).
//!
//! A request belongs to one folio, says which bytes of it the server does not safely have, and through which open
//! context they were written. It is the folio's private data from the write until the server has the bytes on stable
//! storage; a folio thus cannot leave the page cache before.
//!
//! Its life: [`State::Dirty`], then, while the folio is under writeback, [`State::Writing`]; then done, or
//! [`State::Unstable`] until a COMMIT has gone well. When the server has forgotten what it did not commit, the request
//! is dirty again. The inode's books ([`super::books`]) lead it through that, and have its lock.

use core::ops::Range;

use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        LockedBy, //
    },
};
use rnfs4_proto::types::Verifier;

use super::books::Books;
use crate::{
    client::{
        LockState,
        OpenContext, //
    },
    fs::{
        Rnfs4Fs,
        SuperBlock, //
    },
    sys::mm::{
        Folio,
        PageCache,
        Writeback, //
    },
};

impl PageCache for Rnfs4Fs {
    type Private = Request;
}

/// Where a request is on its way to the server's disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// To be written.
    Dirty,
    /// A WRITE is under way; the folio is under writeback.
    Writing,
    /// Written but not committed, by the batch of this number.
    Unstable(u64),
    /// Off its folio.
    Done,
}

/// How far a request has come.
pub(super) struct Progress {
    /// Bytes of the folio.
    pub(super) range: Range<usize>,
    /// Where it is.
    pub(super) state: State,
}

/// By whose right data is written.
#[derive(Clone)]
pub(in crate::fs) struct Writer {
    /// The open context.
    pub(in crate::fs) ctx: Arc<OpenContext>,
    /// The locks that the writer had.
    pub(in crate::fs) lock: Option<Arc<LockState>>,
}

impl PartialEq for Writer {
    fn eq(&self, other: &Self) -> bool {
        let lock = |w: &Self| w.lock.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.ctx, &other.ctx) && lock(self) == lock(other)
    }
}

/// Bytes of one folio that the server does not safely have.
pub(crate) struct Request {
    pub(super) by: Writer,
    /// Under the lock of the inode's books.
    pub(super) progress: LockedBy<Progress, Books>,
}

/// A request and its folio on the way to the server.
pub(super) struct Piece {
    pub(super) request: Arc<Request>,
    pub(super) folio: ARef<Folio<Rnfs4Fs>>,
    /// What is written, taken from the request when it was begun.
    pub(super) range: Range<usize>,
}

impl Piece {
    /// Offset in the file of the first byte.
    pub(super) fn pos(&self) -> u64 {
        self.folio.pos() + self.range.start as u64
    }

    /// The folio.
    pub(super) fn folio(&self) -> &Folio<Rnfs4Fs> {
        &self.folio
    }

    /// The bytes of the folio.
    pub(super) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Who has written the bytes.
    pub(super) fn by(&self) -> &Writer {
        &self.request.by
    }

    /// Pages that the bytes lie in.
    fn nr_pages(&self) -> isize {
        (self.range.end.div_ceil(PAGE_SIZE) - self.range.start / PAGE_SIZE) as isize
    }
}

/// What one WRITE carries; after an unstable one it waits in the inode's books for COMMIT.
pub(super) struct Batch {
    /// Tells this batch from others that the same requests were part of.
    pub(super) number: u64,
    /// In which life of the server it was written.
    pub(super) verifier: Verifier,
    pub(super) pieces: KVec<Piece>,
    /// The writeback of the pieces' folios, while the WRITE is under way.
    pub(super) writeback: KVec<Writeback<Rnfs4Fs>>,
    next: Option<KBox<Batch>>,
}

impl Batch {
    /// An empty one. May sleep.
    pub(super) fn new() -> Result<KBox<Self>> {
        Ok(KBox::new(
            Self {
                number: 0,
                verifier: Verifier::default(),
                pieces: KVec::new(),
                writeback: KVec::new(),
                next: None,
            },
            GFP_KERNEL,
        )?)
    }

    /// Makes room for one more piece. May sleep.
    pub(super) fn reserve(&mut self) -> Result {
        self.pieces.reserve(1, GFP_KERNEL)?;
        self.writeback.reserve(1, GFP_KERNEL)?;
        Ok(())
    }

    /// The context of all pieces.
    pub(super) fn ctx(&self) -> Option<&Arc<OpenContext>> {
        self.pieces.first().map(|piece| &piece.by().ctx)
    }

    /// Says of the pages that they are in writeback, if only in the server's memory, or no longer.
    pub(super) fn account_unstable(&self, sb: &SuperBlock, sign: isize) {
        for piece in &self.pieces {
            piece.folio.account_writeback(sb, sign * piece.nr_pages());
        }
    }

    /// Pages that its bytes lie in.
    pub(super) fn nr_pages(&self) -> isize {
        self.pieces.iter().map(Piece::nr_pages).sum()
    }

    /// Nothing was added yet.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// A folio whose writing was begun.
pub(super) struct Begun {
    /// What is written.
    pub(super) piece: Piece,
    pub(super) writeback: Writeback<Rnfs4Fs>,
}

impl Batch {
    /// Adds a folio, for which room was made by [`Batch::reserve`].
    pub(super) fn push(&mut self, begun: Begun) {
        // Both have room.
        let _ = self.pieces.push_within_capacity(begun.piece);
        let _ = self.writeback.push_within_capacity(begun.writeback);
    }
}

/// A stack of batches.
#[derive(Default)]
pub(super) struct Batches(Option<KBox<Batch>>);

impl Batches {
    /// There is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The context of one of the batches.
    pub(super) fn ctx(&self) -> Option<&Arc<OpenContext>> {
        self.0.as_ref()?.ctx()
    }

    /// In which life of the server the one on top was written.
    pub(super) fn verifier(&self) -> Option<Verifier> {
        Some(self.0.as_ref()?.verifier)
    }

    /// Puts one on top.
    pub(super) fn push(&mut self, mut batch: KBox<Batch>) {
        batch.next = self.0.take();
        self.0 = Some(batch);
    }

    /// Takes the one on top.
    pub(super) fn pop(&mut self) -> Option<KBox<Batch>> {
        let mut batch = self.0.take()?;
        self.0 = batch.next.take();
        Some(batch)
    }
}

impl Drop for Batches {
    /// One by one: the stack may be long, and the kernel's is not.
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
