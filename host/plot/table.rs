// SPDX-License-Identifier: GPL-2.0

//! The comparison of the clients as text.

use std::fmt::Write;

use super::measured::{
    Block,
    Comparison,
    Row,
    Spread,
    Verdict,
    CLIENTS, //
};

/// How the columns of costs and calls go: ours last, beside the ratio.
const ORDER: [usize; 3] = [1, 2, 0];

/// Three digits, where there are so many.
pub(crate) fn short(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v if v >= 0.9995 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

/// The median, and by how much single runs differ.
fn around(spread: Option<Spread>) -> String {
    match spread {
        None => "-".to_owned(),
        Some(one) if one.runs == 1 || one.median <= 0.0 => short(one.median),
        Some(s) => format!(
            "{} \u{b1}{:.0}%",
            short(s.median),
            (s.most - s.least) / s.median * 50.0
        ),
    }
}

/// The median, the least and the most.
fn range(spread: Option<Spread>) -> String {
    match spread {
        None => "-".to_owned(),
        Some(one) if one.runs == 1 => format!("{:.2}", one.median),
        Some(s) => format!("{:.2} ({:.2}-{:.2})", s.median, s.least, s.most),
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), short)
}

fn verdict(row: &Row) -> String {
    let word = match row.verdict() {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::NoLead => "no lead",
        Verdict::Open => return "-".to_owned(),
    };
    let unsure = if row.unsure() { "?" } else { "" };
    format!("{:.1} {word}{unsure}", row.goal)
}

/// The text of a cell: what it cost, or a word for why not.
fn costs(row: &Row, client: usize) -> String {
    match &row.cells[client] {
        cell if cell.cost.is_some() => around(cell.cost),
        cell if cell
            .instead
            .as_ref()
            .is_some_and(|w| w.starts_with("failed")) =>
        {
            "failed".into()
        }
        cell if cell.instead.is_some() => "refused".into(),
        _ => "-".into(),
    }
}

fn line(row: &Row) -> Vec<String> {
    let mut words = vec![row.workload.clone(), format!("{} {}", row.count, row.unit)];
    words.extend(ORDER.iter().map(|client| costs(row, *client)));
    words.push(range(row.ratios[0]));
    words.push(verdict(row));
    let without = row.ratios[1].map(|ratio| format!("{:.2}", ratio.median));
    words.push(without.unwrap_or("-".to_owned()));
    for value in [
        |r: &Row, c: usize| r.cells[c].rpcs,
        |r: &Row, c: usize| r.cells[c].kib,
    ] {
        words.extend(ORDER.iter().map(|client| number(value(row, *client))));
    }
    words
}

/// Over groups of columns: the first of each, how many there are, and their title.
const GROUPS: [(usize, usize, &str); 4] = [
    (2, 3, "cost"),
    (5, 3, "rnfs4 / nfs4"),
    (8, 3, "calls"),
    (11, 3, "KiB"),
];

const HEAD: [&str; 14] = [
    "workload",
    "of",
    "nfs4",
    "no deleg.",
    "rnfs4",
    "ratio",
    "goal",
    "no deleg.",
    "nfs4",
    "no del.",
    "rnfs4",
    "nfs4",
    "no del.",
    "rnfs4",
];

/// Below the lines: what must be known of them. What goes for several workloads is said once.
fn notes(block: &Block) -> Vec<String> {
    let mut notes: Vec<(Vec<&str>, String)> = Vec::new();
    let mut note = |workload, text: String| match notes.iter_mut().find(|(_, said)| *said == text) {
        Some((workloads, _)) => workloads.push(workload),
        None => notes.push((vec![workload], text)),
    };
    for row in &block.rows {
        if !row.besides.is_empty() {
            let calls: Vec<String> = row
                .besides
                .iter()
                .map(|(name, calls)| format!("{} {name}", short(*calls)))
                .collect();
            let text = format!(
                "nfs4 makes {} for each {} besides, for a feature that rnfs4 lacks: being faster by that is no lead",
                calls.join(" and "),
                row.unit
            );
            note(row.workload.as_str(), text);
        }
        for (client, cell) in CLIENTS.iter().zip(&row.cells) {
            if let Some(why) = &cell.instead {
                note(row.workload.as_str(), format!("{client}: {why}"));
            }
        }
    }
    notes
        .iter()
        .map(|(workloads, text)| format!("{}: {text}", workloads.join(", ")))
        .collect()
}

fn title(comparison: &Comparison, block: &Block) -> String {
    let unit = if comparison.instructions {
        "thousands of instructions"
    } else {
        "milliseconds"
    };
    let delay = if block.delay == 0.0 {
        "No added delay".to_owned()
    } else {
        format!("{} ms added to each round trip", block.delay)
    };
    let runs = match comparison.runs {
        1 => "one run".to_owned(),
        n => format!("the median of {n} runs, and half of their range"),
    };
    format!("{delay}; {unit} for each operation: {runs}")
}

/// How many goals were reached, and which were not.
fn sum(comparison: &Comparison) -> String {
    let with = |verdict| {
        comparison
            .blocks
            .iter()
            .flat_map(|block| block.rows.iter().map(move |row| (block.delay, row)))
            .filter(move |(_, row)| row.verdict() == verdict)
    };
    let missed: Vec<String> = with(Verdict::Missed)
        .map(|(delay, row)| format!("{} at {delay} ms", row.workload))
        .collect();
    let mut text = format!("Goals: {} met", with(Verdict::Met).count());
    for (verdict, word) in [
        (Verdict::NoLead, "no lead"),
        (Verdict::Open, "not compared"),
    ] {
        let n = with(verdict).count();
        if n != 0 {
            let _ = write!(text, ", {n} {word}");
        }
    }
    let _ = write!(text, ", {} missed", missed.len());
    if !missed.is_empty() {
        let _ = write!(text, ": {}", missed.join(", "));
    }
    text
}

/// The line above the head, each title with a rule over its columns.
fn groups(widths: &[usize]) -> String {
    let mut line = String::new();
    for (first, columns, title) in GROUPS {
        let before: usize = widths.iter().take(first).map(|width| width + 2).sum();
        let wide: usize = widths.iter().skip(first).take(columns).map(|w| w + 2).sum();
        let wide = wide.saturating_sub(2);
        line += &" ".repeat(before.saturating_sub(line.chars().count()));
        let _ = write!(line, "{:-^wide$}", format!(" {title} "));
    }
    line
}

/// All of it.
pub(crate) fn text(comparison: &Comparison) -> String {
    let mut text = String::new();
    for block in &comparison.blocks {
        let mut lines = vec![HEAD.map(str::to_owned).to_vec()];
        lines.extend(block.rows.iter().map(line));
        let widths: Vec<usize> = (0..HEAD.len())
            .map(|column| lines.iter().map(|l| l[column].chars().count()).max())
            .map(|width| width.unwrap_or(0))
            .collect();
        let _ = writeln!(text, "{}\n", title(comparison, block));
        let _ = writeln!(text, "{}", groups(&widths).trim_end());
        for words in &lines {
            let padded: Vec<String> = words
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (word, width))| match column {
                    0 => format!("{word:<width$}"),
                    _ => format!("{word:>width$}"),
                })
                .collect();
            let _ = writeln!(text, "{}", padded.join("  "));
        }
        for note in notes(block) {
            let _ = writeln!(text, "  {note}");
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{}", sum(comparison));
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{
        json,
        Value, //
    };

    use super::{
        super::measured::tests::record,
        *, //
    };

    #[test]
    fn numbers_have_three_digits() {
        let words: Vec<String> = [0.01234, 0.9996, 1.234, 9.999, 12.34, 99.96, 1234.5]
            .iter()
            .map(|n| short(*n))
            .collect();
        assert_eq!(
            words,
            ["0.012", "1.00", "1.23", "10.0", "12.3", "100", "1234"]
        );
    }

    #[test]
    fn the_table_says_all() {
        let mut theirs = record("ls-cold", "nfs4", 0.0, 0, 2.0);
        theirs["ops"] = json!({"GETACL": 100, "LISTXATTRS": 100});
        let refused = json!({"workload": "direct-read-1", "unit": "I/O", "client": "rnfs4", "delay_ms": 0.0, "run": 0,
            "skipped": "open(O_DIRECT): Invalid argument"});
        let records = [
            record("untar", "rnfs4", 0.0, 0, 0.6),
            record("untar", "nfs4", 0.0, 0, 1.2),
            record("untar", "nfs4-nodeleg", 0.0, 0, 2.4),
            record("ls-cold", "rnfs4", 0.0, 0, 1.0),
            theirs,
            refused,
            record("direct-read-1", "nfs4", 0.0, 0, 1.0),
            record("untar", "rnfs4", 2.0, 0, 0.9),
            record("untar", "nfs4", 2.0, 0, 1.0),
        ];
        let text = text(&Comparison::read(&Value::from(records.to_vec())).unwrap());
        let lines: Vec<String> = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for wanted in [
            "No added delay; milliseconds for each operation: one run",
            "untar 100 file 12.0 24.0 6.00 0.50 1.1 met 0.25 3.00 3.00 3.00 1.00 1.00 1.00",
            "ls-cold 100 file 20.0 - 10.0 0.50 1.1 no lead - 3.00 - 3.00 1.00 - 1.00",
            "direct-read-1 100 I/O 10.0 - refused - - - 3.00 - - 1.00 - -",
            "ls-cold: nfs4 makes 1.00 GETACL and 1.00 LISTXATTRS for each file besides, for a feature that rnfs4 lacks: being faster by that \
             is no lead",
            "direct-read-1: rnfs4: open(O_DIRECT): Invalid argument",
            "2 ms added to each round trip; milliseconds for each operation: one run",
            "untar 100 file 10.0 - 9.00 0.90 0.7 MISSED - 3.00 - 3.00 1.00 - 1.00",
            "Goals: 1 met, 1 no lead, 1 not compared, 1 missed: untar at 2 ms",
        ] {
            assert!(lines.iter().any(|line| line == wanted), "{wanted:?} in\n{text}");
        }
    }

    #[test]
    fn what_goes_for_several_workloads_is_said_once() {
        let refused = |workload: &str| json!({"workload": workload, "unit": "I/O", "client": "rnfs4", "delay_ms": 0.0, "run": 0, "skipped": "no"});
        let text = text(&Comparison::read(&json!([refused("a"), refused("b")])).unwrap());
        assert!(text.contains("  a, b: rnfs4: no\n"), "{text}");
    }

    #[test]
    fn several_runs_show_their_spread() {
        let records: Vec<Value> = [(0, 1.0, 2.0), (1, 2.0, 1.0), (2, 1.5, 1.5)]
            .iter()
            .flat_map(|(run, ours, theirs)| {
                [
                    record("rm", "rnfs4", 10.0, *run, *ours),
                    record("rm", "nfs4", 10.0, *run, *theirs),
                ]
            })
            .collect();
        let text = text(&Comparison::read(&Value::from(records)).unwrap());
        assert!(
            text.contains("15.0 \u{b1}33%") && text.contains("1.00 (0.50-2.00)"),
            "{text}"
        );
        assert!(text.contains("1.0 met?"), "{text}");
        assert!(text.contains("the median of 3 runs"), "{text}");
    }
}
