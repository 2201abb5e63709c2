// SPDX-License-Identifier: GPL-2.0

//! READDIR (RFC 18.23), and the entries that it leaves in the pages.

use crate::{
    attrs::{
        fattr4,
        Attrs, //
    },
    op::Op,
    types::{
        Bitmap,
        Fh,
        Opaque,
        Verifier,
        NAME_MAX, //
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

/// READDIR of the current directory. Must be the last operation: its entries fill the rest of the
/// reply, which goes to the pages; [`DirEntries`] reads them from there.
#[derive(Clone, Copy, Debug)]
pub struct Readdir {
    /// Behind which entry to go on; 0 for the start.
    pub cookie: u64,
    /// What the reply that the cookie came in had; zero for the start.
    pub verifier: Verifier,
    /// How many bytes of names and cookies are wanted at most: a hint.
    pub dircount: u32,
    /// How many bytes the result may have at most.
    pub maxcount: u32,
    /// The attributes wanted of each entry.
    pub attrs: Bitmap,
}

/// What READDIR gives, beside the entries in the pages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReaddirRes {
    /// To be sent with the next cookie.
    pub verifier: Verifier,
    /// Bytes of entries in the pages.
    pub len: u32,
}

impl Op for Readdir {
    const NUM: u32 = 26;
    type Res = ReaddirRes;
    const DATA_AT: Option<usize> = Some(Verifier::XDR);

    fn args_max(&self) -> usize {
        8 + Verifier::XDR + 8 + Bitmap::XDR_MAX
    }

    fn res_max(&self) -> usize {
        Verifier::XDR
    }

    fn encode<S: Sink>(&self, s: &mut S) -> XdrResult {
        s.put_u64(self.cookie)?;
        self.verifier.encode(s)?;
        s.put_u32(self.dircount)?;
        s.put_u32(self.maxcount)?;
        self.attrs.encode(s)
    }

    fn decode<S: Source>(&mut self, s: &mut S) -> XdrResult<ReaddirRes> {
        let verifier = Verifier::decode(s)?;
        let left = u32::try_from(s.remaining()).map_err(|_| XdrError::Invalid)?;
        let len = s.pages(left)?;
        Ok(ReaddirRes { verifier, len })
    }
}

/// One entry of a directory.
#[derive(Debug)]
pub struct DirEntry<'a> {
    /// Where a READDIR goes on behind this entry; never 0, 1 or 2 (RFC 18.23.3).
    pub cookie: u64,
    /// 1 to [`NAME_MAX`] bytes without `/` and NUL; neither `.` nor `..`.
    pub name: &'a [u8],
    /// The attributes, as far as the server has them.
    pub attrs: Attrs,
    /// The handle, if it was asked for and the server has it.
    pub fh: Option<&'a Fh>,
}

/// The entries in the pages of a reply. After an error there are no more.
pub struct DirEntries<S> {
    source: S,
    asked: Bitmap,
    name: Opaque<NAME_MAX>,
    fh: Fh,
    end: bool,
    eof: bool,
}

impl<S: Source> DirEntries<S> {
    /// Reads the entries from `source`; `asked` are the attributes that the READDIR asked for.
    pub fn new(source: S, asked: Bitmap) -> Self {
        Self {
            source,
            asked,
            name: Opaque::empty(),
            fh: Fh::empty(),
            end: false,
            eof: false,
        }
    }

    /// The end of the directory was reached. Known when [`DirEntries::next_entry`] has returned
    /// `None`.
    pub fn eof(&self) -> bool {
        self.eof
    }

    /// The next entry, `None` at the end of the reply. A name that no directory can have makes the
    /// whole reply [`XdrError::Invalid`]; `.` and `..`, which servers should not send, are left out.
    pub fn next_entry(&mut self) -> XdrResult<Option<DirEntry<'_>>> {
        while !self.end {
            // Whatever goes wrong below: nothing more is read.
            self.end = true;
            if !self.source.get_bool()? {
                self.eof = self.source.get_bool()?;
                break;
            }
            let cookie = self.source.get_u64()?;
            self.name.set(self.source.get_opaque(NAME_MAX)?);
            let attrs = Attrs::decode_with_fh(&mut self.source, self.asked, &mut self.fh)?;
            self.end = false;
            match self.name.as_slice() {
                b"." | b".." => continue,
                name if name.is_empty() || name.iter().any(|c| matches!(c, 0 | b'/')) => {
                    self.end = true;
                    return Err(XdrError::Invalid);
                }
                _ => (),
            }
            return Ok(Some(DirEntry {
                cookie,
                name: self.name.as_slice(),
                attrs,
                fh: attrs.has(fattr4::FILEHANDLE).then_some(&self.fh),
            }));
        }
        Ok(None)
    }
}
