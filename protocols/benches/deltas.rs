//! What one text delta costs in the steady state of an answer, as the tables of `docs/performance.md`.
//!
//! `cargo bench -p chatwire-protocols --bench deltas`. Every protocol of providers and every dialect of pages, and every
//! pair of the two: nanoseconds, and how many allocations are made. Frames look as the providers write them today; buffers
//! are reused, as the gateway does.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::time::Instant;

use bytes::BytesMut;
use chatwire_protocols::protocol::{Encoder, Frontend, Upstream};
use support::steady::Steady;
use support::{frontends, upstreams};

/// Deltas in a sample: many, for the clock is coarse.
const DELTAS: u32 = 2000;
const SAMPLES: usize = 41;
const ROUNDS: usize = 5;

/// What a delta costs.
struct Cost {
    nanoseconds: f64,
    allocations: f64,
}

/// The least of some medians; allocations are those of one sample.
fn cost(mut delta: impl FnMut()) -> Cost {
    let mut sample = || (0..DELTAS).for_each(|_| delta());
    sample();
    let mut nanoseconds = f64::INFINITY;
    for _ in 0..ROUNDS {
        let mut times = [0.0; SAMPLES];
        for time in &mut times {
            let begin = Instant::now();
            sample();
            *time = begin.elapsed().as_nanos() as f64 / f64::from(DELTAS);
        }
        times.sort_by(f64::total_cmp);
        nanoseconds = nanoseconds.min(times[SAMPLES / 2]);
    }
    let allocations = allocation_counter::measure(sample).count_total as f64 / f64::from(DELTAS);
    Cost { nanoseconds, allocations }
}

fn decode(mut steady: Steady) -> Cost {
    cost(|| {
        black_box(steady.decode().len());
    })
}

fn encode(steady: &Steady, frontend: &dyn Frontend) -> Cost {
    let mut page = Page { encoder: steady.encoder(frontend), out: BytesMut::with_capacity(4096) };
    cost(|| page.take(std::slice::from_ref(black_box(steady.delta()))))
}

fn carry(mut steady: Steady, frontend: &dyn Frontend) -> Cost {
    let mut page = Page { encoder: steady.encoder(frontend), out: BytesMut::with_capacity(4096) };
    cost(|| page.take(steady.decode()))
}

struct Page {
    encoder: Box<dyn Encoder>,
    out: BytesMut,
}

impl Page {
    fn take(&mut self, events: &[chatwire_protocols::event::Event]) {
        self.out.clear();
        for event in events {
            self.encoder.event(event, &mut self.out);
        }
        black_box(self.out.len());
    }
}

/// No more digits than tell something: a text that is kept grows a few times in a thousand deltas.
fn allocations(cost: &Cost) -> String {
    let number = format!("{:.4}", cost.allocations);
    number.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn main() {
    let (providers, dialects) = (upstreams(), frontends());
    println!("### In process\n");
    println!("| decode | bytes | ns | each frame new | 30 bytes of text more | allocations | with the longer text |");
    println!("|---|---:|---:|---:|---:|---:|---:|");
    for (name, upstream) in &providers {
        let begin = |how: fn(&str, &dyn Upstream) -> Steady| how(name, &**upstream);
        let bytes = begin(Steady::begin).frame_length();
        let [alike, unlike, long] =
            [Steady::begin as fn(&str, &dyn Upstream) -> Steady, Steady::begin_unlike, Steady::begin_long]
                .map(|how| decode(begin(how)));
        println!(
            "| {name} | {bytes} | {:.0} | {:.0} | {:.0} | {} | {} |",
            alike.nanoseconds,
            unlike.nanoseconds,
            long.nanoseconds,
            allocations(&alike),
            allocations(&long)
        );
    }

    println!("\n| encode | ns | allocations |\n|---|---:|---:|");
    let (name, upstream) = providers.first().expect("a provider");
    for (dialect, frontend) in &dialects {
        let cost = encode(&Steady::begin(name, &**upstream), &**frontend);
        println!("| {dialect} | {:.0} | {} |", cost.nanoseconds, allocations(&cost));
    }

    println!("\nCarry, in ns (allocations, where there are any):\n");
    let heads: String = providers.iter().map(|(name, _)| format!(" {name} |")).collect();
    println!("| to \\ from |{heads}\n|---|{}", "---:|".repeat(providers.len()));
    for (dialect, frontend) in &dialects {
        let cells = providers.iter().map(|(name, upstream)| {
            let cost = carry(Steady::begin(name, &**upstream), &**frontend);
            let made = if cost.allocations > 0.0 { format!(" ({})", allocations(&cost)) } else { String::new() };
            format!(" {:.0}{made} |", cost.nanoseconds)
        });
        println!("| {dialect} |{}", cells.collect::<String>());
    }
}
