//! From the start of a target to its first answer, and its memory then.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::body::Body;
use super::provider::Provider;
use super::report::median;
use super::scenario::Answers;
use super::target::{Kind, Memory, Target};

const TIMES: usize = 7;

/// One target.
pub struct Start {
    kind: Kind,
    /// Milliseconds to the first byte of text, the median.
    first: f64,
    /// A second after that answer.
    idle: Memory,
}

/// Starts it several times. Nothing if it is not on this machine.
pub async fn measure(kind: Kind, provider: &Provider, folder: &Path) -> io::Result<Option<Start>> {
    provider.set(Answers { frames: 1, pause: Duration::ZERO, first: Duration::ZERO });
    let (mut times, mut idle) = (Vec::new(), Memory::default());
    for _ in 0..TIMES {
        let begin = Instant::now();
        let Some(target) = Target::start(kind, provider.addr, folder)? else {
            eprintln!("{} is not here and left out", kind.name());
            return Ok(None);
        };
        let answered = timeout(Duration::from_secs(10), answer(kind, target.addr)).await;
        answered.map_err(|_| io::Error::other(format!("{} does not answer", kind.name())))??;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        sleep(Duration::from_secs(1)).await;
        idle = target.memory();
    }
    eprintln!("start {}", kind.name());
    Ok(Some(Start { kind, first: median(times), idle }))
}

/// Waits for the first text of an answer.
async fn answer(kind: Kind, addr: SocketAddr) -> io::Result<()> {
    let mut socket = loop {
        match TcpStream::connect(addr).await {
            Ok(socket) => break socket,
            Err(_) => sleep(Duration::from_millis(1)).await,
        }
    };
    socket.write_all(kind.request(addr).as_bytes()).await?;
    let (mut body, mut raw, mut text) = (Body::new(), Vec::new(), Vec::new());
    while text.is_empty() {
        if socket.read_buf(&mut raw).await? == 0 {
            return Err(io::Error::other(format!("{} gave no answer", kind.name())));
        }
        body.read(&mut raw, &mut text)?;
    }
    Ok(())
}

/// A table in Markdown.
pub fn table(starts: &[Start]) -> String {
    if starts.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "### Start and idle memory\n\n| target | start to first answer, ms | resident when idle, MiB | of it not shared with files |\n|---|---:|---:|---:|\n",
    );
    for start in starts {
        let mib = |kib: u64| kib as f64 / 1024.0;
        let (resident, own) = (mib(start.idle.resident), mib(start.idle.own));
        let _ = writeln!(out, "| {} | {:.1} | {resident:.1} | {own:.1} |", start.kind.name(), start.first);
    }
    out.push('\n');
    out
}
