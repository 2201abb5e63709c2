// SPDX-License-Identifier: GPL-2.0

//! The books that an inode keeps of what is dirty, being written, and not committed.
//!
//! Locks: requests and books are under [`InodeWrite::books`], a spinlock. It is taken with the folio lock held or
//! without, never the other way round; inside it come that of the attributes, `i_private_lock`, the lock of the page cache's tree and
//! `i_lock`.
//! Who makes a request dirty or begins to write it has the folio locked; its end needs no folio lock, so that replies
//! need not wait.

use core::{
    mem,
    ops::Range, //
};

use kernel::{
    new_spinlock,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        LockedBy,
        SpinLock,
        SpinLockGuard, //
    },
    time::msecs_to_jiffies,
};
use rnfs4_proto::types::Verifier;

use super::request::{
    Batch,
    Batches,
    Begun,
    Piece,
    Progress,
    Request,
    State,
    Writer, //
};
use crate::{
    fs::{
        Inode,
        Rnfs4Fs,
        SuperBlock, //
    },
    sys::{
        mm::{
            Folio,
            Locked, //
        },
        wait::WaitQueue, //
    },
};

/// What an inode knows of its writes.
#[derive(Default)]
pub(super) struct Books {
    /// Requests that are some folio's private data.
    requests: usize,
    /// WRITEs under way.
    writing: usize,
    /// A COMMIT is under way.
    committing: bool,
    /// COMMITs that have ended.
    commits: u64,
    /// Those who make dirty again what a WRITE has shown to be lost.
    settling: usize,
    /// What was written is to be committed as soon as no WRITE is under way.
    commit_soon: bool,
    /// Batches not committed; all have the same verifier.
    unstable: Batches,
    /// Pages in them.
    unstable_pages: isize,
    /// Number of the last batch written.
    last_batch: u64,
    /// Times that written data had to be made dirty again.
    redirtied: u64,
    /// Times that the server has lost something since it last committed something.
    losses: u32,
    /// The size that the file is being cut to.
    cut: Option<u64>,
}

impl Books {
    /// A WRITE has ended. Tells whether it is time for a COMMIT.
    fn write_ended(&mut self) -> bool {
        self.writing -= 1;
        self.commit_is_due()
    }

    /// Tells whether a COMMIT was asked for and may be sent now.
    fn commit_is_due(&mut self) -> bool {
        if self.writing != 0 || self.committing {
            return false;
        }
        mem::take(&mut self.commit_soon) && !self.unstable.is_empty()
    }

    fn take_unstable(&mut self) -> Batches {
        self.unstable_pages = 0;
        mem::take(&mut self.unstable)
    }
}

/// So many pages of a file wait for COMMIT at most before one is sent unasked.
const UNSTABLE_MAX: isize = (32 << 20) / PAGE_SIZE as isize;

/// How long a store waits at most for a file to be cut before the fault is tried again, in milliseconds.
const CUT_MS: u32 = 100;

/// After how many losses in a row unstable writes are no longer tried.
const MAX_LOSSES: u32 = 8;

/// What has become of data that was written but not committed.
#[derive(Clone, Copy)]
pub(super) enum Settled {
    /// What was written in the life of the server that has this verifier is safe; the rest is lost, and dirty again.
    In(Verifier),
    /// It could not be found out: all of it is dirty again.
    Again,
    /// The server has failed for good.
    GivenUp,
}

/// In what company a WRITE is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing else is under way, and nothing waits for COMMIT.
    Alone,
    /// There are others.
    Among,
    /// The server keeps losing what it has not committed.
    Distrusted,
}

/// A file is being cut. Nothing behind its new end is made dirty through mappings before this is dropped: what was stored there after the
/// last flush would be written behind the server's back, and make the file longer again.
pub(in crate::fs) struct Cut<'a>(&'a InodeWrite);

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        self.0.books.lock().cut = None;
        self.0.cut_wait.wake_all();
    }
}

/// The part of an inode's data that is about writing.
#[pin_data]
pub(crate) struct InodeWrite {
    #[pin]
    books: SpinLock<Books>,
    /// For those who store behind the end that a file will have.
    #[pin]
    cut_wait: WaitQueue,
    /// For those who wait for a COMMIT to end.
    #[pin]
    commit_wait: WaitQueue,
}

/// The books, which nobody changes meanwhile.
pub(in crate::fs) struct Held<'a>(SpinLockGuard<'a, Books>);

impl Held<'_> {
    /// As [`InodeWrite::has_writes`].
    pub(in crate::fs) fn has_writes(&self) -> bool {
        self.0.requests != 0 || self.0.writing != 0
    }
}

/// What stands between a folio and a new write to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    /// Nothing.
    None,
    /// Other bytes, or those of another context or lock owner, are dirty: write them first.
    Dirty,
    /// The same, and they are written: commit them first.
    Unstable,
}

impl InodeWrite {
    /// Empty books.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            books <- new_spinlock!(Books::default(), "rnfs4_inode_write"),
            cut_wait <- WaitQueue::new(),
            commit_wait <- WaitQueue::new(),
        })
    }

    /// The file is about to be cut to `size`, by who has its inode locked.
    pub(in crate::fs) fn cut(&self, size: u64) -> Cut<'_> {
        self.books.lock().cut = Some(size);
        Cut(self)
    }

    /// Waits until that has been done, but not for long. Killable.
    pub(in crate::fs) fn wait_cut(&self) {
        let patience = msecs_to_jiffies(CUT_MS);
        let _ = self
            .cut_wait
            .wait_killable_timeout(patience, || self.books.lock().cut.is_none());
    }

    /// Tells whether there is data that the server does not safely have: then neither its idea of the file's size nor a
    /// moved change attribute says anything about ours.
    pub(crate) fn has_writes(&self) -> bool {
        self.hold().has_writes()
    }

    /// Keeps that from changing until the value is dropped. Do not sleep meanwhile.
    pub(in crate::fs) fn hold(&self) -> Held<'_> {
        Held(self.books.lock())
    }

    /// Drops what is left when the inode goes: its pages are gone, and no call is under way. May sleep.
    pub(crate) fn evict(&self, sb: &SuperBlock) {
        let mut unstable = self.books.lock().take_unstable();
        while let Some(batch) = unstable.pop() {
            batch.account_unstable(sb, -1);
        }
    }

    /// Tells what has to be done before the bytes `range` of the folio may be made dirty by the right of `by`.
    pub(super) fn conflict(
        &self,
        inode: &Inode,
        folio: &Locked<Rnfs4Fs>,
        by: &Writer,
        range: &Range<usize>,
    ) -> Conflict {
        let Some(request) = inode.mapping().private(folio) else {
            return Conflict::None;
        };
        let books = self.books.lock();
        let progress = request.progress.access(&books);
        let apart = range.start > progress.range.end || range.end < progress.range.start;
        let same = request.by == *by;
        match progress.state {
            State::Done => Conflict::None,
            _ if same && (!apart || folio.is_uptodate()) => Conflict::None,
            State::Dirty | State::Writing => Conflict::Dirty,
            State::Unstable(_) => Conflict::Unstable,
        }
    }

    /// Makes the bytes `range` of the folio dirty: they are to be written by the right of `by`. There must be no
    /// [`InodeWrite::conflict`] and no writeback. `EAGAIN` where the file is being [cut](Self::cut) before their end. May sleep.
    pub(in crate::fs) fn dirty(
        &self,
        inode: &Inode,
        folio: &Locked<Rnfs4Fs>,
        by: &Writer,
        range: Range<usize>,
    ) -> Result {
        let mapping = inode.mapping();
        let end = folio.pos() + range.end as u64;
        let is_cut = |books: &Books| books.cut.is_some_and(|size| end > size);
        if is_cut(&self.books.lock()) {
            return Err(EAGAIN);
        }
        let grown = mapping.private(folio).is_some_and(|request| {
            let mut books = self.books.lock();
            if is_cut(&books) {
                return false;
            }
            let progress = request.progress.access_mut(&mut books);
            if progress.state == State::Done {
                return false;
            }
            progress.range =
                progress.range.start.min(range.start)..progress.range.end.max(range.end);
            progress.state = State::Dirty;
            true
        });
        if !grown {
            let request = Arc::new(
                Request {
                    by: by.clone(),
                    progress: LockedBy::new(
                        &self.books,
                        Progress {
                            range,
                            state: State::Dirty,
                        },
                    ),
                },
                GFP_KERNEL,
            )?;
            let mut books = self.books.lock();
            // Who cuts it flushes it after he has said so.
            if is_cut(&books) || mapping.attach_private(folio, request).is_err() {
                // Or it is no longer in the page cache, for only who has the folio locked attaches.
                return Err(EAGAIN);
            }
            books.requests += 1;
        }
        folio.mark_dirty();
        Ok(())
    }

    /// Makes all of a dirty folio that belongs to the file dirty: it was written to through a mapping, and nobody knows where. The folio
    /// must be up to date.
    pub(in crate::fs) fn widen(&self, inode: &Inode, folio: &Locked<Rnfs4Fs>) {
        let request;
        let mut books = self.books.lock();
        request = inode.mapping().private(folio);
        let Some(request) = &request else {
            return;
        };
        let progress = request.progress.access_mut(&mut books);
        if progress.state == State::Dirty && folio.is_uptodate() {
            progress.range = 0..folio.length_within(inode.i_size());
        }
    }

    /// Begins to write a folio whose dirty bit was just cleared: starts its writeback and adds it to a batch that has
    /// room for it. Returns where the bytes are in the batch; `None` when there is nothing to write: all of it lies
    /// beyond the end of the file. `EIO` for a folio that was made dirty behind our back: nobody knows through which
    /// open context.
    pub(super) fn begin(&self, inode: &Inode, folio: &Locked<Rnfs4Fs>) -> Result<Option<Begun>> {
        let mapping = inode.mapping();
        let len = folio.length_within(inode.i_size());
        let request;
        let mut books = self.books.lock();
        request = mapping.private(folio);
        let Some(request) = &request else {
            return if len == 0 { Ok(None) } else { Err(EIO) };
        };
        let progress = request.progress.access_mut(&mut books);
        if progress.state != State::Dirty && folio.is_uptodate() {
            // Changed through a long-lived reference to the page (get_user_pages()); which bytes, nobody knows.
            progress.range = 0..len;
        }
        progress.range.end = progress.range.end.min(len);
        if progress.range.is_empty() {
            Self::forget(&mut books, inode, request, folio);
            return Ok(None);
        }
        progress.state = State::Writing;
        let range = progress.range.clone();
        drop(books);
        Ok(Some(Begun {
            writeback: folio.start_writeback(),
            piece: Piece {
                folio: ARef::from(&**folio),
                request: request.clone(),
                range,
            },
        }))
    }

    /// Takes back what was begun but cannot be sent for want of memory. The folio must still be locked.
    pub(super) fn put_back(&self, inode: &Inode, begun: Begun) {
        let mut books = self.books.lock();
        Self::redirty(&mut books, inode, &begun.piece);
        drop(books);
    }

    /// Takes a request off its folio.
    fn forget(books: &mut Books, inode: &Inode, request: &Arc<Request>, folio: &Folio<Rnfs4Fs>) {
        let progress = request.progress.access_mut(books);
        if progress.state != State::Done {
            progress.state = State::Done;
            books.requests -= 1;
            // The reference that comes back is not the last one: `request` is another.
            drop(inode.mapping().detach_private(folio));
        }
    }

    /// Makes a request dirty again.
    fn redirty(books: &mut Books, inode: &Inode, piece: &Piece) {
        let progress = piece.request.progress.access_mut(books);
        if progress.state != State::Done {
            progress.state = State::Dirty;
            inode.mapping().redirty(&piece.folio);
            books.redirtied += 1;
        }
    }

    /// How often written data had to be made dirty again.
    pub(super) fn redirtied(&self) -> u64 {
        self.books.lock().redirtied
    }

    /// Counts a WRITE of so many requests that is about to be sent. Tells whether nothing else is under way or waits for COMMIT, so
    /// that it may as well be stable; and when the server has lost unstable data again and again, it had better be. And tells how
    /// many other requests there are.
    pub(super) fn start_write(&self, requests: usize) -> (Start, usize) {
        let mut books = self.books.lock();
        books.writing += 1;
        let others = books.requests.saturating_sub(requests);
        let start = if books.losses >= MAX_LOSSES {
            Start::Distrusted
        } else if books.writing == 1 && books.unstable.is_empty() && !books.committing {
            Start::Alone
        } else {
            Start::Among
        };
        (start, others)
    }

    /// A WRITE has put all of the batch on stable storage, or has failed for good. Tells whether it is time for a COMMIT. Does not
    /// sleep.
    pub(super) fn write_done(&self, inode: &Inode, batch: KBox<Batch>) -> bool {
        let mut books = self.books.lock();
        for piece in &batch.pieces {
            Self::forget(&mut books, inode, &piece.request, &piece.folio);
        }
        books.write_ended()
    }

    /// A WRITE could not be made, or its parts belong to different lives of the server: all of the batch is dirty again.
    /// Tells whether it is time for a COMMIT. Does not sleep.
    pub(super) fn write_again(&self, inode: &Inode, batch: KBox<Batch>) -> bool {
        let mut books = self.books.lock();
        for piece in &batch.pieces {
            Self::redirty(&mut books, inode, piece);
        }
        books.write_ended()
    }

    /// A WRITE has ended with all of the batch in the memory of the server, whose verifier tells one life of it from the
    /// next. Tells whether it is time for a COMMIT: one was asked for, or much waits for it. Does not sleep.
    pub(super) fn written_unstable(
        &self,
        inode: &Inode,
        mut batch: KBox<Batch>,
        verifier: Verifier,
    ) -> bool {
        // The folios' writeback ends after this, so that who waited for it finds the batch in the books.
        let writeback = mem::take(&mut batch.writeback);
        batch.account_unstable(inode.sb(), 1);
        batch.verifier = verifier;
        let mut books = self.books.lock();
        books.last_batch += 1;
        batch.number = books.last_batch;
        for piece in &batch.pieces {
            let state = &mut piece.request.progress.access_mut(&mut books).state;
            if *state == State::Writing {
                *state = State::Unstable(batch.number);
            }
        }
        let lost = match books.unstable.verifier() {
            Some(other) if other != verifier => {
                // Until it is dirty again, nobody may take the file for clean who does not wait for this WRITE.
                books.settling += 1;
                Some(books.take_unstable())
            }
            _ => None,
        };
        books.unstable_pages += batch.nr_pages();
        books.unstable.push(batch);
        let due = books.write_ended() || books.unstable_pages >= UNSTABLE_MAX;
        drop(books);
        if let Some(lost) = lost {
            self.settle(inode, lost, Settled::In(verifier));
            self.books.lock().settling -= 1;
            self.commit_wait.wake_all();
        }
        // Before the writeback ends: sync(2) waits for that, and then commits what is dirty.
        inode.mark_dirty_datasync();
        drop(writeback);
        due
    }

    /// Tells whether something waits for COMMIT, or a COMMIT or a WRITE is under way.
    pub(super) fn is_uncommitted(&self) -> bool {
        let books = self.books.lock();
        books.writing != 0 || books.committing || books.settling != 0 || !books.unstable.is_empty()
    }

    /// Asks for a COMMIT of what is written once no WRITE is under way. Tells whether that is now.
    pub(super) fn commit_soon(&self) -> bool {
        let mut books = self.books.lock();
        books.commit_soon = books.writing != 0 || !books.unstable.is_empty();
        books.commit_is_due()
    }

    /// Takes all that waits for COMMIT, to commit it. `None` when there is nothing or a COMMIT is under way.
    pub(super) fn start_commit(&self) -> Option<Batches> {
        let mut books = self.books.lock();
        if books.committing || books.unstable.is_empty() {
            return None;
        }
        books.committing = true;
        Some(books.take_unstable())
    }

    /// A COMMIT has ended. Tells whether it is time for another one. Does not sleep.
    pub(super) fn commit_done(&self, inode: &Inode, batches: Batches, settled: Settled) -> bool {
        self.settle(inode, batches, settled);
        let mut books = self.books.lock();
        books.committing = false;
        books.commits += 1;
        let due = books.commit_is_due();
        drop(books);
        self.commit_wait.wake_all();
        due
    }

    /// Ends batches that were written.
    fn settle(&self, inode: &Inode, mut batches: Batches, settled: Settled) {
        let mut lost = false;
        while let Some(batch) = batches.pop() {
            let again = match settled {
                Settled::In(verifier) => verifier != batch.verifier,
                Settled::Again => true,
                Settled::GivenUp => false,
            };
            batch.account_unstable(inode.sb(), -1);
            let mut books = self.books.lock();
            for piece in &batch.pieces {
                // What was changed since is another WRITE's.
                if piece.request.progress.access(&books).state != State::Unstable(batch.number) {
                    continue;
                }
                if again {
                    Self::redirty(&mut books, inode, piece);
                } else {
                    Self::forget(&mut books, inode, &piece.request, &piece.folio);
                }
            }
            drop(books);
            for piece in &batch.pieces {
                piece.folio.end_dropbehind();
            }
            lost |= again;
        }
        // However much it was, it was lost at once.
        let mut books = self.books.lock();
        books.losses = if lost {
            books.losses.saturating_add(1)
        } else {
            0
        };
    }

    /// Waits until everything that has been written by now is committed, lost or given up; `commit` starts a COMMIT where
    /// none is under way. `ERESTARTSYS` when the task is being killed.
    pub(super) fn wait_commit(&self, mut commit: impl FnMut()) -> Result {
        // A COMMIT under way may not cover all that waits now, the one after it does.
        let enough = self.books.lock().commits + 2;
        loop {
            let books = self.books.lock();
            let settling = books.settling != 0;
            let all = !books.committing && books.unstable.is_empty();
            if !settling && (books.commits >= enough || all) {
                return Ok(());
            }
            let idle = !books.committing && !books.unstable.is_empty();
            drop(books);
            if idle {
                commit();
            }
            self.commit_wait.wait_killable(|| {
                let books = self.books.lock();
                !books.committing && books.settling == 0
            })?;
        }
    }

    /// The bytes `range` of a folio are dropped from the file. The folio is not under writeback.
    pub(in crate::fs) fn invalidate(
        &self,
        inode: &Inode,
        folio: &Locked<Rnfs4Fs>,
        range: Range<usize>,
    ) {
        let request;
        let mut books = self.books.lock();
        request = inode.mapping().private(folio);
        let Some(request) = &request else {
            return;
        };
        if range.start == 0 && range.end >= folio.size() {
            Self::forget(&mut books, inode, request, folio);
        } else if range.end >= folio.size() {
            let progress = request.progress.access_mut(&mut books);
            progress.range.end = progress.range.end.min(range.start);
        }
    }
}
