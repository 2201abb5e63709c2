// SPDX-License-Identifier: GPL-2.0

//! READ: filling the page cache.
//!
//! Folios that follow each other are read together, up to `rsize` in a READ, right into the page cache; readahead has
//! several READs under way. What the server leaves over is asked for again; beyond the end of the file there are zeroes.

use kernel::{
    cred::Credential,
    new_spinlock,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
};
use rnfs4_proto::{
    compound::Ops,
    ops::{
        fh::Putfh,
        io::Read, //
    },
    recovery::table::OpClass,
    types::{
        Fh,
        Stateid, //
    },
};

use super::{
    address_space::context,
    lock::lock_for_io,
    write,
    Inode,
    Rnfs4Fs, //
};
use crate::{
    client::{
        AsyncOps,
        IoBytes,
        IoEvent,
        LockState,
        OpenContext,
        OpenState,
        StatusExt, //
    },
    sys::{
        fs::{
            Inflight,
            RegularFile, //
        },
        mm::{
            Locked,
            PageVec,
            Readahead, //
        },
        wait::WaitQueue, //
    },
};

type ReadOps = (Putfh<Fh>, Read);

/// How a read has ended, for the one who waits for it.
#[pin_data]
struct Outcome {
    #[pin]
    result: SpinLock<Option<Result>>,
    #[pin]
    queue: WaitQueue,
}

impl Outcome {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                result <- new_spinlock!(None, "rnfs4_read_outcome"),
                queue <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )
    }

    fn set(&self, result: Result) {
        *self.result.lock() = Some(result);
        self.queue.wake_all();
    }

    /// Waits for the end of the read; `ERESTARTSYS` when the task is being killed.
    fn wait(&self) -> Result {
        self.queue.wait_killable(|| self.result.lock().is_some())?;
        (*self.result.lock()).unwrap_or(Err(EIO))
    }
}

/// By whose right is read.
struct Reader {
    ctx: Arc<OpenContext>,
    lock: Option<Arc<LockState>>,
}

impl Reader {
    fn new(file: &RegularFile<Rnfs4Fs>) -> Self {
        let ctx = context(file);
        let lock = lock_for_io(file, &ctx);
        Self { ctx, lock }
    }
}

/// A READ, or several one after the other where the server does not give all at once.
struct ReadCall {
    /// Keeps the inode while its folios are locked for us.
    _io: Inflight<Rnfs4Fs>,
    ctx: Arc<OpenContext>,
    /// The reader's locks.
    lock: Option<Arc<LockState>>,
    /// Where the bytes still missing come from.
    offset: u64,
    /// Where they go.
    pages: PageVec,
    folios: KVec<Locked<Rnfs4Fs>>,
    outcome: Option<Arc<Outcome>>,
}

/// The call while sunrpc has it; its box is empty once it is done.
struct Sent {
    /// The call's, which sunrpc wants to know even then.
    ctx: Arc<OpenContext>,
    lock: Option<Arc<LockState>>,
    call: Option<KBox<ReadCall>>,
}

impl ReadCall {
    fn new(inode: &Inode, by: &Reader, offset: u64) -> Result<KBox<Self>> {
        Ok(KBox::new(
            Self {
                _io: Inflight::new(inode),
                ctx: by.ctx.clone(),
                lock: by.lock.clone(),
                offset,
                pages: PageVec::new(),
                folios: KVec::new(),
                outcome: None,
            },
            GFP_KERNEL,
        )?)
    }

    /// Adds a folio that follows those here.
    fn push(&mut self, folio: Locked<Rnfs4Fs>) -> Result {
        self.folios.reserve(1, GFP_KERNEL)?;
        self.pages.push_folio(&folio, 0..folio.size())?;
        let pages = folio.size().div_ceil(PAGE_SIZE);
        self.ctx.server().io().add(IoBytes::ReadPages, pages as u64);
        // There is room.
        let _ = self.folios.push_within_capacity(folio);
        Ok(())
    }

    /// Sends the next part.
    fn send(mut self: KBox<Self>) {
        let ctx = self.ctx.clone();
        self.pages.limit(ctx.server().rsize() as usize);
        ctx.server().start(Sent {
            ctx: ctx.clone(),
            lock: self.lock.clone(),
            call: Some(self),
        });
    }

    /// The operations that ask for the next part.
    fn ops(&self, stateid: Stateid) -> Result<ReadOps> {
        Ok((
            Putfh(*self.ctx.fh()),
            Read {
                stateid,
                offset: self.offset,
                count: self.pages.len() as u32,
            },
        ))
    }

    /// Takes the reply, and asks for what is still missing.
    fn replied(mut self: KBox<Self>, res: Result<<ReadOps as Ops>::Res>) {
        let read = match res.and_then(|(_, read)| read.errno()) {
            Ok(read) => read,
            Err(e) => return self.done(Err(e)),
        };
        let io = self.ctx.server().io();
        io.add(IoBytes::ServerRead, u64::from(read.count));
        if !read.eof && (read.count as usize) < self.pages.len() {
            io.event(IoEvent::ShortRead);
        }
        self.offset += u64::from(read.count);
        self.pages.advance(read.count as usize);
        if self.pages.rest() == 0 || read.eof {
            self.done(Ok(()));
        } else if read.count == 0 {
            // Nothing, and not the end: such a server would be asked for ever.
            self.done(Err(EIO));
        } else {
            self.send();
        }
    }

    /// Ends the read. All before `offset` has been read; if the file ends there, the rest is zeroes.
    fn done(self: KBox<Self>, res: Result) {
        let mut this = KBox::into_inner(self);
        for folio in this.folios.drain_all() {
            let have = this
                .offset
                .saturating_sub(folio.pos())
                .min(folio.size() as u64) as usize;
            if res.is_ok() {
                folio.zero(have..folio.size());
            }
            let success = res.is_ok() || have == folio.size();
            folio.end_read(success);
        }
        if let Some(outcome) = this.outcome.take() {
            outcome.set(res);
        }
    }
}

impl AsyncOps for Sent {
    type Ops = ReadOps;
    const CLASS: OpClass = OpClass::Io;

    fn cred(&self) -> &Credential {
        self.ctx.cred()
    }

    fn state(&self) -> Option<&Arc<OpenState>> {
        Some(self.ctx.state())
    }

    fn lock(&self) -> Option<&Arc<LockState>> {
        self.lock.as_ref()
    }

    fn pages(&self) -> Option<&PageVec> {
        self.call.as_ref().map(|call| &call.pages)
    }

    fn build(&mut self, stateid: Stateid) -> Result<ReadOps> {
        self.call.as_ref().ok_or(EIO)?.ops(stateid)
    }

    fn finish(&mut self, res: Result<<ReadOps as Ops>::Res>) {
        if let Some(call) = self.call.take() {
            call.replied(res);
        }
    }
}

/// Reads one locked folio, and waits for it. What is dirty of it is written and committed first: reading would lose it.
/// `EBADF` on a context gone bad, `ERESTARTSYS` when the task is being killed.
pub(super) fn read_folio(file: &RegularFile<Rnfs4Fs>, folio: Locked<Rnfs4Fs>) -> Result {
    let (inode, by) = (file.inode(), Reader::new(file));
    by.ctx.check()?;
    write::clean_folio(inode, &folio)?;
    if folio.is_uptodate() {
        return Ok(());
    }
    if folio.length_within(inode.i_size()) == 0 {
        folio.zero(0..folio.size());
        folio.end_read(true);
        return Ok(());
    }
    let outcome = Outcome::new()?;
    let mut call = ReadCall::new(inode, &by, folio.pos())?;
    call.push(folio)?;
    call.outcome = Some(outcome.clone());
    call.send();
    outcome.wait()
}

/// Starts reading a run of folios. What cannot be begun for want of memory is dropped, and read when it is wanted.
pub(super) fn readahead(file: &RegularFile<Rnfs4Fs>, run: Readahead<'_, Rnfs4Fs>) {
    let (inode, by) = (file.inode(), Reader::new(file));
    if by.ctx.is_bad() {
        return;
    }
    let rsize = by.ctx.server().rsize() as usize;
    let mut call: Option<KBox<ReadCall>> = None;
    for folio in run {
        let full = |call: &KBox<ReadCall>| call.pages.rest() + folio.size() > rsize;
        if let Some(full) = call.take_if(|call| full(call)) {
            full.send();
        }
        let res = match &mut call {
            Some(call) => call.push(folio),
            None => ReadCall::new(inode, &by, folio.pos()).and_then(|mut new| {
                new.push(folio)?;
                call = Some(new);
                Ok(())
            }),
        };
        if res.is_err() {
            // The folio was unlocked, not up to date; those that follow are dropped by the page cache.
            break;
        }
    }
    if let Some(call) = call {
        call.send();
    }
}
