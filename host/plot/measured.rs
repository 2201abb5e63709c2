// SPDX-License-Identifier: GPL-2.0

//! What the comparison of the clients has measured, and the sums of it.

use std::{
    collections::{
        BTreeMap,
        BTreeSet, //
    },
    error::Error,
};

use serde_json::Value;

/// The client that is tried, the one that it is held against, and that one without delegations.
pub(crate) const CLIENTS: [&str; 3] = ["rnfs4", "nfs4", "nfs4-nodeleg"];

/// Calls of features that a client may lack: where it makes none of them and the other does, it does less.
const FEATURES: [&str; 6] = [
    "GETACL",
    "SETACL",
    "GETXATTR",
    "SETXATTR",
    "LISTXATTRS",
    "REMOVEXATTR",
];

/// What came of one run of a workload with one client.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was done.
    Done {
        /// Operations.
        count: f64,
        /// How long they took, all together.
        seconds: f64,
        /// How many instructions the guest needed for them, if these were counted.
        instructions: Option<f64>,
        /// Calls to the server.
        rpcs: f64,
        /// Bytes to and from the server.
        bytes: f64,
        /// The calls by name.
        ops: BTreeMap<String, f64>,
    },
    /// The client does not do that, and says why.
    Skipped(String),
    /// It went wrong.
    Failed(String),
}

/// One record of the benchmark.
#[derive(Debug)]
pub(crate) struct Measurement {
    workload: String,
    unit: String,
    client: String,
    delay: f64,
    run: u64,
    outcome: Outcome,
}

impl Measurement {
    fn read(value: &Value) -> Result<Self, String> {
        let text = |name: &str| {
            value[name]
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("no text {name} in {value}"))
        };
        let number = |name: &str| {
            value[name]
                .as_f64()
                .ok_or_else(|| format!("no number {name} in {value}"))
        };
        let outcome = if value.get("skipped").is_some() {
            Outcome::Skipped(text("skipped")?)
        } else if value.get("failed").is_some() {
            Outcome::Failed(text("failed")?)
        } else {
            let count = number("count")?;
            if count <= 0.0 {
                return Err(format!("nothing was done in {value}"));
            }
            let ops = value["ops"].as_object().ok_or("no ops")?.iter();
            Outcome::Done {
                count,
                seconds: number("seconds")?,
                instructions: value["instructions"].as_f64(),
                rpcs: number("rpcs")?,
                bytes: number("bytes")?,
                ops: ops
                    .map(|(name, n)| (name.clone(), n.as_f64().unwrap_or(0.0)))
                    .collect(),
            }
        };
        Ok(Self {
            workload: text("workload")?,
            unit: text("unit")?,
            client: text("client")?,
            delay: number("delay_ms")?,
            run: value["run"].as_u64().ok_or("no run")?,
            outcome,
        })
    }
}

/// What several runs gave.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Spread {
    /// The least of them.
    pub(crate) least: f64,
    /// The one in the middle, or half-way between the two.
    pub(crate) median: f64,
    /// The most.
    pub(crate) most: f64,
    /// How many.
    pub(crate) runs: usize,
}

impl Spread {
    /// Of all values; none if there are none.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[half]
        } else {
            (sorted[half - 1] + sorted[half]) / 2.0
        };
        Some(Self {
            least,
            median,
            most,
            runs: sorted.len(),
        })
    }
}

/// One client in a row.
#[derive(Debug)]
pub(crate) struct Cell {
    /// Milliseconds or thousands of instructions, for each operation.
    pub(crate) cost: Option<Spread>,
    /// Calls for each operation, the median.
    pub(crate) rpcs: Option<f64>,
    /// KiB to and from the server for each operation, the median.
    pub(crate) kib: Option<f64>,
    /// What was said instead.
    pub(crate) instead: Option<String>,
}

/// Whether a goal was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// It was.
    Met,
    /// It was not.
    Missed,
    /// It would have been, but the other client did more.
    NoLead,
    /// There is nothing to compare.
    Open,
}

/// One workload with one delay.
#[derive(Debug)]
pub(crate) struct Row {
    /// Which.
    pub(crate) workload: String,
    /// What one operation is.
    pub(crate) unit: String,
    /// How many there were.
    pub(crate) count: f64,
    /// In the order of [`CLIENTS`].
    pub(crate) cells: Vec<Cell>,
    /// Our cost as a multiple of the other client's, run by run; then of that one's without delegations.
    pub(crate) ratios: [Option<Spread>; 2],
    /// The ratio that is to be reached.
    pub(crate) goal: f64,
    /// Calls for each operation that only the other client made, because ours lacks the feature.
    pub(crate) besides: Vec<(String, f64)>,
}

impl Row {
    /// Whether the goal was reached.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.ratios[0] {
            None => Verdict::Open,
            Some(ratio) if ratio.median > self.goal => Verdict::Missed,
            Some(_) if !self.besides.is_empty() => Verdict::NoLead,
            Some(_) => Verdict::Met,
        }
    }

    /// Whether single runs said otherwise.
    pub(crate) fn unsure(&self) -> bool {
        self.ratios[0].is_some_and(|ratio| ratio.least <= self.goal && ratio.most > self.goal)
    }
}

/// All rows with one delay.
#[derive(Debug)]
pub(crate) struct Block {
    /// Milliseconds that were added to each round trip.
    pub(crate) delay: f64,
    /// In the order in which they were run.
    pub(crate) rows: Vec<Row>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Comparison {
    /// Costs are instructions, not time.
    pub(crate) instructions: bool,
    /// How many runs there were.
    pub(crate) runs: usize,
    /// By delay.
    pub(crate) blocks: Vec<Block>,
}

impl Comparison {
    /// Reads the list of records.
    pub(crate) fn read(json: &Value) -> Result<Self, Box<dyn Error>> {
        let all: Vec<Measurement> = json
            .as_array()
            .ok_or("not a list")?
            .iter()
            .map(Measurement::read)
            .collect::<Result<_, _>>()?;
        let instructions = all.iter().any(|m| {
            matches!(
                m.outcome,
                Outcome::Done {
                    instructions: Some(_),
                    ..
                }
            )
        });
        let runs = all.iter().map(|m| m.run).collect::<BTreeSet<_>>().len();
        let mut delays: Vec<f64> = all.iter().map(|m| m.delay).collect();
        delays.sort_by(f64::total_cmp);
        delays.dedup();
        let blocks = delays
            .iter()
            .map(|delay| Block {
                delay: *delay,
                rows: rows(&all, *delay, instructions),
            })
            .collect();
        Ok(Self {
            instructions,
            runs,
            blocks,
        })
    }
}

fn rows(all: &[Measurement], delay: f64, instructions: bool) -> Vec<Row> {
    let here: Vec<&Measurement> = all.iter().filter(|m| m.delay == delay).collect();
    let mut workloads: Vec<&str> = Vec::new();
    for measurement in &here {
        if !workloads.contains(&measurement.workload.as_str()) {
            workloads.push(&measurement.workload);
        }
    }
    let of = |workload: &&str| -> Vec<&Measurement> {
        let same = here.iter().filter(|m| m.workload == *workload);
        same.copied().collect()
    };
    workloads
        .iter()
        .map(|workload| row(&of(workload), delay, instructions))
        .collect()
}

/// The goals: as fast without a delay, but for what noise there is; never slower with one, and much faster where most calls can be saved.
fn goal(workload: &str, delay: f64) -> f64 {
    match (workload, delay > 0.0) {
        (_, false) => 1.1,
        ("untar", true) => 0.7,
        (_, true) => 1.0,
    }
}

/// The cost of one operation.
fn cost(measurement: &Measurement, in_instructions: bool) -> Option<f64> {
    match &measurement.outcome {
        Outcome::Done {
            count,
            seconds,
            instructions,
            ..
        } => {
            let all = if in_instructions {
                instructions.as_ref()?
            } else {
                &(seconds * 1e6)
            };
            Some(all / 1000.0 / count)
        }
        _ => None,
    }
}

/// How many calls of that name there were for each operation.
fn calls(measurement: &Measurement, name: &str) -> Option<f64> {
    match &measurement.outcome {
        Outcome::Done { count, ops, .. } => Some(ops.get(name).unwrap_or(&0.0) / count),
        _ => None,
    }
}

fn row(same: &[&Measurement], delay: f64, instructions: bool) -> Row {
    let of = |client: &'static str| same.iter().filter(move |m| m.client == client).copied();
    let cells = CLIENTS
        .iter()
        .map(|client| cell(of(client), instructions))
        .collect();
    let by_run = |client: &'static str| -> BTreeMap<u64, f64> {
        of(client)
            .filter_map(|m| Some((m.run, cost(m, instructions)?)))
            .collect()
    };
    let ours = by_run("rnfs4");
    let ratio = |other: &'static str| {
        let theirs = by_run(other);
        Spread::of(ours.iter().filter_map(|(run, cost)| {
            let other = *theirs.get(run)?;
            (other > 0.0).then(|| cost / other)
        }))
    };
    let median = |client: &'static str, name: &str| {
        Spread::of(of(client).filter_map(|m| calls(m, name))).map(|spread| spread.median)
    };
    let besides = FEATURES
        .iter()
        .filter(|name| median("rnfs4", name) == Some(0.0))
        .filter_map(|name| Some(((*name).to_owned(), median("nfs4", name)?)))
        // One or two for the whole tree make no difference.
        .filter(|(_, calls)| *calls >= 0.05)
        .collect();
    let first = same.first();
    let workload = first.map_or("", |m| m.workload.as_str());
    let count = same.iter().find_map(|m| match m.outcome {
        Outcome::Done { count, .. } => Some(count),
        _ => None,
    });
    Row {
        workload: workload.to_owned(),
        unit: first.map_or("", |m| m.unit.as_str()).to_owned(),
        count: count.unwrap_or(0.0),
        cells,
        ratios: [ratio("nfs4"), ratio("nfs4-nodeleg")],
        goal: goal(workload, delay),
        besides,
    }
}

fn cell<'a>(same: impl Iterator<Item = &'a Measurement>, instructions: bool) -> Cell {
    let same: Vec<&Measurement> = same.collect();
    let median = |what: fn(f64, f64, f64) -> f64| {
        let values = same.iter().filter_map(|m| match m.outcome {
            Outcome::Done {
                count, rpcs, bytes, ..
            } => Some(what(count, rpcs, bytes)),
            _ => None,
        });
        Spread::of(values).map(|spread| spread.median)
    };
    let instead = same.iter().find_map(|m| match &m.outcome {
        Outcome::Failed(why) => Some(format!("failed: {why}")),
        Outcome::Skipped(why) => Some(why.clone()),
        Outcome::Done { .. } => None,
    });
    Cell {
        cost: Spread::of(same.iter().filter_map(|m| cost(m, instructions))),
        rpcs: median(|count, rpcs, _| rpcs / count),
        kib: median(|count, _, bytes| bytes / count / 1024.0),
        instead,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// A record as the guest writes it.
    pub(crate) fn record(
        workload: &str,
        client: &str,
        delay: f64,
        run: u64,
        seconds: f64,
    ) -> Value {
        json!({"workload": workload, "unit": "file", "client": client, "delay_ms": delay, "run": run, "count": 100, "seconds": seconds,
            "rpcs": 300, "bytes": 102400, "ops": {"OPEN": 300}})
    }

    fn only_row(records: &[Value]) -> Row {
        let mut read = Comparison::read(&Value::from(records.to_vec())).unwrap();
        assert_eq!(read.blocks.len(), 1);
        assert_eq!(read.blocks[0].rows.len(), 1);
        read.blocks.remove(0).rows.remove(0)
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(Spread::of(std::iter::empty()), None);
        let odd = Spread::of([5.0, 1.0, 2.0].into_iter()).unwrap();
        assert_eq!(
            (odd.least, odd.median, odd.most, odd.runs),
            (1.0, 2.0, 5.0, 3)
        );
        let even = Spread::of([4.0, 1.0, 2.0, 9.0].into_iter()).unwrap();
        assert_eq!((even.least, even.median, even.most), (1.0, 3.0, 9.0));
    }

    #[test]
    fn ratios_are_those_of_single_runs() {
        // The machine was three times slower in the second run, for both.
        let row = only_row(&[
            record("create", "rnfs4", 0.0, 0, 1.0),
            record("create", "nfs4", 0.0, 0, 2.0),
            record("create", "nfs4", 0.0, 1, 6.0),
            record("create", "rnfs4", 0.0, 1, 3.0),
            record("create", "nfs4-nodeleg", 0.0, 0, 4.0),
        ]);
        let ratio = row.ratios[0].unwrap();
        assert_eq!(
            (ratio.least, ratio.median, ratio.most, ratio.runs),
            (0.5, 0.5, 0.5, 2)
        );
        assert_eq!(row.ratios[1].unwrap().median, 0.25);
        assert_eq!(row.verdict(), Verdict::Met);
        assert!(!row.unsure());
        // 3 s for 100 files.
        let cell = &row.cells[0];
        let cost = cell.cost.unwrap();
        assert_eq!((cost.least, cost.median, cost.most), (10.0, 20.0, 30.0));
        assert_eq!((cell.rpcs, cell.kib), (Some(3.0), Some(1.0)));
        assert_eq!(row.count, 100.0);
    }

    #[test]
    fn goals_depend_on_the_delay() {
        let at = |workload, delay, seconds| {
            only_row(&[
                record(workload, "rnfs4", delay, 0, seconds),
                record(workload, "nfs4", delay, 0, 1.0),
            ])
            .verdict()
        };
        assert_eq!(at("untar", 0.0, 1.05), Verdict::Met);
        assert_eq!(at("untar", 0.0, 1.15), Verdict::Missed);
        assert_eq!(at("untar", 2.0, 0.75), Verdict::Missed);
        assert_eq!(at("untar", 10.0, 0.65), Verdict::Met);
        assert_eq!(at("rm", 2.0, 1.05), Verdict::Missed);
        assert_eq!(at("rm", 2.0, 0.95), Verdict::Met);
    }

    #[test]
    fn a_goal_that_single_runs_miss_is_unsure() {
        let row = only_row(&[
            record("rm", "rnfs4", 2.0, 0, 0.9),
            record("rm", "nfs4", 2.0, 0, 1.0),
            record("rm", "rnfs4", 2.0, 1, 1.3),
            record("rm", "nfs4", 2.0, 1, 1.0),
            record("rm", "rnfs4", 2.0, 2, 0.8),
            record("rm", "nfs4", 2.0, 2, 1.0),
        ]);
        assert_eq!(row.verdict(), Verdict::Met);
        assert!(row.unsure());
    }

    #[test]
    fn who_does_less_has_no_lead() {
        let mut theirs = record("ls-cold", "nfs4", 0.0, 0, 2.0);
        theirs["ops"] = json!({"GETACL": 100, "LISTXATTRS": 50, "GETXATTR": 1, "OPEN": 3});
        let row = only_row(&[record("ls-cold", "rnfs4", 0.0, 0, 1.0), theirs.clone()]);
        assert_eq!(row.verdict(), Verdict::NoLead);
        assert_eq!(
            row.besides,
            [("GETACL".to_owned(), 1.0), ("LISTXATTRS".to_owned(), 0.5)]
        );
        // Whoever is slower all the same has missed it.
        let row = only_row(&[record("ls-cold", "rnfs4", 0.0, 0, 3.0), theirs.clone()]);
        assert_eq!(row.verdict(), Verdict::Missed);
        // And whoever makes these calls too may lead.
        let mut ours = theirs.clone();
        ours["client"] = json!("rnfs4");
        ours["seconds"] = json!(1.0);
        let row = only_row(&[ours, theirs]);
        assert_eq!(row.verdict(), Verdict::Met);
    }

    #[test]
    fn what_was_not_done_is_not_compared() {
        let about = |client: &str, what: &str, why: &str| {
            json!({"workload": "direct-read-1", "unit": "I/O", "client": client, "delay_ms": 0.0,
            "run": 0, what: why})
        };
        let row = only_row(&[
            about("rnfs4", "skipped", "open(O_DIRECT): Invalid argument"),
            record("direct-read-1", "nfs4", 0.0, 0, 1.0),
            about("nfs4-nodeleg", "failed", "gone"),
        ]);
        assert_eq!(row.verdict(), Verdict::Open);
        let instead: Vec<_> = row.cells.iter().map(|c| c.instead.as_deref()).collect();
        assert_eq!(
            instead,
            [
                Some("open(O_DIRECT): Invalid argument"),
                None,
                Some("failed: gone")
            ]
        );
    }

    #[test]
    fn instructions_take_the_place_of_time() {
        let mut ours = record("create", "rnfs4", 0.0, 0, 1.0);
        ours["instructions"] = json!(50_000_000);
        let mut theirs = record("create", "nfs4", 0.0, 0, 1.0);
        theirs["instructions"] = json!(40_000_000);
        let read = Comparison::read(&json!([ours, theirs])).unwrap();
        assert!(read.instructions);
        let row = &read.blocks[0].rows[0];
        assert_eq!(row.cells[0].cost.unwrap().median, 500.0);
        assert_eq!(row.ratios[0].unwrap().median, 1.25);
        assert_eq!(row.verdict(), Verdict::Missed);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let mut none = record("rm", "rnfs4", 0.0, 0, 1.0);
        none["count"] = json!(0);
        let mut text = record("rm", "rnfs4", 0.0, 0, 1.0);
        text["seconds"] = json!("1");
        for wrong in [
            json!({}),
            json!([{}]),
            json!([{"workload": "rm"}]),
            json!([none]),
            json!([text]),
        ] {
            assert!(Comparison::read(&wrong).is_err(), "{wrong}");
        }
    }
}
