// SPDX-License-Identifier: GPL-2.0

//! The comparison of the clients as a picture: a line for each workload, on it what rnfs4 takes as a multiple of what the C client takes.

use std::error::Error;

use plotters::{
    coord::{
        combinators::LogCoord,
        types::RangedCoordf64,
        Shift, //
    },
    prelude::*,
    style::text_anchor::{
        HPos,
        VPos, //
    },
};

use super::{
    measured::{
        Block,
        Comparison,
        Row,
        Spread,
        Verdict, //
    },
    style::{
        self,
        DOWN,
        FAINT,
        GRID,
        INK,
        UP, //
    },
};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<LogCoord<f64>, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn Error>>;

const HEAD: u32 = 74;
const LABELS: u32 = 150;
const PANEL: u32 = 330;
const LINE: u32 = 26;
const FOOT: u32 = 56;

/// Draws it into the file `to`.
pub(crate) fn draw(comparison: &Comparison, to: &str) -> Drawn {
    let lines = comparison.blocks.iter().map(|block| block.rows.len()).max();
    let lines = lines.unwrap_or(0).max(1) as u32;
    // Calls do not depend on how long they take, and are compared once.
    let panels = comparison.blocks.len() as u32 + 1;
    let size = (LABELS + panels * PANEL, HEAD + lines * LINE + FOOT);
    let root = SVGBackend::new(to, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, below) = root.split_vertically(HEAD);
    let what = if comparison.instructions {
        "Instructions of rnfs4 as a multiple of those of nfs4.ko"
    } else {
        "Time of rnfs4 as a multiple of the time of nfs4.ko"
    };
    head.draw(&Text::new(what, (20, 12), style::letters(19, INK)))?;
    legend(comparison.runs, &head)?;
    let (_, panels) = below.split_horizontally(LABELS);
    let panels = panels.split_evenly((1, comparison.blocks.len() + 1));
    for (block, area) in comparison.blocks.iter().zip(&panels) {
        let title = match (comparison.instructions, block.delay == 0.0) {
            (true, _) => "instructions".to_owned(),
            (false, true) => "no added delay".to_owned(),
            (false, false) => format!("{} ms added to each round trip", block.delay),
        };
        times(block, area, &title)?;
    }
    if let (Some(block), Some(area)) = (comparison.blocks.last(), panels.last()) {
        calls(block, area)?;
    }
    if let Some(block) = comparison
        .blocks
        .iter()
        .max_by_key(|block| block.rows.len())
    {
        let labels = below.split_horizontally(LABELS).0;
        for (n, row) in block.rows.iter().enumerate() {
            let at = (LABELS as i32 - 10, (n as u32 * LINE + LINE / 2) as i32);
            let style = style::placed(13, INK, HPos::Right, VPos::Center);
            labels.draw(&Text::new(row.workload.clone(), at, style))?;
        }
    }
    root.present()?;
    Ok(())
}

/// The axis of ratios, wide enough for all of them, with a line at 1.
fn chart<'a, 'b>(
    area: &'a Area<'b>,
    rows: &[Row],
    title: &str,
    ratios: impl Iterator<Item = f64>,
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    let (low, high) = ratios
        .filter(|ratio| *ratio > 0.0)
        .fold((0.4f64, 2.0f64), |(low, high), ratio| {
            (low.min(ratio * 0.8), high.max(ratio * 1.25))
        });
    let high_line = rows.len().max(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin_right(24)
        .set_label_area_size(LabelAreaPosition::Bottom, FOOT)
        .build_cartesian_2d((low..high).log_scale().base(2.0), high_line..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .label_style(style::letters(12, FAINT))
        .x_desc(title)
        .axis_desc_style(style::letters(13, INK))
        .x_label_formatter(&|n| format!("{n}"))
        .draw()?;
    for n in 0..rows.len() {
        let y = n as f64 + 0.5;
        chart.draw_series([PathElement::new(vec![(low, y), (high, y)], GRID)])?;
    }
    let one = vec![(1.0, 0.0), (1.0, high_line)];
    chart.draw_series([PathElement::new(one, style::client("nfs4").stroke_width(2))])?;
    Ok(chart)
}

fn times(block: &Block, area: &Area<'_>, title: &str) -> Drawn {
    let spreads = || block.rows.iter().filter_map(|row| row.ratios[0]);
    let without = block.rows.iter().filter_map(|row| row.ratios[1]);
    let ends = spreads()
        .flat_map(|s| [s.least, s.most])
        .chain(without.map(|s| s.median));
    let mut chart = chart(area, &block.rows, title, ends)?;
    let ours = style::client("rnfs4");
    for (n, row) in block.rows.iter().enumerate() {
        let y = n as f64 + 0.5;
        let (Some(ratio), verdict) = (row.ratios[0], row.verdict()) else {
            let instead = row.cells.iter().find_map(|cell| cell.instead.as_deref());
            let words = match instead {
                Some(why) if why.starts_with("failed") => "failed",
                Some(_) => "refused",
                None => "not compared",
            };
            let style = style::placed(11, FAINT, HPos::Left, VPos::Center);
            chart.draw_series([Text::new(words, (1.03, y), style)])?;
            continue;
        };
        let goal = vec![(row.goal, y - 0.32), (row.goal, y + 0.32)];
        let color = if verdict == Verdict::Missed { DOWN } else { UP };
        chart.draw_series([PathElement::new(goal, color.stroke_width(3))])?;
        if let Some(without) = row.ratios[1] {
            let at = (without.median, y);
            chart.draw_series([Circle::new(at, 3, ours.stroke_width(1))])?;
        }
        let Spread { least, most, .. } = ratio;
        let range = vec![(least, y), (most, y)];
        chart.draw_series([PathElement::new(range, ours.stroke_width(2))])?;
        let at = (ratio.median, y);
        if verdict == Verdict::NoLead {
            chart.draw_series([Cross::new(at, 4, ours.stroke_width(2))])?;
        } else {
            chart.draw_series([Circle::new(at, 5, ours.filled())])?;
        }
    }
    Ok(())
}

/// Calls for each operation, as multiples too; none at all is nothing to compare.
fn calls(block: &Block, area: &Area<'_>) -> Drawn {
    let ratio = |row: &Row, other: usize| {
        let (ours, theirs) = (row.cells[0].rpcs?, row.cells[other].rpcs?);
        (theirs > 0.0 && ours > 0.0).then(|| ours / theirs)
    };
    let all = block
        .rows
        .iter()
        .flat_map(|row| [ratio(row, 1), ratio(row, 2)])
        .flatten();
    let mut chart = chart(area, &block.rows, "calls to the server", all)?;
    let ours = style::client("rnfs4");
    for (n, row) in block.rows.iter().enumerate() {
        let y = n as f64 + 0.5;
        if let Some(without) = ratio(row, 2) {
            chart.draw_series([Circle::new((without, y), 3, ours.stroke_width(1))])?;
        }
        if let Some(ratio) = ratio(row, 1) {
            chart.draw_series([Circle::new((ratio, y), 5, ours.filled())])?;
        }
    }
    Ok(())
}

fn legend(runs: usize, area: &Area<'_>) -> Drawn {
    let ours = style::client("rnfs4");
    let mut x = 20;
    let y = 52;
    let words = |text: &str, x: &mut i32| -> Drawn {
        let style = style::placed(13, INK, HPos::Left, VPos::Center);
        area.draw(&Text::new(text.to_owned(), (*x, y), style))?;
        *x += style::width(text, 13) as i32 + 34;
        Ok(())
    };
    area.draw(&Circle::new((x, y), 5, ours.filled()))?;
    x += 12;
    words(
        &format!("rnfs4 : nfs4.ko, the median of {runs}, and the range"),
        &mut x,
    )?;
    area.draw(&Circle::new((x, y), 3, ours.stroke_width(1)))?;
    x += 10;
    words("rnfs4 : nfs4.ko without delegations", &mut x)?;
    let line = vec![(x, y - 9), (x, y + 9)];
    area.draw(&PathElement::new(
        line,
        style::client("nfs4").stroke_width(2),
    ))?;
    x += 10;
    words("nfs4.ko", &mut x)?;
    for (color, text) in [(UP, "goal, met"), (DOWN, "goal, missed")] {
        let line = vec![(x, y - 8), (x, y + 8)];
        area.draw(&PathElement::new(line, color.stroke_width(3)))?;
        x += 10;
        words(text, &mut x)?;
    }
    area.draw(&Cross::new((x, y), 4, ours.stroke_width(2)))?;
    x += 12;
    words("no lead: nfs4.ko did more", &mut x)
}

#[cfg(test)]
mod tests {
    use std::{
        env,
        fs,
        process, //
    };

    use serde_json::{
        json,
        Value, //
    };

    use super::{
        super::measured::tests::record,
        *, //
    };

    fn drawn(name: &str, records: &[Value]) -> String {
        let path = env::temp_dir().join(format!("rnfs4-plot-{}-{name}.svg", process::id()));
        let read = Comparison::read(&Value::from(records.to_vec())).unwrap();
        draw(&read, path.to_str().unwrap()).unwrap();
        let svg = fs::read_to_string(&path).unwrap();
        fs::remove_file(path).unwrap();
        svg
    }

    #[test]
    fn each_workload_has_its_line_and_each_delay_its_panel() {
        let records: Vec<Value> = ["untar", "rm"]
            .iter()
            .flat_map(|workload| [0.0, 2.0].map(|delay| (workload, delay)))
            .flat_map(|(workload, delay)| {
                ["rnfs4", "nfs4", "nfs4-nodeleg"]
                    .map(|client| record(workload, client, delay, 0, 1.0 + delay))
            })
            .collect();
        let svg = drawn("all", &records);
        for text in [
            "untar",
            "rm",
            "no added delay",
            "2 ms added to each round trip",
            "calls to the server",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn what_is_missing_or_refused_is_drawn_too() {
        let mut nothing = record("find-warm", "rnfs4", 0.0, 0, 1.0);
        nothing["rpcs"] = json!(0);
        let svg = drawn(
            "few",
            &[
                nothing,
                record("find-warm", "nfs4", 0.0, 0, 0.0),
                json!({"workload": "direct-read-1", "unit": "I/O", "client": "rnfs4", "delay_ms": 0.0, "run": 0, "skipped": "no"}),
            ],
        );
        assert!(svg.contains("refused") && svg.contains("not compared"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }
}
