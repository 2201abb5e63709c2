// SPDX-License-Identifier: GPL-2.0

//! What a mount asks of its client: the options of nfs(5) in a form that is ready to use.

use kernel::{
    alloc::KVec,
    prelude::*,
    str::CString,
    time::msecs_to_jiffies, //
};

use crate::sys::sunrpc::{
    Flags,
    SockAddr,
    Timeout, //
};

/// Default port of NFS.
pub(crate) const NFS_PORT: u16 = 2049;

/// Which results of a lookup are remembered (`lookupcache=`).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LookupCache {
    /// Names that exist and names that do not.
    #[default]
    All,
    /// Only names that exist.
    Positive,
    /// None: each use asks the server.
    None,
}

/// Which locks only this host knows of (`local_lock=`).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LocalLock {
    /// Those of flock().
    pub(crate) flock: bool,
    /// Those of fcntl().
    pub(crate) posix: bool,
}

/// A mount's parameters. Times of the attribute cache are in seconds, `timeo` in tenths of a second.
pub(crate) struct MountParams {
    /// The server.
    pub(crate) addr: SockAddr,
    /// What the user called it, as shown in /proc/mounts.
    pub(crate) hostname: CString,
    /// Components of the exported path, from the pseudo root.
    pub(crate) path: KVec<KVec<u8>>,
    /// 1 or 2.
    pub(crate) minorversion: u32,
    /// Largest READ in bytes; 0 leaves it to the server.
    pub(crate) rsize: u32,
    /// Largest WRITE in bytes; 0 leaves it to the server.
    pub(crate) wsize: u32,
    /// How long a request waits before it is a timeout.
    pub(crate) timeo: u32,
    /// Timeouts before it is a major one.
    pub(crate) retrans: u32,
    /// `hard`, `soft` or `softerr`.
    pub(crate) patience: Flags,
    /// Least time that attributes of a file are believed.
    pub(crate) acregmin: u32,
    /// Most time that attributes of a file are believed.
    pub(crate) acregmax: u32,
    /// Least time that attributes of a directory are believed.
    pub(crate) acdirmin: u32,
    /// Most time that attributes of a directory are believed.
    pub(crate) acdirmax: u32,
    /// Attributes are not believed at all, writes are synchronous.
    pub(crate) noac: bool,
    /// No close-to-open consistency.
    pub(crate) nocto: bool,
    /// What lookups remember.
    pub(crate) lookupcache: LookupCache,
    /// Use an unprivileged source port.
    pub(crate) noresvport: bool,
    /// How many connections to make.
    pub(crate) nconnect: u32,
    /// What need not be known to the server.
    pub(crate) local_lock: LocalLock,
    /// Do not share the superblock with another mount.
    pub(crate) nosharecache: bool,
    /// `clientaddr=`, shown again; callbacks use the fore channel's connection.
    pub(crate) clientaddr: Option<CString>,
}

impl MountParams {
    /// Those of a submount: the same, but for the path, which it has none of. May sleep.
    pub(super) fn for_submount(&self) -> Result<Self> {
        let clientaddr = self.clientaddr.as_ref();
        Ok(Self {
            hostname: self.hostname.to_cstring()?,
            path: KVec::new(),
            clientaddr: clientaddr.map(|addr| addr.to_cstring()).transpose()?,
            ..*self
        })
    }
}

/// The longest major timeout, in tenths of a second.
const MAX_TIMEOUT: u32 = 6000;

impl MountParams {
    /// How long a request waits, as sunrpc wants it.
    pub(crate) fn timeout(&self) -> Timeout {
        Timeout {
            timeo: self.timeo.min(MAX_TIMEOUT) as usize * msecs_to_jiffies(100),
            retrans: self.retrans,
        }
    }

    /// The major timeout, after which a soft mount's call ends, in milliseconds: as in the C client, `timeo` for the request and
    /// each of `retrans` repetitions.
    pub(crate) fn major_timeout_ms(&self) -> u64 {
        let tenths = self.timeo.saturating_mul(self.retrans.saturating_add(1));
        u64::from(tenths.min(MAX_TIMEOUT)) * 100
    }

    /// Defaults of nfs(5) for a server at `addr`.
    pub(crate) fn new(addr: SockAddr, hostname: CString, path: KVec<KVec<u8>>) -> Self {
        Self {
            addr,
            hostname,
            path,
            minorversion: 2,
            rsize: 0,
            wsize: 0,
            timeo: 600,
            retrans: 2,
            patience: Flags::Hard,
            acregmin: 3,
            acregmax: 60,
            acdirmin: 30,
            acdirmax: 60,
            noac: false,
            nocto: false,
            lookupcache: LookupCache::All,
            noresvport: false,
            nconnect: 1,
            local_lock: LocalLock::default(),
            nosharecache: false,
            clientaddr: None,
        }
    }
}
