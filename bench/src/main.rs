//! What a running gateway costs, beside a direct line to the provider and nginx as a plain reverse proxy.
//!
//! ```sh
//! cargo build --release && cargo run --release -p chatwire-bench
//! ```
//!
//! A provider of its own says precomputed frames, pages of its own read them, and the targets in between are visited in
//! turn, round after round, so that a slow minute of the machine falls on all of them. Ratios are taken within a round.
//! `--rounds N` (3), `--seconds N` for each visit (4), `--only NAME` and `--scenario NAME` for a part of it, `--chart FILE`
//! for a picture of the costs.

mod load;
mod provider;
mod report;
mod scenario;
mod target;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use report::Row;
use scenario::Scenario;
use target::{Kind, Target};

struct Arguments {
    rounds: usize,
    time: Duration,
    only: Option<String>,
    scenario: Option<String>,
    chart: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = arguments()?;
    let provider = provider::Provider::start().await?;
    let folder = std::env::temp_dir().join(format!("chatwire-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = measure(&arguments, &provider, &folder).await;
    let _ = std::fs::remove_dir_all(&folder);
    let rows = measured?;
    println!("{}", report::table(&rows));
    if let Some(chart) = &arguments.chart {
        std::fs::write(chart, report::chart(&rows))?;
    }
    Ok(())
}

async fn measure(
    arguments: &Arguments,
    provider: &provider::Provider,
    folder: &std::path::Path,
) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let scenarios =
        scenario::ALL.iter().filter(|one| arguments.scenario.as_deref().is_none_or(|name| name == one.name));
    for scenario in scenarios {
        for round in 0..arguments.rounds {
            for kind in Kind::ALL {
                if arguments.only.as_deref().is_some_and(|only| only != kind.name() && *kind != Kind::Nginx) {
                    continue;
                }
                // Started anew each time: memory is compared from the same beginning.
                let Some(target) = Target::start(*kind, provider.addr, folder)? else {
                    if round == 0 {
                        eprintln!("{} is not here and left out", kind.name());
                    }
                    continue;
                };
                rows.push(visit(scenario, &target, provider, arguments.time, round).await?);
                eprintln!("{} {} {round}", scenario.name, kind.name());
            }
        }
    }
    Ok(rows)
}

async fn visit(
    scenario: &'static Scenario,
    target: &Target,
    provider: &provider::Provider,
    time: Duration,
    round: usize,
) -> io::Result<Row> {
    provider.set(scenario.provider);
    target.ready(provider.addr).await?;
    let begin = target.resident();
    let warm = Duration::from_secs(1);
    let ((), seen) = tokio::try_join!(
        async {
            tokio::time::sleep(warm).await;
            Ok(())
        },
        load::run(scenario, target, warm, time),
    )?;
    Ok(Row { scenario: scenario.name, target: target.kind.name(), round, begin, streams: scenario.pages, seen })
}

fn arguments() -> io::Result<Arguments> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    let mut read = Arguments { rounds: 3, time: Duration::from_secs(4), only: None, scenario: None, chart: None };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| wrong(format!("{word} needs a value")))?;
        let number = || value.parse::<u64>().map_err(|_| wrong(format!("{word} needs a number, not {value}")));
        match word.as_str() {
            "--rounds" => read.rounds = usize::try_from(number()?).unwrap_or(1),
            "--seconds" => read.time = Duration::from_secs(number()?),
            "--only" => read.only = Some(value),
            "--scenario" => read.scenario = Some(value),
            "--chart" => read.chart = Some(value.into()),
            _ => return Err(wrong(format!("there is no argument {word}"))),
        }
    }
    Ok(read)
}
