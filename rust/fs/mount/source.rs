// SPDX-License-Identifier: GPL-2.0

//! The source of a mount: `HOST:/PATH`.

use kernel::{
    prelude::*,
    str::CString, //
};

use crate::{
    fs::Rnfs4Fs,
    sys::fs::{
        FsContext,
        ParamValue, //
    },
};

/// The longest path component.
const NAME_MAX: usize = 255;

/// Takes the source from mount(8), once.
pub(super) fn set_source(fc: &mut FsContext<Rnfs4Fs>, value: ParamValue<'_>) -> Result {
    let ParamValue::Str(source) = value else {
        fc.error(fmt!("source must be HOST:/PATH"));
        return Err(EINVAL);
    };
    if fc.source().is_some() {
        fc.error(fmt!("more than one source"));
        return Err(EINVAL);
    }
    fc.set_source(source)
}

/// Takes `HOST:/PATH` or `[ADDRESS]:/PATH` apart.
pub(super) fn split_source(source: &[u8]) -> Option<(&[u8], &[u8])> {
    let (host, rest) = match source.strip_prefix(b"[") {
        Some(rest) => {
            let end = rest.iter().position(|&c| c == b']')?;
            (rest.get(..end)?, rest.get(end + 1..)?)
        }
        None => {
            // An IPv6 address without brackets has colons, too; the path begins at the first slash.
            let slash = source.windows(2).position(|w| w == b":/")?;
            (source.get(..slash)?, source.get(slash..)?)
        }
    };
    let path = rest.strip_prefix(b":")?;
    (!host.is_empty() && path.starts_with(b"/")).then_some((host, path))
}

/// The components of a path.
pub(super) fn components(fc: &FsContext<Rnfs4Fs>, path: &[u8]) -> Result<KVec<KVec<u8>>> {
    let mut all = KVec::new();
    for name in path.split(|&c| c == b'/') {
        match name {
            b"" | b"." => continue,
            b".." => {
                fc.error(fmt!("bad source: .. in the path"));
                return Err(EINVAL);
            }
            name if name.len() > NAME_MAX => return Err(ENAMETOOLONG),
            name => {
                let mut copy = KVec::with_capacity(name.len(), GFP_KERNEL)?;
                copy.extend_from_slice(name, GFP_KERNEL)?;
                all.push(copy, GFP_KERNEL)?;
            }
        }
    }
    Ok(all)
}

/// These bytes, which come from a C string, as one.
pub(super) fn cstring(bytes: &[u8]) -> Result<CString> {
    let mut buf = KVec::with_capacity(bytes.len() + 1, GFP_KERNEL)?;
    buf.extend_from_slice(bytes, GFP_KERNEL)?;
    buf.push(0, GFP_KERNEL)?;
    Ok(CStr::from_bytes_with_nul(&buf)
        .map_err(|_| EINVAL)?
        .to_cstring()?)
}
