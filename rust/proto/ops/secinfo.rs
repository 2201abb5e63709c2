// SPDX-License-Identifier: GPL-2.0

//! SECINFO_NO_NAME: which security flavours the server accepts.

use crate::{
    op::Op,
    types::OPAQUE_MAX,
    xdr::{
        Decode,
        Encode,
        Sink,
        Source,
        XdrResult, //
    },
};

/// The RPC flavour behind which Kerberos and its like stand.
const RPCSEC_GSS: u32 = 6;
/// The most flavours that a reply may list.
const LISTED_MAX: usize = 64;

/// Flavours by their RPC numbers, in the server's order of preference.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Flavors {
    len: usize,
    list: [u32; Self::MAX],
}

impl Flavors {
    /// The most flavours that are kept.
    const MAX: usize = 8;

    /// The flavours.
    pub fn as_slice(&self) -> &[u32] {
        self.list.get(..self.len).unwrap_or(&[])
    }
}

/// SECINFO_NO_NAME (RFC 18.45). Uses up the current file handle.
#[derive(Clone, Copy, Debug)]
pub struct SecinfoNoName {
    /// For the parent of the current file handle instead of itself.
    pub parent: bool,
}

impl Op for SecinfoNoName {
    const NUM: u32 = 52;
    type Res = Flavors;

    fn args_max(&self) -> usize {
        4
    }

    fn res_max(&self) -> usize {
        // Each with a GSS mechanism; object identifiers are short.
        4 + 16 * (4 + 4 + 64 + 4 + 4)
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_bool(self.parent)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Flavors> {
        let mut flavors = Flavors::default();
        for _ in 0..s.get_count(LISTED_MAX)? {
            let flavor = s.get_u32()?;
            if flavor == RPCSEC_GSS {
                // Mechanism, quality of protection, service.
                s.skip_opaque(OPAQUE_MAX)?;
                s.get_u32()?;
                s.get_u32()?;
            }
            if let Some(place) = flavors.list.get_mut(flavors.len) {
                *place = flavor;
                flavors.len += 1;
            }
        }
        Ok(flavors)
    }
}
