// SPDX-License-Identifier: GPL-2.0

//! What several tests share: an XDR writer that knows nothing of the crate's, and a sink and a source
//! that watch what they are asked for.

#![allow(dead_code, missing_docs, unreachable_pub)]

use rnfs4_proto::{
    compound::Ops,
    op::Op,
    status::Status,
    xdr::{Sink, Source, XdrError, XdrResult, MAX_TAKE},
};
use std::hash::{Hash, Hasher};

/// XDR by hand, as RFC 4506 has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct X(pub Vec<u8>);

impl X {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn u32(mut self, v: u32) -> Self {
        self.0.extend(v.to_be_bytes());
        self
    }

    pub fn u64(mut self, v: u64) -> Self {
        self.0.extend(v.to_be_bytes());
        self
    }

    pub fn fixed(mut self, b: &[u8]) -> Self {
        self.0.extend(b);
        while self.0.len() % 4 != 0 {
            self.0.push(0);
        }
        self
    }

    pub fn opaque(self, b: &[u8]) -> Self {
        self.u32(b.len() as u32).fixed(b)
    }

    pub fn with(mut self, o: X) -> Self {
        self.0.extend(o.0);
        self
    }

    /// A stateid with this sequence id and twelve times this byte.
    pub fn stateid(self, seqid: u32, other: u8) -> Self {
        self.u32(seqid).fixed(&[other; 12])
    }
}

/// A sink that grows; file data shows as bytes 0xdd.
#[derive(Default)]
pub struct VecSink(pub Vec<u8>);

impl Sink for VecSink {
    fn reserve(&mut self, n: usize) -> XdrResult<&mut [u8]> {
        assert_eq!(n % 4, 0, "reserve({n})");
        let at = self.0.len();
        // What was there before must not shine through.
        self.0.resize(at + n, 0xee);
        Ok(&mut self.0[at..])
    }

    fn pages(&mut self, len: u32) -> XdrResult {
        self.0.extend(vec![0xdd; len as usize]);
        while self.0.len() % 4 != 0 {
            self.0.push(0);
        }
        Ok(())
    }
}

/// A source that holds the decoder to the rules of [`Source`].
pub struct Watched<'a> {
    buf: &'a [u8],
    /// How often something was taken.
    pub takes: usize,
}

impl<'a> Watched<'a> {
    pub fn new(buf: &'a [u8]) -> Self {
        Self { buf, takes: 0 }
    }
}

impl Source for Watched<'_> {
    fn take(&mut self, n: usize) -> XdrResult<&[u8]> {
        assert_eq!(n % 4, 0, "take({n})");
        assert!(n <= MAX_TAKE, "take({n})");
        self.takes += 1;
        let (head, tail) = self.buf.split_at_checked(n).ok_or(XdrError::Short)?;
        self.buf = tail;
        Ok(head)
    }

    fn remaining(&self) -> usize {
        self.buf.len()
    }

    fn pages(&mut self, len: u32) -> XdrResult<u32> {
        self.takes += 1;
        let here = self.buf.len().min(len as usize);
        let padded = (len as usize).div_ceil(4) * 4;
        self.buf = &self.buf[self.buf.len().min(padded)..];
        Ok(here as u32)
    }
}

/// The arguments of an operation; they must not be more than it announces, data aside.
pub fn args<O: Op>(op: &O) -> X {
    args_with_data(op, 0)
}

/// The same for an operation with this much data, padding included.
pub fn args_with_data<O: Op>(op: &O, data: usize) -> X {
    let mut s = VecSink::default();
    Op::encode(op, &mut s).expect("the arguments are in order");
    assert!(s.0.len() <= Op::args_max(op) + data, "args_max is too low");
    X(s.0)
}

/// Reads the body of a successful result to its end.
pub fn res<O: Op>(op: &mut O, body: X) -> XdrResult<O::Res> {
    let mut s = Watched::new(&body.0);
    let res = Op::decode(op, &mut s);
    if res.is_ok() {
        assert_eq!(s.remaining(), 0, "something was left");
        seed("replies", &[&[O::NUM as u8, 0][..], &body.0].concat());
    }
    res
}

/// Leaves an input for the fuzzers to begin with, if they are being given some.
pub fn seed(target: &str, bytes: &[u8]) {
    let Some(dir) = std::env::var_os("RNFS4_SEEDS") else {
        return;
    };
    let mut hash = std::hash::DefaultHasher::new();
    bytes.hash(&mut hash);
    let dir = std::path::Path::new(&dir).join(target);
    std::fs::create_dir_all(&dir).expect("a place for seeds");
    let name = format!("seed-{:016x}", hash.finish());
    std::fs::write(dir.join(name), bytes).expect("a seed");
}

/// Reads the body of a failed result to its end.
pub fn err<O: Op>(op: &mut O, status: Status, body: X) -> XdrResult {
    let mut s = Watched::new(&body.0);
    let res = Op::decode_err(op, status, &mut s);
    if res.is_ok() {
        assert_eq!(s.remaining(), 0, "something was left");
    }
    res
}

/// Every beginning of a good body is too short, whatever comes of it: never a result.
pub fn all_short<O: Op>(op: &mut O, body: &X) {
    for n in (0..body.0.len()).step_by(4) {
        let mut s = Watched::new(&body.0[..n]);
        assert_eq!(
            Op::decode(op, &mut s).err(),
            Some(XdrError::Short),
            "cut at {n}"
        );
    }
}

/// A reply to a COMPOUND, read by `ops`.
pub fn reply<P: Ops>(ops: &mut P, reply: X) -> XdrResult<P::Res> {
    ops.decode(&mut Watched::new(&reply.0))
}

/// The head of a reply.
pub fn head(status: Status, results: u32) -> X {
    X::new().u32(status.0).opaque(b"").u32(results)
}
