// SPDX-License-Identifier: GPL-2.0

//! What happens to an open after OPEN, and operations on stateids of any kind.

use crate::{
    op::Op,
    status::Status,
    types::{
        ShareAccess,
        Stateid, //
    },
    xdr::{
        Decode,
        Encode,
        Sink,
        Source,
        XdrError,
        XdrResult, //
    },
};
use core::ops::DerefMut;

/// CLOSE (RFC 18.2). Needs the file as current file handle.
///
/// The stateid in the result names nothing any more and is not kept.
#[derive(Clone, Copy, Debug)]
pub struct Close(pub Stateid);

impl Op for Close {
    const NUM: u32 = 4;
    type Res = ();

    fn args_max(&self) -> usize {
        4 + Stateid::XDR
    }

    fn res_max(&self) -> usize {
        Stateid::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u32(0)?;
        self.0.encode(s)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult {
        Stateid::decode(s).map(|_| ())
    }
}

/// OPEN_DOWNGRADE (RFC 18.18): the open keeps only this access. Needs the file as current file handle.
#[derive(Clone, Copy, Debug)]
pub struct OpenDowngrade {
    /// The open.
    pub stateid: Stateid,
    /// The access kept: a sum of those that were opened.
    pub access: ShareAccess,
    /// What is still denied to others.
    pub deny: u32,
}

impl Op for OpenDowngrade {
    const NUM: u32 = 21;
    type Res = Stateid;

    fn args_max(&self) -> usize {
        Stateid::XDR + 12
    }

    fn res_max(&self) -> usize {
        Stateid::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.stateid.encode(s)?;
        s.put_u32(0)?;
        s.put_u32(self.access.0)?;
        s.put_u32(self.deny)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Stateid> {
        Stateid::decode(s)
    }
}

/// A stateid, and what the server thinks of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TestedStateid {
    /// The stateid in question.
    pub stateid: Stateid,
    /// The answer, once there is one.
    pub status: Status,
}

/// TEST_STATEID (RFC 18.48): what the server thinks of each of these, owned or borrowed.
#[derive(Clone, Copy, Debug)]
pub struct TestStateid<V>(pub V);

impl<V: DerefMut<Target = [TestedStateid]>> Op for TestStateid<V> {
    const NUM: u32 = 55;
    type Res = ();

    fn args_max(&self) -> usize {
        4 + self.0.len() * Stateid::XDR
    }

    fn res_max(&self) -> usize {
        4 + self.0.len() * 4
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u32(u32::try_from(self.0.len()).map_err(|_| XdrError::NoSpace)?)?;
        self.0.iter().try_for_each(|test| test.stateid.encode(s))
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult {
        if s.get_u32()? as usize != self.0.len() {
            return Err(XdrError::Invalid);
        }
        for test in self.0.iter_mut() {
            test.status = Status(s.get_u32()?);
        }
        Ok(())
    }
}

/// FREE_STATEID (RFC 18.38): the client knows that this state is gone, or needs this lock no more.
#[derive(Clone, Copy, Debug)]
pub struct FreeStateid(pub Stateid);

impl Op for FreeStateid {
    const NUM: u32 = 45;
    type Res = ();

    fn args_max(&self) -> usize {
        Stateid::XDR
    }

    fn res_max(&self) -> usize {
        0
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.0.encode(s)
    }

    fn decode<S: Source>(&mut self, _s: &mut S) -> XdrResult {
        Ok(())
    }
}

/// DELEGRETURN (RFC 18.6). Needs the file as current file handle.
#[derive(Clone, Copy, Debug)]
pub struct Delegreturn(pub Stateid);

impl Op for Delegreturn {
    const NUM: u32 = 8;
    type Res = ();

    fn args_max(&self) -> usize {
        Stateid::XDR
    }

    fn res_max(&self) -> usize {
        0
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.0.encode(s)
    }

    fn decode<S: Source>(&mut self, _s: &mut S) -> XdrResult {
        Ok(())
    }
}
