// SPDX-License-Identifier: GPL-2.0

//! The client: session, lease, state and recovery, between the file system and the wire.
//!
//! * [`registry`], [`nfs_client`]: which clients there are, and what each has. [`server`], [`params`]: a mount.
//! * [`call`]: how a compound gets its answer.
//! * [`state`]: opens and locks.
//! * [`recovery`]: the lease, and what is done when it or the server is lost.
//! * [`idmap`]: owners by name.
//! * [`observe`]: what the client tells of itself. [`fault`]: what goes wrong on purpose.

mod call;
mod fault;
mod idmap;
mod nfs_client;
mod observe;
mod params;
mod recovery;
mod registry;
mod server;
mod state;

pub(crate) use {
    call::{
        async_ops::AsyncOps,
        errno::{
            status_error,
            StatusExt, //
        },
    },
    idmap::NOBODY,
    observe::iostats::{
        IoBytes,
        IoEvent, //
    },
    params::{
        LocalLock,
        LookupCache,
        MountParams,
        NFS_PORT, //
    },
    registry::Registry,
    server::{
        Connected,
        Server, //
    },
    state::{
        lock::{
            test_lock,
            Grant, //
        },
        lock_state::{
            FileLocks,
            LockState, //
        },
        open::{
            mark,
            Bulk,
            Create,
            OpenRequest,
            OpenTarget, //
        },
        open_context::OpenContext,
        open_state::OpenState,
        space::Right, //
    },
};
