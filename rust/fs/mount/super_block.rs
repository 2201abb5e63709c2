// SPDX-License-Identifier: GPL-2.0

//! The superblock: its operations, and what an inode's end means.

use kernel::{
    prelude::*,
    seq_file::SeqFile, //
};
use rnfs4_proto::{
    attrs::request,
    ops::{
        attr::GetFsattr,
        fh::Putfh, //
    },
};

use super::{
    show,
    stats, //
};
use crate::{
    client::StatusExt,
    fs::{
        inode::note_error,
        write,
        Dentry,
        Inode,
        InodeInfo,
        Rnfs4Fs,
        SuperBlock,
        SuperInfo, //
    },
    sys::{
        cred::current_cred,
        fs::{
            StatFs,
            SuperOperations, //
        },
    },
};

/// Magic number that `statfs()` shows: "rnf4". With the C client's umount(8) would call the helper `umount.nfs`, which
/// knows only its own.
pub(super) const MAGIC: u64 = 0x726e_6634;

/// Binary logarithm of the block size that the VFS knows.
pub(super) const BLOCK_BITS: u8 = 12;

#[vtable]
impl SuperOperations for Rnfs4Fs {
    fn write_inode(inode: &Inode, sync: bool) -> Result {
        write::write_inode(inode, sync)
    }

    fn drop_inode(info: &InodeInfo) -> bool {
        info.attrs.is_stale()
    }

    fn evict_inode(info: &InodeInfo, sb: &SuperBlock) {
        info.write.evict(sb);
    }

    fn statfs(dentry: &Dentry) -> Result<StatFs> {
        let inode = dentry.inode().ok_or(ENOENT)?;
        let ops = (Putfh(inode.fh()), GetFsattr(request::STATFS));
        let (putfh, fsattr) = inode.server().call(&current_cred(), ops)?;
        let fs = putfh
            .and(fsattr)
            .errno()
            .inspect_err(|e| note_error(inode, *e))?;
        // As the C client: the unit is what is best written at once, as programs take it for that, too.
        let bits = inode.server().wsize().max(1 << BLOCK_BITS).ilog2();
        let blocks = |bytes: u64| bytes.div_ceil(1 << bits);
        Ok(StatFs {
            magic: MAGIC,
            bsize: 1 << bits,
            blocks: blocks(fs.space_total),
            bfree: blocks(fs.space_free),
            bavail: blocks(fs.space_avail),
            files: fs.files_total,
            ffree: fs.files_free,
            namelen: inode.server().name_max(),
        })
    }

    fn kill_begin(sb: &SuperBlock) {
        sb.info().server.kill_begin();
    }

    fn written(sb: &SuperBlock, again: bool) -> bool {
        sb.info().server.wait_contexts_gone(again)
    }

    fn kill_super(info: KBox<SuperInfo>) {
        KBox::into_inner(info).server.disconnect();
    }

    fn umount_begin(sb: &SuperBlock) {
        sb.info().server.umount_begin();
    }

    fn show_options(m: &SeqFile, sb: &SuperBlock) -> Result {
        show::show_options(m, &sb.info().server)
    }

    // mountstats(8), nfsiostat(8) and others look for the C client's mounts, and some stumble over what else has statistics.
    const STATS_TYPE: &'static [u8] = b"nfs4";

    fn show_stats(m: &SeqFile, sb: &SuperBlock) -> Result {
        stats::show(m, sb)
    }
}
