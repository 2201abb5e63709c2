// SPDX-License-Identifier: GPL-2.0

//! Everything that the fuzzers have found worth keeping, once more; and good replies for them to begin
//! with, which are good indeed.

#![allow(missing_docs)]

mod bytes;
mod common;
mod world;

use bytes::{compounds, TARGETS};
use common::{head, seed, X};
use rnfs4_proto::status::Status;
use std::{fs, path::Path};

/// The bytes that a line of hexadecimal stands for.
fn unhex(line: &str) -> Vec<u8> {
    assert_eq!(line.len() % 2, 0, "{line}");
    let byte = |at| u8::from_str_radix(&line[at..at + 2], 16).expect("hexadecimal");
    (0..line.len()).step_by(2).map(byte).collect()
}

#[test]
fn each_input_of_the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, run) in TARGETS {
        let file = corpus.join(name).with_extension("hex");
        let text = fs::read_to_string(&file).expect("a corpus");
        let inputs = text.lines().filter(|line| !line.starts_with('#'));
        let n = inputs.map(|line| run(&unhex(line))).count();
        assert!(n > 10, "{name}: {n} inputs");
    }
}

/// A result as short as it may be.
fn body(num: u32) -> X {
    let x = X::new();
    let change = || X::new().u32(1).u64(10).u64(11);
    match num {
        // ACCESS, GETATTR without any, GETFH
        3 => x.u32(1).u32(1),
        9 => x.u32(0).u32(0),
        10 => x.opaque(b"fh01"),
        // CLOSE, OPEN_DOWNGRADE
        4 | 21 => x.stateid(2, 1),
        // COMMIT, CREATE
        5 => x.u64(7),
        6 => change().u32(0),
        // LINK, REMOVE, RENAME
        11 | 28 => change(),
        29 => change().with(change()),
        // OPEN without a delegation
        18 => x.stateid(1, 1).with(change()).u32(0).u32(0).u32(0),
        // READ, READDIR
        25 => x.u32(1).opaque(b"data"),
        26 => x.u64(9).u32(0).u32(1),
        // SETATTR, WRITE
        34 => x.u32(0),
        38 => x.u32(4).u32(2).u64(7),
        // SEQUENCE, TEST_STATEID
        53 => x.fixed(&[0; 16]).u32(0).u32(0).u32(3).u32(3).u32(0),
        55 => x.u32(4).u32(0).u32(10025).u32(10011).u32(0),
        // LOOKUP, PUTFH, PUTROOTFH, RESTOREFH, SAVEFH, FREE_STATEID
        _ => x,
    }
}

/// What is sent in each compound of [`compounds`].
const SENT: [&[u32]; compounds::SHAPES as usize] = [
    &[53, 22, 9, 15, 10, 9],
    &[53, 22, 32, 6, 10, 9, 31, 9],
    &[22, 32, 22, 11, 9, 31, 9],
    &[53, 22, 28, 9],
    &[22, 32, 22, 29, 9, 31, 9],
    &[53, 22, 9, 26],
    &[53, 22, 3, 9],
    &[22, 9],
    &[53, 22, 18, 10, 34, 3, 9],
    &[53, 22, 9, 4],
    &[53, 22, 21],
    &[53, 22, 25],
    &[53, 22, 38, 9],
    &[53, 22, 5, 9],
    &[53, 45, 45, 45, 45, 45],
    &[53, 22, 18, 22, 18, 22, 18, 22, 18],
    &[53, 55],
    &[24, 45, 45, 45, 10, 9, 9],
];

#[test]
fn good_replies_are_good_however_far_they_get() {
    for (shape, sent) in (0..).zip(SENT) {
        let result = |num: u32, status: Status| X::new().u32(num).u32(status.0);
        for failing in 0..=sent.len() {
            let (status, n) = match failing < sent.len() {
                true => (Status::IO, failing + 1),
                false => (Status::OK, failing),
            };
            let mut reply = head(status, n as u32);
            for (i, num) in sent[..n].iter().enumerate() {
                reply = match i == failing {
                    // SETATTR's failure has a body.
                    true if *num == 34 => reply.with(result(*num, status)).u32(0),
                    true => reply.with(result(*num, status)),
                    false => reply.with(result(*num, Status::OK)).with(body(*num)),
                };
            }
            let input = [&[shape][..], &reply.0].concat();
            assert!(
                compounds::accepts(&input),
                "compound {shape} cut at {failing}"
            );
            seed("compounds", &input);
        }
    }
}

#[test]
fn a_directory_to_begin_with() {
    let entry = |cookie, name: &[u8]| {
        // TYPE and FILEID.
        let attrs = X::new()
            .u32(1)
            .u32((1 << 1) | (1 << 20))
            .opaque(&X::new().u32(2).u64(77).0);
        X::new().u32(1).u64(cookie).opaque(name).with(attrs)
    };
    let list = entry(3, b"a")
        .with(entry(4, b".."))
        .with(entry(9, b"another"))
        .u32(0)
        .u32(1);
    for variant in 0..6 {
        let input = [&[variant][..], &list.0].concat();
        bytes::entries::run(&input);
        seed("entries", &input);
    }
}
