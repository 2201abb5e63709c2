// SPDX-License-Identifier: GPL-2.0

//! Writeback: dirty folios become WRITEs.
//!
//! Folios that follow each other and were written through one open context are sent together, up to `wsize` in a WRITE,
//! from where they lie in the page cache; many WRITEs may be under way for a file. They are UNSTABLE, and a COMMIT makes
//! them safe (see [`super::commit`]); only the WRITE that is all that a synchronous flush has to send asks for FILE_SYNC,
//! which saves the COMMIT. With that one may go what was to follow it ([`super::rider`]).
//!
//! A write that fails is reported through the mapping's error, once to each open file, and its data is not tried again:
//! a context gone bad ends here (its stateid is EIO), it is never gone round for ever.

use kernel::{
    cred::Credential,
    page::PAGE_SIZE,
    pr_warn_once,
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    attrs::{
        request::{
            CHANGED,
            INODE, //
        },
        Attrs, //
    },
    compound::Ops,
    ops::{
        attr::{
            Getattr,
            Setattr, //
        },
        fh::Putfh,
        io::{
            Write,
            WriteRes, //
        },
        state::Close,
    },
    recovery::table::OpClass,
    together::LastWrite,
    types::{
        Fh,
        StableHow,
        Stateid,
        Verifier, //
    },
};

use super::{
    commit,
    inode_write::{
        Conflict,
        Start, //
    },
    refresh,
    request::{
        Batch,
        Begun,
        Writer, //
    },
    rider::Rider,
    Inode,
    Origin,
    Rnfs4Fs, //
};
use crate::{
    client::{
        AsyncOps,
        IoBytes,
        IoEvent,
        LockState,
        OpenState,
        StatusExt, //
    },
    sys::{
        fs::Inflight,
        mm::{
            Locked,
            NofsScope,
            PageVec,
            WritebackControl,
            LLONG_MAX, //
        },
        wait::{
            current_was_killed,
            msleep_killable, //
        },
    },
};

/// What a WRITE is sent with. The attributes come with the last WRITE of a file that no COMMIT follows; what else there is, is what
/// goes along with that.
type WriteOps = (
    Putfh<Fh>,
    Write,
    Option<Setattr>,
    Option<Getattr>,
    Option<Close>,
);

/// A WRITE, or several one after the other where its data is more than the server takes at once.
struct WriteCall {
    io: Inflight<Rnfs4Fs>,
    by: Writer,
    /// Where the bytes that are in `pages` go.
    offset: u64,
    pages: PageVec,
    batch: KBox<Batch>,
    stable: StableHow,
    /// The verifier of the parts that were written so far and are not committed.
    verifier: Option<Verifier>,
    /// What goes along.
    rider: Option<Arc<Rider>>,
    /// The stateid of the CLOSE that was sent along.
    closing: Option<Stateid>,
}

/// The call while sunrpc has it; its box is empty once it is done.
struct Sent {
    /// The call's, which sunrpc wants to know even then.
    by: Writer,
    call: Option<KBox<WriteCall>>,
}

impl WriteCall {
    /// A call without data yet.
    fn new(inode: &Inode, by: &Writer, offset: u64) -> Result<KBox<Self>> {
        Ok(KBox::new(
            Self {
                io: Inflight::new(inode),
                by: by.clone(),
                offset,
                pages: PageVec::new(),
                batch: Batch::new()?,
                stable: StableHow::Unstable,
                verifier: None,
                rider: None,
                closing: None,
            },
            GFP_KERNEL,
        )?)
    }

    /// Tells whether what was begun may follow what is here.
    fn takes(&self, begun: &Begun, wsize: usize) -> bool {
        let piece = &begun.piece;
        self.by == *piece.by()
            && piece.pos() == self.offset + self.pages.len() as u64
            && self.pages.continues_at(piece.range().start)
            && self.pages.len() + piece.range().len() <= wsize
    }

    /// Adds what was begun; hands it back where memory is short.
    fn push(&mut self, begun: Begun) -> Result<(), (Error, Begun)> {
        let room = self.batch.reserve().and_then(|()| {
            self.pages
                .push_folio(begun.piece.folio(), begun.piece.range())
        });
        if let Err(e) = room {
            return Err((e, begun));
        }
        let pages = begun.piece.range().len().div_ceil(PAGE_SIZE);
        let io = self.by.ctx.server().io();
        io.add(IoBytes::WritePages, pages as u64);
        self.batch.push(begun);
        Ok(())
    }

    /// Sends the next part.
    fn send(mut self: KBox<Self>) {
        let by = self.by.clone();
        let server = by.ctx.server().clone();
        self.pages.limit(server.wsize() as usize);
        server.start(Sent {
            by,
            call: Some(self),
        });
    }

    /// The operations that send the next part.
    fn ops(&mut self, stateid: Stateid) -> Result<WriteOps> {
        let last = self.pages.rest() == self.pages.len();
        let rider = self.rider.as_ref();
        // Looked up at each try: another open of the file ends the matter.
        self.closing = rider.and_then(|rider| rider.closing());
        let attrs = if rider.is_some() { INODE } else { CHANGED };
        Ok((
            Putfh(*self.by.ctx.fh()),
            Write {
                stateid,
                offset: self.offset,
                stable: self.stable,
                len: self.pages.len() as u32,
            },
            rider.and_then(|rider| rider.setattr()),
            (last && self.stable == StableHow::FileSync).then_some(Getattr(attrs)),
            self.closing.map(Close),
        ))
    }

    /// Takes the reply, and sends what the server has left over.
    fn replied(mut self: KBox<Self>, res: Result<<WriteOps as Ops>::Res>) {
        let res = res.and_then(|(_, write, setattr, attrs, close)| {
            Ok((write.errno()?, setattr, attrs, close))
        });
        let (write, setattr, attrs, close) = match res {
            Ok((write, setattr, attrs, close)) => (
                write,
                matches!(setattr, Some(Ok(_))),
                attrs.and_then(core::result::Result::ok),
                matches!(close, Some(Ok(()))),
            ),
            Err(e) => return self.failed(e),
        };
        let whole = write.count as usize == self.pages.rest();
        if let Some(sent) = self.closing.take().filter(|_| close) {
            match whole {
                true => self.by.ctx.closed_early(&sent),
                false => self.by.ctx.closed_too_early(&sent),
            }
        }
        // What went along with a part of the data only is done again behind the rest.
        if let Some(rider) = self.rider.take().filter(|_| setattr && whole) {
            rider.arrived(attrs);
        }
        if write.count == 0 {
            // A server that writes nothing and calls that success would be asked for ever.
            return self.failed(EIO);
        }
        let io = self.by.ctx.server().io();
        io.add(IoBytes::ServerWritten, u64::from(write.count));
        if (write.count as usize) < self.pages.len() {
            io.event(IoEvent::ShortWrite);
        }
        self.offset += u64::from(write.count);
        self.pages.advance(write.count as usize);
        let same_life = self.note_verifier(&write);
        if !same_life {
            self.again();
        } else if self.pages.rest() != 0 {
            self.send();
        } else {
            self.succeeded(attrs);
        }
    }

    /// Remembers the life of the server that a part was written in. False when an earlier part was written in another.
    fn note_verifier(&mut self, write: &WriteRes) -> bool {
        if write.committed == StableHow::FileSync {
            return true;
        }
        *self.verifier.get_or_insert(write.verifier) == write.verifier
    }

    fn succeeded(self: KBox<Self>, attrs: Option<Attrs>) {
        let this = KBox::into_inner(self);
        let inode = this.io.inode();
        if let Some(attrs) = &attrs {
            wrote(inode, attrs);
        }
        let write = &inode.info().write;
        let due = match this.verifier {
            Some(verifier) => write.written_unstable(inode, this.batch, verifier),
            None => {
                if attrs.is_none() {
                    // What was asked before this says nothing of the file as it is now.
                    inode.info().attrs.barrier();
                }
                write.write_done(inode, this.batch)
            }
        };
        if due {
            commit::start(inode);
        }
    }

    /// All of it is to be written once more, by a later flush.
    fn again(self: KBox<Self>) {
        let this = KBox::into_inner(self);
        let inode = this.io.inode();
        if inode.info().write.write_again(inode, this.batch) {
            commit::start(inode);
        }
    }

    fn failed(self: KBox<Self>, error: Error) {
        if error == ENOMEM {
            return self.again();
        }
        let this = KBox::into_inner(self);
        let inode = this.io.inode();
        this.by.ctx.set_failing(true);
        report(inode, this.by.ctx.write_error(error));
        if inode.info().write.write_done(inode, this.batch) {
            commit::start(inode);
        }
    }
}

impl AsyncOps for Sent {
    type Ops = WriteOps;
    const CLASS: OpClass = OpClass::Io;

    fn cred(&self) -> &Credential {
        self.by.ctx.cred()
    }

    fn state(&self) -> Option<&Arc<OpenState>> {
        Some(self.by.ctx.state())
    }

    fn lock(&self) -> Option<&Arc<LockState>> {
        self.by.lock.as_ref()
    }

    fn pages(&self) -> Option<&PageVec> {
        self.call.as_ref().map(|call| &call.pages)
    }

    fn build(&mut self, stateid: Stateid) -> Result<WriteOps> {
        self.call.as_mut().ok_or(EIO)?.ops(stateid)
    }

    fn is_answered(&self, (_, write, ..): &<WriteOps as Ops>::Res) -> bool {
        write.is_ok()
    }

    fn finish(&mut self, res: Result<<WriteOps as Ops>::Res>) {
        if let Some(call) = self.call.take() {
            call.replied(res);
        }
    }
}

/// Records that data was lost. What the program had written is in the page cache still: it must not be taken for the
/// file's any more.
pub(super) fn report(inode: &Inode, error: Error) {
    // The call was ended by force (`umount -f`): the program sees an error that write() may give.
    let error = if error == ERESTARTSYS { EIO } else { error };
    inode.mapping().set_error(error);
    invalidate_data(inode);
}

/// What is cached of the file's data is not to be believed any more. Does not sleep.
pub(super) fn invalidate_data(inode: &Inode) {
    inode.info().attrs.lock().doubt_data();
}

/// Takes attributes that came with a WRITE or COMMIT of ours.
pub(super) fn wrote(inode: &Inode, attrs: &Attrs) {
    // Attributes of something else (ESTALE) have been taken note of.
    let _ = refresh(inode, attrs, Origin::OwnWrite);
}

/// Collects folios into calls, and sends each call when the next one begins.
struct Sender<'a> {
    inode: &'a Inode,
    wsize: usize,
    call: Option<KBox<WriteCall>>,
    /// A call has been sent already.
    several: bool,
}

impl<'a> Sender<'a> {
    fn new(inode: &'a Inode) -> Self {
        Self {
            inode,
            wsize: inode.server().wsize() as usize,
            call: None,
            several: false,
        }
    }

    /// Begins to write a locked folio whose dirty bit was just cleared.
    fn add(&mut self, folio: &Locked<Rnfs4Fs>) -> Result {
        let write = &self.inode.info().write;
        let begun = match write.begin(self.inode, folio) {
            Ok(Some(begun)) => begun,
            Ok(None) => return Ok(()),
            Err(e) => {
                pr_warn_once!("a page was changed that no open file answers for\n");
                report(self.inode, e);
                return Ok(());
            }
        };
        let mut call = match self.call.take() {
            Some(call) if call.takes(&begun, self.wsize) => call,
            other => {
                if let Some(call) = other {
                    self.send(call, false, None);
                }
                match WriteCall::new(self.inode, begun.piece.by(), begun.piece.pos()) {
                    Ok(call) => call,
                    Err(e) => {
                        write.put_back(self.inode, begun);
                        return Err(e);
                    }
                }
            }
        };
        let res = call.push(begun);
        self.call = (!call.batch.is_empty()).then_some(call);
        res.map_err(|(e, begun)| {
            write.put_back(self.inode, begun);
            e
        })
    }

    fn send(&mut self, mut call: KBox<WriteCall>, sync_and_last: bool, rider: Option<&Arc<Rider>>) {
        let write = &self.inode.info().write;
        let (start, others) = write.start_write(call.batch.pieces.len());
        let alone = start == Start::Alone && sync_and_last && !self.several;
        if alone || start == Start::Distrusted {
            call.stable = StableHow::FileSync;
        }
        let last = LastWrite {
            alone,
            fits: call.pages.rest() <= self.wsize,
            others,
            locked: call.by.lock.is_some(),
        };
        call.rider = rider
            .filter(|rider| rider.may_go(&last, &call.by.ctx))
            .cloned();
        if !self.several {
            // An inode of which only pages are dirty is clean as soon as they are under way, and sync(2) would go by it.
            self.inode.mark_dirty_datasync();
        }
        self.several = true;
        call.send();
    }

    /// Sends what is left; `sync` when somebody is going to wait for it. If that is all, `rider` goes along.
    fn finish(mut self, sync: bool, rider: Option<&Arc<Rider>>) {
        if let Some(call) = self.call.take() {
            self.send(call, sync, rider);
        }
    }
}

/// Answers `->writepages()`.
pub(super) fn writepages(inode: &Inode, wbc: &mut WritebackControl<'_>) -> Result {
    let _nofs = NofsScope::enter();
    let mut writer = Sender::new(inode);
    let sync = wbc.is_sync();
    let res = wbc.for_each_folio(inode.mapping(), |_, folio| writer.add(&folio));
    writer.finish(sync, None);
    // Nobody is going to ask for the COMMIT soon, and until then the pages count as being written: enough of them stop all writers.
    if !sync && inode.info().write.commit_soon() {
        commit::start(inode);
    }
    res
}

/// Writes one locked folio, and waits until it is not under writeback: its data may be on stable storage or wait for
/// COMMIT then, or be lost, which the mapping's error tells. `EINTR` when the task is being killed.
pub(super) fn write_folio(inode: &Inode, folio: &Locked<Rnfs4Fs>) -> Result {
    let _nofs = NofsScope::enter();
    folio.wait_writeback_killable()?;
    if folio.clear_dirty_for_io() {
        let mut writer = Sender::new(inode);
        let res = writer.add(folio);
        writer.finish(true, None);
        res?;
    }
    folio.wait_writeback_killable()
}

/// Makes a locked folio free of requests: what is dirty is written, what is written is committed. Sleeps; killable.
pub(super) fn clean_folio(inode: &Inode, folio: &Locked<Rnfs4Fs>) -> Result {
    let mut losses = 0;
    while folio.has_private() {
        if folio.is_dirty() || folio.is_writeback() {
            write_folio(inode, folio)?;
        }
        if folio.has_private() && !folio.is_dirty() {
            commit::commit(inode)?;
        }
        back_off(&mut losses, folio.has_private())?;
    }
    Ok(())
}

/// Sees to it that `range` of a locked folio may be made dirty by the right of `by`. Sleeps; killable.
pub(super) fn resolve_conflict(
    inode: &Inode,
    folio: &Locked<Rnfs4Fs>,
    by: &Writer,
    range: &core::ops::Range<usize>,
) -> Result {
    let write = &inode.info().write;
    let mut losses = 0;
    loop {
        folio.wait_writeback_killable()?;
        match write.conflict(inode, folio, by, range) {
            Conflict::None => return Ok(()),
            Conflict::Dirty => write_folio(inode, folio)?,
            Conflict::Unstable => commit::commit(inode)?,
        }
        back_off(&mut losses, false)?;
    }
}

/// Sleeps before a loop goes on that a server can keep going by losing what it was given. The first rounds are free.
fn back_off(rounds: &mut u32, again: bool) -> Result {
    *rounds += u32::from(again) + 1;
    if *rounds > 4 {
        msleep_killable(1 << (*rounds).min(10))?;
    }
    Ok(())
}

/// Writes all dirty data of the file and makes it safe. Errors of the writes are the mapping's; an error here means that
/// the flush did not come to its end: `ERESTARTSYS` or `EINTR` when the task is being killed. A task that has been killed already
/// does not wait at all: writeback does the rest. Sleeps.
pub(crate) fn flush(inode: &Inode) -> Result {
    if current_was_killed() {
        return inode.mapping().flush();
    }
    flush_range(inode, 0..=LLONG_MAX)
}

/// The same; what is to follow goes along where it can, which `rider` knows afterwards.
pub(super) fn flush_with(inode: &Inode, rider: &Arc<Rider>) -> Result {
    if !current_was_killed() {
        let _nofs = NofsScope::enter();
        let mut sender = Sender::new(inode);
        // What could not be sent for want of memory is dirty still, and tried again below.
        let _ = WritebackControl::with_all(|wbc| {
            wbc.for_each_folio(inode.mapping(), |_, folio| sender.add(&folio))
        });
        sender.finish(true, Some(rider));
    }
    flush(inode)
}

/// The same for the folios that hold bytes of `range`.
pub(crate) fn flush_range(inode: &Inode, range: core::ops::RangeInclusive<u64>) -> Result {
    let write = &inode.info().write;
    let mut rounds = 0;
    loop {
        let before = write.redirtied();
        inode.mapping().fdatawrite_range(range.clone())?;
        inode.mapping().wait_writeback_killable(range.clone())?;
        commit::commit(inode)?;
        if write.redirtied() == before {
            return Ok(());
        }
        back_off(&mut rounds, true)?;
    }
}
