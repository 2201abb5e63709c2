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

use rnfs4_proto::types::Stateid;

use crate::{
    client::{
        nfs_client::Client,
        state::open_state::Recovery, //
    },
    sys::{
        cred::fsuid,
        debugfs::{
            DebugFile,
            Dir,
            Root, //
        },
        fs::LockMode,
        time::now_ms,
    },
};

/// Makes the directory of `client`, called `name`. May sleep.
pub(in crate::client) fn publish(
    root: &Arc<Root>,
    name: &CStr,
    client: &Arc<Client>,
) -> Dir<Client> {
    let dir = Dir::new(root, name, client.clone());
    dir.file::<State>();
    dir.file::<SessionFile>();
    dir.file::<Counters>();
    dir.file::<TimelineFile>();
    dir.file::<OwnersFile>();
    dir.file::<Opens>();
    dir.file::<Locks>();
    dir.file::<Fault>();
    dir
}

/// The directory's name for the `nr`th client of the module: its server's name, which may be anything, and the number.
pub(in crate::client) fn dir_name(server: &str, nr: u64) -> Result<CString> {
    let (head, tail) = match server.split_once('/') {
        Some((head, _)) => (head, "..."),
        None => (server, ""),
    };
    CString::try_from_fmt(fmt!("{head}{tail}-{nr}"))
}

/// The hash by which Wireshark shows a file handle: CRC-32.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
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

/// The owners of all mounts: how many there are, how many open states they have, and who they are.
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
        // They are few, and nothing here sleeps.
        client.for_each_server(|server| {
            server.owners().for_each(|owner| {
                seq_print!(m, "owner {} uid={}\n", owner.id(), fsuid(owner.cred()));
            });
        });
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

/// A stateid as it is on the wire.
struct Hex<'a>(&'a Stateid);

impl core::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:", self.0.seqid)?;
        self.0
            .other
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The open files, a line for each file and owner.
struct Opens;

impl DebugFile for Opens {
    type Data = Client;
    const NAME: &'static CStr = c"opens";

    fn show(client: &Client, m: &SeqFile) -> Result {
        for state in &client.all_states()? {
            let look = state.look();
            let mark = match look.recovery {
                Recovery::None => "",
                Recovery::Reboot => " RECLAIM",
                Recovery::Test => " TEST",
                Recovery::Reopen => " REOPEN",
                Recovery::Failed => " BAD",
            };
            m.call_printf(format_args!(
                "fileid={} fh={:08x} owner={} uid={} stateid={} access={} granted={} contexts={}{mark}\n",
                look.fileid,
                crc32(state.fh().as_slice()),
                state.owner().id(),
                fsuid(state.owner().cred()),
                Hex(&look.stateid),
                look.needed.0,
                look.granted.0,
                look.contexts,
            ));
        }
        Ok(())
    }
}

/// The lock stateids, a line for each lock owner and open, and the bytes that are locked.
struct Locks;

impl DebugFile for Locks {
    type Data = Client;
    const NAME: &'static CStr = c"locks";

    fn show(client: &Client, m: &SeqFile) -> Result {
        for state in &client.all_states()? {
            let Some(locks) = state.locks() else { continue };
            let inode = state.inode();
            let fileid = inode.as_ref().map_or(0, |inode| inode.ino());
            let mut held = KVVec::new();
            if let Some(inode) = inode {
                inode.held_locks(&mut held)?;
            }
            locks.for_each(state, |lock, granted| {
                let stateid = lock.stateid().unwrap_or(Stateid::ANONYMOUS);
                m.call_printf(format_args!(
                    "fileid={fileid} owner={} stateid={} bytes=",
                    lock.owner_id_on_wire(),
                    Hex(&stateid),
                ));
                let listed = held.iter().filter(|held| held.key == lock.key());
                for held in Iterator::chain(listed, granted) {
                    let kind = match held.mode {
                        LockMode::Shared => "r",
                        LockMode::Exclusive => "w",
                    };
                    m.call_printf(format_args!(
                        "{kind}{}-{},",
                        held.range.start(),
                        held.range.end()
                    ));
                }
                seq_print!(m, "{}\n", if lock.is_lost() { " LOST" } else { "" });
            });
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
