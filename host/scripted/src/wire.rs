// SPDX-License-Identifier: GPL-2.0

//! The server's ends of a message: a sink that grows, and what the protocol crate's types lack because
//! a client only reads or only writes them.

use rnfs4_proto::{
    attrs::fattr4,
    types::{Bitmap, ChangeInfo, NfsTime},
    xdr::{align, Decode, Encode, Sink, SliceSource, Source, XdrError, XdrResult},
};

/// What a result is written to.
#[derive(Clone, Debug, Default)]
pub struct Out(pub Vec<u8>);

impl Sink for Out {
    fn reserve(&mut self, n: usize) -> XdrResult<&mut [u8]> {
        let at = self.0.len();
        self.0.resize(at + n, 0);
        self.0.get_mut(at..).ok_or(XdrError::NoSpace)
    }

    fn pages(&mut self, _len: u32) -> XdrResult {
        // Data goes through `data`.
        Err(XdrError::Invalid)
    }
}

impl Out {
    /// An opaque of any length.
    pub fn data(&mut self, data: &[u8]) -> XdrResult {
        self.put_opaque(data, usize::MAX)
    }

    /// The change attribute of a directory around a change that nobody else's lies in.
    pub fn change(&mut self, change: ChangeInfo) -> XdrResult {
        self.put_bool(change.atomic)?;
        self.put_u64(change.before)?;
        self.put_u64(change.after)
    }
}

/// A variable-length opaque of at most `max` bytes, however long that is.
pub fn get_data(s: &mut SliceSource<'_>, max: usize) -> XdrResult<Vec<u8>> {
    let n = s.get_count(max)?;
    Ok(s.take(align(n))?.get(..n).ok_or(XdrError::Short)?.to_vec())
}

/// A time to be set.
#[derive(Clone, Copy, Debug)]
pub enum SetTime {
    /// The server's present time.
    Server,
    /// This time.
    Client(NfsTime),
}

/// Attributes to be set; the reading end of the protocol crate's `SetAttrs`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetAttrs {
    /// Which.
    pub mask: Bitmap,
    /// The size in bytes.
    pub size: Option<u64>,
    /// Permission bits, the umask taken off.
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// The time of the last access.
    pub atime: Option<SetTime>,
    /// The time of the last change of data.
    pub mtime: Option<SetTime>,
    /// Something that this server cannot set is among them.
    pub unknown: bool,
}

fn get_settime(s: &mut SliceSource<'_>) -> XdrResult<SetTime> {
    Ok(match s.get_u32()? {
        0 => SetTime::Server,
        1 => SetTime::Client(NfsTime::decode(s)?),
        _ => return Err(XdrError::Invalid),
    })
}

fn get_id(s: &mut SliceSource<'_>) -> XdrResult<u32> {
    let name = get_data(s, 1024)?;
    core::str::from_utf8(&name)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(XdrError::Invalid)
}

impl SetAttrs {
    /// Reads a `fattr4` of attributes to be set.
    pub fn decode(s: &mut SliceSource<'_>) -> XdrResult<Self> {
        let mut set = Self {
            mask: Bitmap::decode(s)?,
            ..Self::default()
        };
        let values = get_data(s, 1 << 16)?;
        let v = &mut SliceSource::new(&values);
        for attr in (0..96).filter(|attr| set.mask.has(*attr)) {
            match attr {
                fattr4::SIZE => set.size = Some(v.get_u64()?),
                fattr4::MODE => set.mode = Some(v.get_u32()? & 0o7777),
                fattr4::OWNER => set.uid = Some(get_id(v)?),
                fattr4::OWNER_GROUP => set.gid = Some(get_id(v)?),
                fattr4::TIME_ACCESS_SET => set.atime = Some(get_settime(v)?),
                fattr4::TIME_MODIFY_SET => set.mtime = Some(get_settime(v)?),
                fattr4::MODE_UMASK => {
                    let (mode, umask) = (v.get_u32()?, v.get_u32()?);
                    set.mode = Some(mode & !umask & 0o7777);
                }
                _ => {
                    set.unknown = true;
                    return Ok(set);
                }
            }
        }
        if v.remaining() != 0 {
            return Err(XdrError::Invalid);
        }
        Ok(set)
    }
}
