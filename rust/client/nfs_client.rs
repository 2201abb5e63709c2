// SPDX-License-Identifier: GPL-2.0

//! The client: what there is once for a server address, however many mounts there are (`struct nfs_client`).
//!
//! It owns the transport, the session, the lease and the state-manager thread. Mounts hold a [`ClientUser`]; when the last one
//! goes, the client is torn down on the module's own work queue, never by whoever happened to let go last.

use kernel::{
    cred::Credential,
    impl_has_delayed_work, impl_has_work, new_delayed_work, new_mutex, new_spinlock, new_work,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SpinLock, //
    },
    time::msecs_to_jiffies,
    workqueue::{
        DelayedWork,
        Work,
        WorkItem, //
    },
};
use rnfs4_proto::{
    compound::Ops,
    ops::session::ServerInfo,
    recovery::lease::Lease,
    types::{
        ClientId,
        Verifier, //
    },
    xdr::XdrResult, //
};

use super::{
    call::{
        link::Link,
        session::Session, //
    },
    fault::FaultPoint,
    observe::{
        debugfs,
        stats::Counter,
        Observer, //
    },
    params::MountParams,
    recovery::{
        lease::owner_name,
        state_manager::Manager, //
    },
    registry::Registry,
    server::Server,
};
use crate::sys::{
    cred::{
        current_cred,
        machine_cred, //
    },
    debugfs::Dir,
    mm::PageVec,
    net::NetNs,
    sunrpc::{
        Encoder,
        RpcClnt,
        SockAddr, //
    },
    time::{
        now_ms,
        random_u64, //
    },
    wait::{
        WaitQueue,
        Waited, //
    },
};

/// The client's name to the server and what the server told of itself.
pub(super) struct Identity {
    /// `co_ownerid`: not the C client's, with which we share the address.
    pub(super) owner: CString,
    /// `co_verifier`: changes with each instance of this client.
    pub(super) verifier: Verifier,
    /// The client id, once there is one.
    pub(super) clientid: ClientId,
    /// Number of the next CREATE_SESSION.
    pub(super) create_seqid: u32,
    /// The server, as it introduced itself in the last EXCHANGE_ID.
    pub(super) server: KBox<ServerInfo>,
}

/// One client of one server (`struct nfs_client`).
#[pin_data]
pub(crate) struct Client {
    registry: Arc<Registry>,
    net: ARef<NetNs>,
    addr: SockAddr,
    hostname: CString,
    minorversion: u32,
    noresvport: bool,
    nconnect: u32,
    /// Before `rpc`, whose connection it is about.
    #[pin]
    pub(super) link: Link,
    rpc: RpcClnt,
    cred: ARef<Credential>,
    #[pin]
    session: Session,
    #[pin]
    pub(super) manager: Manager,
    /// Held by the state manager while it talks about the client id; may sleep.
    #[pin]
    pub(super) identity: Mutex<Identity>,
    #[pin]
    pub(super) lease: SpinLock<Lease>,
    /// What is told of it.
    #[pin]
    pub(super) observer: Observer,
    /// What goes wrong on purpose.
    #[pin]
    pub(super) faults: FaultPoint,
    /// Its files in debugfs, from its first step to its last.
    #[pin]
    shown: Mutex<Option<Dir<Client>>>,
    /// Mounted file systems; their open state is what is recovered.
    #[pin]
    servers: SpinLock<KVec<Arc<Server>>>,
    /// Calls that were begun and have not been released.
    #[pin]
    calls: SpinLock<u32>,
    #[pin]
    calls_done: WaitQueue,
    next_owner: Atomic<u64>,
    #[pin]
    pub(super) renewd: DelayedWork<Client>,
    #[pin]
    teardown: Work<Client, TEARDOWN>,
}

impl_has_delayed_work! {
    impl HasDelayedWork<Client> for Client { self.renewd }
}

/// Which work item tears a client down.
pub(super) const TEARDOWN: u64 = 1;

impl_has_work! {
    impl HasWork<Client, 1> for Client { self.teardown }
}

impl WorkItem<TEARDOWN> for Client {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        this.tear_down();
    }
}

impl Client {
    /// Makes a client and its transport; nothing is sent yet. May sleep.
    pub(super) fn new(
        registry: &Arc<Registry>,
        net: &NetNs,
        params: &MountParams,
    ) -> Result<Arc<Self>> {
        let cred = machine_cred();
        let rpc = RpcClnt::create(&crate::sys::sunrpc::clnt::CreateArgs {
            net,
            addr: &params.addr,
            servername: &params.hostname,
            // Whose user namespace the server's ids are in: the mounter's.
            cred: &current_cred(),
            timeout: params.timeout(),
            noresvport: params.noresvport,
            nconnect: params.nconnect,
        })?;
        let link = Link::new(&rpc)?;
        let identity = Identity {
            owner: owner_name(net, params.minorversion, &params.addr)?,
            verifier: Verifier(random_u64().to_be_bytes()),
            clientid: ClientId(0),
            create_seqid: 0,
            server: KBox::new(ServerInfo::empty(), GFP_KERNEL)?,
        };
        Arc::pin_init(
            try_pin_init!(Self {
                registry: registry.clone(),
                net: ARef::from(net),
                addr: params.addr,
                hostname: params.hostname.to_cstring()?,
                minorversion: params.minorversion,
                noresvport: params.noresvport,
                nconnect: params.nconnect,
                rpc,
                cred,
                link <- link,
                session <- Session::new(),
                manager <- Manager::new(),
                identity <- new_mutex!(identity),
                lease <- new_spinlock!(Lease::new(now_ms())),
                observer <- Observer::new()?,
                faults <- FaultPoint::new(),
                shown <- new_mutex!(None),
                servers <- new_spinlock!(KVec::new()),
                calls <- new_spinlock!(0),
                calls_done <- WaitQueue::new(),
                next_owner: Atomic::new(1),
                renewd <- new_delayed_work!("rnfs4_renewd"),
                teardown <- new_work!("rnfs4_teardown"),
            }),
            GFP_KERNEL,
        )
    }

    /// Whether a mount with `params` in `net` is served by this client.
    pub(super) fn matches(&self, net: &NetNs, params: &MountParams) -> bool {
        *self.net == *net && self.addr == params.addr && self.minorversion == params.minorversion
    }

    /// Where our work items run.
    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The transport.
    pub(crate) fn rpc(&self) -> &RpcClnt {
        &self.rpc
    }

    /// The session.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The credential for talking about the client itself.
    pub(crate) fn cred(&self) -> &Credential {
        &self.cred
    }

    /// The server's name, for messages.
    pub(crate) fn name(&self) -> &str {
        self.hostname.to_str().unwrap_or("server")
    }

    /// 1 or 2.
    pub(super) fn minorversion(&self) -> u32 {
        self.minorversion
    }

    /// Whether its port may be any, as the first of its mounts has said.
    pub(crate) fn noresvport(&self) -> bool {
        self.noresvport
    }

    /// How many connections it has, by the same word.
    pub(crate) fn nconnect(&self) -> u32 {
        self.nconnect
    }

    /// The lease as it stands.
    pub(crate) fn lease(&self) -> Lease {
        *self.lease.lock()
    }

    /// How often the server has said NFS4ERR_DELAY.
    pub(crate) fn delays(&self) -> u64 {
        self.observer.stats().get(Counter::Delays)
    }

    /// How many calls were begun and have not been released.
    pub(super) fn calls(&self) -> u32 {
        *self.calls.lock()
    }

    /// Makes the client's directory in debugfs. May sleep.
    pub(super) fn publish(self: &Arc<Self>) -> Result {
        let name = debugfs::dir_name(self.name(), self.registry.next_client())?;
        let dir = debugfs::publish(self.registry.debugfs(), &name, self);
        *self.shown.lock() = Some(dir);
        Ok(())
    }

    /// Takes it away; who is reading there is waited for. May sleep.
    pub(super) fn withdraw(&self) {
        let dir = self.shown.lock().take();
        drop(dir);
    }

    /// The client id in use. May sleep.
    pub(crate) fn clientid(&self) -> ClientId {
        self.identity.lock().clientid
    }

    /// A number for a new state owner, unique in this client.
    pub(crate) fn next_owner_id(&self) -> u64 {
        self.next_owner.fetch_add(1, Relaxed)
    }

    /// Writes a compound; its bulk data goes out from, or comes into, `pages`.
    pub(super) fn encode<O: Ops>(
        &self,
        ops: &O,
        pages: Option<&PageVec>,
        xdr: &mut Encoder<'_>,
    ) -> XdrResult {
        if let Some(pages) = pages {
            match ops.data_offset() {
                Some(offset) => xdr.receive_pages(pages, offset),
                None => return ops.encode(self.minorversion, &mut xdr.with_data(pages)),
            }
        }
        ops.encode(self.minorversion, xdr)
    }

    /// Makes a server's open state part of what is recovered. May sleep.
    pub(super) fn add_server(&self, server: &Arc<Server>) -> Result {
        let mut room = KVec::new();
        loop {
            let mut servers = self.servers.lock();
            if servers.push_within_capacity(server.clone()).is_ok() {
                return Ok(());
            }
            let wanted = servers.len() + 4;
            if room.capacity() < wanted {
                drop(servers);
                room = KVec::with_capacity(wanted, GFP_KERNEL)?;
                continue;
            }
            for old in servers.drain_all() {
                // There is room for all.
                let _ = room.push_within_capacity(old);
            }
            let old = core::mem::replace(&mut *servers, room);
            drop(servers);
            drop(old);
            room = KVec::new();
        }
    }

    /// Takes it out again.
    pub(super) fn remove_server(&self, server: &Arc<Server>) {
        let removed = {
            let mut servers = self.servers.lock();
            let at = servers.iter().position(|s| Arc::ptr_eq(s, server));
            at.and_then(|at| servers.remove(at).ok())
        };
        drop(removed);
    }

    /// Calls `f` for each mounted server, under a spinlock.
    pub(super) fn for_each_server(&self, mut f: impl FnMut(&Server)) {
        for server in self.servers.lock().iter() {
            f(server);
        }
    }

    /// The mounted servers. May sleep.
    pub(super) fn servers(&self) -> Result<KVec<Arc<Server>>> {
        let mut all = KVec::new();
        loop {
            let servers = self.servers.lock();
            let wanted = servers.len();
            if all.capacity() >= wanted {
                for server in servers.iter() {
                    let _ = all.push_within_capacity(server.clone());
                }
                return Ok(all);
            }
            drop(servers);
            all = KVec::with_capacity(wanted, GFP_KERNEL)?;
        }
    }

    /// A call begins. It is counted even while the client takes leave: those calls are its own.
    pub(super) fn call_begin(&self) {
        *self.calls.lock() += 1;
    }

    /// A call and all that it held is gone.
    pub(super) fn call_end(&self) {
        let mut calls = self.calls.lock();
        *calls -= 1;
        if *calls == 0 {
            // Under the lock: who waits may free us as soon as he has it.
            self.calls_done.wake_all();
        }
    }

    /// Waits until the last call is gone.
    pub(super) fn wait_calls_done(&self) {
        self.wake_watch();
        while self
            .calls_done
            .wait_idle_timeout(msecs_to_jiffies(100), || *self.calls.lock() == 0)
            != Waited::True
        {
            self.wake_watch();
        }
    }
}
