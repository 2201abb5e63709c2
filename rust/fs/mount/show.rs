// SPDX-License-Identifier: GPL-2.0

//! Options as they are in force: shown, and compared.

use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    str::CString, //
};

use crate::{
    client::{
        LookupCache,
        MountParams,
        Server,
        NFS_PORT, //
    },
    sys::sunrpc::Flags,
};

/// Tells whether two mounts of a file system by one client may share its superblock.
pub(super) fn same_options(old: &Server, new: &Server) -> bool {
    let (a, b) = (old.params(), new.params());
    !a.nosharecache
        && !b.nosharecache
        && old.rsize() == new.rsize()
        && old.wsize() == new.wsize()
        && a.timeo == b.timeo
        && a.retrans == b.retrans
        && a.patience == b.patience
        && (a.acregmin, a.acregmax) == (b.acregmin, b.acregmax)
        && (a.acdirmin, a.acdirmax) == (b.acdirmin, b.acdirmax)
        && a.noac == b.noac
        && a.nocto == b.nocto
        && a.lookupcache == b.lookupcache
        && a.local_lock == b.local_lock
}

/// Prints the options as they are in force, such that they can be given to mount(8) again.
pub(super) fn show_options(m: &SeqFile, server: &Server) -> Result {
    let p = server.params();
    let defaults = MountParams::new(p.addr, CString::try_from_fmt(fmt!(""))?, KVec::new());
    seq_print!(m, ",vers=4.{}", p.minorversion);
    seq_print!(m, ",rsize={},wsize={}", server.rsize(), server.wsize());
    let ac = |name: &str, now: u32, default: u32| {
        if now != default {
            seq_print!(m, ",{}={}", name, now);
        }
    };
    ac("acregmin", p.acregmin, defaults.acregmin);
    ac("acregmax", p.acregmax, defaults.acregmax);
    ac("acdirmin", p.acdirmin, defaults.acdirmin);
    ac("acdirmax", p.acdirmax, defaults.acdirmax);
    seq_print!(
        m,
        ",{}",
        match p.patience {
            Flags::Soft => "soft",
            Flags::SoftErr => "softerr",
            Flags::Hard | Flags::Once | Flags::Mount => "hard",
        }
    );
    for (given, name) in [
        (p.noac, ",noac"),
        (p.nocto, ",nocto"),
        (server.client().noresvport(), ",noresvport"),
        (p.nosharecache, ",nosharecache"),
    ] {
        if given {
            seq_print!(m, "{}", name);
        }
    }
    match p.lookupcache {
        LookupCache::All => (),
        LookupCache::Positive => seq_print!(m, ",lookupcache=pos"),
        LookupCache::None => seq_print!(m, ",lookupcache=none"),
    }
    seq_print!(
        m,
        ",proto={}",
        if p.addr.is_ipv6() { "tcp6" } else { "tcp" }
    );
    if p.addr.port() != NFS_PORT {
        seq_print!(m, ",port={}", p.addr.port());
    }
    if server.client().nconnect() > 1 {
        seq_print!(m, ",nconnect={}", server.client().nconnect());
    }
    seq_print!(m, ",timeo={},retrans={},sec=sys", p.timeo, p.retrans);
    if let Some(addr) = &p.clientaddr {
        seq_print!(m, ",clientaddr={}", addr.to_str().unwrap_or("?"));
    }
    seq_print!(
        m,
        ",local_lock={},addr={}",
        match (p.local_lock.flock, p.local_lock.posix) {
            (false, false) => "none",
            (true, false) => "flock",
            (false, true) => "posix",
            (true, true) => "all",
        },
        p.addr.to_text()?.to_str().unwrap_or("?")
    );
    Ok(())
}
