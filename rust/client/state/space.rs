// SPDX-License-Identifier: GPL-2.0

//! SEEK, ALLOCATE, DEALLOCATE: where a file has data and room, by the right of an open.

use core::ops::Range;

use kernel::{
    cred::Credential,
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::{
    attrs::{
        request,
        Attrs, //
    },
    compound::Ops,
    op::Op,
    ops::{
        attr::Getattr,
        fh::Putfh,
        space::{
            Allocate,
            Deallocate,
            Part,
            Seek,
            SeekRes, //
        },
    },
    recovery::table::OpClass,
    types::{
        Fh,
        Stateid, //
    },
};

use super::{
    lock_state::LockState,
    open_state::OpenState, //
};
use crate::client::{
    call::{
        async_ops::io_stateid,
        errno::StatusExt,
        exchange::Body, //
    },
    server::Server,
};

/// Operations with a stateid.
trait ByRight: Ops {
    fn set_stateid(&mut self, stateid: Stateid);
}

type SeekOps<'a> = (Putfh<&'a Fh>, Seek);

impl ByRight for SeekOps<'_> {
    fn set_stateid(&mut self, stateid: Stateid) {
        self.1.stateid = stateid;
    }
}

/// What the file was before, which is not our doing, and what it is then.
type SpaceOps<'a> = (
    Putfh<&'a Fh>,
    Getattr,
    Option<Deallocate>,
    Option<Allocate>,
    Getattr,
);

impl ByRight for SpaceOps<'_> {
    fn set_stateid(&mut self, stateid: Stateid) {
        if let Some(Deallocate(part)) = &mut self.2 {
            part.stateid = stateid;
        }
        if let Some(Allocate(part)) = &mut self.3 {
            part.stateid = stateid;
        }
    }
}

/// By which right a file's data is spoken of.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    /// The open.
    pub(crate) state: &'a Arc<OpenState>,
    /// The caller's locks.
    pub(crate) lock: Option<&'a Arc<LockState>>,
}

/// One of them in flight.
struct SpaceBody<'a, O: Ops> {
    right: Right<'a>,
    /// The stateid that was sent, and whether it is the lock's.
    sent: (Stateid, bool),
    res: Result<O::Res>,
}

impl<'a, O: Ops> SpaceBody<'a, O> {
    fn new(right: Right<'a>) -> Self {
        Self {
            right,
            sent: (Stateid::ANONYMOUS, false),
            res: Err(EIO),
        }
    }
}

impl<O: ByRight> Body for SpaceBody<'_, O> {
    type Ops = O;

    fn class(&self) -> OpClass {
        OpClass::Io
    }

    fn state(&self) -> Option<(&Arc<OpenState>, Stateid)> {
        Some((self.right.state, self.sent.0))
    }

    fn lock(&self) -> Option<&Arc<LockState>> {
        self.right.lock.filter(|_| self.sent.1)
    }

    fn refresh(&mut self, ops: &mut O) -> Result {
        self.sent = io_stateid(self.right.state, self.right.lock)?;
        ops.set_stateid(self.sent.0);
        Ok(())
    }

    fn finish(&mut self, res: Result<O::Res>) {
        self.res = res;
    }
}

impl Server {
    /// Asks where, from `offset` on, a hole begins, or data, as far as the server knows. `EOPNOTSUPP` where it cannot tell; it is not
    /// asked again then. May sleep; killable. (`nfs42_proc_llseek()`)
    pub(crate) fn seek(
        &self,
        cred: &Credential,
        fh: &Fh,
        right: Right<'_>,
        offset: u64,
        hole: bool,
    ) -> Result<SeekRes> {
        self.has(Seek::NUM)?;
        let seek = Seek {
            stateid: Stateid::ANONYMOUS,
            offset,
            hole,
        };
        let mut body = SpaceBody::<SeekOps<'_>>::new(right);
        self.client()
            .call_body(self.how(cred), (Putfh(fh), seek), &mut body);
        let (putfh, seek) = body.res?;
        self.known(Seek::NUM, putfh.and(seek).errno())
    }

    /// Makes a hole of a part of the file, and then room for it. Returns the attributes before that and behind that, if the server
    /// told them. `EOPNOTSUPP` as above. May sleep; killable. (`nfs42_proc_deallocate()`, `nfs42_proc_allocate()`)
    pub(crate) fn reserve(
        &self,
        cred: &Credential,
        fh: &Fh,
        right: Right<'_>,
        part: Range<u64>,
        (hole, room): (bool, bool),
    ) -> Result<(Attrs, Option<Attrs>)> {
        let part = Part {
            stateid: Stateid::ANONYMOUS,
            offset: part.start,
            len: part.end - part.start,
        };
        if hole {
            self.has(Deallocate::NUM)?;
        }
        if room {
            self.has(Allocate::NUM)?;
        }
        let ops = (
            Putfh(fh),
            Getattr(request::CHANGED),
            hole.then_some(Deallocate(part)),
            room.then_some(Allocate(part)),
            Getattr(request::INODE),
        );
        let mut body = SpaceBody::<SpaceOps<'_>>::new(right);
        self.client().call_body(self.how(cred), ops, &mut body);
        let (putfh, before, hole, room, behind) = body.res?;
        let before = putfh.and(before).errno()?;
        self.known(Deallocate::NUM, hole.transpose().errno())?;
        self.known(Allocate::NUM, room.transpose().errno())?;
        Ok((before, behind.ok()))
    }

    /// `EOPNOTSUPP` for an operation that the server does not have.
    fn has(&self, op: u32) -> Result {
        if self.lacks(op) {
            return Err(EOPNOTSUPP);
        }
        Ok(())
    }

    /// Takes note if it does not.
    fn known<R>(&self, op: u32, res: Result<R>) -> Result<R> {
        if matches!(res, Err(e) if e == EOPNOTSUPP) {
            self.set_lacks(op);
        }
        res
    }
}
