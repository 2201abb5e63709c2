// SPDX-License-Identifier: GPL-2.0

//! Direct reads.

use kernel::{
    cred::Credential,
    prelude::*,
    sync::Arc, //
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
    write_out,
    Transfer, //
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
        address_space::writer,
        lock,
        Rnfs4Fs, //
    },
    sys::{
        fs::Iocb,
        mm::{
            PageVec,
            Pieces,
            LLONG_MAX, //
        },
    },
};

type ReadOps = (Putfh<Fh>, Read);

/// A part of a transfer while sunrpc has it.
struct Sent {
    read: Arc<Transfer>,
    /// Where the bytes still missing come from.
    offset: u64,
    /// Where they go. Kept to the end of the task: a reply may come until then, even if nobody waits for it.
    pages: PageVec,
    /// The part ends with this task, and why if there is no reply; `None` when it has ended.
    ends: Option<Error>,
}

impl Sent {
    /// Sends the next part.
    fn send(read: Arc<Transfer>, offset: u64, mut pages: PageVec) {
        let server = read.by.ctx.server().clone();
        pages.limit(server.rsize() as usize);
        server.start(Self {
            read,
            offset,
            pages,
            ends: Some(EIO),
        });
    }

    fn end(&mut self) {
        self.ends = None;
        if self.read.part_ends() {
            self.read.finish(IoBytes::DirectRead);
        }
    }

    fn stop(&mut self, error: Option<Error>) {
        self.read.stop_at(self.offset, error);
        self.end();
    }
}

impl AsyncOps for Sent {
    type Ops = ReadOps;
    const CLASS: OpClass = OpClass::Io;

    fn cred(&self) -> &Credential {
        self.read.by.ctx.cred()
    }

    fn state(&self) -> Option<&Arc<OpenState>> {
        Some(self.read.by.ctx.state())
    }

    fn lock(&self) -> Option<&Arc<LockState>> {
        self.read.by.lock.as_ref()
    }

    fn pages(&self) -> Option<&PageVec> {
        Some(&self.pages)
    }

    fn build(&mut self, stateid: Stateid) -> Result<ReadOps> {
        Ok((
            Putfh(*self.read.by.ctx.fh()),
            Read {
                stateid,
                offset: self.offset,
                count: self.pages.len() as u32,
            },
        ))
    }

    fn finish(&mut self, res: Result<<ReadOps as Ops>::Res>) {
        let reply = match res {
            Ok((_, read)) => read.errno(),
            // There was no reply, but there may be one until the task is gone.
            Err(e) => return self.ends = Some(e),
        };
        let read = match reply {
            Ok(read) => read,
            Err(e) => return self.stop(Some(e)),
        };
        let io = self.read.by.ctx.server().io();
        io.add(IoBytes::ServerRead, u64::from(read.count));
        if !read.eof && (read.count as usize) < self.pages.len() {
            io.event(IoEvent::ShortRead);
        }
        self.offset += u64::from(read.count);
        self.pages.advance(read.count as usize);
        if self.pages.rest() == 0 {
            self.end();
        } else if read.eof {
            self.stop(None);
        } else if read.count == 0 {
            // Nothing, and not the end: such a server would be asked for ever.
            self.stop(Some(EIO));
        } else {
            self.ends = None;
            let pages = core::mem::replace(&mut self.pages, PageVec::new());
            Self::send(self.read.clone(), self.offset, pages);
        }
    }
}

impl Drop for Sent {
    /// The task is gone.
    fn drop(&mut self) {
        if let Some(error) = self.ends {
            self.stop(Some(error));
        }
    }
}

/// Answers `->read_iter()`. The server is asked whatever the file's size is believed to be. `EBADF` on a context gone bad, `EFAULT`,
/// `EIOCBQUEUED` for an asynchronous call. May sleep; killable.
pub(in crate::fs) fn read(mut iocb: Iocb<'_, Rnfs4Fs>, mut pieces: Pieces<'_>) -> Result<usize> {
    let (file, start, len) = (iocb.file(), iocb.pos(), pieces.left());
    let (inode, by) = (file.inode(), writer(file));
    by.ctx.check()?;
    lock::check_locks(file)?;
    if len == 0 {
        return Ok(0);
    }
    // What lies behind the range decides where the file ends for the server.
    write_out(inode, start..=LLONG_MAX)?;
    let rsize = by.ctx.server().rsize() as usize;
    let read = Arc::pin_init(Transfer::new(inode, by, start, len), GFP_KERNEL)?;
    while !pieces.is_empty() {
        let offset = start + pieces.taken() as u64;
        match pieces.take(rsize) {
            Ok(pages) => {
                read.part_begins();
                Sent::send(read.clone(), offset, pages);
            }
            Err(e) if offset == start => return Err(e),
            Err(e) => {
                read.stop_at(offset, Some(e));
                break;
            }
        }
    }
    if iocb.is_async() {
        read.queue(iocb);
        if read.part_ends() {
            read.finish(IoBytes::DirectRead);
        }
        return Err(EIOCBQUEUED);
    }
    if read.part_ends() {
        read.finish(IoBytes::DirectRead);
    }
    let res = read.wait();
    let n = res.unwrap_or(0);
    pieces.give_back(pieces.taken() - n);
    iocb.set_pos(start + n as u64);
    res
}
