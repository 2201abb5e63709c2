// SPDX-License-Identifier: GPL-2.0

//! Draws what was seen in the guest, as SVG.
//!
//! ```text
//! plot timeline EVENTS SVG     a recovery, both clients on one time axis (docs/recovery.md says how to read it)
//! plot recovery JSON SVG       what `make bench-recovery` has measured
//! plot clients JSON SVG        what `make bench` has measured; prints it as a table, too
//! plot instructions JSON SVG   the same for `make bench-cpu`
//! ```

mod clients;
mod events;
mod measured;
mod recovery;
mod style;
mod table;
mod timeline;

use std::{
    env,
    error::Error,
    fs,
    process::ExitCode, //
};

fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [what, from, to] = args else {
        return Err("usage: plot timeline|recovery|clients|instructions FROM SVG".into());
    };
    let text = fs::read_to_string(from).map_err(|e| format!("{from}: {e}"))?;
    match what.as_str() {
        "timeline" => timeline::draw(&events::Story::parse(&text)?, to),
        "recovery" => recovery::draw(&serde_json::from_str(&text)?, to),
        "clients" | "instructions" => {
            let read = measured::Comparison::read(&serde_json::from_str(&text)?)?;
            print!("{}", table::text(&read));
            clients::draw(&read, to)
        }
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
