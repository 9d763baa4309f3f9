//! Mixed faults for a long time, and what is left over: memory, descriptors, threads, connections to the provider.
//!
//! `SOAK_SECONDS=1800 cargo test --release --test load soak -- --ignored --nocapture` is the long run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::process::{Held, held};
use super::provider::{FAULTS, Provider};
use super::seeds::Seeds;
use super::{Folder, LONG, Page, ROUTES, address, binary};

/// How many turns ended in which way.
type Ends = BTreeMap<&'static str, u64>;

/// One page after another until the time is over.
async fn visit(gateway: SocketAddr, seed: u64, until: Instant) -> Ends {
    let mut seeds = Seeds::new(seed);
    let mut ends = Ends::new();
    while Instant::now() < until {
        let (path, ..) = ROUTES[seeds.below(ROUTES.len())];
        let fault = FAULTS[seeds.below(FAULTS.len())];
        let end = timeout(LONG, turn(gateway, path, fault, &mut seeds)).await.unwrap_or("never ended");
        *ends.entry(end).or_default() += 1;
    }
    ends
}

async fn turn(gateway: SocketAddr, path: &str, fault: &str, seeds: &mut Seeds) -> &'static str {
    let Ok(mut page) = Page::ask(gateway, path, &format!("{fault} s")).await else { return "not connected" };
    match seeds.below(8) {
        // It leaves after some reads.
        0 => {
            for _ in 0..seeds.below(6) {
                if !page.read().await {
                    break;
                }
            }
            return "left";
        }
        // It reads nothing for a while.
        1 => sleep(Duration::from_millis(200)).await,
        _ => {}
    }
    while page.read().await {}
    match (page.is_whole(), path) {
        (true, _) => "whole",
        // This dialect has no word for a failure, so the connection is broken.
        (false, "/text") if fault != "whole" && fault != "long" => "broken as it should",
        (false, _) => "not whole",
    }
}

/// Waits until the gateway has settled: everything that ends has ended.
async fn settled(provider: &Provider) {
    let settling = async {
        // As many as the pool may keep.
        while provider.shared.open.load(Ordering::Relaxed) > 64 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, settling).await.expect("the provider is left");
}

async fn run(pages: u64, time: Duration) -> (Ends, Vec<(&'static str, Held, usize)>) {
    let provider = Provider::start().await;
    let folder = Folder::with(provider.addr, "3s");
    let gateway = folder.gateway();
    let at = address(&gateway);
    let mut samples = Vec::new();
    let sample = |gateway: &binary::Gateway, name| {
        held(gateway.process()).map(|held| (name, held, provider.shared.open.load(Ordering::Relaxed)))
    };
    samples.extend(sample(&gateway, "idle"));
    let begin = Instant::now();
    let mut visits = JoinSet::new();
    for page in 0..pages {
        visits.spawn(visit(at, page + 1, begin + time));
    }
    for name in ["a tenth", "half", "nine tenths"] {
        let share = match name {
            "a tenth" => 0.1,
            "half" => 0.5,
            _ => 0.9,
        };
        sleep(time.mul_f64(share).saturating_sub(begin.elapsed())).await;
        samples.extend(sample(&gateway, name));
    }
    let mut ends = Ends::new();
    while let Some(seen) = visits.join_next().await {
        for (end, count) in seen.unwrap() {
            *ends.entry(end).or_default() += count;
        }
    }
    settled(&provider).await;
    samples.extend(sample(&gateway, "end"));
    (ends, samples)
}

fn judge(ends: &Ends, samples: &[(&str, Held, usize)]) {
    for bad in ["never ended", "not whole", "not connected"] {
        assert_eq!(ends.get(bad), None, "{ends:?}");
    }
    if let (Some((_, idle, _)), Some((_, end, connections))) = (samples.first(), samples.last()) {
        assert!(end.descriptors <= idle.descriptors + connections + 4, "{samples:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_over_after_mixed_faults() {
    let (ends, samples) = run(20, Duration::from_secs(3)).await;
    judge(&ends, &samples);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures, for a release build"]
async fn soak() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let (ends, samples) = run(200, Duration::from_secs(seconds)).await;
    println!("{ends:#?}");
    for (name, held, connections) in &samples {
        let Held { resident, descriptors, threads } = held;
        println!(
            "{name}: {resident} KiB resident, {descriptors} descriptors, {threads} threads, {connections} connections \
             to the provider"
        );
    }
    judge(&ends, &samples);
}
