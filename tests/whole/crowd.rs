//! What good pages feel while bad clients are at work: a thousand connections that send their heads by the byte, and
//! bodies that are deep, large, packed or no sense at all.
//!
//! `cargo test --release --test whole crowd -- --ignored --nocapture` prints the figures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::Folder;

const CONFIG: &str = "
[server]
max_body = \"8MiB\"

[providers.p]
protocol = \"openai-chat\"
replay = { pace = \"1ms\" }

[models.m]
targets = [\"p/m\"]

[[routes]]
path = \"/chat\"
protocol = \"vercel-text\"
model = \"m\"
";

const SLOW: usize = 1000;
const BOMBERS: usize = 4;
const LONG: Duration = Duration::from_secs(20);

/// Sends a head a byte at a time, again and again.
async fn drip(addr: SocketAddr, open: Arc<AtomicU64>) {
    loop {
        let Ok(mut stream) = TcpStream::connect(addr).await else { continue };
        open.fetch_add(1, Ordering::Relaxed);
        let _ = stream.write_all(b"POST /chat HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await;
        while stream.write_all(b"a").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
        open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sends bombs, one after the other.
async fn bomb(addr: SocketAddr, sent: Arc<AtomicU64>) {
    let deep = format!("{{\"messages\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("{{\"messages\":\"{}\"}}", "x".repeat(7 << 20));
    let many = format!("{{\"messages\":[{}1]}}", "{\"role\":\"user\",\"content\":\"a\"},".repeat(100_000));
    let json = "content-type: application/json\r\n";
    let packed = format!("{json}content-encoding: gzip\r\n");
    let bombs = [(json, deep.as_str()), (json, &large), (json, &many), (&packed, "{}"), ("", "\0\0\0"), (json, "{")];
    for (headers, body) in bombs.iter().cycle() {
        let head = format!(
            "POST /chat HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        let Ok(mut stream) = TcpStream::connect(addr).await else { continue };
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(body.as_bytes()).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

/// How long the first byte behind the head of an answer takes, on a connection of its own.
async fn first_byte(addr: SocketAddr, request: &str) -> Duration {
    let begin = Instant::now();
    let asking = async {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut seen = Vec::new();
        let mut first = None;
        while stream.read_buf(&mut seen).await.unwrap() > 0 {
            let head = seen.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            if first.is_none() && head.is_some_and(|end| seen.len() > end + 4) {
                first = Some(begin.elapsed());
            }
        }
        assert!(seen.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&seen));
        first.unwrap()
    };
    timeout(LONG, asking).await.expect("it is answered")
}

/// The times of good pages and of whoever asks for the health, one request after the other each.
async fn measure(addr: SocketAddr, time: Duration) -> [Vec<Duration>; 2] {
    let body = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}";
    let good = format!(
        "POST /chat HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let health = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_owned();
    let end = Instant::now() + time;
    let ask = |request: String| async move {
        let mut times = Vec::new();
        while Instant::now() < end {
            times.push(first_byte(addr, &request).await);
            sleep(Duration::from_millis(10)).await;
        }
        times.sort();
        times
    };
    tokio::join!(ask(good), ask(health)).into()
}

fn show(what: &str, times: &[Duration]) -> Duration {
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!("{what}: {} asked, p50 {:?}, p99 {:?}, worst {:?}", times.len(), at(0.5), at(0.99), at(1.0));
    at(0.99)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "half a minute of load; prints figures"]
async fn good_pages_among_bad_clients() {
    let folder = Folder::with(CONFIG);
    let gateway = folder.quiet();
    let addr: SocketAddr = gateway.address.strip_prefix("http://").unwrap().parse().unwrap();
    let [good, health] = measure(addr, Duration::from_secs(5)).await;
    show("first bytes, alone", &good);
    show("health, alone", &health);
    let (open, sent) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut crowd = JoinSet::new();
    for _ in 0..SLOW {
        crowd.spawn(drip(addr, Arc::clone(&open)));
    }
    sleep(Duration::from_secs(2)).await;
    let [good, health] = measure(addr, Duration::from_secs(10)).await;
    println!("{} slow heads", open.load(Ordering::Relaxed));
    show("first bytes, among slow heads", &good);
    assert!(show("health, among slow heads", &health) < Duration::from_millis(100));
    for _ in 0..BOMBERS {
        crowd.spawn(bomb(addr, Arc::clone(&sent)));
    }
    let [good, health] = measure(addr, Duration::from_secs(10)).await;
    println!("{} slow heads, {} bombs", open.load(Ordering::Relaxed), sent.load(Ordering::Relaxed));
    show("first bytes, among slow heads and bombs", &good);
    assert!(show("health, among slow heads and bombs", &health) < Duration::from_millis(100));
}
