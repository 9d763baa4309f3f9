//! A recorded answer, delivered event by event.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep};

/// How a recording is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// At blank lines.
    Events,
    /// At line ends.
    Lines,
    /// Not at all.
    Document,
}

impl Framing {
    pub const ALL: [Self; 3] = [Self::Events, Self::Lines, Self::Document];

    pub const fn extension(self) -> &'static str {
        match self {
            Self::Events => "sse",
            Self::Lines => "ndjson",
            Self::Document => "json",
        }
    }

    fn pieces(self, bytes: &Bytes) -> Vec<Bytes> {
        let mut pieces = Vec::new();
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let end = match self {
                Self::Events => event_end(&rest),
                Self::Lines => rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1),
                Self::Document => None,
            };
            pieces.push(rest.split_to(end.unwrap_or(rest.len())));
        }
        pieces
    }
}

/// One behind the first blank line that is not at the very beginning.
fn event_end(bytes: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let line = bytes.get(start..)?;
        let length = line.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
        let width = if line.get(length..).is_some_and(|rest| rest.starts_with(b"\r\n")) { 2 } else { 1 };
        if length == 0 && start > 0 {
            return Some(start + width);
        }
        start += length + width;
    }
}

/// Delivers a recording.
pub struct Player {
    pieces: std::vec::IntoIter<Bytes>,
    pace: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Player {
    /// A recording from its beginning, with a pause of `pace` between its events.
    pub fn new(bytes: &Bytes, framing: Framing, pace: Duration) -> Self {
        Self { pieces: framing.pieces(bytes).into_iter(), pace, pause: None }
    }

    /// The next event; `None` at the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        self.pause = (!self.pace.is_zero() && self.pieces.len() > 1).then(|| Box::pin(sleep(self.pace)));
        Poll::Ready(self.pieces.next())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn events_come_one_by_one_with_a_pause_between() {
        let text = "data: 1\n\nevent: x\r\ndata: 2\r\n\r\ndata: 3";
        let mut player = Player::new(&Bytes::from_static(text.as_bytes()), Framing::Events, Duration::from_millis(10));
        let (start, mut seen) = (Instant::now(), Vec::new());
        while let Some(piece) = std::future::poll_fn(|cx| player.poll_read(cx)).await {
            seen.push((start.elapsed().as_millis(), String::from_utf8(piece.to_vec()).unwrap()));
        }
        let pieces: Vec<&str> = seen.iter().map(|(_, piece)| piece.as_str()).collect();
        assert_eq!(pieces, ["data: 1\n\n", "event: x\r\ndata: 2\r\n\r\n", "data: 3"]);
        assert!(seen[2].0 >= 20, "{seen:?}");
        assert_eq!(seen[0].0, 0);
    }

    #[test]
    fn lines_and_documents_are_cut_as_they_are_sent() {
        let bytes = Bytes::from_static(b"{\"a\":1}\n\n{\"b\":2}\n");
        assert_eq!(Framing::Lines.pieces(&bytes).len(), 3);
        assert_eq!(Framing::Document.pieces(&bytes), [bytes]);
    }
}
