// SPDX-License-Identifier: GPL-2.0

//! Symbolic links.

use kernel::{
    new_spinlock,
    prelude::*,
    str::CString,
    sync::{
        Arc,
        SpinLock, //
    },
};
use rnfs4_proto::{
    ops::{
        dir::Readlink,
        fh::Putfh, //
    },
    types::LINK_MAX,
    xdr::Source,
};

use super::{
    inode::{
        note_error,
        revalidate_mapping,
        stat, //
    },
    setattr,
    Inode,
    InodeInfo,
    Rnfs4Fs, //
};
use crate::{
    client::StatusExt,
    sys::{
        cred::current_cred,
        fs::{
            FileFlags,
            Iattr,
            InodeOperations,
            KStat, //
        },
        mm::PageVec,
    },
};

/// Operations on symbolic links.
pub(super) struct Link;

#[vtable]
impl InodeOperations for Link {
    type Fs = Rnfs4Fs;

    fn setattr(inode: &Inode, attr: Iattr<'_, Rnfs4Fs>) -> Result {
        setattr::setattr(inode, attr)
    }

    fn getattr(inode: &Inode, st: KStat<'_>, request_mask: u32, flags: u32) -> Result {
        stat(inode, st, request_mask, flags)
    }

    fn get_link(inode: &Inode) -> Result<Arc<CString>> {
        revalidate_mapping(inode)?;
        if let Some(target) = inode.info().link.get() {
            return Ok(target);
        }
        let target = Arc::new(readlink(inode)?, GFP_KERNEL)?;
        inode.info().link.set(target.clone());
        Ok(target)
    }

    fn get_link_rcu(info: &InodeInfo) -> Option<Arc<CString>> {
        if info.attrs.expired() {
            return None;
        }
        info.link.get()
    }

    fn fileattr_get(inode: &Inode) -> FileFlags {
        inode.server().file_flags()
    }
}

/// The target of a link as it was read last.
#[pin_data]
pub(super) struct LinkCache {
    #[pin]
    target: SpinLock<Option<Arc<CString>>>,
}

impl LinkCache {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            target <- new_spinlock!(None, "rnfs4_link"),
        })
    }

    fn get(&self) -> Option<Arc<CString>> {
        self.target.lock().clone()
    }

    fn set(&self, target: Arc<CString>) {
        let old = self.target.lock().replace(target);
        drop(old);
    }

    /// Forgets it.
    pub(super) fn forget(&self) {
        let old = self.target.lock().take();
        drop(old);
    }
}

fn readlink(inode: &Inode) -> Result<CString> {
    let pages = PageVec::alloc(LINK_MAX + 1)?;
    let ops = (Putfh(inode.fh()), Readlink);
    let ((putfh, readlink), mut text) = inode.server().call_pages(&current_cred(), ops, &pages)?;
    let len = putfh
        .and(readlink)
        .errno()
        .inspect_err(|e| note_error(inode, *e))? as usize;
    let bytes = text.take(len.next_multiple_of(4)).map_err(|_| EIO)?;
    let bytes = bytes.get(..len).ok_or(EIO)?;
    // A NUL would end the target early: not what the server has.
    if bytes.contains(&0) {
        return Err(EIO);
    }
    cstring(bytes)
}

/// These bytes, none of which is 0, as a C string.
fn cstring(bytes: &[u8]) -> Result<CString> {
    let mut buf = KVec::with_capacity(bytes.len() + 1, GFP_KERNEL)?;
    buf.extend_from_slice(bytes, GFP_KERNEL)?;
    buf.push(0, GFP_KERNEL)?;
    Ok(CStr::from_bytes_with_nul(&buf)
        .map_err(|_| EIO)?
        .to_cstring()?)
}
