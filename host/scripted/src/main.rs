// SPDX-License-Identifier: GPL-2.0

//! An NFSv4.1 server for tests: a small file system in memory, correct unless a script says otherwise.
//!
//! ```text
//! scripted serve [--listen ADDRESS:PORT] [--control PATH] [--lease SECONDS]
//! scripted ctl PATH COMMAND...
//! scripted table
//! ```
//!
//! docs/testing.md has the commands.

mod args;
mod control;
mod fs;
mod getattr;
mod ops;
mod rpc;
mod rules;
mod state;
mod state_ops;
mod table;
mod wire;
mod world;

use std::{
    env, fs as files,
    io::{self, Write as _},
    net::TcpListener,
    os::unix::net::UnixListener,
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

const USAGE: &str =
    "usage: scripted serve [--listen ADDRESS:PORT] [--control PATH] [--lease SECONDS]
       scripted ctl PATH COMMAND...
       scripted table";

fn serve(listen: &str, control: &str, lease: u64) -> io::Result<()> {
    let world = Arc::new(Mutex::new(world::World::new(Duration::from_secs(lease))));
    let calls = TcpListener::bind(listen)?;
    // What is there is of a server that has ended: the port was free.
    let _ = files::remove_file(control);
    let scripts = UnixListener::bind(control)?;
    let shared = world.clone();
    thread::spawn(move || {
        for stream in scripts.incoming().flatten() {
            let world = shared.clone();
            // A script that goes away is no trouble of ours.
            thread::spawn(move || control::serve(&world, stream));
        }
    });
    for stream in calls.incoming() {
        let (stream, world) = (stream?, world.clone());
        thread::spawn(move || rpc::serve(&world, stream));
    }
    Ok(())
}

fn run(args: &[String]) -> Result<ExitCode, String> {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", options @ ..] => {
            let (mut listen, mut control, mut lease) = ("127.0.0.1:2049", "/run/scripted", 10);
            for option in options.chunks(2) {
                match option {
                    ["--listen", address] => listen = address,
                    ["--control", path] => control = path,
                    ["--lease", s] => lease = s.parse().map_err(|_| format!("no number: {s}"))?,
                    _ => return Err(USAGE.to_owned()),
                }
            }
            serve(listen, control, lease).map_err(|e| e.to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        ["ctl", path, command @ ..] => {
            let (text, good) =
                control::send(path, &command.join(" ")).map_err(|e| e.to_string())?;
            print!("{text}");
            Ok(if good {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        ["table"] => {
            // Whoever reads it may have seen enough.
            let _ = io::stdout().write_all(table::print().as_bytes());
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(USAGE.to_owned()),
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    run(&args).unwrap_or_else(|why| {
        eprintln!("scripted: {why}");
        ExitCode::from(2)
    })
}
