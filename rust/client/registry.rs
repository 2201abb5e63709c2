// SPDX-License-Identifier: GPL-2.0

//! Which clients there are: one for each server address, namespace and minor version, shared by all mounts.

use kernel::{
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        Mutex,
        SpinLock, //
    },
};

use super::{
    idmap::Idmap,
    nfs_client::{
        Client,
        TEARDOWN, //
    },
    params::MountParams,
};
use crate::sys::{
    debugfs::Root,
    net::NetNs,
    wait::{
        WaitQueue,
        Waited, //
    },
    workqueue::OwnedQueue,
};

struct Entry {
    client: Arc<Client>,
    users: u32,
}

/// What the module has once: its clients, and the queues for what must not be done where it turns up.
#[pin_data]
pub(crate) struct Registry {
    queue: OwnedQueue,
    patient: OwnedQueue,
    idmap: Arc<Idmap>,
    debugfs: Arc<Root>,
    /// Clients made so far.
    made: Atomic<u64>,
    #[pin]
    clients: Mutex<KVec<Entry>>,
    /// Mounts that still have a file to close, and clients whose teardown has not finished. Not behind the mutex, which a mount holds for long: who waits looks in between
    /// going to sleep, where he may not wait for a mutex.
    #[pin]
    leaving: SpinLock<u32>,
    #[pin]
    gone: WaitQueue,
}

/// A mount's hold on a client. Dropping the last one of a client has it torn down on the module's queue.
pub(crate) struct ClientUser(Arc<Client>);

impl core::ops::Deref for ClientUser {
    type Target = Arc<Client>;

    fn deref(&self) -> &Arc<Client> {
        &self.0
    }
}

impl Registry {
    /// No clients yet. May sleep.
    pub(crate) fn new() -> Result<Arc<Self>> {
        let queue = OwnedQueue::new(c"rnfs4")?;
        let patient = OwnedQueue::new(c"rnfs4_patient")?;
        let idmap = Idmap::new()?;
        let debugfs = Arc::new(Root::new(c"rnfs4"), GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                queue,
                patient,
                idmap,
                debugfs,
                made: Atomic::new(0),
                clients <- new_mutex!(KVec::new()),
                leaving <- new_spinlock!(0),
                gone <- WaitQueue::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// The queue for work that does not wait for a server: the releases of calls, among others, for which everybody waits.
    pub(crate) fn queue(&self) -> &OwnedQueue {
        &self.queue
    }

    /// The queue for work that may wait for a server, and that others of its kind may have to wait for.
    pub(crate) fn patient(&self) -> &OwnedQueue {
        &self.patient
    }

    /// The names of owners.
    pub(super) fn idmap(&self) -> &Arc<Idmap> {
        &self.idmap
    }

    /// Where the clients' files are.
    pub(super) fn debugfs(&self) -> &Arc<Root> {
        &self.debugfs
    }

    /// The number of a new client, from 1.
    pub(super) fn next_client(&self) -> u64 {
        self.made.fetch_add(1, Relaxed) + 1
    }

    /// The client for a mount; a new one starts to introduce itself to the server. May sleep.
    pub(crate) fn client(
        self: &Arc<Self>,
        net: &NetNs,
        params: &MountParams,
    ) -> Result<ClientUser> {
        let mut clients = self.clients.lock();
        if let Some(entry) = clients.iter_mut().find(|e| e.client.matches(net, params)) {
            entry.users += 1;
            return Ok(ClientUser(entry.client.clone()));
        }
        let client = Client::new(self, net, params)?;
        clients.push(
            Entry {
                client: client.clone(),
                users: 1,
            },
            GFP_KERNEL,
        )?;
        let user = ClientUser(client);
        drop(clients);
        // On failure `user` takes the entry out again; other mounts that have found it meanwhile fail as well.
        user.0
            .publish()
            .and_then(|()| user.0.run_manager())
            .inspect_err(|&err| user.0.session().close(err))?;
        Ok(user)
    }

    /// One more hold on a client that there is one on. May sleep.
    pub(super) fn hold(&self, user: &ClientUser) -> ClientUser {
        let mut clients = self.clients.lock();
        let entry = clients.iter_mut().find(|e| Arc::ptr_eq(&e.client, &user.0));
        if let Some(entry) = entry {
            entry.users += 1;
        }
        ClientUser(user.0.clone())
    }

    fn put(self: &Arc<Self>, client: &Arc<Client>) {
        let mut clients = self.clients.lock();
        let Some(at) = clients.iter().position(|e| Arc::ptr_eq(&e.client, client)) else {
            return;
        };
        if let Some(entry) = clients.get_mut(at) {
            entry.users -= 1;
            if entry.users > 0 {
                return;
            }
        }
        let removed = clients.remove(at);
        *self.leaving.lock() += 1;
        drop(clients);
        drop(removed);
        client.leave();
        // The item was made with the client, so this cannot fail.
        let _ = self.patient.enqueue::<_, TEARDOWN>(client.clone());
    }

    /// A mount is on its way out, and has left when what this returns is dropped.
    pub(super) fn depart(self: &Arc<Self>) -> Departure {
        *self.leaving.lock() += 1;
        Departure(self.clone())
    }

    /// A client or a mount is gone.
    pub(super) fn left(&self) {
        *self.leaving.lock() -= 1;
        self.gone.wake_all();
    }

    /// Waits until the clients that are on their way out have gone, bounded by `timeout_ms`: what umount does, so that the
    /// server knows of it when umount returns.
    pub(crate) fn wait_left(&self, timeout_ms: u32) {
        let timeout = kernel::time::msecs_to_jiffies(timeout_ms);
        let _ = self.gone.wait_killable_timeout(timeout, || self.is_quiet());
    }

    fn is_quiet(&self) -> bool {
        *self.leaving.lock() == 0
    }

    /// For module exit: waits until nothing of ours runs any more. No mount exists or can be made.
    pub(crate) fn shut_down(&self) {
        while self
            .gone
            .wait_idle_timeout(kernel::time::msecs_to_jiffies(1000), || self.is_quiet())
            != Waited::True
        {}
        // Each may have left something to the other.
        self.queue.flush();
        self.patient.flush();
        self.queue.flush();
    }
}

/// A mount on its way out.
pub(super) struct Departure(Arc<Registry>);

impl Drop for Departure {
    fn drop(&mut self) {
        self.0.left();
    }
}

impl Drop for ClientUser {
    fn drop(&mut self) {
        let registry = self.0.registry().clone();
        registry.put(&self.0);
    }
}
