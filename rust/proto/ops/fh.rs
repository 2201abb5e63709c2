// SPDX-License-Identifier: GPL-2.0

//! Operations on the current and the saved file handle.

use crate::{
    op::Op,
    types::{
        Fh,
        NAME_MAX, //
    },
    xdr::{
        opaque_max,
        Encode,
        Sink,
        Source,
        XdrResult, //
    },
};
use core::borrow::Borrow;

/// PUTFH (RFC 18.19): the current file handle becomes this one, owned or borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Putfh<F>(pub F);

impl<F: Borrow<Fh>> Op for Putfh<F> {
    const NUM: u32 = 22;
    type Res = ();

    fn args_max(&self) -> usize {
        opaque_max(self.0.borrow().as_slice().len())
    }

    fn res_max(&self) -> usize {
        0
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.0.borrow().encode(s)
    }

    fn decode<S: Source>(&mut self, _s: &mut S) -> XdrResult {
        Ok(())
    }
}

macro_rules! plain {
    ($(#[doc = $doc:literal] $name:ident = $num:literal;)*) => {
        $(
            #[doc = $doc]
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl Op for $name {
                const NUM: u32 = $num;
                type Res = ();

                fn args_max(&self) -> usize {
                    0
                }

                fn res_max(&self) -> usize {
                    0
                }

                fn encode<S: Sink>(&self, _s: &mut S) -> XdrResult {
                    Ok(())
                }

                fn decode<S: Source>(&mut self, _s: &mut S) -> XdrResult {
                    Ok(())
                }
            }
        )*
    };
}

plain! {
    /// PUTROOTFH (RFC 18.21): the current file handle becomes the root of the server's name space.
    Putrootfh = 24;
    /// SAVEFH (RFC 18.28): the saved file handle becomes the current one.
    Savefh = 32;
    /// RESTOREFH (RFC 18.27): the current file handle becomes the saved one.
    Restorefh = 31;
    /// LOOKUPP (RFC 18.14): the current file handle becomes its parent's.
    Lookupp = 16;
}

/// GETFH (RFC 18.8): tells the current file handle.
#[derive(Clone, Copy, Debug)]
pub struct Getfh;

impl Op for Getfh {
    const NUM: u32 = 10;
    type Res = Fh;

    fn args_max(&self) -> usize {
        0
    }

    fn res_max(&self) -> usize {
        Fh::XDR_MAX
    }

    fn encode<S: Sink>(&self, _s: &mut S) -> XdrResult {
        Ok(())
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Fh> {
        Fh::decode(s)
    }
}

/// LOOKUP (RFC 18.13): the current file handle becomes that of this name in the current directory.
#[derive(Clone, Copy, Debug)]
pub struct Lookup<'a>(pub &'a [u8]);

impl Op for Lookup<'_> {
    const NUM: u32 = 15;
    type Res = ();

    fn args_max(&self) -> usize {
        opaque_max(NAME_MAX)
    }

    fn res_max(&self) -> usize {
        0
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_opaque(self.0, NAME_MAX)
    }

    fn decode<S: Source>(&mut self, _s: &mut S) -> XdrResult {
        Ok(())
    }
}
