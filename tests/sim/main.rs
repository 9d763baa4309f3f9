//! A simulator of turns: the real machine, driver, decoders, encoders and kept turns, with providers, pages, a store and
//! a clock of its own. All that happens in a turn is drawn from one number, its seed, so whatever goes wrong can be
//! played again. `docs/testing.md` says how.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod cuts;
mod fault;
mod house;
mod laws;
mod machine;
mod nth;
mod page;
mod provider;
mod random;
mod reader;
mod script;
mod store;
mod tools;
mod turn;
mod wire;

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use house::House;
use turn::{Counts, Draw};

/// Seeds that have found something, one a line: the number, and what it found.
const SEEDS: &str = include_str!("seeds.txt");

/// Turns of a run that nobody has set otherwise.
const TURNS: u64 = 3000;

/// Turns of one runtime.
const BLOCK: u64 = 1000;

/// Most violations that are shown.
const SHOWN: usize = 20;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Panics on purpose are no news.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
                loud(info);
            }
        }));
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// A seed, and the laws that it breaks.
type Broken = (u64, Vec<String>);

/// Runs these seeds, and gives those that break a law, with the laws.
fn simulate(seeds: impl Iterator<Item = u64>) -> (Vec<Broken>, Counts) {
    quiet();
    let mut house = House::new();
    let (mut found, mut counts) = (Vec::new(), Counts::default());
    let mut runtime_ = runtime();
    for (count, seed) in seeds.enumerate() {
        if count as u64 % BLOCK == BLOCK - 1 {
            runtime_ = runtime();
        }
        let draw = Draw::new(seed);
        if std::env::var_os("CHATWIRE_SIM_TRACE").is_some() {
            eprintln!("{seed} {draw:?}");
        }
        let turn = turn::counted(&mut house, &draw, &mut counts);
        let run = std::panic::catch_unwind(AssertUnwindSafe(|| runtime_.block_on(turn)));
        let wrong = run.unwrap_or_else(|_| {
            runtime_ = runtime();
            vec!["it panicked".to_owned()]
        });
        if !wrong.is_empty() {
            found.push((seed, wrong));
        }
    }
    (found, counts)
}

fn report(found: &[Broken]) -> String {
    let shown =
        found.iter().take(SHOWN).map(|(seed, wrong)| format!("seed {seed}: {wrong:#?}\n{:#?}", Draw::new(*seed)));
    shown.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn no_turn_breaks_a_law() {
    let turns = number("CHATWIRE_SIM_TURNS", TURNS);
    let first = number("CHATWIRE_SIM_SEED", 1);
    let threads = number("CHATWIRE_SIM_THREADS", 1).max(1);
    let begun = Instant::now();
    let (mut found, mut counts) = (Vec::new(), Counts::default());
    std::thread::scope(|scope| {
        let all = (0..threads).map(|thread| {
            scope.spawn(move || simulate((first..first + turns).filter(|seed| seed % threads == thread)))
        });
        let all: Vec<_> = all.collect();
        for thread in all {
            let (broken, counted) = thread.join().unwrap();
            found.extend(broken);
            counts.join(&counted);
        }
    });
    println!("{turns} turns from seed {first} in {:?}: {} break a law", begun.elapsed(), found.len());
    println!("{counts:?}");
    if std::env::var_os("CHATWIRE_SIM_LIST").is_some() {
        for (seed, wrong) in &found {
            println!("{seed} {:?} {:?} {:?}", Draw::new(*seed).dialect, Draw::new(*seed).protocol, wrong);
        }
    }
    assert!(found.is_empty(), "{} turns break a law\n{}", found.len(), report(&found[..found.len().min(3)]));
}

#[test]
fn seeds_that_have_found_something_find_nothing_more() {
    let seeds = SEEDS.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let seeds = seeds.map(|line| line.split_whitespace().next().unwrap().parse::<u64>().unwrap());
    let (found, _) = simulate(seeds);
    assert!(found.is_empty(), "{}", report(&found));
}
