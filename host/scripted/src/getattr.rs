// SPDX-License-Identifier: GPL-2.0

//! Attributes as a server writes them.

use crate::{
    fs::{Fs, Kind, Node, FILE_MAX},
    ops::handle,
    wire::Out,
};
use rnfs4_proto::{
    attrs::{fattr4, request},
    types::{Bitmap, NfsTime},
    xdr::{Encode, XdrResult},
};

/// The largest READ and WRITE.
pub const IO_MAX: u32 = 1 << 20;

/// Attributes that can be set.
const SETTABLE: Bitmap = Bitmap::of(&[
    fattr4::SIZE,
    fattr4::MODE,
    fattr4::OWNER,
    fattr4::OWNER_GROUP,
    fattr4::TIME_ACCESS_SET,
    fattr4::TIME_MODIFY_SET,
]);

/// All that there are: what the protocol crate asks for, and what can be set.
fn supported() -> Bitmap {
    let all = request::INODE
        .or(request::DIRENT_PLUS)
        .or(request::FSINFO)
        .or(request::STATFS);
    all.or(SETTABLE).without(Bitmap::of(&[
        fattr4::CLONE_BLKSIZE,
        fattr4::CHANGE_ATTR_TYPE,
        fattr4::XATTR_SUPPORT,
    ]))
}

fn value(attr: u32, node: &Node, lease: u32, objects: u64, s: &mut Out) -> XdrResult {
    match attr {
        fattr4::SUPPORTED_ATTRS => supported().encode(s),
        fattr4::TYPE => s.put_u32(node.typ() as u32),
        fattr4::FH_EXPIRE_TYPE | fattr4::ACLSUPPORT | fattr4::RDATTR_ERROR => s.put_u32(0),
        fattr4::CHANGE => s.put_u64(node.change),
        fattr4::SIZE => s.put_u64(node.size()),
        fattr4::LINK_SUPPORT
        | fattr4::SYMLINK_SUPPORT
        | fattr4::UNIQUE_HANDLES
        | fattr4::CANSETTIME
        | fattr4::CASE_PRESERVING => s.put_bool(true),
        fattr4::CASE_INSENSITIVE => s.put_bool(false),
        fattr4::FSID => s.put_u64(0x73c1).and_then(|()| s.put_u64(1)),
        fattr4::LEASE_TIME => s.put_u32(lease),
        fattr4::FILEHANDLE => s.data(&handle(node.id)),
        fattr4::FILEID | fattr4::MOUNTED_ON_FILEID => s.put_u64(node.id),
        fattr4::FILES_AVAIL | fattr4::FILES_FREE => s.put_u64(1 << 20),
        fattr4::FILES_TOTAL => s.put_u64((1 << 20) + objects),
        fattr4::MAXFILESIZE => s.put_u64(FILE_MAX),
        fattr4::MAXLINK => s.put_u32(1000),
        fattr4::MAXNAME => s.put_u32(255),
        fattr4::MAXREAD | fattr4::MAXWRITE => s.put_u64(u64::from(IO_MAX)),
        fattr4::MODE => s.put_u32(node.mode),
        fattr4::NUMLINKS => s.put_u32(node.nlink),
        fattr4::OWNER => s.data(node.uid.to_string().as_bytes()),
        fattr4::OWNER_GROUP => s.data(node.gid.to_string().as_bytes()),
        fattr4::RAWDEV => {
            let (major, minor) = match node.kind {
                Kind::Special(_, dev) => dev,
                _ => (0, 0),
            };
            s.put_u32(major)?;
            s.put_u32(minor)
        }
        fattr4::SPACE_AVAIL | fattr4::SPACE_FREE => s.put_u64(1 << 30),
        fattr4::SPACE_TOTAL => s.put_u64(2 << 30),
        fattr4::SPACE_USED => s.put_u64(node.size()),
        fattr4::TIME_ACCESS => node.atime.encode(s),
        fattr4::TIME_CREATE => node.btime.encode(s),
        fattr4::TIME_METADATA => node.ctime.encode(s),
        fattr4::TIME_MODIFY => node.mtime.encode(s),
        fattr4::TIME_DELTA => NfsTime { sec: 0, nsec: 1 }.encode(s),
        fattr4::SUPPATTR_EXCLCREAT => SETTABLE.encode(s),
        _ => Ok(()),
    }
}

/// Writes the `fattr4` of an object: of what was asked for, all that is supported and can be read.
pub fn put(fs: &mut Fs, id: u64, asked: Bitmap, lease: u32, s: &mut Out) -> XdrResult {
    let objects = fs.count();
    let set_only = Bitmap::of(&[fattr4::TIME_ACCESS_SET, fattr4::TIME_MODIFY_SET]);
    let mask = asked.and(supported()).without(set_only);
    let mut values = Out::default();
    match fs.node(id) {
        Ok(node) => {
            mask.encode(s)?;
            for attr in (0..96).filter(|attr| mask.has(*attr)) {
                value(attr, node, lease, objects, &mut values)?;
            }
        }
        Err(_) => Bitmap::EMPTY.encode(s)?,
    }
    s.data(&values.0)
}
