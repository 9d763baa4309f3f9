//! Mixed faults for a long time, of providers of all protocols, with pages of all dialects, some over WebSockets; and what
//! is left over: memory, descriptors, threads, connections to the provider.
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
use super::socket::{self, SocketPage};
use super::speech::PROTOCOLS;
use super::{Folder, LONG, Page, ROUTES, address};

/// How often the gateway is looked at.
const SAMPLES: u32 = 60;

/// By how many KiB, beside a tenth, memory may be larger in the last third than in the second.
const MARGIN: u64 = 8 << 10;

/// What the provider says to its end.
const WHOLE: [&str; 3] = ["whole", "long", "reasoning"];

/// How many turns ended in which way.
type Ends = BTreeMap<&'static str, u64>;

/// One page after another until the time is over.
async fn visit(gateway: SocketAddr, seed: u64, until: Instant) -> Ends {
    let mut seeds = Seeds::new(seed);
    let mut ends = Ends::new();
    while Instant::now() < until {
        let end = timeout(LONG, turn(gateway, &mut seeds)).await.unwrap_or("never ended");
        *ends.entry(end).or_default() += 1;
    }
    ends
}

/// A page over either kind of connection.
enum Visitor {
    Http(Page),
    Socket(Box<SocketPage>),
}

impl Visitor {
    /// Reads once. True if there may be more.
    async fn read(&mut self) -> bool {
        match self {
            Self::Http(page) => page.read().await,
            Self::Socket(page) => page.read().await,
        }
    }

    fn is_whole(&self) -> bool {
        match self {
            Self::Http(page) => page.is_whole(),
            Self::Socket(page) => page.is_whole(),
        }
    }
}

async fn turn(gateway: SocketAddr, seeds: &mut Seeds) -> &'static str {
    let protocol = PROTOCOLS[seeds.below(PROTOCOLS.len())];
    let at = seeds.below(ROUTES.len() + socket::ROUTES.len());
    let fault = FAULTS[seeds.below(FAULTS.len())];
    let text = format!("{fault} s");
    let (route, page) = match ROUTES.get(at) {
        Some((route, ..)) => (*route, Page::ask(gateway, protocol, route, &text).await.ok().map(Visitor::Http)),
        None => {
            let (route, ..) = socket::ROUTES[at - ROUTES.len()];
            let page = SocketPage::ask(gateway, protocol, route, &text, seeds.below(usize::MAX)).await;
            (route, page.map(Box::new).map(Visitor::Socket))
        }
    };
    let Some(mut page) = page else { return "not connected" };
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
    match (page.is_whole(), &page, route) {
        (true, Visitor::Http(_), _) => "whole",
        (true, Visitor::Socket(page), _) if page.answered => "answered over a socket",
        (true, Visitor::Socket(_), _) => "whole over a socket",
        // This dialect has no word for a failure, so the connection is broken.
        (false, _, "/text") if !WHOLE.contains(&fault) => "broken as it should",
        (false, ..) => "not whole",
    }
}

/// Waits until the gateway has settled: everything that ends has ended.
async fn settled(provider: &Provider) {
    let settling = async {
        // As many as the pool may keep.
        while provider.shared.open.load(Ordering::Relaxed) > 256 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, settling).await.expect("the provider is left");
}

/// What the gateway holds, and its connections to the provider.
#[derive(Clone, Copy, Debug)]
struct Sample {
    held: Held,
    connections: usize,
}

impl Sample {
    /// True if no more is open than when it was idle, and the connections that the pool keeps.
    const fn is_left(&self, idle: &Self) -> bool {
        self.held.descriptors <= idle.held.descriptors + self.connections + 4
    }
}

/// What was seen of a run; the samples are none where the system does not tell.
struct Seen {
    ends: Ends,
    idle: Option<Sample>,
    /// At the same distances while the pages were there.
    during: Vec<Sample>,
    settled: Option<Sample>,
}

async fn run(pages: u64, time: Duration) -> Seen {
    let provider = Provider::start().await;
    let folder = Folder::with(provider.addr, "3s");
    let gateway = folder.gateway();
    let at = address(&gateway);
    let sample = || {
        let connections = provider.shared.open.load(Ordering::Relaxed);
        held(gateway.process()).map(|held| Sample { held, connections })
    };
    let (idle, mut during) = (sample(), Vec::new());
    let begin = Instant::now();
    let mut visits = JoinSet::new();
    for page in 0..pages {
        visits.spawn(visit(at, page + 1, begin + time));
    }
    for number in 1..=SAMPLES {
        sleep((time * number / SAMPLES).saturating_sub(begin.elapsed())).await;
        during.extend(sample());
    }
    let mut ends = Ends::new();
    while let Some(seen) = visits.join_next().await {
        for (end, count) in seen.unwrap() {
            *ends.entry(end).or_default() += count;
        }
    }
    settled(&provider).await;
    // What the provider has closed meanwhile is noticed when the gateway looks at its connections the next time.
    let calm = async {
        loop {
            match (idle, sample()) {
                (Some(idle), Some(end)) if !end.is_left(&idle) => sleep(Duration::from_millis(50)).await,
                (_, end) => break end,
            }
        }
    };
    let settled = timeout(LONG, calm).await.unwrap_or_else(|_| sample());
    Seen { ends, idle, during, settled }
}

impl Seen {
    fn judge(&self) {
        for bad in ["never ended", "not whole", "not connected"] {
            assert_eq!(self.ends.get(bad), None, "{:?}", self.ends);
        }
        assert!(self.ends.contains_key("answered over a socket"), "{:?}", self.ends);
        if let (Some(idle), Some(end)) = (self.idle, self.settled) {
            assert!(end.is_left(&idle), "{idle:?} {end:?}");
        }
    }

    /// The middle one of each third's samples by their memory.
    fn thirds(&self) -> Option<[Sample; 3]> {
        let third = self.during.len() / 3;
        let middle = |number: usize| {
            let mut samples = self.during.get(number * third..(number + 1) * third)?.to_vec();
            samples.sort_by_key(|sample| sample.held.resident);
            samples.get(third / 2).copied()
        };
        Some([middle(0)?, middle(1)?, middle(2)?])
    }

    /// In the first third pools and buffers are filled; from then on memory must not grow with the turns.
    fn judge_memory(&self) {
        let Some([_, second, last]) = self.thirds() else { return };
        let most = second.held.resident + second.held.resident / 10 + MARGIN;
        assert!(last.held.resident <= most, "{} KiB of at most {most}", last.held.resident);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_over_after_mixed_faults() {
    run(20, Duration::from_secs(3)).await.judge();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures, for a release build"]
async fn soak() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let seen = run(200, Duration::from_secs(seconds)).await;
    println!("{:#?}", seen.ends);
    let [first, second, last] = seen.thirds().map_or([None; 3], |thirds| thirds.map(Some));
    let names = ["idle", "first third", "second third", "last third", "end"];
    for (name, sample) in names.iter().zip([seen.idle, first, second, last, seen.settled]) {
        let Some(Sample { held: Held { resident, descriptors, threads }, connections }) = sample else { continue };
        println!(
            "{name}: {resident} KiB resident, {descriptors} descriptors, {threads} threads, {connections} connections \
             to the provider"
        );
    }
    seen.judge();
    seen.judge_memory();
}
