// SPDX-License-Identifier: GPL-2.0

//! READ, WRITE, COMMIT. The data itself stays outside: see [`Source::pages`] and [`Sink::pages`].

use crate::{
    op::Op,
    types::{
        StableHow,
        Stateid,
        Verifier, //
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

/// READ (RFC 18.22).
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The open or lock by whose right.
    pub stateid: Stateid,
    /// From where, in bytes.
    pub offset: u64,
    /// How many bytes.
    pub count: u32,
}

/// What READ gives, beside the data in the pages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReadRes {
    /// The end of the file was reached.
    pub eof: bool,
    /// How many bytes there are, at most as many as were asked for.
    pub count: u32,
}

impl Op for Read {
    const NUM: u32 = 25;
    type Res = ReadRes;
    // Behind end-of-file flag and length.
    const DATA_AT: Option<usize> = Some(8);

    fn args_max(&self) -> usize {
        Stateid::XDR + 12
    }

    fn res_max(&self) -> usize {
        // Behind the pages comes what fills the last word of the data.
        8 + 4
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.stateid.encode(s)?;
        s.put_u64(self.offset)?;
        s.put_u32(self.count)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<ReadRes> {
        let (eof, count) = (s.get_bool()?, s.get_u32()?);
        if count > self.count {
            return Err(XdrError::Invalid);
        }
        if s.pages(count)? != count {
            return Err(XdrError::Short);
        }
        Ok(ReadRes { eof, count })
    }
}

/// WRITE (RFC 18.32).
#[derive(Clone, Copy, Debug)]
pub struct Write {
    /// The open or lock by whose right.
    pub stateid: Stateid,
    /// Where to, in bytes.
    pub offset: u64,
    /// What must be on stable storage before the answer.
    pub stable: StableHow,
    /// How many bytes are in the pages.
    pub len: u32,
}

/// What WRITE gives.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct WriteRes {
    /// How many bytes were written.
    pub count: u32,
    /// What is on stable storage: at least what was asked for.
    pub committed: StableHow,
    /// Changes when the server may have lost what was not committed.
    pub verifier: Verifier,
}

impl Op for Write {
    const NUM: u32 = 38;
    type Res = WriteRes;

    fn args_max(&self) -> usize {
        Stateid::XDR + 16
    }

    fn res_max(&self) -> usize {
        8 + Verifier::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.stateid.encode(s)?;
        s.put_u64(self.offset)?;
        s.put_u32(self.stable as u32)?;
        s.put_u32(self.len)?;
        s.pages(self.len)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<WriteRes> {
        let res = WriteRes {
            count: s.get_u32()?,
            committed: StableHow::decode(s)?,
            verifier: Verifier::decode(s)?,
        };
        // A server that promises less than it was asked for must not be believed to have stored it.
        if res.count > self.len || res.committed < self.stable {
            return Err(XdrError::Invalid);
        }
        Ok(res)
    }
}

/// COMMIT (RFC 18.3): brings what was written to stable storage.
#[derive(Clone, Copy, Debug)]
pub struct Commit {
    /// From where, in bytes.
    pub offset: u64,
    /// How many bytes; 0 for all to the end of the file.
    pub count: u32,
}

impl Op for Commit {
    const NUM: u32 = 5;
    type Res = Verifier;

    fn args_max(&self) -> usize {
        12
    }

    fn res_max(&self) -> usize {
        Verifier::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u64(self.offset)?;
        s.put_u32(self.count)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Verifier> {
        Verifier::decode(s)
    }
}
