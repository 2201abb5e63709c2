// SPDX-License-Identifier: GPL-2.0

//! Faults on demand: which operation is to fail, how, and when.
//!
//! A rule is a line of text such as
//!
//! ```text
//! open-reclaim error=NFS4ERR_BAD_STATEID after=3 times=2 probability=50
//! ```
//!
//! which lets three reclaims of opens pass and then has two of the next fail, each with even odds. `after` is 0 if it is not
//! given, `times` 1 (`-1` is without end) and `probability`, in percent, 100. The error is a status by its name, with or without
//! `NFS4ERR_`, or by its number; an errno by its name or number with a `-` before it, which stands for a reply that was lost; or
//! `garbage`, a reply that makes no sense. `clear` forgets all rules. Empty lines and such with a `#` say nothing.
//!
//! An operation fails as at a server that refuses it: see [`Cut`](crate::compound::Cut).

use core::fmt;

use crate::{
    recovery::table::OpClass,
    status::{
        Errno,
        Status, //
    },
};

/// The most rules at a time.
pub const MAX_RULES: usize = 16;

/// How an operation fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// With this status: the operation and those behind it are not run.
    Status(Status),
    /// The server runs the whole compound, and the reply is lost: the transport's error.
    Errno(Errno),
    /// The server runs the whole compound, and the reply cannot be understood.
    Garbage,
}

/// Why a line was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LineError {
    /// There is no such operation, error or word, or a number is out of range.
    Invalid,
    /// There are as many rules as there can be.
    Full,
}

/// Which calls of an operation a name means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum When {
    Always,
    /// Not where the state manager gets states back.
    Program,
    Class(OpClass),
}

/// What can fail: a name, the operation's number, and which calls of it are meant.
struct Target {
    name: &'static str,
    op: u32,
    when: When,
}

const fn target(name: &'static str, op: u32) -> Target {
    Target {
        name,
        op,
        when: When::Always,
    }
}

const fn by_program(name: &'static str, op: u32) -> Target {
    Target {
        name,
        op,
        when: When::Program,
    }
}

const fn in_class(name: &'static str, op: u32, class: OpClass) -> Target {
    Target {
        name,
        op,
        when: When::Class(class),
    }
}

const TARGETS: [Target; 41] = [
    target("access", 3),
    target("close", 4),
    target("commit", 5),
    target("create", 6),
    target("delegreturn", 8),
    target("getattr", 9),
    target("getfh", 10),
    target("link", 11),
    by_program("lock", 12),
    in_class("lock-reclaim", 12, OpClass::LockReclaim),
    in_class("lock-retake", 12, OpClass::LockExpired),
    target("lockt", 13),
    target("locku", 14),
    target("lookup", 15),
    by_program("open", 18),
    in_class("open-reclaim", 18, OpClass::OpenReclaim),
    in_class("open-reopen", 18, OpClass::OpenExpired),
    target("open-downgrade", 21),
    target("putfh", 22),
    target("putrootfh", 24),
    target("read", 25),
    target("readdir", 26),
    target("readlink", 27),
    target("remove", 28),
    target("rename", 29),
    target("restorefh", 31),
    target("savefh", 32),
    target("setattr", 34),
    target("write", 38),
    target("bind-conn-to-session", 41),
    target("exchange-id", 42),
    target("create-session", 43),
    target("destroy-session", 44),
    target("free-stateid", 45),
    target("sequence", 53),
    in_class("sequence-alone", 53, OpClass::Sequence),
    target("test-stateid", 55),
    target("destroy-clientid", 57),
    target("reclaim-complete", 58),
    target("allocate", 59),
    target("copy", 60),
];

/// Errnos that a transport may bring, by name.
const ERRNOS: [(&str, i32); 12] = [
    ("EIO", 5),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EPIPE", 32),
    ("ENETDOWN", 100),
    ("ENETUNREACH", 101),
    ("ECONNABORTED", 103),
    ("ECONNRESET", 104),
    ("ENOTCONN", 107),
    ("ETIMEDOUT", 110),
    ("ECONNREFUSED", 111),
    ("EHOSTUNREACH", 113),
];

/// The largest errno that a rule takes.
const ERRNO_MAX: i32 = 133;
/// The largest status: those of NFSv4.2 end before.
const STATUS_MAX: u32 = 10_999;

/// A rule and what has come of it.
#[derive(Clone, Copy, Debug)]
struct Rule {
    /// Index of the [`Target`].
    target: u8,
    fault: Fault,
    after: u32,
    /// `None`: without end.
    times: Option<u32>,
    percent: u8,
    /// Operations that the rule was about.
    seen: u32,
    /// Of these, the ones that failed.
    hits: u32,
}

impl Rule {
    fn target(&self) -> Option<&'static Target> {
        TARGETS.get(usize::from(self.target))
    }

    fn is_spent(&self) -> bool {
        self.times.is_some_and(|times| self.hits >= times)
    }

    fn is_about(&self, class: OpClass, op: u32) -> bool {
        self.target().is_some_and(|target| {
            target.op == op
                && match target.when {
                    When::Always => true,
                    When::Program => !class.is_reclaim(),
                    When::Class(only) => only == class,
                }
        })
    }

    /// An operation comes by that the rule is about. Whether it is to fail.
    fn strikes(&mut self, random: u32) -> bool {
        if self.is_spent() {
            return false;
        }
        self.seen = self.seen.saturating_add(1);
        if self.seen <= self.after || random % 100 >= u32::from(self.percent) {
            return false;
        }
        self.hits = self.hits.saturating_add(1);
        true
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.target().map_or("", |target| target.name))?;
        match self.fault {
            Fault::Status(status) if status.name().is_some() => write!(f, " error={status}")?,
            Fault::Status(Status(status)) => write!(f, " error={status}")?,
            Fault::Errno(Errno(errno)) => match ERRNOS.iter().find(|(_, num)| *num == errno) {
                Some((name, _)) => write!(f, " error=-{name}")?,
                None => write!(f, " error=-{errno}")?,
            },
            Fault::Garbage => f.write_str(" error=garbage")?,
        }
        write!(f, " after={}", self.after)?;
        match self.times {
            Some(times) => write!(f, " times={times}")?,
            None => f.write_str(" times=-1")?,
        }
        write!(
            f,
            " probability={} seen={} hits={}",
            self.percent, self.seen, self.hits
        )
    }
}

/// The rules of a client.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: [Option<Rule>; MAX_RULES],
}

impl Faults {
    /// None.
    pub const fn new() -> Self {
        Self {
            rules: [const { None }; MAX_RULES],
        }
    }

    /// Takes lines of text: all of them, or, if there is a mistake in one, none.
    pub fn command(&mut self, text: &[u8]) -> Result<(), LineError> {
        let mut next = self.clone();
        for line in text.split(|byte| matches!(byte, b'\n' | 0)) {
            next.line(line.trim_ascii())?;
        }
        *self = next;
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), LineError> {
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(());
        }
        if line == b"clear" {
            *self = Self::new();
            return Ok(());
        }
        let rule = parse(line).ok_or(LineError::Invalid)?;
        // A rule that has done its work makes room.
        let slot = match self.rules.iter().position(Option::is_none) {
            Some(free) => Some(free),
            None => self
                .rules
                .iter()
                .position(|rule| rule.as_ref().is_some_and(Rule::is_spent)),
        };
        let slot = slot.and_then(|at| self.rules.get_mut(at));
        *slot.ok_or(LineError::Full)? = Some(rule);
        Ok(())
    }

    /// There is a rule that may strike.
    pub fn is_armed(&self) -> bool {
        self.rules.iter().flatten().any(|rule| !rule.is_spent())
    }

    /// An operation is about to be sent. Whether it is to fail; the first rule that strikes says how. `random` is any number.
    pub fn strike(&mut self, class: OpClass, op: u32, random: u32) -> Option<Fault> {
        self.rules.iter_mut().flatten().find_map(|rule| {
            (rule.is_about(class, op) && rule.strikes(random)).then_some(rule.fault)
        })
    }
}

/// A line for each rule, as it would be given, with what it has seen and hit.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules
            .iter()
            .flatten()
            .try_for_each(|rule| writeln!(f, "{rule}"))
    }
}

fn parse(line: &[u8]) -> Option<Rule> {
    let line = core::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let mut rule = Rule {
        target: find_target(words.next()?)?,
        fault: Fault::Garbage,
        after: 0,
        times: Some(1),
        percent: 100,
        seen: 0,
        hits: 0,
    };
    let mut fault = None;
    for word in words {
        let (key, value) = word.split_once('=')?;
        match key {
            "error" => fault = Some(parse_fault(value)?),
            "after" => rule.after = value.parse().ok()?,
            "times" if value == "-1" => rule.times = None,
            "times" => rule.times = Some(value.parse().ok()?),
            "probability" => {
                rule.percent = value.parse().ok()?;
                if rule.percent > 100 {
                    return None;
                }
            }
            _ => return None,
        }
    }
    rule.fault = fault?;
    Some(rule)
}

/// Operations are found in either case and with `_` for `-`.
fn find_target(name: &str) -> Option<u8> {
    let same = |known: &str| {
        known.len() == name.len()
            && known.bytes().zip(name.bytes()).all(|(known, byte)| {
                known == byte.to_ascii_lowercase() || (known == b'-' && byte == b'_')
            })
    };
    let at = TARGETS.iter().position(|target| same(target.name))?;
    u8::try_from(at).ok()
}

fn parse_fault(value: &str) -> Option<Fault> {
    if value == "garbage" {
        return Some(Fault::Garbage);
    }
    if let Some(errno) = value.strip_prefix('-') {
        let by_name = ERRNOS.iter().find(|(name, _)| *name == errno);
        let errno = match by_name {
            Some((_, errno)) => *errno,
            None => errno.parse().ok()?,
        };
        return (1..=ERRNO_MAX)
            .contains(&errno)
            .then_some(Fault::Errno(Errno(errno)));
    }
    let name = value.strip_prefix("NFS4ERR_").unwrap_or(value);
    let by_name = Status::ALL
        .iter()
        .find(|status| status.name() == Some(name));
    let status = match by_name {
        Some(status) => *status,
        None => Status(value.parse().ok()?),
    };
    (1..=STATUS_MAX)
        .contains(&status.0)
        .then_some(Fault::Status(status))
}
