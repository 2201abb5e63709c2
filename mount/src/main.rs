// SPDX-License-Identifier: GPL-2.0

//! mount.rnfs4: the part of mounting that is not the kernel's.
//!
//! The kernel resolves no names, reads no files and gives up at once; this does the rest: host names, options from a
//! configuration file, and trying again, also in the background. Called by mount(8) as `mount.rnfs4 SOURCE DIR -o OPTIONS`; its
//! exit status is one of mount(8)'s.

mod attempt;
mod command;
mod config;
mod exit;
mod host;
mod options;
mod place;
mod retry;

use std::process::ExitCode;

use command::Command;
use exit::Failure;

fn run() -> Result<(), Failure> {
    let Some(mut command) = Command::parse(lexopt::Parser::from_env())? else {
        return Ok(());
    };
    place::enter(&command)?;
    command.dir = place::directory(&command.dir)?;
    if command.options.remount() {
        // What the file says is for mounts that begin.
        return attempt::remount(&command);
    }
    command.options = config::defaults(&command)?.overridden_by(command.options);
    retry::mount(&command)
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            retry::tell(&failure.to_string());
            failure.exit_code()
        }
    }
}
