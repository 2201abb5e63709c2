// SPDX-License-Identifier: GPL-2.0

//! Operations on names: CREATE, REMOVE, RENAME, LINK; and READLINK.

use crate::{
    op::Op,
    setattrs::SetAttrs,
    types::{
        Bitmap,
        ChangeInfo,
        NfsType,
        LINK_MAX,
        NAME_MAX, //
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

/// What CREATE makes, `createtype4`.
#[derive(Clone, Copy, Debug)]
pub enum CreateType<'a> {
    /// A directory.
    Dir,
    /// A symbolic link with this text.
    Link(&'a [u8]),
    /// A block device with this major and minor number.
    Blk(u32, u32),
    /// A character device with this major and minor number.
    Chr(u32, u32),
    /// A socket.
    Sock,
    /// A named pipe.
    Fifo,
}

impl CreateType<'_> {
    /// The type alone.
    pub fn nfs_type(&self) -> NfsType {
        match self {
            Self::Dir => NfsType::Dir,
            Self::Link(_) => NfsType::Lnk,
            Self::Blk(..) => NfsType::Blk,
            Self::Chr(..) => NfsType::Chr,
            Self::Sock => NfsType::Sock,
            Self::Fifo => NfsType::Fifo,
        }
    }
}

/// CREATE (RFC 18.4): makes anything but a regular file in the current directory. The current file
/// handle becomes the new object's.
#[derive(Clone, Copy, Debug)]
pub struct Create<'a> {
    /// What to make.
    pub kind: CreateType<'a>,
    /// Its name.
    pub name: &'a [u8],
    /// Its attributes.
    pub attrs: SetAttrs,
}

/// What CREATE gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CreateRes {
    /// The directory's change attribute.
    pub change: ChangeInfo,
    /// The attributes that were set.
    pub attrset: Bitmap,
}

impl Op for Create<'_> {
    const NUM: u32 = 6;
    type Res = CreateRes;

    fn args_max(&self) -> usize {
        let kind = match self.kind {
            CreateType::Link(text) => opaque_max(text.len()),
            _ => 8,
        };
        4 + kind + opaque_max(NAME_MAX) + SetAttrs::XDR_MAX
    }

    fn res_max(&self) -> usize {
        ChangeInfo::XDR + Bitmap::XDR_MAX
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u32(self.kind.nfs_type() as u32)?;
        match self.kind {
            CreateType::Link(text) => s.put_opaque(text, LINK_MAX)?,
            CreateType::Blk(major, minor) | CreateType::Chr(major, minor) => {
                s.put_u32(major)?;
                s.put_u32(minor)?;
            }
            CreateType::Dir | CreateType::Sock | CreateType::Fifo => {}
        }
        s.put_opaque(self.name, NAME_MAX)?;
        self.attrs.encode(s)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<CreateRes> {
        Ok(CreateRes {
            change: ChangeInfo::decode(s)?,
            attrset: Bitmap::decode(s)?,
        })
    }
}

/// REMOVE (RFC 18.25): removes this name from the current directory.
#[derive(Clone, Copy, Debug)]
pub struct Remove<'a>(pub &'a [u8]);

impl Op for Remove<'_> {
    const NUM: u32 = 28;
    type Res = ChangeInfo;

    fn args_max(&self) -> usize {
        opaque_max(NAME_MAX)
    }

    fn res_max(&self) -> usize {
        ChangeInfo::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_opaque(self.0, NAME_MAX)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<ChangeInfo> {
        ChangeInfo::decode(s)
    }
}

/// LINK (RFC 18.9): gives the object of the saved file handle this name in the current directory.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a>(pub &'a [u8]);

impl Op for Link<'_> {
    const NUM: u32 = 11;
    type Res = ChangeInfo;

    fn args_max(&self) -> usize {
        opaque_max(NAME_MAX)
    }

    fn res_max(&self) -> usize {
        ChangeInfo::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_opaque(self.0, NAME_MAX)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<ChangeInfo> {
        ChangeInfo::decode(s)
    }
}

/// RENAME (RFC 18.26): from a name in the saved directory to one in the current directory.
#[derive(Clone, Copy, Debug)]
pub struct Rename<'a> {
    /// The name now.
    pub old: &'a [u8],
    /// The name then.
    pub new: &'a [u8],
}

/// What RENAME gives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RenameRes {
    /// The saved directory's change attribute.
    pub source: ChangeInfo,
    /// The current directory's change attribute.
    pub target: ChangeInfo,
}

impl Op for Rename<'_> {
    const NUM: u32 = 29;
    type Res = RenameRes;

    fn args_max(&self) -> usize {
        2 * opaque_max(NAME_MAX)
    }

    fn res_max(&self) -> usize {
        2 * ChangeInfo::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_opaque(self.old, NAME_MAX)?;
        s.put_opaque(self.new, NAME_MAX)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<RenameRes> {
        Ok(RenameRes {
            source: ChangeInfo::decode(s)?,
            target: ChangeInfo::decode(s)?,
        })
    }
}

/// READLINK (RFC 18.24). The text goes to the pages; the result is its length in bytes, from 1 to
/// [`LINK_MAX`]. To be the last operation but for those with no bulk data.
#[derive(Clone, Copy, Debug)]
pub struct Readlink;

impl Op for Readlink {
    const NUM: u32 = 27;
    type Res = u32;
    // Behind the length.
    const DATA_AT: Option<usize> = Some(4);

    fn args_max(&self) -> usize {
        0
    }

    fn res_max(&self) -> usize {
        4
    }

    fn encode<S: Sink>(&self, _s: &mut S) -> XdrResult {
        Ok(())
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<u32> {
        let len = s.get_count(LINK_MAX)? as u32;
        if len == 0 {
            return Err(XdrError::Invalid);
        }
        if s.pages(len)? != len {
            return Err(XdrError::Short);
        }
        Ok(len)
    }
}
