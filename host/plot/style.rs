// SPDX-License-Identifier: GPL-2.0

//! Colours and letters that all plots share.

use plotters::{
    prelude::*,
    style::text_anchor::{
        HPos,
        Pos,
        VPos, //
    },
};

/// What is written.
pub(crate) const INK: RGBColor = RGBColor(45, 45, 45);
/// What is written and matters less.
pub(crate) const FAINT: RGBColor = RGBColor(120, 120, 120);
/// Lines of the grid.
pub(crate) const GRID: RGBColor = RGBColor(225, 225, 225);
/// The server is down; something is lost.
pub(crate) const DOWN: RGBColor = RGBColor(206, 60, 55);
/// The server is in its grace period.
pub(crate) const GRACE: RGBColor = RGBColor(240, 180, 60);
/// The server is up.
pub(crate) const UP: RGBColor = RGBColor(110, 175, 110);

/// The colour of a client.
pub(crate) fn client(name: &str) -> RGBColor {
    match name {
        "rnfs4" => RGBColor(30, 105, 185),
        _ => RGBColor(200, 110, 30),
    }
}

/// The name of a client as a reader knows it.
pub(crate) fn client_name(name: &str) -> &str {
    match name {
        "nfs4" => "nfs4.ko, the C client",
        other => other,
    }
}

/// Letters of so many pixels.
pub(crate) fn letters(size: u32, color: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&color)
}

/// The same, with the given point of the text at its place.
pub(crate) fn placed(size: u32, color: RGBColor, h: HPos, v: VPos) -> TextStyle<'static> {
    letters(size, color).pos(Pos::new(h, v))
}

/// Roughly how many pixels a text of that size is wide.
pub(crate) fn width(text: &str, size: u32) -> f64 {
    text.chars().count() as f64 * f64::from(size) * 0.5
}
