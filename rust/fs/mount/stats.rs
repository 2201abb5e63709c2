// SPDX-License-Identifier: GPL-2.0

//! A mount's part of /proc/self/mountstats, in the C client's format (`nfs_show_stats()`), which mountstats(8) and nfsiostat(8)
//! read.
//!
//! What we have not, capabilities in the C client's numbers and pNFS, is left out or said to be absent; events and bytes are
//! the mount's; its calls are shown with those that the client made for itself.

use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print, //
};
use rnfs4_proto::{
    attrs::request,
    types::Bitmap, //
};

use super::show::show_options;
use crate::{
    fs::SuperBlock,
    sys::time::now_ms, //
};

/// AUTH_UNIX.
const FLAVOR: u32 = 1;

/// Prints it. May sleep.
pub(super) fn show(m: &SeqFile, sb: &SuperBlock) -> Result {
    let server = &sb.info().server;
    let client = server.client();
    seq_print!(m, "statvers=1.1");
    seq_print!(m, "\n\topts:\t{}", if sb.is_rdonly() { "ro" } else { "rw" });
    if sb.is_synchronous() {
        seq_print!(m, ",sync");
    }
    show_options(m, server)?;
    seq_print!(m, "\n\tage:\t{}", server.age_ms() / 1000);
    seq_print!(
        m,
        "\n\tcaps:\tcaps=0x0,wtmult=1,dtsize={},bsize=0,namlen={}",
        server.dtsize(),
        server.name_max()
    );
    let Bitmap([bm0, bm1, bm2]) = request::INODE;
    seq_print!(
        m,
        "\n\tnfsv4:\tbm0={bm0:#x},bm1={bm1:#x},bm2={bm2:#x},acl=0x0,sessions,pnfs=not configured"
    );
    let lease = client.lease();
    seq_print!(
        m,
        ",lease_time={},lease_expired={}",
        lease.period_ms() / 1000,
        lease.age_ms(now_ms()).saturating_sub(lease.period_ms()) / 1000
    );
    seq_print!(m, "\n\tsec:\tflavor={FLAVOR},pseudoflavor={FLAVOR}");
    server.io().show(m, client.delays());
    server.show_calls(m);
    Ok(())
}
