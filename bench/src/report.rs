//! The figures as tables in Markdown.

use std::fmt::Write as _;

use super::load::Seen;
use super::scenario::{Aim, Scenario};
use super::target::Kind;

/// One visit.
pub struct Row {
    pub scenario: &'static Scenario,
    pub kind: Kind,
    pub round: usize,
    pub seen: Seen,
}

impl Row {
    /// Microseconds of processor time for a frame.
    fn per_frame(&self) -> f64 {
        self.seen.cpu.as_secs_f64() * 1e6 / self.seen.frames.max(1) as f64
    }

    /// KiB of memory for a stream.
    fn per_stream(&self) -> f64 {
        self.seen.memory.own.saturating_sub(self.seen.before.own) as f64 / self.seen.pages.max(1) as f64
    }
}

/// The value below which this share of them lies.
fn share(sorted: &[u64], share: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * share) as usize;
    sorted.get(at).copied().unwrap_or_default() as f64
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The medians over the rounds of one target in one scenario.
pub struct Medians {
    pub scenario: &'static Scenario,
    pub kind: Kind,
    pub per_frame: f64,
    /// Of nginx's in the same round.
    pub ratio: Option<f64>,
    first: (f64, f64),
    /// Above the direct line in the same round.
    added: Option<(f64, f64)>,
    transit: (f64, f64),
    per_stream: f64,
    pages: usize,
}

/// Of every target in every scenario, in the order of the visits.
pub fn medians(rows: &[Row]) -> Vec<Medians> {
    let mut all: Vec<Medians> = Vec::new();
    for row in rows {
        if !all.iter().any(|one| (one.scenario.name, one.kind) == (row.scenario.name, row.kind)) {
            all.push(of_rounds(rows, row.scenario, row.kind));
        }
    }
    all
}

fn of_rounds(rows: &[Row], scenario: &'static Scenario, kind: Kind) -> Medians {
    let find = |kind: Kind| rows.iter().filter(move |row| (row.scenario.name, row.kind) == (scenario.name, kind));
    let of = |what: &dyn Fn(&Row) -> f64| median(find(kind).map(what).collect());
    // Each round beside another target's visit in the same round.
    let beside = |other: Kind, what: &dyn Fn(&Row, &Row) -> f64| {
        let pairs = find(kind).filter_map(|row| Some((row, find(other).find(|there| there.round == row.round)?)));
        let values: Vec<f64> = pairs.map(|(row, there)| what(row, there)).collect();
        (!values.is_empty()).then(|| median(values))
    };
    let first = |at: f64| move |row: &Row| share(&row.seen.first, at);
    let transit = |at: f64| move |row: &Row| share(&row.seen.transit, at);
    let added = |at: f64| beside(Kind::Direct, &|row, direct| first(at)(row) - first(at)(direct));
    Medians {
        scenario,
        kind,
        per_frame: of(&Row::per_frame),
        ratio: beside(Kind::Nginx, &|row, nginx| row.per_frame() / nginx.per_frame().max(f64::MIN_POSITIVE)),
        first: (of(&first(0.5)), of(&first(0.99))),
        added: added(0.5).zip(added(0.99)),
        transit: (of(&transit(0.5)), of(&transit(0.99))),
        per_stream: of(&Row::per_stream),
        pages: find(kind).next().map_or(0, |row| row.seen.pages),
    }
}

/// All tables that there are figures for.
pub fn tables(rows: &[Row]) -> String {
    let all = medians(rows);
    let mut out = String::new();
    for (aim, table) in [(Aim::Cost, cost as fn(&[&Medians]) -> String), (Aim::Memory, memory), (Aim::Growth, growth)] {
        let some: Vec<&Medians> = all.iter().filter(|one| one.scenario.aim == aim).collect();
        if !some.is_empty() {
            out.push_str(&table(&some));
            out.push('\n');
        }
    }
    out
}

fn ratio(one: &Medians) -> String {
    one.ratio.filter(|_| one.kind != Kind::Direct).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

fn processor(one: &Medians, value: f64, digits: usize) -> String {
    if one.kind == Kind::Direct { "–".to_owned() } else { format!("{value:.digits$}") }
}

fn cost(all: &[&Medians]) -> String {
    let mut out = String::from(
        "### Cost and delay\n\n| load | target | CPU/frame µs | of nginx | CPU/answer ms | first frame µs p50 / p99 | added p50 / p99 \
         | transit µs p50 / p99 |\n|---|---|---:|---:|---:|---:|---:|---:|\n",
    );
    let pair = |(half, most): (f64, f64)| format!("{half:.0} / {most:.0}");
    let none = || "–".to_owned();
    for one in all {
        // Where as much is sent as goes, delays are those of full buffers.
        let timed = one.scenario.pages == 1 || !one.scenario.provider.pause.is_zero();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            one.scenario.name,
            one.kind.name(),
            processor(one, one.per_frame, 2),
            ratio(one),
            processor(one, one.per_frame * one.scenario.provider.frames as f64 / 1e3, 3),
            if timed { pair(one.first) } else { none() },
            one.added.filter(|_| timed && one.kind != Kind::Direct).map_or_else(none, pair),
            if timed { pair(one.transit) } else { none() },
        );
    }
    out
}

fn memory(all: &[&Medians]) -> String {
    let mut out = String::from(
        "### Many slow streams\n\n| streams | target | KiB/stream | lateness ms p50 / p99 | CPU/frame µs | of nginx |\n|---:|---|---:|---:|---:|---:|\n",
    );
    for one in all {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {:.2} / {:.2} | {} | {} |",
            one.pages,
            one.kind.name(),
            processor(one, one.per_stream, 1),
            one.transit.0 / 1e3,
            one.transit.1 / 1e3,
            processor(one, one.per_frame, 2),
            ratio(one),
        );
    }
    out
}

/// One line for each number of streams, one column for each target.
fn growth(all: &[&Medians]) -> String {
    let mut kinds: Vec<Kind> = all.iter().map(|one| one.kind).filter(|kind| *kind != Kind::Direct).collect();
    kinds.dedup();
    kinds.sort_by_key(|kind| Kind::ALL.iter().position(|one| one == kind));
    kinds.dedup();
    let mut out = String::from("### Growth\n\nCPU/frame in µs (KiB/stream):\n\n| streams |");
    out.extend(kinds.iter().map(|kind| format!(" {} |", kind.name())));
    out.push_str("\n|---:|");
    out.push_str(&"---:|".repeat(kinds.len()));
    out.push('\n');
    let mut streams: Vec<usize> = all.iter().map(|one| one.pages).collect();
    streams.dedup();
    for pages in streams {
        let _ = write!(out, "| {pages} |");
        for kind in &kinds {
            let cell = all.iter().find(|one| (one.pages, one.kind) == (pages, *kind));
            // The memory of one stream cannot be told from what its thread keeps.
            let cell = cell.map(|one| match one.pages {
                1 => format!(" {:.1} |", one.per_frame),
                _ => format!(" {:.1} ({:.1}) |", one.per_frame, one.per_stream),
            });
            out.push_str(cell.as_deref().unwrap_or(" – |"));
        }
        out.push('\n');
    }
    out
}
