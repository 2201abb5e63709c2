// SPDX-License-Identifier: GPL-2.0

//! The script's way in: a socket that takes a line and gives lines, ended by one with a dot.

use crate::{
    fs::{Kind, ROOT},
    rpc::lock,
    rules::{hex, number},
    state::What,
    world::World,
};
use rnfs4_proto::status::Status;
use std::{
    fmt::Write as _,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    sync::Mutex,
};

/// Serves one connection of a script.
pub fn serve(world: &Mutex<World>, stream: UnixStream) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        let answer = match command(&mut lock(world), line?.trim()) {
            Ok(text) => text,
            Err(why) => format!("error: {why}\n"),
        };
        out.write_all(answer.as_bytes())?;
        out.write_all(b".\n")?;
    }
    Ok(())
}

/// Sends one command; what it printed, and whether it went well.
pub fn send(path: &str, line: &str) -> io::Result<(String, bool)> {
    let mut stream = UnixStream::connect(path)?;
    writeln!(stream, "{line}")?;
    let mut text = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        if line == "." {
            break;
        }
        text += &line;
        text.push('\n');
    }
    let good = !text.starts_with("error:");
    Ok((text, good))
}

fn lines(each: impl Iterator<Item = String>) -> String {
    each.fold(String::new(), |all, line| all + &line + "\n")
}

fn name(status: Status) -> String {
    status.to_string()
}

fn revoke(world: &mut World, path: &str, status: Status) -> Result<String, String> {
    let file = world.fs.walk(path).map_err(name)?;
    let mut n = 0;
    for state in world.mem.states.values_mut().filter(|s| s.file == file) {
        state.revoked = Some(status);
        n += 1;
    }
    Ok(format!("{n}\n"))
}

/// Objects are made and read past the protocol, so that there can be what no client would make.
fn put(world: &mut World, name: &[u8], data: &[u8]) -> Result<String, String> {
    let id = match world
        .fs
        .node(ROOT)
        .and_then(|root| Ok(root.entries()?.get(name).copied()))
    {
        Ok(Some(entry)) => entry.id,
        _ => {
            let id = world.fs.make(Kind::File(Vec::new()), 0o666, (0, 0));
            world.fs.enter(ROOT, name, id).map_err(self::name)?;
            id
        }
    };
    let node = world.fs.node(id).map_err(self::name)?;
    node.data().map_err(self::name)?.clear();
    node.write(0, data).map_err(self::name)?;
    Ok(format!("{id}\n"))
}

fn unlink(world: &mut World, name: &[u8]) -> Result<String, String> {
    let root = world.fs.node(ROOT).and_then(|root| root.entries());
    let gone = root.map_err(self::name)?.remove(name);
    let id = gone.ok_or("no such name")?.id;
    let node = world.fs.node(id).map_err(self::name)?;
    node.nlink -= 1;
    node.touched();
    world.fs.node(ROOT).map_err(self::name)?.modified();
    if !world.mem.is_open(id) {
        world.fs.forget(id);
    }
    Ok(String::new())
}

fn show_state(world: &mut World) -> String {
    let (opens, locks, delegations) = world.mem.counts();
    let (clients, sessions) = (world.mem.clients.len(), world.mem.sessions.len());
    let grace = u8::from(world.mem.in_grace());
    let mut text = format!(
        "clients={clients} sessions={sessions} opens={opens} locks={locks} delegations={delegations} grace={grace}\n"
    );
    for state in world.mem.states.values() {
        let what = match &state.what {
            What::Open(access) => format!("open access={}", access.0),
            What::Lock(_, ranges) => {
                let mut text = "lock".to_owned();
                for r in ranges {
                    let kind = if r.exclusive { 'w' } else { 'r' };
                    let _ = write!(text, " {}-{}{kind}", r.start, r.end);
                }
                text
            }
            What::Delegation => "delegation".to_owned(),
        };
        let revoked = state.revoked.map_or(String::new(), |s| format!(" {s}"));
        let _ = writeln!(
            text,
            "file={} seqid={} {what}{revoked}",
            state.file, state.seqid
        );
    }
    text
}

/// Obeys one line.
fn command(world: &mut World, line: &str) -> Result<String, String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let done = Ok(String::new());
    match word {
        "rule" => {
            let World { rules, fs, .. } = world;
            let files = std::cell::RefCell::new(fs);
            let id = rules.add(rest, |path| files.borrow_mut().walk(path).map_err(name))?;
            Ok(format!("{id}\n"))
        }
        "clear" => {
            match rest {
                "" => world.rules.list.clear(),
                id => {
                    let id = number(id)?;
                    world.rules.list.retain(|rule| rule.id != id);
                }
            }
            done
        }
        "rules" => {
            let rules = world.rules.list.iter();
            Ok(lines(
                rules.map(|r| format!("{} hits={} {}", r.id, r.hits, r.text)),
            ))
        }
        "seed" => {
            world.rules.seed(number(rest)?.into());
            done
        }
        "restart" => {
            world.restart(rest == "forget");
            done
        }
        "grace" if rest == "end" => {
            world.mem.end_grace();
            done
        }
        "complete" => {
            for id in world.mem.clients.keys().copied().collect::<Vec<_>>() {
                // Those that have said so already need not be told.
                let _ = world.mem.reclaim_complete(id);
            }
            done
        }
        "expire" => {
            for id in world.mem.clients.keys().copied().collect::<Vec<_>>() {
                world.mem.expire(id);
            }
            done
        }
        "lose" if rest == "sessions" => {
            world.mem.sessions.clear();
            done
        }
        "revoke" => revoke(world, rest, Status::ADMIN_REVOKED),
        "verifier" => {
            world.new_verifier();
            done
        }
        "flags" => {
            world.flags = number(rest)?;
            done
        }
        "delegate" => {
            world.delegation = number(rest)?;
            if world.delegation == 0 {
                let states = &mut world.mem.states;
                states.retain(|_, state| !matches!(state.what, What::Delegation));
            }
            done
        }
        "strict" => {
            world.mem.strict = rest == "on";
            done
        }
        "limits" => {
            let (slots, ops) = rest.split_once(' ').ok_or("limits SLOTS OPS")?;
            world.limits = (number(slots)?, number(ops)?);
            done
        }
        "put" => {
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            put(world, name.as_bytes(), text.as_bytes())
        }
        "puthex" => put(world, &hex(rest)?, b"odd"),
        "unlink" => unlink(world, rest.as_bytes()),
        "unlinkhex" => unlink(world, &hex(rest)?),
        "get" => {
            let id = world.fs.walk(rest).map_err(name)?;
            let node = world.fs.node(id).map_err(name)?;
            let data = node.data().map_err(name)?;
            Ok(format!("{}\n", data.escape_ascii()))
        }
        "mark" => {
            world.log.clear();
            world.counts.clear();
            done
        }
        "count" => {
            let counts = world
                .counts
                .iter()
                .filter(|(op, _)| rest.is_empty() || *op == rest);
            Ok(lines(counts.map(|(op, n)| format!("{op}={n}"))))
        }
        "log" => Ok(lines(world.log.iter().cloned())),
        "state" => Ok(show_state(world)),
        _ => Err(format!("no command: {line}")),
    }
}
