// SPDX-License-Identifier: GPL-2.0

//! Draws what was seen in the guest, as SVG.
//!
//! ```text
//! plot timeline EVENTS SVG     a recovery, both clients on one time axis (docs/recovery.md says how to read it)
//! plot recovery JSON SVG       what `make bench-recovery` has measured
//! ```

mod events;
mod recovery;
mod style;
mod timeline;

use std::{
    env,
    error::Error,
    fs,
    process::ExitCode, //
};

fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [what, from, to] = args else {
        return Err("usage: plot timeline|recovery FROM SVG".into());
    };
    let text = fs::read_to_string(from).map_err(|e| format!("{from}: {e}"))?;
    match what.as_str() {
        "timeline" => timeline::draw(&events::Story::parse(&text)?, to),
        "recovery" => recovery::draw(&serde_json::from_str(&text)?, to),
        _ => Err(format!("there is no plot \"{what}\"").into()),
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("plot: {e}");
            ExitCode::FAILURE
        }
    }
}
