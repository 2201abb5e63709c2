// SPDX-License-Identifier: GPL-2.0

//! WRITE: what one call carries, and what becomes of its reply.
//!
//! A write that fails is reported through the mapping's error, once to each open file, and its data is not tried again:
//! a context gone bad ends here (its stateid is EIO), it is never gone round for ever.

use kernel::{
    cred::Credential,
    page::PAGE_SIZE,
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
    types::{
        Fh,
        StableHow,
        Stateid,
        Verifier, //
    },
};

use super::{
    commit,
    outcome::{
        report,
        wrote, //
    },
    request::{
        Batch,
        Begun,
        Writer, //
    },
    rider::Rider, //
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
    fs::{
        Inode,
        Rnfs4Fs, //
    },
    sys::{
        fs::Inflight,
        mm::PageVec, //
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
pub(super) struct WriteCall {
    io: Inflight<Rnfs4Fs>,
    pub(super) by: Writer,
    /// Where the bytes that are in `pages` go.
    offset: u64,
    pub(super) pages: PageVec,
    pub(super) batch: KBox<Batch>,
    pub(super) stable: StableHow,
    /// The verifier of the parts that were written so far and are not committed.
    verifier: Option<Verifier>,
    /// What goes along.
    pub(super) rider: Option<Arc<Rider>>,
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
    pub(super) fn new(inode: &Inode, by: &Writer, offset: u64) -> Result<KBox<Self>> {
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
    pub(super) fn takes(&self, begun: &Begun, wsize: usize) -> bool {
        let piece = &begun.piece;
        self.by == *piece.by()
            && piece.pos() == self.offset + self.pages.len() as u64
            && self.pages.continues_at(piece.range().start)
            && self.pages.len() + piece.range().len() <= wsize
    }

    /// Adds what was begun; hands it back where memory is short.
    pub(super) fn push(&mut self, begun: Begun) -> Result<(), (Error, Begun)> {
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
    pub(super) fn send(mut self: KBox<Self>) {
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
