// SPDX-License-Identifier: GPL-2.0

//! File attributes (RFC section 5): what to ask for, and how it is read.
//!
//! [`Attrs`] are those of one object, [`FsAttrs`] those of its file system. Both remember in a mask
//! what the server has really sent; a reply with an attribute that was not asked for, or whose
//! values do not fill the announced length exactly, is refused.

use crate::{
    names::{
        Kind,
        Owner, //
    },
    types::{
        Bitmap,
        Fh,
        Fsid,
        NfsTime,
        NfsType,
        OPAQUE_MAX, //
    },
    xdr::{
        opaque_max,
        Decode,
        Limited,
        Source,
        XdrError,
        XdrResult, //
    },
};

/// Attribute numbers.
#[expect(missing_docs, reason = "each is named as in the RFCs")]
pub mod fattr4 {
    pub const SUPPORTED_ATTRS: u32 = 0;
    pub const TYPE: u32 = 1;
    pub const FH_EXPIRE_TYPE: u32 = 2;
    pub const CHANGE: u32 = 3;
    pub const SIZE: u32 = 4;
    pub const LINK_SUPPORT: u32 = 5;
    pub const SYMLINK_SUPPORT: u32 = 6;
    pub const FSID: u32 = 8;
    pub const UNIQUE_HANDLES: u32 = 9;
    pub const LEASE_TIME: u32 = 10;
    pub const RDATTR_ERROR: u32 = 11;
    pub const ACLSUPPORT: u32 = 13;
    pub const CANSETTIME: u32 = 15;
    pub const CASE_INSENSITIVE: u32 = 16;
    pub const CASE_PRESERVING: u32 = 17;
    pub const FILEHANDLE: u32 = 19;
    pub const FILEID: u32 = 20;
    pub const FILES_AVAIL: u32 = 21;
    pub const FILES_FREE: u32 = 22;
    pub const FILES_TOTAL: u32 = 23;
    pub const MAXFILESIZE: u32 = 27;
    pub const MAXLINK: u32 = 28;
    pub const MAXNAME: u32 = 29;
    pub const MAXREAD: u32 = 30;
    pub const MAXWRITE: u32 = 31;
    pub const MODE: u32 = 33;
    pub const NUMLINKS: u32 = 35;
    pub const OWNER: u32 = 36;
    pub const OWNER_GROUP: u32 = 37;
    pub const RAWDEV: u32 = 41;
    pub const SPACE_AVAIL: u32 = 42;
    pub const SPACE_FREE: u32 = 43;
    pub const SPACE_TOTAL: u32 = 44;
    pub const SPACE_USED: u32 = 45;
    pub const TIME_ACCESS: u32 = 47;
    pub const TIME_ACCESS_SET: u32 = 48;
    pub const TIME_CREATE: u32 = 50;
    pub const TIME_DELTA: u32 = 51;
    pub const TIME_METADATA: u32 = 52;
    pub const TIME_MODIFY: u32 = 53;
    pub const TIME_MODIFY_SET: u32 = 54;
    pub const MOUNTED_ON_FILEID: u32 = 55;
    pub const SUPPATTR_EXCLCREAT: u32 = 75;
    pub const CLONE_BLKSIZE: u32 = 77;
    pub const CHANGE_ATTR_TYPE: u32 = 79;
    pub const MODE_UMASK: u32 = 81;
    pub const XATTR_SUPPORT: u32 = 82;
}

/// A `change_attr_type` (RFC 7862, 12.2.3): nothing is known of how the change attribute changes.
pub const CHANGE_TYPE_IS_UNDEFINED: u32 = 4;

/// Sets of attributes to ask for.
pub mod request {
    use super::fattr4::*;
    use crate::types::Bitmap;

    /// All that an inode is made of.
    pub const INODE: Bitmap = Bitmap::of(&[
        TYPE,
        CHANGE,
        SIZE,
        FSID,
        FILEID,
        MODE,
        NUMLINKS,
        OWNER,
        OWNER_GROUP,
        RAWDEV,
        SPACE_USED,
        TIME_ACCESS,
        TIME_CREATE,
        TIME_METADATA,
        TIME_MODIFY,
        MOUNTED_ON_FILEID,
    ]);

    /// What others' changes to an object show in; for the directory around a change of ours and for a
    /// file that was written.
    pub const CHANGED: Bitmap = Bitmap::of(&[
        CHANGE,
        SIZE,
        NUMLINKS,
        SPACE_USED,
        TIME_METADATA,
        TIME_MODIFY,
    ]);

    /// The same with the time of access, which is not one of these changes: whether what is known of an object is still so.
    pub const REVALIDATED: Bitmap = CHANGED.or(Bitmap::of(&[TIME_ACCESS]));

    /// Which object this is: enough for a reclaimed open.
    pub const IDENTITY: Bitmap = Bitmap::of(&[TYPE, FILEID]);

    /// What readdir(3) shows of an entry. An entry that cannot be read must not spoil the others:
    /// that is what `rdattr_error` is for.
    pub const DIRENT: Bitmap = Bitmap::of(&[TYPE, RDATTR_ERROR, FILEID, MOUNTED_ON_FILEID]);

    /// The same with all that an inode is made of, and what it is found by: an entry that a program is going to ask after.
    pub const DIRENT_PLUS: Bitmap = INODE.or(Bitmap::of(&[RDATTR_ERROR, FILEHANDLE]));

    /// What the server can do, with limits and lease: asked once for each file system.
    pub const FSINFO: Bitmap = Bitmap::of(&[
        SUPPORTED_ATTRS,
        FH_EXPIRE_TYPE,
        LINK_SUPPORT,
        SYMLINK_SUPPORT,
        UNIQUE_HANDLES,
        LEASE_TIME,
        ACLSUPPORT,
        CANSETTIME,
        CASE_INSENSITIVE,
        CASE_PRESERVING,
        MAXFILESIZE,
        MAXLINK,
        MAXNAME,
        MAXREAD,
        MAXWRITE,
        TIME_DELTA,
        SUPPATTR_EXCLCREAT,
        CLONE_BLKSIZE,
        CHANGE_ATTR_TYPE,
        XATTR_SUPPORT,
    ]);

    /// The lease period alone.
    pub const LEASE: Bitmap = Bitmap::of(&[LEASE_TIME]);

    /// What statfs(2) shows.
    pub const STATFS: Bitmap = Bitmap::of(&[
        FILES_AVAIL,
        FILES_FREE,
        FILES_TOTAL,
        MAXNAME,
        SPACE_AVAIL,
        SPACE_FREE,
        SPACE_TOTAL,
    ]);
}

/// The most bytes that the values of a reply may have together. What the sets above can bring is
/// well below; two owner strings of the protocol's limit make the most of it.
const VALUES_MAX: usize = 2 * opaque_max(OPAQUE_MAX) + 512;

/// The most bytes of a `fattr4` on the wire.
pub const FATTR_MAX: usize = Bitmap::XDR_MAX + 4 + VALUES_MAX;

fn owner<S: Source>(s: &mut S, kind: Kind) -> XdrResult<Owner> {
    let len = s.get_count(OPAQUE_MAX)?;
    s.owner(len, kind)
}

/// Reads a `fattr4`: `value` is called for each attribute in the order of the numbers.
fn decode_fattr<S: Source>(
    s: &mut S,
    asked: Bitmap,
    mut value: impl FnMut(u32, &mut Limited<'_, S>) -> XdrResult,
) -> XdrResult<Bitmap> {
    let mask = Bitmap::decode_exact(s)?;
    if !mask.without(asked).is_empty() {
        return Err(XdrError::Invalid);
    }
    let len = s.get_count(VALUES_MAX)?;
    let mut values = Limited::new(s, len)?;
    for (base, word) in (0u32..).step_by(32).zip(mask.0) {
        let mut word = word;
        while word != 0 {
            value(base + word.trailing_zeros(), &mut values)?;
            word &= word - 1;
        }
    }
    values.finish()?;
    Ok(mask)
}

/// The attributes of one object. A field means something only where [`Attrs::mask`] has its bit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "each field is the attribute of its name")]
pub struct Attrs {
    /// Which fields are set.
    pub mask: Bitmap,
    pub typ: NfsType,
    pub change: u64,
    pub size: u64,
    pub fsid: Fsid,
    pub fileid: u64,
    pub mounted_on_fileid: u64,
    /// The twelve permission bits; the type is in `typ`.
    pub mode: u32,
    pub nlink: u32,
    pub owner: Owner,
    pub group: Owner,
    /// Major and minor number.
    pub rdev: (u32, u32),
    /// Bytes.
    pub space_used: u64,
    pub atime: NfsTime,
    pub btime: NfsTime,
    pub ctime: NfsTime,
    pub mtime: NfsTime,
    /// Why an entry of a directory has no other attributes.
    pub rdattr_error: u32,
}

impl Attrs {
    /// The server has sent the attribute of this number, one of [`fattr4`].
    #[inline]
    pub fn has(&self, attr: u32) -> bool {
        self.mask.has(attr)
    }

    /// Reads a `fattr4` that answers to a request for `asked`.
    pub fn decode<S: Source>(s: &mut S, asked: Bitmap) -> XdrResult<Self> {
        let mut a = Self::default();
        a.mask = decode_fattr(s, asked, |attr, s| a.value(attr, s))?;
        Ok(a)
    }

    /// The same, where the file handle may be among them: [`Attrs::mask`] tells whether it was.
    pub fn decode_with_fh<S: Source>(s: &mut S, asked: Bitmap, fh: &mut Fh) -> XdrResult<Self> {
        let mut a = Self::default();
        a.mask = decode_fattr(s, asked, |attr, s| match attr {
            fattr4::FILEHANDLE => {
                *fh = Fh::decode(s)?;
                Ok(())
            }
            _ => a.value(attr, s),
        })?;
        Ok(a)
    }

    fn value<S: Source>(&mut self, attr: u32, s: &mut S) -> XdrResult {
        match attr {
            fattr4::TYPE => self.typ = NfsType::from_u32(s.get_u32()?)?,
            fattr4::CHANGE => self.change = s.get_u64()?,
            fattr4::SIZE => self.size = s.get_u64()?,
            fattr4::FSID => {
                self.fsid = Fsid {
                    major: s.get_u64()?,
                    minor: s.get_u64()?,
                }
            }
            fattr4::RDATTR_ERROR => self.rdattr_error = s.get_u32()?,
            fattr4::FILEID => self.fileid = s.get_u64()?,
            fattr4::MODE => self.mode = s.get_u32()? & 0o7777,
            fattr4::NUMLINKS => self.nlink = s.get_u32()?,
            fattr4::OWNER => self.owner = owner(s, Kind::User)?,
            fattr4::OWNER_GROUP => self.group = owner(s, Kind::Group)?,
            fattr4::RAWDEV => self.rdev = (s.get_u32()?, s.get_u32()?),
            fattr4::SPACE_USED => self.space_used = s.get_u64()?,
            fattr4::TIME_ACCESS => self.atime = NfsTime::decode(s)?,
            fattr4::TIME_CREATE => self.btime = NfsTime::decode(s)?,
            fattr4::TIME_METADATA => self.ctime = NfsTime::decode(s)?,
            fattr4::TIME_MODIFY => self.mtime = NfsTime::decode(s)?,
            fattr4::MOUNTED_ON_FILEID => self.mounted_on_fileid = s.get_u64()?,
            _ => return Err(XdrError::Invalid),
        }
        Ok(())
    }
}

/// The attributes of a file system and of its server. A field means something only where
/// [`FsAttrs::mask`] has its bit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[expect(missing_docs, reason = "each field is the attribute of its name")]
pub struct FsAttrs {
    /// Which fields are set.
    pub mask: Bitmap,
    pub supported: Bitmap,
    pub fh_expire_type: u32,
    pub link_support: bool,
    pub symlink_support: bool,
    pub unique_handles: bool,
    /// Seconds.
    pub lease_time: u32,
    pub aclsupport: u32,
    pub cansettime: bool,
    pub case_insensitive: bool,
    pub case_preserving: bool,
    pub files_avail: u64,
    pub files_free: u64,
    pub files_total: u64,
    pub maxfilesize: u64,
    pub maxlink: u32,
    pub maxname: u32,
    pub maxread: u64,
    pub maxwrite: u64,
    /// Bytes.
    pub space_avail: u64,
    pub space_free: u64,
    pub space_total: u64,
    /// The granularity of times.
    pub time_delta: NfsTime,
    pub suppattr_exclcreat: Bitmap,
    pub clone_blksize: u32,
    pub change_attr_type: u32,
    pub xattr_support: bool,
}

impl FsAttrs {
    /// The server has sent the attribute of this number, one of [`fattr4`].
    #[inline]
    pub fn has(&self, attr: u32) -> bool {
        self.mask.has(attr)
    }

    /// Reads a `fattr4` that answers to a request for `asked`.
    pub fn decode<S: Source>(s: &mut S, asked: Bitmap) -> XdrResult<Self> {
        let mut a = Self::default();
        a.mask = decode_fattr(s, asked, |attr, s| a.value(attr, s))?;
        Ok(a)
    }

    fn value<S: Source>(&mut self, attr: u32, s: &mut S) -> XdrResult {
        match attr {
            fattr4::SUPPORTED_ATTRS => self.supported = Bitmap::decode(s)?,
            fattr4::FH_EXPIRE_TYPE => self.fh_expire_type = s.get_u32()?,
            fattr4::LINK_SUPPORT => self.link_support = s.get_bool()?,
            fattr4::SYMLINK_SUPPORT => self.symlink_support = s.get_bool()?,
            fattr4::UNIQUE_HANDLES => self.unique_handles = s.get_bool()?,
            fattr4::LEASE_TIME => self.lease_time = s.get_u32()?,
            fattr4::ACLSUPPORT => self.aclsupport = s.get_u32()?,
            fattr4::CANSETTIME => self.cansettime = s.get_bool()?,
            fattr4::CASE_INSENSITIVE => self.case_insensitive = s.get_bool()?,
            fattr4::CASE_PRESERVING => self.case_preserving = s.get_bool()?,
            fattr4::FILES_AVAIL => self.files_avail = s.get_u64()?,
            fattr4::FILES_FREE => self.files_free = s.get_u64()?,
            fattr4::FILES_TOTAL => self.files_total = s.get_u64()?,
            fattr4::MAXFILESIZE => self.maxfilesize = s.get_u64()?,
            fattr4::MAXLINK => self.maxlink = s.get_u32()?,
            fattr4::MAXNAME => self.maxname = s.get_u32()?,
            fattr4::MAXREAD => self.maxread = s.get_u64()?,
            fattr4::MAXWRITE => self.maxwrite = s.get_u64()?,
            fattr4::SPACE_AVAIL => self.space_avail = s.get_u64()?,
            fattr4::SPACE_FREE => self.space_free = s.get_u64()?,
            fattr4::SPACE_TOTAL => self.space_total = s.get_u64()?,
            fattr4::TIME_DELTA => self.time_delta = NfsTime::decode(s)?,
            fattr4::SUPPATTR_EXCLCREAT => self.suppattr_exclcreat = Bitmap::decode(s)?,
            fattr4::CLONE_BLKSIZE => self.clone_blksize = s.get_u32()?,
            fattr4::CHANGE_ATTR_TYPE => self.change_attr_type = s.get_u32()?,
            fattr4::XATTR_SUPPORT => self.xattr_support = s.get_bool()?,
            _ => return Err(XdrError::Invalid),
        }
        Ok(())
    }
}
