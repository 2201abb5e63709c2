// SPDX-License-Identifier: GPL-2.0

//! Where a file has data, and where it has room: SEEK, ALLOCATE, DEALLOCATE (RFC 7862 section 15).

use crate::{
    op::Op,
    types::Stateid,
    xdr::{Decode, Encode, Sink, Source, XdrResult},
};

/// SEEK (RFC 7862 15.11): where data begin, or a hole.
#[derive(Clone, Copy, Debug)]
pub struct Seek {
    /// By which right the file is read.
    pub stateid: Stateid,
    /// From where on, in bytes.
    pub offset: u64,
    /// A hole is looked for, not data.
    pub hole: bool,
}

/// The result of SEEK.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SeekRes {
    /// There is none; or it is the hole behind the end of the file.
    pub eof: bool,
    /// Where it begins.
    pub offset: u64,
}

impl Op for Seek {
    const NUM: u32 = 69;
    type Res = SeekRes;

    fn args_max(&self) -> usize {
        Stateid::XDR + 12
    }

    fn res_max(&self) -> usize {
        12
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.stateid.encode(s)?;
        s.put_u64(self.offset)?;
        s.put_u32(self.hole.into())
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<SeekRes> {
        Ok(SeekRes {
            eof: s.get_bool()?,
            offset: s.get_u64()?,
        })
    }
}

/// A part of a file, and the right to change it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// By which right.
    pub stateid: Stateid,
    /// From where, in bytes.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

impl Part {
    const XDR: usize = Stateid::XDR + 16;

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.stateid.encode(s)?;
        s.put_u64(self.offset)?;
        s.put_u64(self.len)
    }
}

/// ALLOCATE (RFC 7862 15.1): makes sure that there is room for all of it; the file reaches to its end at least.
#[derive(Clone, Copy, Debug)]
pub struct Allocate(pub Part);

/// DEALLOCATE (RFC 7862 15.4): makes a hole of it; the file keeps its size.
#[derive(Clone, Copy, Debug)]
pub struct Deallocate(pub Part);

macro_rules! on_part {
    ($($name:ident = $num:literal,)*) => {$(
        impl Op for $name {
            const NUM: u32 = $num;
            type Res = ();

            fn args_max(&self) -> usize {
                Part::XDR
            }

            fn res_max(&self) -> usize {
                0
            }

            fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
                self.0.encode(s)
            }

            fn decode<S: Source>(&mut self, _: &mut S) -> XdrResult {
                Ok(())
            }
        }
    )*};
}

on_part! {
    Allocate = 59,
    Deallocate = 62,
}
