//! A provider goes down for 20 s under load and comes back, over real sockets: what 10,000 requests saw, with and without
//! a second target. `cargo test --test gateway outages -- --ignored --nocapture` shows the figures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chatwire::config::plan::{BreakerPlan, RetryPlan};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::support::Setup;
use crate::support::page::Page;

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
}

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
    let (mut down, mut back) = (false, None);
    for at in 0..REQUESTS {
        tokio::time::sleep_until((begin + LOAD / REQUESTS * at).into()).await;
        if !down && begin.elapsed().as_secs() >= DOWN.start {
            down = true;
            provider.stop().await;
        }
        if down && back.is_none() && begin.elapsed().as_secs() >= DOWN.end {
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
        if let Some(back) = back.filter(|back| asked >= *back)
            && tried == "p0/model-0=ok"
        {
            let after = asked + took - back;
            seen.back = Some(seen.back.map_or(after, |known: Duration| known.min(after)));
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes 80 seconds"]
async fn an_outage_of_twenty_seconds() {
    for second in [false, true] {
        let seen = outage(second).await;
        println!("second target: {second}; attempts at the first: {} of {REQUESTS} requests", seen.attempts);
        println!("slowest: {:?}; first answer after the return: {:?}", seen.slowest, seen.back);
        for (outcome, count) in &seen.outcomes {
            println!("{count:6}  {outcome}");
        }
        assert!(seen.attempts * 10 <= REQUESTS as usize * 11);
        assert!(seen.back.is_some_and(|back| back <= Duration::from_millis(1500)), "{:?}", seen.back);
        let failed: u32 =
            seen.outcomes.iter().filter(|(outcome, _)| !outcome.starts_with("200")).map(|(_, count)| count).sum();
        assert_eq!(failed == 0, second, "{failed} requests failed");
    }
}
