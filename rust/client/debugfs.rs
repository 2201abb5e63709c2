// SPDX-License-Identifier: GPL-2.0

//! A client's directory in debugfs: what it is doing, what it has, what it has been through. docs/observing.md describes it.
//!
//! Reading never waits for the server: nothing here takes a lock that is held while something is sent.

use kernel::{
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    str::CString,
    sync::Arc, //
};

use super::nfs_client::Client;
use crate::sys::{
    debugfs::{
        DebugFile,
        Dir,
        Root, //
    },
    time::now_ms,
};

/// Makes the directory of `client`, called `name`. May sleep.
pub(super) fn publish(root: &Arc<Root>, name: &CStr, client: &Arc<Client>) -> Dir<Client> {
    let dir = Dir::new(root, name, client.clone());
    dir.file::<State>();
    dir.file::<SessionFile>();
    dir.file::<OwnersFile>();
    dir.file::<Counters>();
    dir.file::<TimelineFile>();
    dir.file::<Fault>();
    dir
}

/// The directory's name for the `nr`th client of the module: its server's name, which may be anything, and the number.
pub(super) fn dir_name(server: &str, nr: u64) -> Result<CString> {
    let (head, tail) = match server.split_once('/') {
        Some((head, _)) => (head, "..."),
        None => (server, ""),
    };
    CString::try_from_fmt(fmt!("{head}{tail}-{nr}"))
}

/// What the state manager has in mind.
struct State;

impl DebugFile for State {
    type Data = Client;
    const NAME: &'static CStr = c"state";

    fn show(client: &Client, m: &SeqFile) -> Result {
        let now = now_ms();
        let lease = *client.lease.lock();
        seq_print!(m, "server {}\n", client.name());
        seq_print!(m, "minorversion {}\n", client.minorversion());
        {
            let machine = client.manager.machine();
            m.call_printf(format_args!("bits {}\n", machine.bits()));
            seq_print!(m, "step {}\n", machine.todo().name());
            seq_print!(m, "idle {}\n", u8::from(machine.is_idle()));
        }
        seq_print!(m, "established {}\n", u8::from(client.is_established()));
        seq_print!(m, "lease_period_ms {}\n", lease.period_ms());
        seq_print!(m, "lease_age_ms {}\n", lease.age_ms(now));
        seq_print!(m, "calls {}\n", client.calls());
        seq_print!(m, "now_ms {now}\n");
        Ok(())
    }
}

/// The session.
struct SessionFile;

impl DebugFile for SessionFile {
    type Data = Client;
    const NAME: &'static CStr = c"session";

    fn show(client: &Client, m: &SeqFile) -> Result {
        let session = client.session().look();
        seq_print!(m, "id ");
        for byte in session.id.0 {
            seq_print!(m, "{byte:02x}");
        }
        seq_print!(m, "\nslots_in_use {}\n", session.in_use);
        seq_print!(m, "slots_target {}\n", session.target);
        seq_print!(m, "draining {}\n", u8::from(session.draining));
        seq_print!(m, "max_request {}\n", session.limits.max_request);
        seq_print!(m, "max_response {}\n", session.limits.max_response);
        seq_print!(m, "max_ops {}\n", session.limits.max_ops);
        Ok(())
    }
}

/// The owners of all mounts, and their open states.
struct OwnersFile;

impl DebugFile for OwnersFile {
    type Data = Client;
    const NAME: &'static CStr = c"owners";

    fn show(client: &Client, m: &SeqFile) -> Result {
        let (mut active, mut lru, mut states) = (0, 0, 0);
        client.for_each_server(|server| {
            let (used, unused) = server.owners().counts();
            active += used;
            lru += unused;
            server
                .owners()
                .for_each(|owner| owner.for_each_state(|_| states += 1));
        });
        seq_print!(m, "active {active}\nlru {lru}\nstates {states}\n");
        Ok(())
    }
}

/// The counters.
struct Counters;

impl DebugFile for Counters {
    type Data = Client;
    const NAME: &'static CStr = c"counters";

    fn show(client: &Client, m: &SeqFile) -> Result {
        m.call_printf(format_args!("{}", client.observer.stats()));
        Ok(())
    }
}

/// The time line.
struct TimelineFile;

impl DebugFile for TimelineFile {
    type Data = Client;
    const NAME: &'static CStr = c"timeline";

    fn show(client: &Client, m: &SeqFile) -> Result {
        for entry in &client.observer.timeline()? {
            m.call_printf(format_args!("{} {}\n", entry.ms, entry.what));
        }
        Ok(())
    }
}

/// What is to go wrong: takes rules, shows those there are.
struct Fault;

impl DebugFile for Fault {
    type Data = Client;
    const NAME: &'static CStr = c"fault";
    const WRITABLE: bool = true;

    fn show(client: &Client, m: &SeqFile) -> Result {
        m.call_printf(format_args!("{}", client.faults.look()));
        Ok(())
    }

    fn write(client: &Client, text: &[u8]) -> Result {
        client.faults.command(text)
    }
}
