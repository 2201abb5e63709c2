// SPDX-License-Identifier: GPL-2.0

//! Replies to the compounds that the client sends: their structure is what is tried here. The first
//! byte chooses the compound.

use super::replies::{attr_map, open, sequence, ID};
use crate::common::Watched;
use rnfs4_proto::{
    attrs::request,
    compound::{Batch, BatchItem, Ops},
    ops::{
        attr::{Access, GetFsattr, Getattr, Setattr},
        dir::{Create, CreateType, Link, Remove, Rename},
        fh::{Getfh, Lookup, Putfh, Putrootfh, Restorefh, Savefh},
        io::{Commit, Read, Write},
        open::{DelegationType, Open, OpenClaim, OpenRes},
        readdir::Readdir,
        state::{Close, FreeStateid, OpenDowngrade, TestStateid, TestedStateid},
    },
    setattrs::SetAttrs,
    status::Status,
    types::{Fh, ShareAccess, StableHow, Verifier},
    xdr::{Source, XdrError},
};

/// How many compounds there are to choose from.
pub const SHAPES: u8 = 18;

fn read<P: Ops>(mut ops: P, bytes: &[u8]) -> Option<(Status, P::Res)> {
    let mut s = Watched::new(bytes);
    let res = ops.decode_answer(&mut s).map(|it| (it.status, it.res));
    assert!(s.takes <= bytes.len() / 4 + 64, "goes round without end");
    match res {
        Ok(res) => {
            assert_eq!(s.remaining(), 0, "something was left");
            Some(res)
        }
        Err(err) => {
            assert_ne!(err, XdrError::NoSpace, "nothing is written here");
            None
        }
    }
}

/// The results up to the one that failed are good, and behind it all have its status.
fn in_order(whole: Status, results: &[Option<Status>]) {
    let mut failed = None;
    for result in results {
        match (failed, *result) {
            (None, None) => (),
            (None, Some(status)) => {
                assert!(status == whole && !status.is_ok());
                failed = Some(status);
            }
            (Some(first), now) => assert_eq!(now, Some(first), "good behind a failure"),
        }
    }
    assert_eq!(failed.is_some(), !whole.is_ok());
}

struct Test(Option<Option<Status>>);

impl BatchItem for Test {
    type Ops<'a> = FreeStateid;
    type Res = Result<(), Status>;

    fn ops(&self) -> FreeStateid {
        FreeStateid(ID)
    }

    fn done(&mut self, res: Self::Res) {
        assert!(self.0.is_none(), "told twice");
        self.0 = Some(res.err());
    }
}

struct Reclaim(Option<Option<Status>>);

impl BatchItem for Reclaim {
    type Ops<'a> = (Putfh<Fh>, Open);
    type Res = (Result<(), Status>, Result<OpenRes, Status>);

    fn ops(&self) -> Self::Ops<'_> {
        let claim = OpenClaim::Previous(DelegationType::None);
        (Putfh(Fh::empty()), open(claim, ShareAccess::BOTH))
    }

    fn done(&mut self, (putfh, open): Self::Res) {
        assert!(self.0.is_none(), "told twice");
        self.0 = Some(putfh.and(open).err());
    }
}

/// Who was begun was told, who was not was not, and only the last begun may have failed.
fn batch<'a>(
    begun: usize,
    whole: Status,
    items: impl ExactSizeIterator<Item = &'a Option<Option<Status>>>,
) {
    assert!(begun <= items.len());
    for (i, told) in items.enumerate() {
        match told {
            Some(err) => {
                assert!(i < begun);
                let last = i + 1 == begun;
                assert!(err.is_none() || (last && *err == Some(whole)));
            }
            None => assert!(i >= begun),
        }
    }
}

macro_rules! check {
    ($ops:expr, $bytes:expr, $($part:ident)*) => {
        if let Some((whole, ($($part,)*))) = read($ops, $bytes) {
            in_order(whole, &[$($part.err()),*]);
            return true;
        }
    };
}

fn names(shape: u8, bytes: &[u8]) -> bool {
    let fh = Fh::empty();
    let attrs = SetAttrs::default();
    let (changed, inode) = (Getattr(request::CHANGED), Getattr(request::INODE));
    match shape {
        0 => {
            check!((sequence(), Putfh(fh), changed, Lookup(b"x"), Getfh, inode), bytes, a b c d e f)
        }
        1 => {
            let (kind, name) = (CreateType::Dir, &b"x"[..]);
            let create = Create { kind, name, attrs };
            let ops = (
                sequence(),
                Putfh(fh),
                Savefh,
                create,
                Getfh,
                inode,
                Restorefh,
                changed,
            );
            check!(ops, bytes, a b c d e f g h);
        }
        2 => {
            let ops = (
                Putfh(fh),
                Savefh,
                Putfh(fh),
                Link(b"x"),
                changed,
                Restorefh,
                inode,
            );
            check!(ops, bytes, a b c d e f g);
        }
        3 => check!((sequence(), Putfh(fh), Remove(b"x"), changed), bytes, a b c d),
        4 => {
            let (old, new) = (&b"x"[..], &b"y"[..]);
            let back = Some((Restorefh, changed));
            let ops = (
                Putfh(fh),
                Savefh,
                Putfh(fh),
                Rename { old, new },
                changed,
                back,
            );
            if let Some((whole, (a, b, c, d, e, back))) = read(ops, bytes) {
                let (f, g) = back.expect("was asked for");
                in_order(
                    whole,
                    &[
                        a.err(),
                        b.err(),
                        c.err(),
                        d.err(),
                        e.err(),
                        f.err(),
                        g.err(),
                    ],
                );
                return true;
            }
        }
        5 => {
            let readdir = Readdir {
                cookie: 0,
                verifier: Verifier([0; 8]),
                dircount: 0,
                maxcount: 0,
                attrs: request::DIRENT,
            };
            check!((sequence(), Putfh(fh), changed, readdir), bytes, a b c d);
        }
        6 => check!((sequence(), Putfh(fh), Access(0x3f), inode), bytes, a b c d),
        7 => check!((Putfh(fh), GetFsattr(request::STATFS)), bytes, a b),
        _ => (),
    }
    false
}

fn files(shape: u8, bytes: &[u8]) -> bool {
    let fh = Fh::empty();
    let attrs = SetAttrs::default();
    let inode = Getattr(request::INODE);
    match shape {
        8 => {
            let open = open(OpenClaim::Fh, ShareAccess::BOTH);
            let setattr = Some(Setattr { stateid: ID, attrs });
            let ops = (
                sequence(),
                Putfh(fh),
                open,
                Getfh,
                setattr,
                Access(0x3f),
                inode,
            );
            if let Some((whole, (a, b, c, d, e, f, g))) = read(ops, bytes) {
                let e = e.expect("was asked for");
                in_order(
                    whole,
                    &[
                        a.err(),
                        b.err(),
                        c.err(),
                        d.err(),
                        e.err(),
                        f.err(),
                        g.err(),
                    ],
                );
                return true;
            }
        }
        9 => check!((sequence(), Putfh(fh), inode, Close(ID)), bytes, a b c d),
        10 => {
            let (stateid, access, deny) = (ID, ShareAccess::READ, 0);
            let downgrade = OpenDowngrade {
                stateid,
                access,
                deny,
            };
            check!((sequence(), Putfh(fh), downgrade), bytes, a b c);
        }
        11 => {
            let (stateid, offset, count) = (ID, 0, 4096);
            let read_op = Read {
                stateid,
                offset,
                count,
            };
            check!((sequence(), Putfh(fh), read_op), bytes, a b c);
        }
        12 => {
            let write = Write {
                stateid: ID,
                offset: 0,
                stable: StableHow::Unstable,
                len: 4096,
            };
            let ops = (sequence(), Putfh(fh), write, Some(Getattr(attr_map(0))));
            if let Some((whole, (a, b, c, d))) = read(ops, bytes) {
                let d = d.expect("was asked for");
                in_order(whole, &[a.err(), b.err(), c.err(), d.err()]);
                return true;
            }
        }
        13 => {
            let (offset, count) = (0, 0);
            check!((sequence(), Putfh(fh), Commit { offset, count }, inode), bytes, a b c d);
        }
        _ => (),
    }
    false
}

fn batches(shape: u8, bytes: &[u8]) -> bool {
    match shape {
        14 => {
            let mut items = [const { Test(None) }; 5];
            if let Some((whole, (first, begun))) = read((sequence(), Batch(&mut items[..])), bytes)
            {
                batch(begun, whole, items.iter().map(|i| &i.0));
                assert!(first.is_ok() || begun == 0);
                return true;
            }
        }
        15 => {
            let mut items = [const { Reclaim(None) }; 4];
            if let Some((whole, (first, begun))) = read((sequence(), Batch(&mut items[..])), bytes)
            {
                batch(begun, whole, items.iter().map(|i| &i.0));
                assert!(first.is_ok() || begun == 0);
                return true;
            }
        }
        16 => {
            let mut tests = [TestedStateid {
                stateid: ID,
                status: Status::OK,
            }; 4];
            let test = TestStateid(&mut tests[..]);
            check!((sequence(), test), bytes, a b);
        }
        17 => {
            let mut items = [const { Test(None) }; 3];
            let ops = (
                Putrootfh,
                Batch(&mut items[..]),
                Getfh,
                Getattr(request::INODE),
                GetFsattr(request::FSINFO),
            );
            if let Some((whole, (first, begun, a, b, c))) = read(ops, bytes) {
                batch(begun, whole, items.iter().map(|i| &i.0));
                assert!(first.is_ok() || begun == 0);
                assert!(
                    a.is_err() || begun == 3,
                    "went on behind a batch that failed"
                );
                in_order(whole, &[a.err(), b.err(), c.err()]);
                return true;
            }
        }
        _ => (),
    }
    false
}

/// Whether the reply is one to the compound; it may be of failures.
pub fn accepts(bytes: &[u8]) -> bool {
    match bytes {
        [shape, reply @ ..] => {
            let shape = shape % SHAPES;
            names(shape, reply) || files(shape, reply) || batches(shape, reply)
        }
        [] => false,
    }
}

pub fn run(bytes: &[u8]) {
    accepts(bytes);
}
