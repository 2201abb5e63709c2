// SPDX-License-Identifier: GPL-2.0

//! A mounted file system as its client sees it (`struct nfs_server`): what the superblock holds.

use kernel::{
    cred::Credential,
    impl_has_delayed_work,
    new_delayed_work,
    new_mutex,
    new_spinlock,
    prelude::*,
    seq_file::SeqFile,
    str::CString,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SpinLock, //
    },
    time::msecs_to_jiffies,
    workqueue::DelayedWork, //
};
use rnfs4_proto::{
    attrs::{
        fattr4,
        request,
        Attrs,
        FsAttrs,
        CHANGE_TYPE_IS_UNDEFINED, //
    },
    compound::{
        Batch,
        BatchItem,
        Ops, //
    },
    ops::{
        attr::{
            GetFsattr, //
            Getattr,
        },
        fh::{
            Getfh,
            Lookup,
            Putfh,
            Putrootfh, //
        },
    },
    status::Status,
    together::Foresight,
    types::{
        Bitmap,
        Fh,
        Fsid, //
    },
};

use super::{
    call::{
        errno::{
            status_error,
            StatusExt, //
        },
        exchange::How,
        force::Force,
    },
    nfs_client::Client,
    observe::iostats::IoStats,
    params::MountParams,
    registry::{
        ClientUser,
        Departure,
        Registry, //
    },
    state::{
        late_close::LateCloses,
        open_state::OpenState,
        owner::Owners, //
    },
};
use crate::sys::{
    cred::current_cred,
    fs::FileFlags,
    mm::PageVec,
    net::NetNs,
    sunrpc::PagedReply,
    time::now_ms,
    wait::{
        WaitQueue,
        Waited, //
    },
    workqueue::cancel_delayed_work_sync,
};

/// Largest READ or WRITE, as NFS_MAX_FILE_IO_SIZE of the C client.
pub(crate) const MAX_IO: u32 = 1 << 20;
/// Least READ or WRITE that makes sense.
const MIN_IO: u32 = 4096;
/// Room left in a message for everything but the data of a READ or WRITE.
pub(super) const IO_OVERHEAD: u32 = 4096;
/// Bytes of directory entries asked for at a time.
const READDIR_SIZE: u32 = 64 << 10;
/// How long umount waits for files to be closed, in milliseconds.
const CLOSE_MS: u32 = 5000;
/// How long umount waits for the client to take leave of the server, in milliseconds.
const LEAVE_MS: u32 = 10_000;

/// The first operation that NFSv4.2 adds (ALLOCATE).
const FIRST_OF_42: u32 = 59;

fn bit_of(op: u32) -> u32 {
    1u32.checked_shl(op.wrapping_sub(FIRST_OF_42)).unwrap_or(0)
}

/// A mounted file system of a server (`struct nfs_server`).
#[pin_data]
pub(crate) struct Server {
    /// The mount's own tasks, and how they are ended.
    force: Arc<Force>,
    client: ClientUser,
    params: MountParams,
    fsid: Fsid,
    rsize: u32,
    wsize: u32,
    dtsize: u32,
    name_max: u32,
    max_file_size: u64,
    file_flags: FileFlags,
    /// What an exclusive create can set.
    exclusive: Bitmap,
    /// The server reduces modes by the umask.
    knows_umask: bool,
    /// The change attribute only grows.
    change_grows: bool,
    /// Operations of NFSv4.2 that the server does not have, as far as is known, as bits from [`FIRST_OF_42`] on.
    lacking: Atomic<u32>,
    /// The server takes no numbers for owners.
    pub(super) wants_names: Atomic<bool>,
    /// Directories that somebody has mounted, by what they were called then.
    #[pin]
    roots: Mutex<KVec<Root>>,
    io: IoStats,
    #[pin]
    foresight: SpinLock<Foresight>,
    /// When it was mounted.
    since_ms: u64,
    owners: Arc<Owners>,
    /// What is open for reading and no longer needed.
    #[pin]
    pub(super) late: LateCloses,
    #[pin]
    late_work: DelayedWork<Server>,
    /// Open contexts that hold their inode, and what is kept of such.
    #[pin]
    contexts: SpinLock<u32>,
    #[pin]
    contexts_gone: WaitQueue,
    /// Set once the superblock is dead. The last field: it goes after the client.
    #[pin]
    departure: SpinLock<Option<Departure>>,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Server> for Server { self.late_work }
}

/// A server and the object on it that was asked for.
pub(crate) struct Connected {
    /// The server.
    pub(crate) server: Arc<Server>,
    /// The root of the mount.
    pub(crate) root_fh: Fh,
    /// Its attributes.
    pub(crate) root_attrs: Attrs,
}

/// A directory that is the root of a mount.
struct Root {
    fh: Fh,
    name: CString,
}

/// One component of the exported path.
struct Component<'a> {
    name: &'a [u8],
    status: Status,
}

impl BatchItem for Component<'_> {
    type Ops<'b>
        = Lookup<'b>
    where
        Self: 'b;
    type Res = core::result::Result<(), Status>;

    fn ops(&self) -> Lookup<'_> {
        Lookup(self.name)
    }

    fn done(&mut self, res: Self::Res) {
        self.status = res.err().unwrap_or(Status::OK);
    }
}

impl Server {
    /// Finds or makes the client for `params`, walks the exported path from the pseudo root, and learns the file system's
    /// limits: one round trip once there is a session. May sleep; killable.
    #[inline(never)]
    pub(crate) fn connect(
        registry: &Arc<Registry>,
        net: &NetNs,
        params: MountParams,
    ) -> Result<Connected> {
        let client = registry.client(net, &params)?;
        let mut path = KVec::with_capacity(params.path.len(), GFP_KERNEL)?;
        for name in &params.path {
            path.push(
                Component {
                    name,
                    status: Status::OK,
                },
                GFP_KERNEL,
            )?;
        }
        let rpc = client.mount_rpc(params.timeout())?;
        let force = Force::new(&client, rpc, None)?;
        let how = How {
            cred: client.cred(),
            privileged: false,
            flags: params.patience,
            patience_ms: params.major_timeout_ms(),
            pages: None,
            rpc: force.rpc(),
            force: Some(&force),
        };
        let ops = (
            Putrootfh,
            Batch(&mut path[..]),
            Getfh,
            Getattr(request::INODE),
            GetFsattr(request::FSINFO),
        );
        let (putrootfh, _, getfh, getattr, fsattr) = client.call(how, ops)?;
        putrootfh.errno()?;
        if let Some(bad) = path.iter().find(|c| !c.status.is_ok()) {
            return Err(status_error(bad.status));
        }
        let (root_fh, root_attrs, info) = (getfh.errno()?, getattr.errno()?, fsattr.errno()?);
        drop(path);
        let server = Self::new(force, client, params, &root_attrs, &info)?;
        server.client.lease_time(info.lease_time);
        server.client.add_server(&server)?;
        Ok(Connected {
            server,
            root_fh,
            root_attrs,
        })
    }

    /// The file system that `fh` is the root of, as a submount of this one: with the same options, its own limits, and by the same
    /// client. One round trip. May sleep; killable.
    #[inline(never)]
    pub(crate) fn below(self: &Arc<Self>, fh: &Fh) -> Result<Connected> {
        let ops = (
            Putfh(fh),
            Getattr(request::INODE),
            GetFsattr(request::FSINFO),
        );
        let (putfh, getattr, fsattr) = self.call(&current_cred(), ops)?;
        putfh.errno()?;
        let (root_attrs, info) = (getattr.errno()?, fsattr.errno()?);
        let client = self.client.registry().hold(&self.client);
        let params = self.params.for_submount()?;
        let rpc = client.mount_rpc(params.timeout())?;
        let force = Force::new(&client, rpc, Some(&self.force))?;
        let server = Self::new(force, client, params, &root_attrs, &info)?;
        server.client.add_server(&server)?;
        Ok(Connected {
            server,
            root_fh: *fh,
            root_attrs,
        })
    }

    /// Remembers what a root of the superblock is called, `HOST:/PATH`. May sleep.
    pub(crate) fn set_root_name(&self, fh: &Fh, name: &CStr) -> Result {
        let name = name.to_cstring()?;
        let mut roots = self.roots.lock();
        match roots.iter_mut().find(|root| root.fh == *fh) {
            Some(root) => root.name = name,
            None => roots.push(Root { fh: *fh, name }, GFP_KERNEL)?,
        }
        Ok(())
    }

    /// What that root is called, if it is one. May sleep.
    pub(crate) fn root_name(&self, fh: &Fh) -> Result<Option<CString>> {
        let roots = self.roots.lock();
        let root = roots.iter().find(|root| root.fh == *fh);
        Ok(root.map(|root| root.name.to_cstring()).transpose()?)
    }

    /// Not part of its caller, whose frame holds the replies.
    #[inline(never)]
    fn new(
        force: Arc<Force>,
        client: ClientUser,
        params: MountParams,
        root: &Attrs,
        info: &FsAttrs,
    ) -> Result<Arc<Self>> {
        let limits = client.session().limits();
        let io = |asked: u32, server: u64, message: u32| {
            let most = message.saturating_sub(IO_OVERHEAD).min(MAX_IO);
            let most = u64::from(most).min(if server == 0 {
                u64::from(MAX_IO)
            } else {
                server
            }) as u32;
            let size = if asked == 0 { most } else { asked.min(most) };
            // Whole pages: a request never splits one.
            (size & !(MIN_IO - 1)).max(MIN_IO)
        };
        let rsize = io(params.rsize, info.maxread, limits.max_response);
        let dtsize = rsize.min(READDIR_SIZE);
        let wsize = io(params.wsize, info.maxwrite, limits.max_request);
        let owners = Owners::new()?;
        let minorversion = client.minorversion();
        let late = LateCloses::new(&params)?;
        Arc::pin_init(
            try_pin_init!(Self {
                force,
                client,
                params,
                fsid: root.fsid,
                rsize,
                wsize,
                dtsize,
                name_max: if info.maxname == 0 { 255 } else { info.maxname.min(255) },
                file_flags: FileFlags {
                    case_insensitive: info.case_insensitive,
                    case_preserving: info.case_preserving || !info.has(fattr4::CASE_PRESERVING),
                },
                exclusive: if info.has(fattr4::SUPPATTR_EXCLCREAT) {
                    info.suppattr_exclcreat
                } else {
                    info.supported
                },
                knows_umask: info.supported.has(fattr4::MODE_UMASK),
                change_grows: info.has(fattr4::CHANGE_ATTR_TYPE)
                    && info.change_attr_type != CHANGE_TYPE_IS_UNDEFINED,
                lacking: Atomic::new(if minorversion < 2 { u32::MAX } else { 0 }),
                wants_names: Atomic::new(false),
                roots <- new_mutex!(KVec::new()),
                max_file_size: if info.maxfilesize == 0 { i64::MAX as u64 } else { info.maxfilesize },
                io: IoStats::new(),
                foresight <- new_spinlock!(Foresight::new()),
                since_ms: now_ms(),
                owners,
                late <- late,
                late_work <- new_delayed_work!("rnfs4_late_close"),
                contexts <- new_spinlock!(0),
                contexts_gone <- WaitQueue::new(),
                departure <- new_spinlock!(None),
            }),
            GFP_KERNEL,
        )
    }

    /// A context is made.
    pub(super) fn context_begin(&self) {
        *self.contexts.lock() += 1;
    }

    /// A context has let go of its inode.
    pub(super) fn context_end(&self) {
        let mut contexts = self.contexts.lock();
        *contexts -= 1;
        if *contexts == 0 {
            // Under the lock: who waits may free us as soon as he has it.
            self.contexts_gone.wake_all();
        }
    }

    /// The superblock is about to be killed: from now on SIGKILL to this process, or an `umount -f` of a moment ago, keeps it from
    /// waiting for the server. May sleep.
    pub(crate) fn kill_begin(self: &Arc<Self>) {
        self.force.kill_begin();
        self.close_kept();
    }

    /// Waits until every context is closed: what the last close or write leaves behind when the superblock is to be killed.
    /// Everything dirty has been written, so this is but a courtesy to the server, and bounded: after 5 s it is false, and if `again`
    /// says that this is not the first time, no call of the mount waits for the server any more. May sleep.
    pub(crate) fn wait_contexts_gone(&self, again: bool) -> bool {
        let gone = || *self.contexts.lock() == 0;
        let patience = msecs_to_jiffies(CLOSE_MS);
        if self.contexts_gone.wait_idle_timeout(patience, gone) == Waited::True {
            return true;
        }
        if again {
            self.force.doom();
        }
        false
    }

    /// What kill_sb calls when the superblock is dead: its open state is no longer recovered, and if it was the client's last,
    /// waits (bounded) until the server knows that the client has gone. May sleep.
    pub(crate) fn disconnect(self: Arc<Self>) {
        self.force.kill_end();
        cancel_delayed_work_sync(&self);
        self.client.remove_server(&self);
        let registry = self.client.registry().clone();
        // A call may still hold the server, and with it the client. Not so the queue as a whole: on it, other mounts may wait for
        // servers of theirs.
        *self.departure.lock() = Some(registry.depart());
        drop(self);
        registry.wait_left(LEAVE_MS);
    }

    /// The client that all mounts of this server share.
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// How the mount's calls are ended.
    pub(super) fn force(&self) -> &Force {
        &self.force
    }

    pub(super) fn owners(&self) -> &Arc<Owners> {
        &self.owners
    }

    /// The mount options.
    pub(crate) fn params(&self) -> &MountParams {
        &self.params
    }

    /// What programs asked of it.
    pub(crate) fn io(&self) -> &IoStats {
        &self.io
    }

    /// Prints statistics of its calls, and of those that the client made for itself. May sleep.
    pub(crate) fn show_calls(&self, m: &SeqFile) {
        self.force.rpc().show_stats(m);
    }

    /// How long it has been mounted, in milliseconds.
    pub(crate) fn age_ms(&self) -> u64 {
        now_ms().saturating_sub(self.since_ms)
    }

    /// The file system on the server.
    pub(crate) fn fsid(&self) -> Fsid {
        self.fsid
    }

    /// How many bytes to read with the OPEN of a file of which nothing is known; whole pages, 0 for nothing.
    pub(crate) fn read_with_open(&self) -> u32 {
        self.foresight.lock().bytes().min(self.rsize)
    }

    /// A file of which nothing was known has that size.
    pub(crate) fn learn_size(&self, size: u64) {
        let mut foresight = self.foresight.lock();
        *foresight = foresight.learn_size(size);
    }

    /// Such a file is closed: was it read?
    pub(crate) fn learn_foresight(&self, read: bool) {
        let mut foresight = self.foresight.lock();
        *foresight = foresight.learn(read);
    }

    /// Most bytes of a READ; whole pages.
    pub(crate) fn rsize(&self) -> u32 {
        self.rsize
    }

    /// Most bytes of a WRITE; whole pages.
    pub(crate) fn wsize(&self) -> u32 {
        self.wsize
    }

    /// Bytes of a READDIR.
    pub(crate) fn dtsize(&self) -> u32 {
        self.dtsize
    }

    /// Longest name.
    pub(crate) fn name_max(&self) -> u32 {
        self.name_max
    }

    /// Largest file in bytes.
    pub(crate) fn max_file_size(&self) -> u64 {
        self.max_file_size
    }

    /// How names behave.
    pub(crate) fn file_flags(&self) -> FileFlags {
        self.file_flags
    }

    /// What an exclusive create can set.
    pub(super) fn exclusive(&self) -> Bitmap {
        self.exclusive
    }

    /// Whether the server takes the umask, and applies it where no default ACL rules.
    pub(crate) fn knows_umask(&self) -> bool {
        self.knows_umask
    }

    /// Whether a change attribute only grows.
    pub(crate) fn change_grows(&self) -> bool {
        self.change_grows
    }

    /// Whether the server is known not to have this operation of NFSv4.2.
    pub(super) fn lacks(&self, op: u32) -> bool {
        self.lacking.load(Relaxed) & bit_of(op) != 0
    }

    /// It has said so.
    pub(super) fn set_lacks(&self, op: u32) {
        // Whoever says so of two at once has one of them said again.
        self.lacking
            .store(self.lacking.load(Relaxed) | bit_of(op), Relaxed);
    }

    /// How this mount calls on behalf of `cred`.
    pub(crate) fn how<'a>(&'a self, cred: &'a Credential) -> How<'a> {
        How {
            cred,
            privileged: false,
            flags: self.params.patience,
            patience_ms: self.params.major_timeout_ms(),
            pages: None,
            rpc: self.force.rpc(),
            force: Some(&self.force),
        }
    }

    /// One compound (SEQUENCE is put in front): waits for the reply, through recovery, DELAY and GRACE. `Ok` means that there
    /// is one; what each operation says is in it. May sleep; killable.
    pub(crate) fn call<O: Ops>(&self, cred: &Credential, ops: O) -> Result<O::Res> {
        self.client.call(self.how(cred), ops)
    }

    /// The same for what does harm if it is run twice: tells besides whether that may have been so.
    pub(crate) fn call_once<O: Ops>(&self, cred: &Credential, ops: O) -> Result<(O::Res, bool)> {
        self.client.call_once(self.how(cred), ops)
    }

    /// The same for a reply with bulk data, which is then read from `pages`.
    pub(crate) fn call_pages<'p, O: Ops>(
        &'p self,
        cred: &Credential,
        ops: O,
        pages: &'p PageVec,
    ) -> Result<(O::Res, PagedReply<'p>)> {
        let how = How {
            pages: Some(pages),
            ..self.how(cred)
        };
        let res = self.client.call(how, ops)?;
        let names = &**self.client.registry().idmap();
        Ok((res, PagedReply::new(pages, pages.len(), names)?))
    }

    /// Whether there is a connection to the server now.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.rpc().connection().is_some()
    }

    /// `umount -f`: ends what waits for the server.
    pub(crate) fn umount_begin(&self) {
        self.force.end_calls();
    }

    /// An open for writing of this file by `cred`, whose stateid SETATTR(size) can use.
    pub(crate) fn find_write_state(&self, fh: &Fh, cred: &Credential) -> Option<Arc<OpenState>> {
        let owner = self.owners.find(cred)?;
        let state = owner.peek_state(fh)?;
        state.can_write().then_some(state)
    }
}
