// SPDX-License-Identifier: GPL-2.0

//! The table of errors in print, so that a test need not say a second time what is to happen.

use rnfs4_proto::{
    recovery::table::{decide, decide_malformed, decide_no_reply, OpClass, StateKind},
    session::{SeqOutcome, SlotTable},
    status::Status,
};

/// A line for each status, kind of operation and kind of state: `STATUS NUMBER ERRNO CLASS STATE ACTION`. The
/// statuses `malformed` and `silent` stand for a reply that could not be understood and for none. The class
/// `Slot` is a SEQUENCE in front of other operations; what its action fails with has the other classes' rows.
pub fn print() -> String {
    let mut text = String::new();
    let mut line =
        |status: &str, number: u32, errno: i32, class: OpClass, state: &str, action: String| {
            text += &format!("{status} {number} {errno} {class:?} {state} {action}\n");
        };
    for class in OpClass::ALL {
        for status in Status::ALL {
            for state in StateKind::ALL {
                let action = format!("{:?}", decide(*status, class, state));
                line(
                    status.name().unwrap_or("?"),
                    status.0,
                    errno(*status),
                    class,
                    &format!("{state:?}"),
                    action,
                );
            }
        }
        line(
            "malformed",
            0,
            5,
            class,
            "-",
            format!("{:?}", decide_malformed(class)),
        );
        line(
            "silent",
            0,
            5,
            class,
            "-",
            format!("{:?}", decide_no_reply(class)),
        );
    }
    for status in Status::ALL {
        let mut table = SlotTable::new();
        table.reset(16);
        table.end_drain();
        let action = table
            .alloc(false, false)
            .map(|grant| table.done(grant, SeqOutcome::Replied(Err(*status))));
        let action = action.map_or(String::new(), |action| format!("{action:?}"));
        let name = status.name().unwrap_or("?");
        text += &format!(
            "{name} {} {} Slot None {action}\n",
            status.0,
            errno(*status)
        );
    }
    text
}

fn errno(status: Status) -> i32 {
    status.errno().0
}
