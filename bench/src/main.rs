//! What a running gateway costs, beside a direct line to the provider and nginx as a plain reverse proxy.
//!
//! ```sh
//! cargo build --release && cargo run --release -p chatwire-bench
//! ```
//!
//! A provider of its own says precomputed frames, pages of its own read them, and the targets in between are visited in
//! turn, round after round, so that a slow minute of the machine falls on all of them. Ratios are taken within a round.
//! It prints the tables of `docs/performance.md`, and it fails if any answer is not whole.
//!
//! `--rounds N` (3), `--seconds N` for each visit (4), `--only NAME,…` and `--scenario NAME,…` for a part of it (`slow`,
//! `growth` and `start` are groups), `--chart FILE` for a picture of the costs.

mod body;
mod chart;
mod load;
mod marks;
mod provider;
mod report;
mod scenario;
mod start;
mod target;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use provider::Provider;
use report::Row;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scenario::{Aim, Scenario};
use target::{Kind, Target};

struct Arguments {
    rounds: usize,
    time: Duration,
    only: Vec<String>,
    scenarios: Vec<String>,
    chart: Option<PathBuf>,
}

impl Arguments {
    fn wants(&self, name: &str) -> bool {
        let group = name.split('-').next().unwrap_or(name);
        self.scenarios.is_empty() || self.scenarios.iter().any(|one| one == name || one == group)
    }

    /// The targets to visit; nginx is what the others are compared with.
    fn kinds(&self) -> impl Iterator<Item = Kind> {
        let wanted = |kind: &Kind| {
            self.only.is_empty() || *kind == Kind::Nginx || self.only.iter().any(|one| one == kind.name())
        };
        Kind::ALL.iter().copied().filter(wanted)
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = arguments()?;
    let pages = most_pages();
    let provider = Provider::start().await?;
    let folder = std::env::temp_dir().join(format!("chatwire-bench-{}", std::process::id()));
    let measured = measure(&arguments, &provider, &folder, pages).await;
    let _ = std::fs::remove_dir_all(&folder);
    let (starts, rows) = measured?;
    print!("{}{}", start::table(&starts), report::tables(&rows));
    if let Some(chart) = &arguments.chart {
        std::fs::write(chart, chart::chart(&rows))?;
    }
    Ok(())
}

async fn measure(
    arguments: &Arguments,
    provider: &Provider,
    folder: &Path,
    most: usize,
) -> io::Result<(Vec<start::Start>, Vec<Row>)> {
    let mut starts = Vec::new();
    if arguments.wants("start") {
        for kind in arguments.kinds().filter(|kind| *kind != Kind::Direct) {
            starts.extend(start::measure(kind, provider, folder).await?);
        }
    }
    let mut rows = Vec::new();
    for scenario in scenario::ALL.iter().filter(|one| arguments.wants(one.name)) {
        let rounds = if scenario.aim == Aim::Cost { arguments.rounds } else { 1 };
        let pages = scenario.pages.min(most);
        if pages < scenario.pages {
            eprintln!("{}: {pages} pages, for want of file descriptors", scenario.name);
        }
        for round in 0..rounds {
            for kind in arguments.kinds() {
                provider.set(scenario.provider);
                // Started anew each time: memory is compared from the same beginning.
                let Some(target) = Target::start(kind, provider.addr, folder)? else {
                    eprintln!("{} is not here and left out", kind.name());
                    continue;
                };
                target.ready().await?;
                let seen = load::run(scenario, &target, pages, arguments.time).await?;
                eprintln!("{} {} {round}", scenario.name, kind.name());
                rows.push(Row { scenario, kind, round, seen });
            }
        }
    }
    Ok((starts, rows))
}

/// How many pages the file descriptors are enough for: this process and the gateway need two for each.
fn most_pages() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    usize::try_from(limit.maximum.unwrap_or(1 << 20) / 2).map_or(usize::MAX, |half| half.saturating_sub(100).max(1))
}

fn arguments() -> io::Result<Arguments> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    let mut read =
        Arguments { rounds: 3, time: Duration::from_secs(4), only: Vec::new(), scenarios: Vec::new(), chart: None };
    let known = |name: &str| {
        name == "start"
            || scenario::ALL.iter().any(|one: &Scenario| one.name == name || one.name.starts_with(&format!("{name}-")))
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| wrong(format!("{word} needs a value")))?;
        let number = || value.parse::<u64>().map_err(|_| wrong(format!("{word} needs a number, not {value}")));
        let names = || value.split(',').map(str::to_owned).collect::<Vec<_>>();
        match word.as_str() {
            "--rounds" => read.rounds = usize::try_from(number()?).unwrap_or(1),
            "--seconds" => read.time = Duration::from_secs(number()?),
            "--only" => read.only = names(),
            "--scenario" => read.scenarios = names(),
            "--chart" => read.chart = Some(value.into()),
            _ => return Err(wrong(format!("there is no argument {word}"))),
        }
    }
    if let Some(name) = read.only.iter().find(|name| Kind::ALL.iter().all(|kind| kind.name() != **name)) {
        return Err(wrong(format!("there is no target {name}")));
    }
    if let Some(name) = read.scenarios.iter().find(|name| !known(name)) {
        return Err(wrong(format!("there is no scenario {name}")));
    }
    Ok(read)
}
