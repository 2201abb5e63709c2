// SPDX-License-Identifier: GPL-2.0

//! A recovery as a time line: the server above, below it a row for each client, all over one axis.

use std::error::Error;

use plotters::{
    coord::{
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
    events::{
        Client,
        Server,
        Story, //
    },
    style::{
        self,
        DOWN,
        FAINT,
        GRACE,
        GRID,
        INK,
        UP, //
    },
};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 1160;
const LEFT: u32 = 150;
const RIGHT: u32 = 20;
const HEAD: u32 = 50;
const SERVER: u32 = 34;
const THROUGHPUT: u32 = 150;
const STRIP: u32 = 24;
const GAP: u32 = 30;
const AXIS: u32 = 34;
const LEGEND: u32 = 34;

/// Seconds in which records are counted together.
const BIN: f64 = 0.2;

/// What recovery does, told by the main operation of a call or the name of a step; the rest is everyday's.
const KINDS: [(&str, RGBColor, &[&str]); 5] = [
    (
        "client id, session",
        RGBColor(125, 80, 165),
        &[
            "EXCHANGE_ID",
            "CREATE_SESSION",
            "DESTROY_SESSION",
            "BIND_CONN_TO_SESSION",
            "session",
            "exchange",
            "create",
            "destroy",
            "bind",
            "purge",
        ],
    ),
    (
        "open reclaimed or reopened",
        RGBColor(30, 130, 140),
        &["OPEN", "open", "reclaim", "nograce", "reopen"],
    ),
    ("lock", RGBColor(90, 150, 60), &["LOCK", "lock"]),
    (
        "RECLAIM_COMPLETE",
        RGBColor(190, 60, 120),
        &["RECLAIM_COMPLETE", "complete"],
    ),
    (
        "state tested",
        RGBColor(150, 130, 60),
        &["TEST_STATEID", "FREE_STATEID", "test"],
    ),
];

fn squeeze(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// The colour of a call or step. The longest word that is in its name tells.
fn kind(name: &str) -> Option<RGBColor> {
    let name = squeeze(name);
    KINDS
        .iter()
        .flat_map(|(_, color, words)| words.iter().map(move |word| (squeeze(word), *color)))
        .filter(|(word, _)| name.contains(word.as_str()))
        .max_by_key(|(word, _)| word.len())
        .map(|(_, color)| color)
}

fn server_color(what: Server) -> RGBColor {
    match what {
        Server::Up => UP,
        Server::Down => DOWN,
        Server::Grace => GRACE,
    }
}

/// Draws the story into the file `to`.
pub(crate) fn draw(story: &Story, to: &str) -> Drawn {
    let row = THROUGHPUT + 2 * STRIP + GAP;
    let height = HEAD + SERVER + GAP + story.clients.len() as u32 * row + AXIS + LEGEND;
    let root = SVGBackend::new(to, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    root.draw(&Text::new(
        story.title.clone(),
        (20, 14),
        style::letters(19, INK),
    ))?;

    let (_, rest) = root.split_vertically(HEAD);
    let (area, mut rest) = rest.split_vertically(SERVER);
    server(story, &area)?;
    let most = story
        .clients
        .iter()
        .flat_map(|client| throughput(client, story.length))
        .fold(1.0, |most, (_, rate)| f64::max(most, rate));
    for client in &story.clients {
        let (area, below) = rest.split_vertically(row);
        row_of(story, client, most, &area)?;
        rest = below;
    }
    let (area, below) = rest.split_vertically(AXIS);
    axis(story, &area)?;
    legend(&below)?;
    root.present()?;
    Ok(())
}

/// A chart over the time axis, as high as its area.
fn strip<'a, 'b>(
    area: &'a Area<'b>,
    length: f64,
    most: f64,
) -> Result<Chart<'a, 'b>, Box<dyn Error>> {
    Ok(ChartBuilder::on(area)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .margin_right(RIGHT)
        .build_cartesian_2d(0.0..length, 0.0..most)?)
}

fn label(area: &Area<'_>, text: &str, y: i32, size: u32, color: RGBColor) -> Drawn {
    let style = style::placed(size, color, HPos::Right, VPos::Center);
    area.draw(&Text::new(text.to_owned(), (LEFT as i32 - 48, y), style))?;
    Ok(())
}

fn server(story: &Story, area: &Area<'_>) -> Drawn {
    label(area, "server", SERVER as i32 / 2, 15, INK)?;
    let mut chart = strip(area, story.length, 1.0)?;
    let pixels = f64::from(WIDTH - LEFT - RIGHT) / story.length;
    for span in &story.server {
        let bar = Rectangle::new(
            [(span.from, 0.0), (span.to, 1.0)],
            server_color(span.what).mix(0.75).filled(),
        );
        chart.draw_series([bar])?;
        let text = match span.what {
            Server::Up => "up",
            Server::Down => "down",
            Server::Grace => "grace period",
        };
        if (span.to - span.from) * pixels > style::width(text, 14) {
            let style = style::placed(14, WHITE, HPos::Center, VPos::Center);
            let middle = (span.from + span.to) / 2.0;
            chart.draw_series([Text::new(text, (middle, 0.5), style)])?;
        }
    }
    Ok(())
}

/// Records a second, bin by bin.
fn throughput(client: &Client, length: f64) -> Vec<(f64, f64)> {
    let mut bins = vec![0.0; (length / BIN) as usize + 1];
    for (at, n) in &client.acks {
        if let Some(bin) = bins.get_mut((at / BIN) as usize) {
            *bin += n / BIN;
        }
    }
    // Steps, not slopes: a pause has edges.
    bins.iter()
        .enumerate()
        .flat_map(|(n, rate)| {
            let from = n as f64 * BIN;
            [(from, *rate), ((from + BIN).min(length), *rate)]
        })
        .collect()
}

/// In the shade of what the server was.
fn shade(story: &Story, chart: &mut Chart<'_, '_>, most: f64) -> Drawn {
    for span in &story.server {
        if span.what != Server::Up {
            let color = server_color(span.what).mix(0.13);
            chart.draw_series([Rectangle::new(
                [(span.from, 0.0), (span.to, most)],
                color.filled(),
            )])?;
        }
    }
    Ok(())
}

fn row_of(story: &Story, client: &Client, most: f64, area: &Area<'_>) -> Drawn {
    let color = style::client(&client.name);
    let (head, rest) = area.split_vertically(GAP);
    let title = style::placed(15, color, HPos::Left, VPos::Center);
    let name = style::client_name(&client.name);
    head.draw(&Text::new(
        name.to_owned(),
        (LEFT as i32, GAP as i32 / 2 + 3),
        title,
    ))?;
    let at = LEFT as i32 + style::width(name, 15) as i32 + 24;
    let told = style::placed(13, INK, HPos::Left, VPos::Center);
    head.draw(&Text::new(
        summary(story, client),
        (at, GAP as i32 / 2 + 3),
        told,
    ))?;

    let (area, rest) = rest.split_vertically(THROUGHPUT);
    label(&area, "records", THROUGHPUT as i32 / 2 - 8, 13, INK)?;
    label(&area, "synced per s", THROUGHPUT as i32 / 2 + 8, 13, INK)?;
    let most = most * 1.08;
    let mut chart = strip(&area, story.length, most)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .y_labels(5)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .axis_style(GRID)
        .y_label_style(style::letters(12, FAINT))
        .y_label_formatter(&|rate| format!("{rate:.0}"))
        .draw()?;
    shade(story, &mut chart, most)?;
    chart.draw_series(
        AreaSeries::new(throughput(client, story.length), 0.0, color.mix(0.35))
            .border_style(color.stroke_width(1)),
    )?;
    resumed(story, client, most, &mut chart)?;
    told_errors(client, most, &mut chart)?;

    let (area, rest) = rest.split_vertically(STRIP);
    label(&area, "state manager", STRIP as i32 / 2, 13, INK)?;
    let mut chart = strip(&area, story.length, 1.0)?;
    shade(story, &mut chart, 1.0)?;
    steps(story, client, &mut chart)?;

    let (area, _) = rest.split_vertically(STRIP);
    label(&area, "recovery's calls", STRIP as i32 / 2, 13, INK)?;
    let mut chart = strip(&area, story.length, 1.0)?;
    shade(story, &mut chart, 1.0)?;
    calls(client, &mut chart)
}

/// The pause of the writer, as an arrow from the server's return to the first record after it.
fn resumed(story: &Story, client: &Client, most: f64, chart: &mut Chart<'_, '_>) -> Drawn {
    let y = most * 0.5;
    for down in story.server.iter().filter(|span| span.what == Server::Down) {
        let Some(first) = client.resumed_after(down.to) else {
            continue;
        };
        chart.draw_series([
            PathElement::new(vec![(down.to, y), (first, y)], INK.stroke_width(2)),
            PathElement::new(
                vec![(down.to, y * 0.9), (down.to, y * 1.1)],
                INK.stroke_width(2),
            ),
            PathElement::new(
                vec![(first, y * 0.9), (first, y * 1.1)],
                INK.stroke_width(2),
            ),
        ])?;
        note(
            story,
            &format!("{:.1} s until the writer goes on", first - down.to),
            down.to,
            most,
            chart,
        )?;
    }
    Ok(())
}

/// A text from `at` on near the top of a chart, to be read on whatever is behind it.
fn note(story: &Story, text: &str, at: f64, most: f64, chart: &mut Chart<'_, '_>) -> Drawn {
    let wide = style::width(text, 13) * story.length / f64::from(WIDTH - LEFT - RIGHT);
    let at = at.min(story.length - wide);
    let paper = [(at, most * 0.70), (at + wide, most * 0.83)];
    chart.draw_series([Rectangle::new(paper, WHITE.mix(0.75).filled())])?;
    let style = style::placed(13, INK, HPos::Left, VPos::Center);
    chart.draw_series([Text::new(
        text.to_owned(),
        (at + wide * 0.03, most * 0.765),
        style,
    )])?;
    Ok(())
}

fn told_errors(client: &Client, most: f64, chart: &mut Chart<'_, '_>) -> Drawn {
    let mut last = f64::MIN;
    for (at, errno) in &client.errors {
        chart.draw_series([PathElement::new(vec![(*at, 0.0), (*at, most * 0.82)], DOWN)])?;
        if at - last > 0.4 {
            let style = style::placed(12, DOWN, HPos::Left, VPos::Top);
            chart.draw_series([Text::new(errno.clone(), (*at + 0.03, most * 0.94), style)])?;
            last = *at;
        }
    }
    Ok(())
}

/// What the state manager did; where it tells nothing itself, from the first call of a recovery to its last.
fn steps(story: &Story, client: &Client, chart: &mut Chart<'_, '_>) -> Drawn {
    // Visible, however short.
    let least = story.length / f64::from(WIDTH - LEFT - RIGHT) * 2.0;
    for step in &client.steps {
        let color = kind(&step.what).unwrap_or(FAINT);
        let to = step.to.max(step.from + least);
        chart.draw_series([Rectangle::new(
            [(step.from, 0.15), (to, 0.85)],
            color.filled(),
        )])?;
    }
    if client.steps.is_empty() {
        let mut spans: Vec<(f64, f64)> = Vec::new();
        for (at, _) in client.calls.iter().filter(|call| kind(&call.1).is_some()) {
            match spans.last_mut() {
                Some((_, to)) if at - *to < 1.0 => *to = *at,
                _ => spans.push((*at, *at)),
            }
        }
        for (from, to) in spans {
            let bar = [(from, 0.3), (to.max(from + least), 0.7)];
            chart.draw_series([Rectangle::new(bar, FAINT.mix(0.5).filled())])?;
        }
    }
    // Those of one recovery together.
    let mut bad: Vec<(f64, u64)> = Vec::new();
    for (at, n) in &client.bad {
        match bad.last_mut() {
            Some((last, sum)) if at - *last < 1.0 => *sum += n,
            _ => bad.push((*at, *n)),
        }
    }
    for (at, n) in bad {
        let style = style::placed(13, DOWN, HPos::Left, VPos::Center);
        chart.draw_series([TriangleMarker::new((at, 0.5), 7, DOWN.filled())])?;
        chart.draw_series([Text::new(format!("{n}"), (at + least * 5.0, 0.5), style)])?;
    }
    Ok(())
}

fn calls(client: &Client, chart: &mut Chart<'_, '_>) -> Drawn {
    for (at, name) in &client.calls {
        if let Some(color) = kind(name) {
            chart.draw_series([PathElement::new(
                vec![(*at, 0.12), (*at, 0.88)],
                color.mix(0.8).stroke_width(1),
            )])?;
        }
    }
    Ok(())
}

/// What is to be seen, in words.
fn summary(story: &Story, client: &Client) -> String {
    let mut parts = Vec::new();
    let opens: Vec<f64> = client
        .calls
        .iter()
        .filter(|(_, name)| name.starts_with("OPEN"))
        .filter(|(at, _)| story.back_before(*at).is_some())
        .map(|call| call.0)
        .collect();
    let reclaimed: u64 = client.reclaimed.iter().map(|pass| pass.1).sum();
    if let (Some(first), Some(last)) = (opens.first(), opens.last()) {
        let what = match reclaimed {
            0 => "its opens came".to_owned(),
            n => format!("{n} opens came"),
        };
        parts.push(format!(
            "{what} back with {} calls in {:.2} s",
            opens.len(),
            last - first
        ));
    }
    let bad: u64 = client.bad.iter().map(|bad| bad.1).sum();
    if bad != 0 {
        parts.push(format!("{bad} lost for good"));
    }
    parts.join("; ")
}

fn axis(story: &Story, area: &Area<'_>) -> Drawn {
    let mut chart = ChartBuilder::on(area)
        .set_label_area_size(LabelAreaPosition::Left, LEFT)
        .set_label_area_size(LabelAreaPosition::Bottom, AXIS - 6)
        .margin_right(RIGHT)
        .build_cartesian_2d(0.0..story.length, 0.0..1.0)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_y_axis()
        .x_labels((story.length as usize + 2).min(24))
        .x_label_formatter(&|s| format!("{s:.0} s"))
        .x_label_style(style::letters(12, FAINT))
        .axis_style(FAINT)
        .set_all_tick_mark_size(5)
        .draw()?;
    Ok(())
}

fn legend(area: &Area<'_>) -> Drawn {
    let mut x = LEFT as i32;
    for (name, color, _) in KINDS {
        area.draw(&Rectangle::new([(x, 8), (x + 12, 20)], color.filled()))?;
        let style = style::placed(12, INK, HPos::Left, VPos::Center);
        area.draw(&Text::new(name, (x + 17, 14), style))?;
        x += 17 + style::width(name, 12) as i32 + 26;
    }
    area.draw(&TriangleMarker::new((x + 6, 15), 7, DOWN.filled()))?;
    let style = style::placed(12, INK, HPos::Left, VPos::Center);
    area.draw(&Text::new("open context gone bad", (x + 19, 14), style))?;
    Ok(())
}
