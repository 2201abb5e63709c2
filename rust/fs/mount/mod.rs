// SPDX-License-Identifier: GPL-2.0

//! Mounting: the [`source`], [`options`] by the names of nfs(5) and how they [`show`], the superblock and its operations
//! ([`super_block`]), what is told of a mount ([`stats`]), and [`submount`] where another file system of the server begins.

mod options;
mod show;
mod source;
mod stats;
mod submount;
mod super_block;

use kernel::{
    prelude::*,
    sync::Arc, //
};
use rnfs4_proto::types::NfsType;

pub(super) use self::submount::{
    is_point,
    MountPoint, //
};

use self::{
    options::MountOptions,
    show::same_options,
    super_block::{
        BLOCK_BITS,
        MAGIC, //
    },
};
use crate::{
    client::{
        Connected,
        Server, //
    },
    fs::{
        inode::fhget,
        Dentry,
        Origin,
        Rnfs4Fs,
        Stamp,
        SuperBlock,
        SuperInfo, //
    },
    sys::fs::{
        dentry_ops,
        FsContext,
        FsContextOperations,
        NewSuperBlock,
        ParamValue, //
    },
};

/// Granularity of times in nanoseconds: the protocol's. The server rounds.
const TIME_GRAN: u32 = 1;
/// How many READs read-ahead has under way at least, of whatever size.
const READAHEAD_READS: u64 = 4;
/// And how many bytes at least. It is the time of a round trip that counts, not how large a piece a server hands out; but faults in a
/// mapping read this much around them, so that far more would do harm.
const READAHEAD_MIN: u64 = 1 << 20;

impl FsContextOperations for Rnfs4Fs {
    type Params = MountOptions;

    fn init_fs_context(_sb: Option<&SuperBlock>) -> Result<KBox<MountOptions>> {
        Ok(KBox::new(MountOptions::default(), GFP_KERNEL)?)
    }

    fn parse_param(
        fc: &mut FsContext<Self>,
        options: &mut MountOptions,
        key: &CStr,
        value: ParamValue<'_>,
    ) -> Result {
        options.parse(fc, key, value)
    }

    fn get_tree(fc: &mut FsContext<Self>, options: &mut MountOptions) -> Result {
        // First, since a server that is connected to is to be disconnected from.
        let room = KBox::new_uninit(GFP_KERNEL)?;
        let source = fc.source().map(CStr::to_cstring).transpose()?;
        let sent = Stamp::now();
        let Connected {
            server,
            root_fh,
            root_attrs,
        } = match options.point.take() {
            Some(point) => point.connect()?,
            None => connect(fc, options).inspect_err(|e| explain(fc, *e))?,
        };
        let params = server.params();
        if params.noac {
            fc.set_synchronous();
        }
        let there = server.client();
        if (params.noresvport, params.nconnect) != (there.noresvport(), there.nconnect()) {
            fc.warn(fmt!(
                "the connection that there is to this server goes on as it is: resvport, noresvport and nconnect have no effect"
            ));
        }
        let share = !params.nosharecache;
        fc.get_tree(room.write(SuperInfo { server }), share, |sb| {
            if let Some(source) = &source {
                sb.info().server.set_root_name(&root_fh, source)?;
            }
            fhget(sb, &root_fh, &root_attrs, Origin::Fetched(sent))
        })
    }

    fn reconfigure(
        fc: &mut FsContext<Self>,
        options: &mut MountOptions,
        sb: &SuperBlock,
    ) -> Result {
        let server = &sb.info().server;
        options.check_remount(fc, server)?;
        if server.params().noac {
            fc.set_synchronous();
        }
        Ok(())
    }

    fn same_super(old: &SuperInfo, new: &SuperInfo) -> bool {
        let (old, new) = (&old.server, &new.server);
        Arc::ptr_eq(old.client(), new.client())
            && old.fsid() == new.fsid()
            && same_options(old, new)
    }

    fn submount(fc: &mut FsContext<Self>, options: &mut MountOptions, point: &Dentry) -> Result {
        submount::prepare(fc, options, point)
    }

    fn submount_expiry() -> u32 {
        crate::module_parameters::mountpoint_expiry_timeout.value()
    }

    fn fill_super(sb: &mut NewSuperBlock<'_, Self>) -> Result {
        let server = &sb.info().server;
        let (max_file_size, rsize) = (server.max_file_size(), u64::from(server.rsize()));
        sb.set_magic(MAGIC);
        sb.set_no_umask();
        sb.set_maxbytes(max_file_size);
        sb.set_time_gran(TIME_GRAN);
        sb.set_blocksize_bits(BLOCK_BITS);
        sb.set_default_d_op(dentry_ops::<Self>());
        sb.set_readahead(READAHEAD_MIN.max(READAHEAD_READS * rsize));
        Ok(())
    }
}

/// Finds the server and the directory. Unless a version was asked for, it is the highest that both sides speak. May sleep; killable.
fn connect(fc: &FsContext<Rnfs4Fs>, options: &MountOptions) -> Result<Connected> {
    let res = Server::connect(fc.global(), fc.net_ns(), options.params(fc)?);
    let connected = match res {
        Err(e) if e == EPROTONOSUPPORT && options.any_version() => {
            let mut params = options.params(fc)?;
            params.minorversion = 1;
            Server::connect(fc.global(), fc.net_ns(), params)?
        }
        res => res?,
    };
    if connected.root_attrs.typ != NfsType::Dir {
        connected.server.disconnect();
        return Err(ENOTDIR);
    }
    Ok(connected)
}

/// Tells why a server could not be mounted where the errno alone would leave the user guessing.
fn explain(fc: &FsContext<Rnfs4Fs>, e: Error) {
    let why = if e == ECONNREFUSED {
        "the server refuses the connection"
    } else if e == ETIMEDOUT || e == EHOSTUNREACH || e == ENETUNREACH {
        "the server cannot be reached"
    } else if e == ENOENT {
        "the server has no such path"
    } else if e == ENOTDIR {
        "the path is not a directory"
    } else if e == EACCES || e == EPERM {
        "the server denies access"
    } else if e == EPROTONOSUPPORT {
        "the server does not support this version of NFS"
    } else {
        return;
    };
    fc.error(fmt!("{}", why));
}
