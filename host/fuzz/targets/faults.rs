// SPDX-License-Identifier: GPL-2.0

//! Lines that ask for faults.

#![no_main]

#[path = "../../tests/bytes/mod.rs"]
mod bytes;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/world/mod.rs"]
mod world;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bytes::faults::run(input));
