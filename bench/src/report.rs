//! The figures as a table and as a picture.

use std::fmt::Write as _;

use super::load::Seen;

/// One visit.
pub struct Row {
    pub scenario: &'static str,
    pub target: &'static str,
    pub round: usize,
    /// The target's memory in KiB before any page came.
    pub begin: u64,
    pub streams: usize,
    pub seen: Seen,
}

impl Row {
    /// Microseconds of processor time for a frame.
    fn per_frame(&self) -> f64 {
        self.seen.cpu.as_secs_f64() * 1e6 / self.seen.frames.max(1) as f64
    }

    /// Milliseconds of processor time for an answer.
    fn per_answer(&self) -> f64 {
        self.seen.cpu.as_secs_f64() * 1e3 / self.seen.answers.max(1) as f64
    }

    /// KiB of memory for a stream.
    fn per_stream(&self) -> f64 {
        self.seen.resident.saturating_sub(self.begin) as f64 / self.streams.max(1) as f64
    }
}

fn share(sorted: &[u64], share: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * share) as usize;
    sorted.get(at).copied().unwrap_or_default() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The medians over the rounds of one target in one scenario.
struct Medians {
    scenario: &'static str,
    target: &'static str,
    per_frame: f64,
    /// Of nginx's in the same round, where nginx was there.
    ratio: Option<f64>,
    per_answer: f64,
    first: (f64, f64),
    transit: (f64, f64),
    per_stream: f64,
    frames: f64,
}

fn medians(rows: &[Row]) -> Vec<Medians> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if !seen.contains(&(row.scenario, row.target)) {
            seen.push((row.scenario, row.target));
        }
    }
    let mut all = Vec::new();
    for (scenario, target) in seen {
        let rounds: Vec<&Row> = rows.iter().filter(|row| (row.scenario, row.target) == (scenario, target)).collect();
        let of = |what: &dyn Fn(&Row) -> f64| median(rounds.iter().map(|row| what(row)).collect());
        let ratios: Vec<f64> = rounds
            .iter()
            .filter_map(|row| {
                let same = |other: &&Row| (other.scenario, other.round, other.target) == (scenario, row.round, "nginx");
                let nginx = rows.iter().find(same)?.per_frame();
                (nginx > 0.0).then(|| row.per_frame() / nginx)
            })
            .collect();
        let Some(first) = rounds.first() else { continue };
        all.push(Medians {
            scenario: first.scenario,
            target: first.target,
            per_frame: of(&Row::per_frame),
            ratio: (!ratios.is_empty()).then(|| median(ratios)),
            per_answer: of(&Row::per_answer),
            first: (of(&|row| share(&row.seen.first, 0.5)), of(&|row| share(&row.seen.first, 0.99))),
            transit: (of(&|row| share(&row.seen.transit, 0.5)), of(&|row| share(&row.seen.transit, 0.99))),
            per_stream: of(&Row::per_stream),
            frames: of(&|row| row.seen.frames as f64),
        });
    }
    all
}

/// A table in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| load | target | CPU/frame µs | of nginx | CPU/answer ms | first frame µs p50 / p99 | transit µs p50 / p99 \
         | KiB/stream | frames |\n|---|---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for row in medians(rows) {
        let ratio = row.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        let _ = writeln!(
            out,
            "| {} | {} | {:.2} | {ratio} | {:.3} | {:.0} / {:.0} | {:.0} / {:.0} | {:.1} | {:.0} |",
            row.scenario,
            row.target,
            row.per_frame,
            row.per_answer,
            row.first.0,
            row.first.1,
            row.transit.0,
            row.transit.1,
            row.per_stream,
            row.frames,
        );
    }
    out
}

/// The processor time for a frame as bars (SVG).
pub fn chart(rows: &[Row]) -> String {
    const WIDTH: f64 = 720.0;
    const BAR: f64 = 22.0;
    const LEFT: f64 = 190.0;
    let rows: Vec<Medians> = medians(rows).into_iter().filter(|row| row.target != "direct").collect();
    let height = rows.len() as f64 * BAR + 40.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<title>Processor time for a frame, by load and target</title>\n\
         <text x=\"8\" y=\"18\" font-weight=\"bold\">CPU per frame in µs (each load on a scale of its own)</text>\n"
    );
    for (at, row) in rows.iter().enumerate() {
        let top = rows.iter().filter(|other| other.scenario == row.scenario).map(|other| other.per_frame);
        let most = top.fold(f64::MIN_POSITIVE, f64::max);
        let length = row.per_frame / most * (WIDTH - LEFT - 80.0);
        let y = 30.0 + at as f64 * BAR;
        let fill = if row.target == "nginx" { "#9aa5b1" } else { "#2f6fde" };
        let _ = writeln!(
            out,
            "<text x=\"8\" y=\"{:.0}\">{} · {}</text><rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{length:.1}\" \
             height=\"{:.0}\" fill=\"{fill}\"/><text x=\"{:.1}\" y=\"{:.0}\">{:.2}</text>",
            y + 14.0,
            row.scenario,
            row.target,
            BAR - 6.0,
            LEFT + length + 6.0,
            y + 14.0,
            row.per_frame,
        );
    }
    out.push_str("</svg>\n");
    out
}
