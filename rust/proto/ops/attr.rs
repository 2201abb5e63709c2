// SPDX-License-Identifier: GPL-2.0

//! Operations on attributes, and ACCESS.

use crate::{
    attrs::{
        Attrs,
        FsAttrs,
        FATTR_MAX, //
    },
    op::Op,
    setattrs::SetAttrs,
    status::Status,
    types::{
        Bitmap,
        Stateid, //
    },
    xdr::{
        opaque_max,
        Decode,
        Encode,
        Sink,
        Source,
        XdrError,
        XdrResult, //
    },
};

/// GETATTR (RFC 18.7) of one object: these attributes, as far as the server has them.
#[derive(Clone, Copy, Debug)]
pub struct Getattr(pub Bitmap);

impl Op for Getattr {
    const NUM: u32 = 9;
    type Res = Attrs;

    fn args_max(&self) -> usize {
        Bitmap::XDR_MAX
    }

    fn res_max(&self) -> usize {
        FATTR_MAX
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.0.encode(s)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Attrs> {
        Attrs::decode(s, self.0)
    }
}

/// GETATTR of the object's file system.
#[derive(Clone, Copy, Debug)]
pub struct GetFsattr(pub Bitmap);

impl Op for GetFsattr {
    const NUM: u32 = 9;
    type Res = FsAttrs;

    fn args_max(&self) -> usize {
        Bitmap::XDR_MAX
    }

    fn res_max(&self) -> usize {
        FATTR_MAX
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.0.encode(s)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<FsAttrs> {
        FsAttrs::decode(s, self.0)
    }
}

/// SETATTR (RFC 18.30). The result is the set of attributes that were really set.
#[derive(Clone, Copy, Debug)]
pub struct Setattr {
    /// The open that allows a change of size; [`Stateid::ANONYMOUS`] without one.
    pub stateid: Stateid,
    /// What is to be set.
    pub attrs: SetAttrs,
}

impl Setattr {
    fn set<S: Source>(&self, s: &mut S) -> XdrResult<Bitmap> {
        let set = Bitmap::decode_exact(s)?;
        if !set.without(self.attrs.mask()).is_empty() {
            return Err(XdrError::Invalid);
        }
        Ok(set)
    }
}

impl Op for Setattr {
    const NUM: u32 = 34;
    type Res = Bitmap;

    fn args_max(&self) -> usize {
        Stateid::XDR + SetAttrs::XDR_MAX
    }

    fn res_max(&self) -> usize {
        Bitmap::XDR_MAX
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.stateid.encode(s)?;
        self.attrs.encode(s)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Bitmap> {
        self.set(s)
    }

    fn decode_err<S: Source>(&mut self, _status: Status, s: &mut S) -> XdrResult {
        self.set(s).map(|_| ())
    }
}

/// SETATTR by servers that know owners by name alone: the same with these for the owner and the group that are to be set.
#[derive(Clone, Copy, Debug)]
pub struct SetattrByName<'a> {
    /// All that is to be said otherwise.
    pub setattr: Setattr,
    /// For `uid`.
    pub owner: &'a [u8],
    /// For `gid`.
    pub group: &'a [u8],
}

impl Op for SetattrByName<'_> {
    const NUM: u32 = Setattr::NUM;
    type Res = Bitmap;

    fn args_max(&self) -> usize {
        self.setattr.args_max() + opaque_max(self.owner.len()) + opaque_max(self.group.len())
    }

    fn res_max(&self) -> usize {
        self.setattr.res_max()
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        self.setattr.stateid.encode(s)?;
        let attrs = &self.setattr.attrs;
        attrs.encode_by_name(self.owner, self.group, s)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<Bitmap> {
        self.setattr.set(s)
    }

    fn decode_err<S: Source>(&mut self, status: Status, s: &mut S) -> XdrResult {
        self.setattr.decode_err(status, s)
    }
}

/// What ACCESS says, in bits of [`crate::types::access`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AccessRes {
    /// The bits that the server can tell about.
    pub supported: u32,
    /// Those of them that are granted.
    pub access: u32,
}

/// ACCESS (RFC 18.1): which of these rights the caller has.
#[derive(Clone, Copy, Debug)]
pub struct Access(pub u32);

impl Op for Access {
    const NUM: u32 = 3;
    type Res = AccessRes;

    fn args_max(&self) -> usize {
        4
    }

    fn res_max(&self) -> usize {
        8
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u32(self.0)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<AccessRes> {
        let res = AccessRes {
            supported: s.get_u32()?,
            access: s.get_u32()?,
        };
        // What was not asked was not answered, and what is not known is not granted.
        if res.supported & !self.0 != 0 || res.access & !res.supported != 0 {
            return Err(XdrError::Invalid);
        }
        Ok(res)
    }
}
