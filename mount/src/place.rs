// SPDX-License-Identifier: GPL-2.0

//! Where the file system goes: the directory, and the mount namespace that it is in.

use std::{
    fs::{
        self,
        File, //
    },
    io::ErrorKind,
    os::fd::AsFd,
    path::Path,
};

use rustix::thread::{
    move_into_link_name_space,
    LinkNameSpaceType, //
};

use crate::{
    command::Command,
    exit::Failure, //
};

/// Goes into the mount namespace that `-N` names: by a process, or by a file.
pub(crate) fn enter(command: &Command) -> Result<(), Failure> {
    let Some(name) = &command.namespace else {
        return Ok(());
    };
    let path = match name.parse::<u32>() {
        Ok(pid) => format!("/proc/{pid}/ns/mnt"),
        Err(_) => name.clone(),
    };
    let file = File::open(&path).map_err(|err| Failure::Usage(format!("{path}: {err}")))?;
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Mount))
        .map_err(|errno| Failure::System(format!("cannot enter the namespace {path}: {errno}")))
}

/// The directory by its full path, which holds wherever this goes on.
pub(crate) fn directory(dir: &str) -> Result<String, Failure> {
    let bad = |why: String| Failure::lasting(format!("mount point {dir} {why}"));
    let path = fs::canonicalize(dir).map_err(|err| {
        bad(match err.kind() {
            ErrorKind::NotFound => "does not exist: make it with mkdir".into(),
            _ => format!("cannot be used: {err}"),
        })
    })?;
    if !path.is_dir() {
        return Err(bad("is not a directory".into()));
    }
    path.into_os_string()
        .into_string()
        .map_err(|_| bad("has a name that is no text".into()))
}

/// The octal escapes of /proc/mounts undone.
fn plain(word: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), word.as_bytes());
    while let [first, tail @ ..] = rest {
        let code = tail
            .get(..3)
            .filter(|_| *first == b'\\')
            .and_then(|digits| {
                let digits = std::str::from_utf8(digits).ok()?;
                u8::from_str_radix(digits, 8).ok()
            });
        match code {
            Some(byte) => {
                out.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Whether what is mounted on `dir` last, by this list of mounts, is `source`.
fn is_on(mounts: &str, source: &str, dir: &str) -> bool {
    let last = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?, words.next()?))
        })
        .rfind(|(_, on, _)| plain(on) == dir);
    last.is_some_and(|(what, _, kind)| kind == "rnfs4" && plain(what) == source)
}

/// Refuses to mount the same thing on itself: the kernel would, and a background mount must not come after one by hand.
pub(crate) fn check_free(source: &str, dir: &str) -> Result<(), Failure> {
    let mounts = fs::read_to_string(Path::new("/proc/self/mounts")).unwrap_or_default();
    if is_on(&mounts, source, dir) {
        return Err(Failure::lasting(format!(
            "{source} is already mounted on {dir}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
proc /proc proc rw 0 0
srv:/a /mnt rnfs4 rw,vers=4.2 0 0
srv:/b\\040c /mnt/d\\040e rnfs4 rw 0 0
srv:/a /old rnfs4 rw 0 0
tmpfs /old tmpfs rw 0 0
";

    #[test]
    fn what_is_mounted_already() {
        assert!(is_on(MOUNTS, "srv:/a", "/mnt"));
        assert!(is_on(MOUNTS, "srv:/b c", "/mnt/d e"));
        assert!(!is_on(MOUNTS, "srv:/b", "/mnt"));
        assert!(
            !is_on(MOUNTS, "srv:/a", "/old"),
            "something is on top of it"
        );
        assert!(!is_on(MOUNTS, "proc", "/proc"), "another kind");
        assert!(!is_on("", "srv:/a", "/mnt"));
    }

    #[test]
    fn escapes() {
        for (word, text) in [
            ("a\\040b", "a b"),
            ("\\134", "\\"),
            ("a\\04", "a\\04"),
            ("\\xyz", "\\xyz"),
        ] {
            assert_eq!(plain(word), text);
        }
    }

    #[test]
    fn directories() {
        assert_eq!(directory("/proc/../proc/.").unwrap(), "/proc");
        let why = |dir| directory(dir).unwrap_err().to_string();
        assert!(why("/proc/nowhere").contains("does not exist"));
        assert!(why("/proc/version").contains("not a directory"));
    }
}
