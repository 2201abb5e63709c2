// SPDX-License-Identifier: GPL-2.0

//! What takes bytes of any kind and must stand them: each function here is a fuzzer's target, and a
//! test on what the fuzzers have found worth keeping.

#![allow(dead_code, missing_docs, unreachable_pub)]

pub mod compounds;
pub mod entries;
pub mod faults;
pub mod replies;
pub mod slots;
pub mod storms;

/// What takes bytes.
pub type Target = fn(&[u8]);

/// The targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("compounds", compounds::run),
    ("entries", entries::run),
    ("faults", faults::run),
    ("replies", replies::run),
    ("slots", slots::run),
    ("storms", storms::run),
];
