// SPDX-License-Identifier: GPL-2.0

//! What the script says: rules that change what the server does or answers.
//!
//! A rule is a line `OP[/QUALIFIER] [file=PATH] [after=N] [times=N|ever] ACTION...`; docs/testing.md lists the
//! actions.

use crate::args;
use rnfs4_proto::status::Status;

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// The operation is not run: this is its result.
    Status(Status),
    /// The operation, and all behind it, is run, but no reply is sent.
    Drop,
    /// As that, and the connection is closed in good order.
    Close,
    /// As that, and the connection is reset.
    Reset,
    /// The reply waits so many milliseconds.
    Delay(u64),
    /// The whole server restarts before the operation is looked at.
    Restart,
    /// The result has this operation number.
    Opnum(u32),
    /// This word of the result's body becomes this.
    Set(usize, u32),
    /// Bits are added to this word.
    Or(usize, u32),
    /// The result's body becomes these bytes.
    Body(Vec<u8>),
    /// The result's body ends here.
    Cut(usize),
    /// So many zeroes follow the result's body.
    Pad(usize),
    /// So many words of the result's body become random.
    Fuzz(u32),
    /// The COMPOUND tells of so many results.
    Count(u32),
    /// The COMPOUND has this status.
    Whole(Status),
    /// The COMPOUND has a tag that claims this length.
    Tag(u32),
    /// The whole message ends here.
    Truncate(usize),
    /// So many zeroes follow the whole message.
    Trail(usize),
    /// So many bytes of the message, behind its transaction id, become random.
    Noise(u32),
    /// The COMPOUND becomes so many random bytes.
    Junk(usize),
    /// The message has another transaction id; the connection is closed behind it.
    Xid,
    /// The record mark claims more than there is; the connection is closed behind it.
    Mark,
    /// The RPC layer answers this.
    Rpc(Rpc),
}

/// How an RPC server refuses a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rpc {
    /// The reply is a call.
    NoReply,
    /// RPC version mismatch.
    Version,
    /// Authentication error of this number.
    Auth(u32),
    /// `accept_stat` of this number.
    Accept(u32),
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its number.
    pub id: u32,
    /// As it was written.
    pub text: String,
    op: u32,
    qualifier: String,
    file: Option<u64>,
    after: u32,
    times: Option<u32>,
    acts: Vec<Act>,
    /// How often it has fired.
    pub hits: u32,
}

/// All rules, and a source of chance.
#[derive(Debug, Default)]
pub struct Rules {
    /// In the order in which they were made.
    pub list: Vec<Rule>,
    next: u32,
    chance: u64,
}

/// A number, in decimal or with 0x.
pub fn number(text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("no number: {text}"))
}

/// A status, by its name or number.
pub fn status(text: &str) -> Result<Status, String> {
    let name = text.strip_prefix("NFS4ERR_").unwrap_or(text);
    let known = Status::ALL.iter().find(|s| s.name() == Some(name));
    match (known, name) {
        (Some(status), _) => Ok(*status),
        (None, "OK" | "NFS4_OK") => Ok(Status::OK),
        _ => number(text).map(Status),
    }
}

/// Bytes, as hexadecimal digits.
pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    if digits.len() != text.len() || digits.len() % 2 != 0 {
        return Err(format!("no bytes: {text}"));
    }
    Ok(digits.chunks(2).map(|d| (d[0] * 16 + d[1]) as u8).collect())
}

fn act(word: &str) -> Result<Act, String> {
    let (name, value) = word.split_once('=').unwrap_or((word, ""));
    let size = || number(value).map(|n| n as usize);
    let pair = || {
        let (index, value) = value
            .split_once(':')
            .ok_or(format!("not INDEX:VALUE: {word}"))?;
        Ok::<_, String>((number(index)? as usize, number(value)?))
    };
    Ok(match name {
        "status" => Act::Status(status(value)?),
        "drop" => Act::Drop,
        "close" => Act::Close,
        "reset" => Act::Reset,
        "delay" => Act::Delay(number(value)?.into()),
        "restart" => Act::Restart,
        "opnum" => Act::Opnum(number(value)?),
        "set" => pair().map(|(i, v)| Act::Set(i, v))?,
        "or" => pair().map(|(i, v)| Act::Or(i, v))?,
        "body" => Act::Body(hex(value)?),
        "cut" => Act::Cut(size()?),
        "pad" => Act::Pad(size()?),
        "fuzz" => Act::Fuzz(number(value)?),
        "count" => Act::Count(number(value)?),
        "whole" => Act::Whole(status(value)?),
        "tag" => Act::Tag(number(value)?),
        "truncate" => Act::Truncate(size()?),
        "trail" => Act::Trail(size()?),
        "noise" => Act::Noise(number(value)?),
        "junk" => Act::Junk(size()?),
        "xid" => Act::Xid,
        "mark" => Act::Mark,
        "rpc-noreply" => Act::Rpc(Rpc::NoReply),
        "rpc-version" => Act::Rpc(Rpc::Version),
        "rpc-auth" => Act::Rpc(Rpc::Auth(number(value)?)),
        "rpc-accept" => Act::Rpc(Rpc::Accept(number(value)?)),
        _ => return Err(format!("no action: {word}")),
    })
}

impl Rules {
    /// A random number; the same ones after the same seed.
    pub fn chance(&mut self) -> u32 {
        // splitmix64
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 32) as u32
    }

    /// Starts the random numbers anew.
    pub fn seed(&mut self, seed: u64) {
        self.chance = seed;
    }

    /// A new rule; its number. `find` gives the number of a file.
    pub fn add(
        &mut self,
        text: &str,
        find: impl Fn(&str) -> Result<u64, String>,
    ) -> Result<u32, String> {
        let mut words = text.split_whitespace();
        let name = words.next().ok_or("no operation")?;
        let (name, qualifier) = name.split_once('/').unwrap_or((name, ""));
        let op = args::number(name).ok_or(format!("no operation: {name}"))?;
        self.next += 1;
        let mut rule = Rule {
            id: self.next,
            text: text.to_owned(),
            op,
            qualifier: qualifier.to_owned(),
            file: None,
            after: 0,
            times: Some(1),
            acts: Vec::new(),
            hits: 0,
        };
        for word in words {
            match word.split_once('=') {
                Some(("file", path)) => rule.file = Some(find(path)?),
                Some(("after", n)) => rule.after = number(n)?,
                Some(("times", "ever")) => rule.times = None,
                Some(("times", n)) => rule.times = Some(number(n)?),
                _ => rule.acts.push(act(word)?),
            }
        }
        self.list.push(rule);
        Ok(self.next)
    }

    /// What is to be done about this operation.
    pub fn fire(&mut self, op: u32, qualifier: &str, file: Option<u64>) -> Vec<Act> {
        let mut acts = Vec::new();
        for rule in &mut self.list {
            let fits = rule.op == op
                && (rule.qualifier.is_empty() || rule.qualifier == qualifier)
                && (rule.file.is_none() || rule.file == file);
            if !fits {
                continue;
            }
            match (rule.after, rule.times) {
                (0, Some(0)) => continue,
                (0, times) => rule.times = times.map(|n| n - 1),
                (n, _) => {
                    rule.after = n - 1;
                    continue;
                }
            }
            rule.hits += 1;
            acts.extend(rule.acts.iter().cloned());
        }
        acts
    }

    /// Changes the body of a result as the actions say.
    pub fn garble(&mut self, acts: &[Act], num: &mut u32, body: &mut Vec<u8>) {
        for act in acts {
            match act {
                Act::Opnum(n) => *num = *n,
                Act::Set(i, v) => set_word(body, *i, |_| *v),
                Act::Or(i, v) => set_word(body, *i, |word| word | v),
                Act::Body(bytes) => body.clone_from(bytes),
                Act::Cut(n) => body.truncate(*n),
                Act::Pad(n) => body.resize(body.len() + n, 0),
                Act::Fuzz(n) => {
                    for _ in 0..*n {
                        let words = (body.len() / 4).max(1);
                        let (at, value) = (self.chance() as usize % words, self.odd());
                        set_word(body, at, |_| value);
                    }
                }
                _ => (),
            }
        }
    }

    /// A word that is likely to be trouble.
    fn odd(&mut self) -> u32 {
        const ODD: [u32; 8] = [0, 1, 2, 0x7fff_ffff, 0x8000_0000, u32::MAX, 0x1_0000, 129];
        match self.chance() % 16 {
            n @ 0..=7 => ODD[n as usize],
            _ => self.chance(),
        }
    }

    /// So many random bytes.
    pub fn junk(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.chance() as u8).collect()
    }

    /// So many bytes of `data` become random.
    pub fn noise(&mut self, n: u32, data: &mut [u8]) {
        for _ in 0..n {
            let (at, value) = (self.chance() as usize % data.len().max(1), self.chance());
            if let Some(place) = data.get_mut(at) {
                *place = value as u8;
            }
        }
    }
}

fn set_word(body: &mut [u8], index: usize, f: impl Fn(u32) -> u32) {
    if let Some(place) = body.chunks_exact_mut(4).nth(index) {
        let word = place.try_into().map_or(0, u32::from_be_bytes);
        place.copy_from_slice(&f(word).to_be_bytes());
    }
}
