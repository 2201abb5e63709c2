// SPDX-License-Identifier: GPL-2.0

//! The client: session, lease, state and recovery, between the file system and the wire.
//!
//! * [`registry`], [`nfs_client`]: which clients there are, and what each has.
//! * [`exchange`], [`session`], [`patience`], [`async_ops`], [`bare`]: how a compound gets its answer.
//! * [`link`], [`force`]: the connection, what happens when it breaks, and how one gets rid of a mount that waits for it.
//! * [`owner`], [`open_state`], [`open_context`], [`open`], [`close`]: open files.
//! * [`state_manager`], [`lease`], [`reclaim`], [`renew`]: the lease, and recovery when it or the server is lost.
//! * [`observe`], [`stats`], [`timeline`], [`debugfs`]: what the client tells of itself.
//! * [`fault`]: what goes wrong on purpose.
//! * [`lock`], [`lock_state`], [`lock_reclaim`]: byte-range locks.
//! * [`server`], [`params`]: a mount.

mod async_ops;
mod bare;
mod close;
mod debugfs;
mod delegation;
mod errno;
mod exchange;
mod fault;
mod force;
mod iostats;
mod lease;
mod link;
mod lock;
mod lock_reclaim;
mod lock_state;
mod nfs_client;
mod observe;
mod open;
mod open_context;
mod open_state;
mod owner;
mod params;
mod patience;
mod reclaim;
mod registry;
mod renew;
mod server;
mod session;
mod setattr;
mod state_manager;
mod stats;
mod timeline;

pub(crate) use {
    async_ops::AsyncOps,
    errno::{
        status_error,
        StatusExt, //
    },
    iostats::{
        IoBytes,
        IoEvent, //
    },
    lock::{
        test_lock,
        Grant, //
    },
    lock_state::{
        FileLocks,
        LockState, //
    },
    open::{
        Bulk,
        Create,
        OpenRequest,
        OpenTarget, //
    },
    open_context::OpenContext,
    open_state::OpenState,
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
};
