//! A picture (SVG): the processor time of a frame in each load as bars, and over the number of streams as lines.

use std::fmt::Write as _;

use super::report::{Medians, Row, medians};
use super::scenario::Aim;
use super::target::Kind;

const WIDTH: f64 = 720.0;
const BAR: f64 = 22.0;
const LEFT: f64 = 190.0;
const LINES: f64 = 260.0;

/// The whole picture.
pub fn chart(rows: &[Row]) -> String {
    let all: Vec<Medians> = medians(rows).into_iter().filter(|one| one.kind != Kind::Direct).collect();
    let (growing, bars): (Vec<&Medians>, Vec<&Medians>) = all.iter().partition(|one| one.scenario.aim == Aim::Growth);
    let top = if bars.is_empty() { 0.0 } else { 40.0 + bars.len() as f64 * BAR };
    let height = top + if growing.is_empty() { 0.0 } else { LINES + 70.0 };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>Processor time of a frame</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    if !bars.is_empty() {
        draw_bars(&bars, &mut out);
    }
    if !growing.is_empty() {
        draw_lines(&growing, top, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

fn color(kind: Kind) -> &'static str {
    const COLORS: [&str; 6] = ["#9aa5b1", "#2f6fde", "#0f9d76", "#b4570a", "#8a3ffc", "#c2185b"];
    let place = Kind::ALL.iter().filter(|one| **one != Kind::Direct).position(|one| *one == kind);
    place.and_then(|place| COLORS.get(place)).copied().unwrap_or("#000")
}

fn draw_bars(bars: &[&Medians], out: &mut String) {
    out.push_str(
        "<text x=\"8\" y=\"18\" font-weight=\"bold\">CPU per frame in µs (each load on a scale of its own)</text>\n",
    );
    for (at, one) in bars.iter().enumerate() {
        let same = bars.iter().filter(|other| other.scenario.name == one.scenario.name);
        let most = same.map(|other| other.per_frame).fold(f64::MIN_POSITIVE, f64::max);
        let length = one.per_frame / most * (WIDTH - LEFT - 120.0);
        let y = 30.0 + at as f64 * BAR;
        let ratio = one.ratio.map_or_else(String::new, |ratio| format!(" ({ratio:.2} × nginx)"));
        let _ = writeln!(
            out,
            "<text x=\"8\" y=\"{:.0}\">{} · {}</text><rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{length:.1}\" \
             height=\"{:.0}\" fill=\"{}\"/><text x=\"{:.1}\" y=\"{:.0}\">{:.2}{ratio}</text>",
            y + 14.0,
            one.scenario.name,
            one.kind.name(),
            BAR - 6.0,
            color(one.kind),
            LEFT + length + 6.0,
            y + 14.0,
            one.per_frame,
        );
    }
}

fn draw_lines(growing: &[&Medians], top: f64, out: &mut String) {
    let most = growing.iter().map(|one| one.per_frame).fold(f64::MIN_POSITIVE, f64::max);
    let _ = writeln!(
        out,
        "<text x=\"8\" y=\"{:.0}\" font-weight=\"bold\">CPU per frame in µs, over the number of streams</text>\
         <path d=\"M40 {:.0}H{WIDTH}\" stroke=\"#ccc\"/>",
        top + 18.0,
        top + 40.0 + LINES,
    );
    let x = |pages: usize| 40.0 + (pages as f64).log2() / 11.0 * (WIDTH - 200.0);
    let y = |value: f64| top + 40.0 + LINES * (1.0 - value / most);
    for kind in Kind::ALL {
        let points: Vec<&&Medians> = growing.iter().filter(|one| one.kind == *kind).collect();
        let Some(last) = points.last() else { continue };
        let line: Vec<String> =
            points.iter().map(|one| format!("{:.1},{:.1}", x(one.scenario.pages), y(one.per_frame))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"{1}\">{} {:.1}</text>",
            line.join(" "),
            color(*kind),
            x(last.scenario.pages) + 6.0,
            y(last.per_frame) + 4.0,
            kind.name(),
            last.per_frame,
        );
    }
    let mut streams: Vec<usize> = growing.iter().map(|one| one.scenario.pages).collect();
    streams.dedup();
    for pages in streams {
        let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\">{pages}</text>", x(pages) - 8.0, top + LINES + 58.0);
    }
}
