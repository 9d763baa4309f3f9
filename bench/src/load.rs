//! Pages that ask, read and count.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::provider::{MARK, now};
use super::scenario::Scenario;
use super::target::Target;

/// What was seen in the measured time.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Frames of text.
    pub frames: u64,
    /// Answers that came to their end.
    pub answers: u64,
    /// The target's processor time.
    pub cpu: Duration,
    /// Microseconds from the request to the first frame, without the provider's own pause; sorted.
    pub first: Vec<u64>,
    /// Microseconds from the provider's write of a frame to the page's read of it; sorted, one of many.
    pub transit: Vec<u64>,
    /// The target's memory in KiB while all streams are open.
    pub resident: u64,
}

#[derive(Default)]
struct Shared {
    measuring: AtomicBool,
    over: AtomicBool,
    frames: AtomicU64,
    answers: AtomicU64,
}

/// Lets the scenario's pages ask for `warm` and then, measured, for `time`.
pub async fn run(scenario: &'static Scenario, target: &Target, warm: Duration, time: Duration) -> io::Result<Seen> {
    let shared = Arc::new(Shared::default());
    let mut pages = JoinSet::new();
    for number in 0..scenario.pages {
        let (shared, addr, asks) = (Arc::clone(&shared), target.addr, target.kind.asks());
        // Not all in the same moment.
        let wait = warm.mul_f64(0.8 * number as f64 / scenario.pages as f64);
        pages.spawn(async move {
            sleep(wait).await;
            visit(addr, asks, scenario, &shared).await
        });
    }
    sleep(warm).await;
    shared.measuring.store(true, Ordering::Relaxed);
    let before = target.cpu();
    sleep(time).await;
    let mut seen = Seen { cpu: target.cpu().saturating_sub(before), resident: target.resident(), ..Seen::default() };
    shared.measuring.store(false, Ordering::Relaxed);
    shared.over.store(true, Ordering::Relaxed);
    (seen.frames, seen.answers) = (shared.frames.load(Ordering::Relaxed), shared.answers.load(Ordering::Relaxed));
    while let Some(page) = pages.join_next().await {
        let (first, transit) = page.map_err(io::Error::other)??;
        seen.first.extend(first);
        seen.transit.extend(transit);
    }
    seen.first.sort_unstable();
    seen.transit.sort_unstable();
    Ok(seen)
}

type Times = (Vec<u64>, Vec<u64>);

async fn visit(
    addr: std::net::SocketAddr,
    (path, body): (&str, &str),
    scenario: &Scenario,
    shared: &Shared,
) -> io::Result<Times> {
    let mut socket = TcpStream::connect(addr).await?;
    socket.set_nodelay(true)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let (mut first, mut transit) = (Vec::new(), Vec::new());
    let mut bytes = Vec::with_capacity(64 << 10);
    while !shared.over.load(Ordering::Relaxed) {
        let asked = now();
        socket.write_all(head.as_bytes()).await?;
        bytes.clear();
        let (mut begun, mut at) = (false, 0);
        loop {
            if shared.over.load(Ordering::Relaxed) {
                return Ok((first, transit));
            }
            if socket.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::other("the answer was cut"));
            }
            let read = now();
            let measuring = shared.measuring.load(Ordering::Relaxed);
            let (frames, last) = count(&bytes, &mut at);
            if frames > 0 && measuring {
                shared.frames.fetch_add(frames, Ordering::Relaxed);
                transit.extend(last.map(|said| read.saturating_sub(said)));
                if !begun {
                    let own = u64::try_from(scenario.provider.first.as_micros()).unwrap_or(0);
                    first.push((read - asked).saturating_sub(own));
                }
            }
            begun |= frames > 0;
            if bytes.ends_with(b"\r\n0\r\n\r\n") {
                shared.answers.fetch_add(u64::from(measuring), Ordering::Relaxed);
                break;
            }
            // What has been counted is not needed any more, but for a mark that is cut.
            if bytes.len() > 32 << 10 {
                let kept = bytes.len() - 64;
                bytes.drain(..kept);
                at = at.saturating_sub(kept);
            }
        }
    }
    Ok((first, transit))
}

/// Counts the marks from `at` on, and gives the time in the last one.
fn count(bytes: &[u8], at: &mut usize) -> (u64, Option<u64>) {
    let (mut frames, mut last) = (0, None);
    while let Some(found) = bytes.get(*at..).and_then(|rest| memchr::memmem::find(rest, MARK)) {
        let begin = *at + found + MARK.len();
        let digits = bytes.get(begin..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || begin + digits == bytes.len() {
            // Another word, or the rest of the number has not come.
            if begin + digits == bytes.len() {
                break;
            }
            *at = begin;
            continue;
        }
        let number = bytes.get(begin..begin + digits).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
        (frames, last, *at) = (frames + 1, number, begin + digits);
    }
    (frames, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_counted_once_however_they_are_cut() {
        let text = b"wq12 a wq3 wqx wq456 ";
        for cut in 0..text.len() {
            let mut at = 0;
            let (before, _) = count(&text[..cut], &mut at);
            let (behind, last) = count(text, &mut at);
            assert_eq!(before + behind, 3, "cut at {cut}");
            assert!(last.is_none_or(|last| last == 456), "cut at {cut}");
        }
    }
}
