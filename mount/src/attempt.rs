// SPDX-License-Identifier: GPL-2.0

//! One try at mounting, by the kernel's new interface, since that tells what is wrong in words.

use std::{
    net::SocketAddr,
    os::fd::{
        AsFd,
        BorrowedFd,
        OwnedFd, //
    },
};

use rustix::{
    fs::CWD,
    io::{
        self,
        Errno, //
    },
    mount::{
        fsconfig_create,
        fsconfig_reconfigure,
        fsconfig_set_flag,
        fsconfig_set_string,
        fsmount,
        fsopen,
        fspick,
        mount_remount,
        move_mount,
        FsMountFlags,
        FsOpenFlags,
        FsPickFlags,
        MoveMountFlags, //
    },
};

use crate::{
    command::Command,
    exit::Failure,
    host,
    options::Entry,
    retry, //
};

const KIND: &str = "rnfs4";

/// What the file system has said since the last time: complaints, warnings.
#[derive(Default)]
struct Said {
    errors: Vec<String>,
    warnings: Vec<String>,
}

/// A message of the kernel's: "e rnfs4: text" is an error, "w" a warning, "i" something else.
fn sort(message: &str, said: &mut Said) {
    let (level, text) = message
        .trim()
        .split_once(' ')
        .unwrap_or(("e", message.trim()));
    let text = text.strip_prefix("rnfs4: ").unwrap_or(text).to_owned();
    match level {
        "e" => said.errors.push(text),
        _ => said.warnings.push(text),
    }
}

fn listen(fs: &OwnedFd) -> Said {
    let mut said = Said::default();
    let mut buf = [0; 1024];
    // Each read gives one message.
    while let Ok(n @ 1..) = io::read(fs, &mut buf) {
        sort(
            &String::from_utf8_lossy(buf.get(..n).unwrap_or_default()),
            &mut said,
        );
    }
    said
}

fn set<'a>(fs: BorrowedFd<'_>, options: impl Iterator<Item = &'a Entry>) -> Result<(), Errno> {
    for entry in options {
        match &entry.value {
            Some(value) => fsconfig_set_string(fs, entry.name.as_str(), value.as_str())?,
            None => fsconfig_set_flag(fs, entry.name.as_str())?,
        }
    }
    Ok(())
}

/// Mounts from this address.
pub(crate) fn mount(command: &Command, addr: &SocketAddr) -> Result<(), Failure> {
    let (source, dir) = (command.source.as_str(), command.dir.as_str());
    let fail = |errno, said: &Said| Failure::of_errno(errno, source, dir, &said.errors.join("; "));
    let unsaid = |errno| fail(errno, &Said::default());
    let fs = fsopen(KIND, FsOpenFlags::FSOPEN_CLOEXEC).map_err(unsaid)?;
    let configure = || -> Result<(), Errno> {
        fsconfig_set_string(fs.as_fd(), "source", source)?;
        if command.options.has("addr") || !host::is_numeric(host::of_source(source).unwrap_or("")) {
            fsconfig_set_string(fs.as_fd(), "addr", host::text(addr))?;
        }
        set(fs.as_fd(), command.options.for_kernel())
    };
    configure().map_err(|errno| fail(errno, &listen(&fs)))?;
    if command.fake {
        return Ok(());
    }
    host::knock(addr).map_err(unsaid)?;
    let made = fsconfig_create(fs.as_fd());
    let said = listen(&fs);
    made.map_err(|errno| fail(errno, &said))?;
    for warning in &said.warnings {
        retry::tell(warning);
    }
    let tree = fsmount(
        fs.as_fd(),
        FsMountFlags::FSMOUNT_CLOEXEC,
        command.options.attributes(),
    )
    .map_err(|errno| fail(errno, &listen(&fs)))?;
    move_mount(
        tree.as_fd(),
        "",
        CWD,
        dir,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .map_err(unsaid)
}

/// Changes what can be changed of a mount: first the file system, then the mount point.
pub(crate) fn remount(command: &Command) -> Result<(), Failure> {
    let (source, dir) = (command.source.as_str(), command.dir.as_str());
    let fail = |errno, said: &Said| Failure::of_errno(errno, source, dir, &said.errors.join("; "));
    let unsaid = |errno| fail(errno, &Said::default());
    if command.fake {
        return Ok(());
    }
    let fs = fspick(CWD, dir, FsPickFlags::FSPICK_CLOEXEC).map_err(unsaid)?;
    set(fs.as_fd(), command.options.for_remount())
        .and_then(|()| fsconfig_reconfigure(fs.as_fd()))
        .map_err(|errno| fail(errno, &listen(&fs)))?;
    mount_remount(dir, command.options.remount_flags(), "").map_err(unsaid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_warnings() {
        let mut said = Said::default();
        for message in [
            "e rnfs4: unknown option a\n",
            "w rnfs4: not so",
            "i rnfs4: b",
            "word",
        ] {
            sort(message, &mut said);
        }
        assert_eq!(said.errors, ["unknown option a", "word"]);
        assert_eq!(said.warnings, ["not so", "b"]);
    }
}
