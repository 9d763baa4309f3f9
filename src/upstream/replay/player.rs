//! A recorded answer, delivered event by event, or broken as its script says.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Sleep, sleep};

use super::script::{Break, Script};

/// How a recording is cut into events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// At blank lines.
    Events,
    /// At line ends.
    Lines,
    /// Not at all.
    Document,
}

impl Framing {
    pub(super) const ALL: [Self; 3] = [Self::Events, Self::Lines, Self::Document];

    pub(super) const fn extension(self) -> &'static str {
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

/// Why no more of a recording comes, where that is not its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The connection was closed.
    Closed,
    /// The connection was reset.
    Reset,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the script closes the connection",
            Self::Reset => "the script resets the connection",
        })
    }
}

/// Delivers a recording.
#[derive(Debug)]
pub struct Player {
    pieces: std::vec::IntoIter<Bytes>,
    end: Break,
    pace: Duration,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Player {
    /// A recording from its beginning, with a pause of `pace` between its pieces.
    pub(super) fn new(bytes: &Bytes, framing: Framing, script: Option<&Script>, pace: Duration) -> Self {
        let mut pieces = framing.pieces(bytes);
        if let Some(insert) = script.and_then(|script| script.insert.as_ref()) {
            pieces.insert(insert.after.min(pieces.len()), insert.text.clone().into());
        }
        if let Some(size) = script.and_then(|script| script.pieces) {
            let whole = Bytes::from(pieces.concat());
            pieces = (0..whole.len())
                .step_by(size.get())
                .map(|at| whole.slice(at..whole.len().min(at.saturating_add(size.get()))))
                .collect();
        }
        let stop = script.and_then(|script| script.stop.as_ref());
        if let Some(stop) = stop {
            pieces.truncate(stop.after.unwrap_or(0));
        }
        let end = stop.map_or(Break::End, |stop| stop.how);
        Self { pieces: pieces.into_iter(), end, pace, pause: None }
    }

    /// All that has not been delivered, at once.
    pub(super) fn into_rest(self) -> Bytes {
        self.pieces.as_slice().concat().into()
    }

    /// The next piece; `None` at the end.
    pub fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        self.pause = (!self.pace.is_zero() && self.pieces.len() > 1).then(|| Box::pin(sleep(self.pace)));
        match (self.pieces.next(), self.end) {
            (Some(piece), _) => Poll::Ready(Some(Ok(piece))),
            (None, Break::End) => Poll::Ready(None),
            (None, Break::Close) => Poll::Ready(Some(Err(Broken::Closed))),
            (None, Break::Reset) => Poll::Ready(Some(Err(Broken::Reset))),
            // Only a deadline of the reader ends this.
            (None, Break::Stall) => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn events_come_one_by_one_with_a_pause_between() {
        let text = "data: 1\n\nevent: x\r\ndata: 2\r\n\r\ndata: 3";
        let mut player =
            Player::new(&Bytes::from_static(text.as_bytes()), Framing::Events, None, Duration::from_millis(10));
        let (start, mut seen) = (Instant::now(), Vec::new());
        while let Some(piece) = std::future::poll_fn(|cx| player.poll_read(cx)).await {
            seen.push((start.elapsed().as_millis(), String::from_utf8(piece.unwrap().to_vec()).unwrap()));
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

    fn played(script: &str) -> (Vec<String>, String) {
        let script: Script = toml::from_str(script).unwrap();
        let bytes = Bytes::from_static(b"data: 1\n\ndata: 2\n\ndata: 3\n\n");
        let mut player = Player::new(&bytes, Framing::Events, Some(&script), Duration::ZERO);
        let (mut pieces, mut cx) = (Vec::new(), Context::from_waker(std::task::Waker::noop()));
        loop {
            match player.poll_read(&mut cx) {
                Poll::Ready(Some(Ok(piece))) => pieces.push(String::from_utf8(piece.to_vec()).unwrap()),
                end => return (pieces, format!("{end:?}")),
            }
        }
    }

    #[test]
    fn a_script_says_what_is_put_in_and_how_it_breaks_off() {
        let ends = [("end", "Ready(None)"), ("stall", "Pending"), ("reset", "Ready(Some(Err(Reset)))")];
        for (how, expected) in ends {
            let (pieces, end) = played(&format!("name = \"x\"\nstop = {{ after = 2, how = \"{how}\" }}"));
            assert_eq!((pieces.len(), end.as_str()), (2, expected));
        }
        let script =
            "name = \"x\"\ninsert = { after = 1, text = \"data: !\\n\\n\" }\nstop = { how = \"close\", after = 3 }";
        let (pieces, end) = played(script);
        assert_eq!(pieces, ["data: 1\n\n", "data: !\n\n", "data: 2\n\n"]);
        assert_eq!(end, "Ready(Some(Err(Closed)))");
        let (pieces, end) = played("name = \"x\"\npieces = 10");
        assert_eq!(pieces, ["data: 1\n\nd", "ata: 2\n\nda", "ta: 3\n\n"]);
        assert_eq!(end, "Ready(None)");
    }
}
