//! A provider refuses, fails and works again, or goes down for 20 s: what 10,000 requests saw, with and without a second
//! target. `cargo test --test gateway outages -- --include-ignored --nocapture` shows the figures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chatwire::config::plan::{BreakerPlan, RetryPlan};
use chatwire_protocols::error::FailureKind;
use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::support::Setup;
use crate::support::page::Page;
use crate::support::scripted::{Bench, Does, GOOD, Outcome, Scripted};

const REQUESTS: u32 = 10_000;
const LOAD: Duration = Duration::from_secs(40);
const DOWN: std::ops::Range<u64> = 10..30;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 22\r\nconnection: close\r\n\r\n\
                      text good\nfinish stop";

/// A provider that answers everybody with the same, and counts.
struct Provider {
    addr: SocketAddr,
    asked: Arc<AtomicUsize>,
    task: Option<JoinHandle<()>>,
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let mut provider = Self { addr, asked: Arc::default(), task: None };
        provider.serve(listener);
        provider
    }

    fn serve(&mut self, listener: TcpListener) {
        let asked = Arc::clone(&self.asked);
        self.task = Some(tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(socket));
            }
        }));
    }

    /// Nobody listens any more.
    async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    async fn back(&mut self) {
        let listener = TcpListener::bind(self.addr).await.unwrap();
        self.serve(listener);
    }
}

async fn answer(mut socket: TcpStream) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}") {
        if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let _ = socket.write_all(ANSWER.as_bytes()).await;
    let _ = socket.write_all(b"\n").await;
}

/// What the requests saw.
#[derive(Default)]
struct Seen {
    outcomes: BTreeMap<String, u32>,
    attempts: usize,
    back: Option<Duration>,
    slowest: Duration,
    /// Requests that failed although the provider was there: asked before it went, or later than this after its return.
    needless: u32,
    /// How long it was away.
    away: Duration,
}

const SETTLED: Duration = Duration::from_millis(1500);

async fn outage(second: bool) -> Seen {
    let mut provider = Provider::start().await;
    let spare = Provider::start().await;
    let addrs = if second { vec![provider.addr, spare.addr] } else { vec![provider.addr] };
    let mut setup = Setup::new(&addrs);
    setup.server.max_connections = 4096;
    setup.retry = RetryPlan::default();
    setup.breaker = Some(BreakerPlan::default());
    let gateway = setup.start().await;
    let begin = Instant::now();
    let mut pages = JoinSet::new();
    let (mut down, mut back) = (None, None);
    for at in 0..REQUESTS {
        tokio::time::sleep_until((begin + LOAD / REQUESTS * at).into()).await;
        if down.is_none() && begin.elapsed().as_secs() >= DOWN.start {
            provider.stop().await;
            down = Some(Instant::now());
        }
        if down.is_some() && back.is_none() && begin.elapsed().as_secs() >= DOWN.end {
            provider.back().await;
            back = Some(Instant::now());
        }
        let addr = gateway.addr;
        pages.spawn(async move {
            let asked = Instant::now();
            let answer = Page::post(addr, &json!({"user": "hi"})).await.answer().await;
            let tried = answer.header("x-chatwire-attempts").unwrap_or_default().to_owned();
            (asked, asked.elapsed(), answer.status, tried)
        });
    }
    let mut seen = Seen::default();
    while let Some(page) = pages.join_next().await {
        let (asked, took, status, tried) = page.unwrap();
        *seen.outcomes.entry(format!("{status} {}", tried.replace("model-", ""))).or_default() += 1;
        seen.attempts += tried.matches("p0/").count() - tried.matches("p0/model-0=open").count();
        seen.slowest = seen.slowest.max(took);
        let there = down.is_none_or(|down| asked + took < down) || back.is_some_and(|back| asked > back + SETTLED);
        seen.needless += u32::from(there && status != 200);
        if let Some(back) = back.filter(|back| asked >= *back)
            && tried == "p0/model-0=ok"
        {
            let after = asked + took - back;
            seen.back = Some(seen.back.map_or(after, |known: Duration| known.min(after)));
        }
    }
    seen.away = back.zip(down).map(|(back, down)| back - down).unwrap_or_default();
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes 80 seconds"]
async fn an_outage_of_twenty_seconds() {
    for second in [false, true] {
        let seen = outage(second).await;
        println!("second target: {second}; attempts at the first: {} of {REQUESTS} requests", seen.attempts);
        println!("away for {:?}; first answer after the return: {:?}", seen.away, seen.back);
        println!("slowest: {:?}; failed although it was there: {}", seen.slowest, seen.needless);
        for (outcome, count) in &seen.outcomes {
            println!("{count:6}  {outcome}");
        }
        assert!(seen.attempts * 10 <= REQUESTS as usize * 11);
        let failed: u32 =
            seen.outcomes.iter().filter(|(outcome, _)| !outcome.starts_with("200")).map(|(_, count)| count).sum();
        assert_eq!(failed == 0, second, "{failed} requests failed");
    }
}

/// What a provider does one after the other, each for ten seconds, and how 10,000 turns in that time end.
async fn phases(phases: &[Does], second: bool) -> (Arc<Scripted>, Vec<Outcome>) {
    let (first, spare) = (Scripted::always(phases[0].clone()), Scripted::good());
    let providers = if second { vec![Arc::clone(&first), spare] } else { vec![Arc::clone(&first)] };
    let bench = Bench::new(&providers, |setup| setup.breaker = Some(BreakerPlan::default()));
    let phase = Duration::from_secs(10);
    let changing = async {
        for does in phases {
            first.becomes(does.clone());
            tokio::time::sleep(phase).await;
        }
    };
    let step = phase * u32::try_from(phases.len()).unwrap() / REQUESTS;
    let bench = &bench;
    let turns = (0..REQUESTS).map(|at| async move {
        tokio::time::sleep(step * at).await;
        bench.turn().await
    });
    let (outcomes, ()) = tokio::join!(join_all(turns), changing);
    (first, outcomes)
}

fn show(title: &str, first: &Scripted, outcomes: &[Outcome]) {
    let mut ends = BTreeMap::<&str, u32>::new();
    for outcome in outcomes {
        *ends.entry(outcome.kind().map_or("answered", FailureKind::label)).or_default() += 1;
    }
    let slowest = outcomes.iter().map(|outcome| outcome.took).max().unwrap_or_default();
    println!("{title}: attempts at the first {}, slowest {slowest:?}, {ends:?}", first.times());
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_then_fails_then_works_is_bearable_alone_and_unnoticed_in_company() {
    let refuses = Does::FailsFor(FailureKind::RateLimit, Duration::from_secs(1));
    let script = [refuses, Does::Fails(FailureKind::Server), GOOD];
    let (alone, outcomes) = phases(&script, false).await;
    show("429, 500, works; alone", &alone, &outcomes);
    assert!(outcomes.iter().filter(|outcome| outcome.text == "good").count() > REQUESTS as usize * 3 / 10);
    assert!(alone.times() * 10 <= REQUESTS as usize * 11);
    let (first, outcomes) = phases(&script, true).await;
    show("429, 500, works; with a second target", &first, &outcomes);
    assert!(outcomes.iter().all(|outcome| outcome.text == "good" && outcome.took == Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_short_for_who_is_alone_and_unnoticed_in_company() {
    let down = Does::Fails(FailureKind::Connect);
    let script = [GOOD, down.clone(), down, GOOD];
    for second in [false, true] {
        let (first, outcomes) = phases(&script, second).await;
        show(&format!("works, down for 20 s, works; second target: {second}"), &first, &outcomes);
        let answered = outcomes.iter().filter(|outcome| outcome.text == "good").count();
        let least = REQUESTS as usize * if second { 100 } else { 47 } / 100;
        assert!(answered >= least, "{answered}");
        assert!(first.times() < REQUESTS as usize * 6 / 10, "{}", first.times());
    }
}
