//! Pages that ask, read and count.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::body::Body;
use super::marks::Marks;
use super::provider::now;
use super::scenario::Scenario;
use super::target::{Memory, Target};

/// What was seen in the measured time.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Frames of text.
    pub frames: u64,
    /// The target's processor time.
    pub cpu: Duration,
    /// Microseconds from the request to the first frame, without the time in which the provider had it; sorted.
    pub first: Vec<u64>,
    /// Microseconds from the provider's write of a frame to the page's read of it; sorted, one of each read.
    pub transit: Vec<u64>,
    /// Pages that ask.
    pub pages: usize,
    /// The target's memory before any page came.
    pub before: Memory,
    /// The target's memory while all streams are open.
    pub memory: Memory,
}

#[derive(Default)]
struct Shared {
    measuring: AtomicBool,
    over: AtomicBool,
    frames: AtomicU64,
}

/// Lets this many pages ask for the scenario's answers, and measures for `time` when all have begun.
pub async fn run(scenario: &'static Scenario, target: &Target, pages: usize, time: Duration) -> io::Result<Seen> {
    let before = target.memory();
    let warm = scenario.warm();
    let shared = Arc::new(Shared::default());
    let mut visits = JoinSet::new();
    for number in 0..pages {
        // Not all in the same moment.
        let wait = warm.mul_f64(0.8 * number as f64 / pages as f64);
        let visit = Visit { addr: target.addr, kind: target.kind, scenario, shared: Arc::clone(&shared) };
        visits.spawn(async move {
            sleep(wait).await;
            visit.run().await
        });
    }
    sleep(warm).await;
    shared.measuring.store(true, Ordering::Relaxed);
    let cpu = target.cpu();
    sleep(time).await;
    let mut seen = Seen {
        cpu: target.cpu().saturating_sub(cpu),
        frames: shared.frames.load(Ordering::Relaxed),
        before,
        memory: target.memory(),
        pages,
        ..Seen::default()
    };
    shared.measuring.store(false, Ordering::Relaxed);
    shared.over.store(true, Ordering::Relaxed);
    while let Some(page) = visits.join_next().await {
        let (first, transit) = page.map_err(io::Error::other)??;
        seen.first.extend(first);
        seen.transit.extend(transit);
    }
    seen.first.sort_unstable();
    seen.transit.sort_unstable();
    if seen.frames == 0 {
        return Err(io::Error::other(format!("{} gave no text in {}", target.kind.name(), scenario.name)));
    }
    Ok(seen)
}

/// Times of first frames, and of the way of frames.
type Times = (Vec<u64>, Vec<u64>);

/// One page.
struct Visit {
    addr: std::net::SocketAddr,
    kind: super::target::Kind,
    scenario: &'static Scenario,
    shared: Arc<Shared>,
}

impl Visit {
    async fn run(&self) -> io::Result<Times> {
        let mut socket = TcpStream::connect(self.addr).await?;
        socket.set_nodelay(true)?;
        let (mut first, mut transit) = (Vec::new(), Vec::new());
        // Small where there are many pages.
        let room = if self.scenario.provider.pause.is_zero() { 64 << 10 } else { 2 << 10 };
        let (mut raw, mut text) = (Vec::with_capacity(room), Vec::new());
        while !self.over() {
            let asked = now();
            socket.write_all(self.kind.request(self.addr).as_bytes()).await?;
            raw.clear();
            text.clear();
            let (mut body, mut marks) = (Body::new(), Marks::default());
            loop {
                if self.over() {
                    return Ok((first, transit));
                }
                if socket.read_buf(&mut raw).await? == 0 {
                    return Err(self.wrong("the answer was cut"));
                }
                let read = now();
                let begun = marks.count() > 0;
                let ended = body.read(&mut raw, &mut text).map_err(|error| self.wrong(&error.to_string()))?;
                let new = marks.take(&mut text).map_err(|()| self.wrong("a frame is missing"))?;
                if new.frames > 0 && self.shared.measuring.load(Ordering::Relaxed) {
                    self.shared.frames.fetch_add(new.frames, Ordering::Relaxed);
                    transit.push(read.saturating_sub(new.time));
                    // A read of several frames has the last one's times.
                    if !begun {
                        first.push((read - asked).saturating_sub(new.held));
                    }
                }
                if ended {
                    break;
                }
            }
            if marks.count() != self.scenario.provider.frames as u64 {
                return Err(self.wrong(&format!("an answer of {} frames", marks.count())));
            }
        }
        Ok((first, transit))
    }

    fn over(&self) -> bool {
        self.shared.over.load(Ordering::Relaxed)
    }

    fn wrong(&self, what: &str) -> io::Error {
        io::Error::other(format!("{}, {}: {what}", self.kind.name(), self.scenario.name))
    }
}
