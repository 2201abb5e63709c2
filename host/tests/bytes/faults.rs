// SPDX-License-Identifier: GPL-2.0

//! Text that an administrator writes into the file of faults.

use rnfs4_proto::{
    fault::{Faults, MAX_RULES},
    recovery::table::OpClass,
};

/// The lines as they would be given, without what the rules have seen.
fn lines(faults: &Faults) -> Vec<String> {
    let text = faults.to_string();
    let given = text.lines().map(|line| {
        let (given, seen) = line.split_once(" seen=").expect("what it has seen");
        assert!(seen.contains(" hits="));
        given.to_owned()
    });
    given.collect()
}

pub fn run(bytes: &[u8]) {
    let mut faults = Faults::new();
    let text_end = bytes.len().min(400);
    if faults.command(&bytes[..text_end]).is_err() {
        assert!(
            lines(&faults).is_empty(),
            "a part of a text with a mistake was taken"
        );
        return;
    }
    let given = lines(&faults);
    assert!(given.len() <= MAX_RULES);
    let mut again = Faults::new();
    again
        .command(given.join("\n").as_bytes())
        .expect("what it shows can be given");
    assert_eq!(lines(&again), given, "shown otherwise than given");
    let mut strikes = 0;
    for round in 0..3 {
        for op in 0..=72 {
            for class in OpClass::ALL {
                strikes += u32::from(faults.strike(class, op, round * 31 + op).is_some());
            }
        }
    }
    assert!(strikes == 0 || !given.is_empty());
    assert_eq!(lines(&faults), given, "a rule has changed");
    faults.command(b"clear").expect("is understood");
    assert!(!faults.is_armed() && lines(&faults).is_empty());
}
