// SPDX-License-Identifier: GPL-2.0

//! How recovery scales: seconds and calls over the number of open files, for each round trip, both clients.

use std::{
    collections::BTreeSet,
    error::Error, //
};

use plotters::{
    coord::Shift,
    prelude::*,
    style::text_anchor::{
        HPos,
        VPos, //
    },
};
use serde_json::Value;

use super::style::{
    self,
    FAINT,
    GRID,
    INK, //
};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const PANEL: u32 = 390;
const HEIGHT: u32 = 470;
const HEAD: u32 = 74;

/// One run.
struct Run {
    client: String,
    opens: f64,
    delay: f64,
    last_open: f64,
    write: f64,
    rpcs: f64,
}

impl Run {
    fn read(value: &Value) -> Result<Self, String> {
        let number = |name: &str| {
            value[name]
                .as_f64()
                .ok_or_else(|| format!("no number {name} in {value}"))
        };
        Ok(Self {
            client: value["client"].as_str().ok_or("no client")?.to_owned(),
            opens: number("opens")?,
            delay: number("delay_ms")?,
            last_open: number("last_open_s")?,
            write: number("write_s")?,
            rpcs: number("rpcs")?,
        })
    }
}

/// Draws the runs into the file `to`.
pub(crate) fn draw(json: &Value, to: &str) -> Drawn {
    let runs = json.as_array().ok_or("not a list")?;
    let runs: Vec<Run> = runs.iter().map(Run::read).collect::<Result<_, _>>()?;
    let delays: BTreeSet<u64> = runs.iter().map(|run| (run.delay * 1000.0) as u64).collect();
    let width = PANEL * (delays.len() as u32 + 1);
    let root = SVGBackend::new(to, (width, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, below) = root.split_vertically(HEAD);
    head.draw(&Text::new(
        "From the server's return until its clients have their open files back",
        (20, 12),
        style::letters(19, INK),
    ))?;
    legend(&runs, &head)?;
    let panels = below.split_evenly((1, delays.len() + 1));
    for (panel, delay) in panels.iter().zip(&delays) {
        let delay = *delay as f64 / 1000.0;
        let here: Vec<&Run> = runs.iter().filter(|run| run.delay == delay).collect();
        let title = if delay == 0.0 {
            "seconds, no added delay".to_owned()
        } else {
            format!("seconds, {delay} ms added to each round trip")
        };
        let curves: [(Measure, bool); 2] = [(|run| run.last_open, true), (|run| run.write, false)];
        chart(panel, &title, &here, &curves, 0.001)?;
    }
    if let Some(panel) = panels.last() {
        // The number of calls does not depend on how long they take.
        let longest = delays.last().map_or(0.0, |delay| *delay as f64 / 1000.0);
        let here: Vec<&Run> = runs.iter().filter(|run| run.delay == longest).collect();
        chart(panel, "calls", &here, &[(|run| run.rpcs, true)], 1.0)?;
    }
    root.present()?;
    Ok(())
}

type Measure = fn(&Run) -> f64;

fn clients<'a>(runs: impl Iterator<Item = &'a Run>) -> BTreeSet<&'a str> {
    runs.map(|run| run.client.as_str()).collect()
}

/// Curves over the number of files, both axes logarithmic; what is less than `least` is drawn there.
fn chart(
    area: &Area<'_>,
    title: &str,
    runs: &[&Run],
    curves: &[(Measure, bool)],
    least: f64,
) -> Drawn {
    let values = || {
        runs.iter()
            .flat_map(|run| curves.iter().map(move |(measure, _)| measure(run)))
    };
    let low = 10f64.powf(values().fold(f64::MAX, f64::min).max(least).log10().floor());
    let high = 10f64.powf(values().fold(low * 10.0, f64::max).log10().ceil());
    let most = runs.iter().map(|run| run.opens).fold(10.0, f64::max);
    let title_style = style::placed(14, INK, HPos::Left, VPos::Top);
    area.draw(&Text::new(title.to_owned(), (64, 0), title_style))?;
    let mut chart = ChartBuilder::on(area)
        .margin_top(24)
        .margin_right(24)
        .margin_bottom(10)
        .set_label_area_size(LabelAreaPosition::Left, 64)
        .set_label_area_size(LabelAreaPosition::Bottom, 44)
        .build_cartesian_2d((0.8..most * 1.3).log_scale(), (low..high).log_scale())?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(FAINT)
        .label_style(style::letters(12, FAINT))
        .x_desc("open files")
        .axis_desc_style(style::letters(13, INK))
        .x_label_formatter(&|n| format!("{n:.0}"))
        .y_label_formatter(&|n| format!("{n}"))
        .draw()?;
    for name in clients(runs.iter().copied()) {
        let color = style::client(name);
        for (measure, solid) in curves {
            let mut points: Vec<(f64, f64)> = runs
                .iter()
                .filter(|run| run.client == name)
                .map(|run| (run.opens, measure(run).max(low)))
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let marks = points.clone();
            if *solid {
                chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
                chart.draw_series(marks.iter().map(|p| Circle::new(*p, 4, color.filled())))?;
                if let Some(last) = points.last() {
                    let text = if last.1 < 10.0 {
                        format!("{:.2}", last.1)
                    } else {
                        format!("{:.0}", last.1)
                    };
                    // Ours below the point and the other one above it.
                    let (v, off) = if name == "rnfs4" {
                        (VPos::Top, 0.75)
                    } else {
                        (VPos::Bottom, 1.2)
                    };
                    let style = style::placed(12, color, HPos::Right, v);
                    chart.draw_series([Text::new(text, (last.0 * 1.1, last.1 * off), style)])?;
                }
            } else {
                chart.draw_series(DashedLineSeries::new(points, 5, 4, color.stroke_width(1)))?;
                chart.draw_series(
                    marks
                        .iter()
                        .map(|p| Circle::new(*p, 3, color.stroke_width(1))),
                )?;
            }
        }
    }
    Ok(())
}

fn legend(runs: &[Run], area: &Area<'_>) -> Drawn {
    let mut x = 20;
    for name in clients(runs.iter()) {
        let color = style::client(name);
        for (what, solid) in [("last open back", true), ("first write through", false)] {
            let line = vec![(x, 52), (x + 26, 52)];
            if solid {
                area.draw(&PathElement::new(line, color.stroke_width(2)))?;
                area.draw(&Circle::new((x + 13, 52), 4, color.filled()))?;
            } else {
                for from in [x, x + 10, x + 20] {
                    area.draw(&PathElement::new(vec![(from, 52), (from + 6, 52)], color))?;
                }
                area.draw(&Circle::new((x + 13, 52), 3, color))?;
            }
            let text = format!("{}: {what}", style::client_name(name));
            let style = style::placed(13, INK, HPos::Left, VPos::Center);
            x += 34;
            area.draw(&Text::new(text.clone(), (x, 52), style))?;
            x += style::width(&text, 13) as i32 + 20;
        }
    }
    Ok(())
}
