// SPDX-License-Identifier: GPL-2.0

//! Trying until it works, in the foreground or behind it.

use std::{
    env,
    os::unix::net::UnixDatagram,
    process::{
        self,
        Stdio, //
    },
    thread::sleep,
    time::{
        Duration,
        Instant, //
    },
};

use rustix::process::setsid;

use crate::{
    attempt,
    command::Command,
    exit::Failure,
    host,
    place, //
};

/// Set for the process that goes on in the background.
const BEHIND: &str = "MOUNT_RNFS4_BACKGROUND";
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Longer than any machine runs.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

fn is_behind() -> bool {
    env::var_os(BEHIND).is_some()
}

/// Says it where somebody may see it: in the background that is the system's log (RFC 3164: a daemon's error).
pub(crate) fn tell(what: &str) {
    if is_behind() {
        let line = format!("<27>mount.rnfs4[{}]: {what}", process::id());
        // Without a log there is nobody to tell.
        let _ =
            UnixDatagram::unbound().and_then(|socket| socket.send_to(line.as_bytes(), "/dev/log"));
    } else {
        eprintln!("mount.rnfs4: {what}");
    }
}

/// How long to wait before try number `n` + 1: a second, doubled each time.
fn pause(n: u32) -> Duration {
    Duration::from_secs(1 << n.min(5)).min(LONGEST_PAUSE)
}

/// Every address once. The last failure, a lasting one first: who was refused by one address need not try for ever.
fn round(command: &Command) -> Result<(), Failure> {
    place::check_free(&command.source, &command.dir)?;
    let host = host::of_source(&command.source)?;
    let mut failure = None;
    for addr in host::addresses(host, &command.options)? {
        if command.verbose {
            println!(
                "mount.rnfs4: trying {}, port {}",
                host::text(&addr),
                addr.port()
            );
        }
        match attempt::mount(command, &addr) {
            Ok(()) => return Ok(()),
            Err(err @ (Failure::Usage(_) | Failure::System(_))) => return Err(err),
            Err(err) => {
                if failure.as_ref().is_none_or(Failure::is_temporary) {
                    failure = Some(err);
                }
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

fn until(command: &Command, deadline: Instant) -> Result<(), Failure> {
    for n in 0.. {
        match round(command) {
            Err(err) if err.is_temporary() && Instant::now() + pause(n) < deadline => {
                if command.verbose {
                    println!(
                        "mount.rnfs4: {err}; trying again in {} s",
                        pause(n).as_secs()
                    );
                }
                sleep(pause(n));
            }
            end => return end,
        }
    }
    Ok(())
}

/// Goes on in a process of its own, which the caller does not wait for.
fn go_behind() -> Result<(), Failure> {
    let program = env::current_exe().map_err(|err| Failure::System(err.to_string()))?;
    process::Command::new(program)
        .args(env::args_os().skip(1))
        .env(BEHIND, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(drop)
        .map_err(|err| Failure::System(format!("cannot go on in the background: {err}")))
}

/// Mounts, for as long as `retry` allows.
pub(crate) fn mount(command: &Command) -> Result<(), Failure> {
    let limit = Duration::from_secs(command.options.retry_minutes()?.saturating_mul(60));
    let deadline = Instant::now() + limit.min(FOR_EVER);
    if is_behind() {
        // Whoever closes the terminal does not mean us. A failure is that of who leads a session already, and does no harm.
        let _ = setsid();
        return until(command, deadline);
    }
    if command.options.background() {
        return match round(command) {
            Err(err) if err.is_temporary() => {
                tell(&format!("{err}; goes on in the background"));
                go_behind()
            }
            end => end,
        };
    }
    until(command, deadline)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute() {
        let all: Vec<_> = (0..8).map(|n| pause(n).as_secs()).collect();
        assert_eq!(all, [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn a_lasting_failure_ends_it() {
        let command = Command {
            source: "nonsense".into(),
            dir: "/".into(),
            ..Command::default()
        };
        assert!(matches!(
            until(&command, Instant::now() + FOR_EVER),
            Err(Failure::Usage(_))
        ));
    }
}
