// SPDX-License-Identifier: GPL-2.0

//! Owners by number and by name: the table of names.

#![allow(missing_docs)]

mod common;

use common::{Watched, X};
use proptest::prelude::*;
use rnfs4_proto::{
    attrs::{fattr4, request, Attrs},
    names::{Entry, Kind, Names, Owner, Table},
    setattrs::SetAttrs,
    xdr::{align, Source, XdrError, XdrResult},
};
use std::cell::RefCell;

type Places = Vec<Option<Entry<Box<[u8]>>>>;

fn table(places: usize) -> Table<Places> {
    Table::new((0..places).map(|_| None).collect())
}

fn token(table: &mut Table<Places>, kind: Kind, name: &str) -> u32 {
    table.token(kind, name.as_bytes(), || Some(name.as_bytes().into()))
}

#[test]
fn a_name_keeps_its_token_and_its_number() {
    let mut t = table(64);
    let alice = token(&mut t, Kind::User, "alice@example.org");
    let bob = token(&mut t, Kind::User, "bob@example.org");
    let group = token(&mut t, Kind::Group, "alice@example.org");
    assert!(alice != bob && alice != group && ![alice, bob, group].contains(&0));
    assert_eq!(token(&mut t, Kind::User, "alice@example.org"), alice);
    assert_eq!(t.known(alice, 0), None);
    t.learn(alice, 1000, 50);
    t.learn(group, 2000, 60);
    assert_eq!((t.known(alice, 49), t.known(bob, 49)), (Some(1000), None));
    assert_eq!((t.known(alice, 50), t.known(group, 50)), (None, Some(2000)));
    assert_eq!(
        t.name(group),
        Some((Kind::Group, &b"alice@example.org"[..]))
    );
}

#[test]
fn without_memory_there_is_no_token() {
    let mut t = table(16);
    assert_eq!(t.token(Kind::User, b"alice", || None), 0);
    assert_eq!((t.known(0, 0), t.name(0)), (None, None));
    t.learn(0, 1, 1);
    assert_eq!(t.known(0, 0), None);
}

#[test]
fn the_one_that_was_used_last_makes_no_room() {
    let mut t = table(4);
    let first = token(&mut t, Kind::User, "0");
    t.learn(first, 7, 100);
    for n in 1..1000 {
        token(&mut t, Kind::User, &n.to_string());
        assert_eq!(token(&mut t, Kind::User, "0"), first);
    }
    assert_eq!(t.known(first, 0), Some(7));
}

proptest! {
    /// Whatever comes and goes: a token never stands for another name than the one that it was given for.
    #[test]
    fn no_token_is_taken_for_another(names in prop::collection::vec((any::<bool>(), 0u32..40), 1..400)) {
        let mut t = table(16);
        let mut given = std::collections::HashMap::new();
        for (group, n) in names {
            let kind = if group { Kind::Group } else { Kind::User };
            let name = format!("{n}@x");
            let token = token(&mut t, kind, &name);
            prop_assert_ne!(token, 0);
            let is = (kind, name);
            prop_assert_eq!(given.entry(token).or_insert_with(|| is.clone()), &is);
            for (token, (kind, name)) in &given {
                if let Some(found) = t.name(*token) {
                    prop_assert_eq!(found, (*kind, name.as_bytes()));
                }
            }
        }
    }
}

/// Names what it reads, as the module does.
struct Naming<'a> {
    source: Watched<'a>,
    names: &'a Book,
}

#[derive(Default)]
struct Book(RefCell<Vec<(Kind, Vec<u8>)>>);

impl Names for Book {
    fn token(&self, kind: Kind, name: &[u8]) -> u32 {
        self.0.borrow_mut().push((kind, name.into()));
        self.0.borrow().len() as u32
    }
}

impl Source for Naming<'_> {
    fn take(&mut self, n: usize) -> XdrResult<&[u8]> {
        self.source.take(n)
    }

    fn remaining(&self) -> usize {
        self.source.remaining()
    }

    fn pages(&mut self, len: u32) -> XdrResult<u32> {
        self.source.pages(len)
    }

    fn owner(&mut self, len: usize, kind: Kind) -> XdrResult<Owner> {
        let names = self.names;
        let text = self.take(align(len))?.get(..len).ok_or(XdrError::Short)?;
        Ok(Owner::numeric(text).unwrap_or_else(|| Owner::Name(names.token(kind, text))))
    }
}

#[test]
fn names_are_kept_where_somebody_wants_to_know() {
    let values = X::new().opaque(b"alice@x").opaque(b"100");
    let x = X::new()
        .u32(2)
        .u32(0)
        .u32((1 << (fattr4::OWNER - 32)) | (1 << (fattr4::OWNER_GROUP - 32)))
        .opaque(&values.0);
    let book = Book::default();
    let mut s = Naming {
        source: Watched::new(&x.0),
        names: &book,
    };
    let a = Attrs::decode(&mut s, request::INODE).unwrap();
    assert_eq!((a.owner, a.group), (Owner::Name(1), Owner::Id(100)));
    assert_eq!(*book.0.borrow(), [(Kind::User, b"alice@x".to_vec())]);
    assert_eq!(s.remaining(), 0);
}

#[test]
fn owners_are_set_by_name() {
    let attrs = SetAttrs {
        uid: Some(1000),
        mode: Some(0o600),
        ..SetAttrs::default()
    };
    let mut named = common::VecSink::default();
    attrs
        .encode_by_name(b"alice@x", b"not used", &mut named)
        .unwrap();
    let bits = (1 << (fattr4::MODE - 32)) | (1 << (fattr4::OWNER - 32));
    let values = X::new().u32(0o600).opaque(b"alice@x");
    assert_eq!(
        named.0,
        X::new().u32(2).u32(0).u32(bits).opaque(&values.0).0
    );
}
