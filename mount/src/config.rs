// SPDX-License-Identifier: GPL-2.0

//! Defaults from a file in the manner of nfsmount.conf(5).
//!
//! A section for everything, one for a server, one for a mount point; each counts more than the one before, and the command line
//! more than all. What is a flag on the command line is `True` or `False` here.

use std::{
    fs,
    io::ErrorKind, //
};

use crate::{
    command::Command,
    exit::Failure,
    host,
    options::Options, //
};

/// Where the file is. Not the C client's own: what is set there may not suit this one (`Nfsvers=3`, say).
const FILE: &str = "/etc/rnfs4mount.conf";

/// What a section is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    Global,
    Server,
    MountPoint,
    /// Of other servers and mount points.
    Other,
}

/// The options of the file that hold for this mount.
pub(crate) fn defaults(command: &Command) -> Result<Options, Failure> {
    match fs::read_to_string(FILE) {
        Ok(text) => read(&text, host::of_source(&command.source)?, &command.dir),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(Options::default()),
        Err(err) => Err(Failure::System(format!("{FILE}: {err}"))),
    }
}

/// A section's head: `[ Server "name" ]`.
fn scope(head: &str, server: &str, dir: &str) -> Option<Scope> {
    let head = head.strip_suffix(']')?.trim();
    if head.eq_ignore_ascii_case("NFSMount_Global_Options") {
        return Some(Scope::Global);
    }
    let (kind, name) = head.split_once(char::is_whitespace)?;
    let name = name.trim().strip_prefix('"')?.strip_suffix('"')?;
    let (scope, ours) = if kind.eq_ignore_ascii_case("Server") {
        (Scope::Server, server.eq_ignore_ascii_case(name))
    } else if kind.eq_ignore_ascii_case("MountPoint") {
        (
            Scope::MountPoint,
            name.trim_end_matches('/') == dir.trim_end_matches('/'),
        )
    } else {
        return None;
    };
    Some(if ours { scope } else { Scope::Other })
}

/// A size, which may be in kilo-, mega- or gigabytes here; or what else it is, as it is.
fn size(value: &str) -> String {
    let (number, shift) = match value.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&value[..at], 10),
        Some((at, 'm' | 'M')) => (&value[..at], 20),
        Some((at, 'g' | 'G')) => (&value[..at], 30),
        _ => (value, 0),
    };
    match number.parse::<u32>() {
        Ok(n) => (u64::from(n) << shift).to_string(),
        Err(_) => value.to_owned(),
    }
}

/// `Name=value` as an option.
fn option(options: &mut Options, name: &str, value: &str) {
    let name = name.to_ascii_lowercase();
    let on = value.eq_ignore_ascii_case("true");
    if !on && !value.eq_ignore_ascii_case("false") {
        let (name, value) = match name.as_str() {
            "defaultvers" => ("vers", value.to_owned()),
            "defaultproto" => ("proto", value.to_owned()),
            "rsize" | "wsize" => (name.as_str(), size(value)),
            name => (name, value.to_owned()),
        };
        return options.push(name, Some(value));
    }
    // What is not a flag with a "no" before it.
    let flag = match (name.as_str(), on) {
        ("background" | "bg", true) | ("foreground" | "fg", false) => "bg".into(),
        ("background" | "bg", false) | ("foreground" | "fg", true) => "fg".into(),
        ("sloppy", false) => return,
        ("soft", false) | ("softerr", false) => "hard".into(),
        ("hard", false) => "soft".into(),
        (_, true) => name,
        (_, false) => format!("no{name}"),
    };
    options.push(&flag, None);
}

fn read(text: &str, server: &str, dir: &str) -> Result<Options, Failure> {
    let bad = |n: usize, what: &str| Failure::Usage(format!("{FILE}, line {}: {what}", n + 1));
    let mut found = [const { Vec::new() }; 3];
    let mut current = None;
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
            continue;
        }
        if let Some(head) = line.strip_prefix('[') {
            current = Some(
                scope(head, server, dir)
                    .ok_or_else(|| bad(n, "no section of this file is called so"))?,
            );
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| bad(n, "Name=value is needed"))?;
        let value = value.split('#').next().unwrap_or_default();
        let entry = (name.trim(), value.trim().trim_matches('"'));
        if entry.0.is_empty() || entry.1.is_empty() {
            return Err(bad(n, "Name=value is needed"));
        }
        match current.ok_or_else(|| bad(n, "a section must come first"))? {
            Scope::Global => found[0].push(entry),
            Scope::Server => found[1].push(entry),
            Scope::MountPoint => found[2].push(entry),
            Scope::Other => {}
        }
    }
    let mut options = Options::default();
    for (name, value) in found.into_iter().flatten() {
        option(&mut options, name, value);
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
# Defaults.
[ MountPoint "/home/" ]
  Rsize=4096
[ NFSMount_Global_Options ]
  Rsize = 64k   # bytes
  Wsize = much
  Foreground=False
  Ac=False
  Soft=False
[ Server "srv" ]
  Defaultvers=4.1
  bg=False
[ Server "other" ]
  Wsize=1024
"#;

    fn words(server: &str, dir: &str) -> Options {
        read(TEXT, server, dir).unwrap()
    }

    #[test]
    fn the_nearer_section_counts_more() {
        let options = words("srv", "/home");
        assert_eq!(options.get("rsize"), Some("4096"));
        assert_eq!(options.get("vers"), Some("4.1"));
        assert!(!options.background());
        assert!(options.has("noac") && options.has("hard"));
        assert_eq!(options.get("wsize"), Some("much"));
    }

    #[test]
    fn sizes() {
        for (value, wanted) in [
            ("4k", "4096"),
            ("1M", "1048576"),
            ("2G", "2147483648"),
            ("17", "17"),
            ("", ""),
            ("k", "k"),
            ("1é", "1é"),
        ] {
            assert_eq!(size(value), wanted);
        }
    }

    #[test]
    fn others_do_not_count() {
        let options = words("nobody", "/mnt");
        assert_eq!(options.get("rsize"), Some("65536"));
        assert!(options.background());
    }

    #[test]
    fn what_makes_no_sense_is_told_with_its_line() {
        for text in [
            "a=b",
            "[ NFSMount_Global_Options ]\n=b",
            "[ NFSMount_Global_Options ]\na= # b",
            "[ Nonsense ]",
            "[ Server srv ]",
            "[ NFSMount_Global_Options ]\nword",
            "[ Server \"a\"",
        ] {
            let Err(Failure::Usage(why)) = read(text, "srv", "/mnt") else {
                panic!("{text}");
            };
            assert!(why.contains("line "), "{why}");
        }
    }
}
