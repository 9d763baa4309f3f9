//! The body of a reply. A running turn is polled by the body itself: no task and no queue between the provider's
//! bytes and the page's.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chatwire_protocols::event::Event;
use chatwire_protocols::protocol::Encoder;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use pin_project::pin_project;
use tokio::time::Instant;

use super::file::FileBody;
use super::pump::Pumped;
use super::source::Source;
use crate::telemetry::Record;
use crate::upstream::Alarm;

/// A reply's body.
#[pin_project(project = BodyKind)]
pub enum Body {
    /// One document.
    Document(#[pin] Full<Bytes>),
    /// A file of a user.
    File(Box<FileBody>),
    /// A running turn.
    Turn(#[pin] Box<TurnBody>),
    /// A running turn on a connection that does not say whether the page reads.
    Pumped(#[pin] Pumped),
}

/// A turn on its way to a page. Dropping it drops the turn.
pub struct TurnBody {
    source: Source,
    encoder: Box<dyn Encoder>,
    /// Events that are not written yet.
    events: Vec<Event>,
    out: BytesMut,
    silence: Option<Silence>,
    record: Record,
}

/// When the next keep-alive is due.
struct Silence {
    most: Duration,
    alarm: Alarm,
}

/// A dialect without a word for failures ends a broken answer by breaking the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the answer broke off, and its dialect has no other way to say so")
    }
}

impl std::error::Error for Broken {}

impl TurnBody {
    /// The rest of a turn that has given `events` so far. `keep_alive` is how long it may be silent.
    pub fn new(
        source: Source,
        encoder: Box<dyn Encoder>,
        events: Vec<Event>,
        keep_alive: Option<Duration>,
        record: Record,
    ) -> Self {
        let silence = keep_alive.map(|most| Silence { most, alarm: Alarm::new(Instant::now() + most) });
        Self { source, encoder, events, out: BytesMut::new(), silence, record }
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        loop {
            self.encode();
            if !self.out.is_empty() {
                if let Some(silence) = &mut self.silence {
                    silence.alarm.set(Instant::now() + silence.most);
                }
                return Poll::Ready(Some(Ok(self.out.split().freeze())));
            }
            if self.source.ended() {
                return Poll::Ready(self.encoder.abort().then_some(Err(Broken)));
            }
            if self.source.poll(cx, &mut self.events).is_pending() {
                std::task::ready!(self.poll_silence(cx));
            }
        }
    }

    fn encode(&mut self) {
        for event in self.events.drain(..) {
            self.record.event(&event, || (self.source.target(), self.source.tried()));
            self.encoder.event(&event, &mut self.out);
            if event.is_terminal() {
                self.record.cached(self.source.cached());
            }
        }
    }

    /// Ready when a keep-alive has been written, or was due and the dialect has none.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(silence) = &mut self.silence else { return Poll::Pending };
        std::task::ready!(silence.alarm.poll(cx));
        silence.alarm.set(Instant::now() + silence.most);
        self.encoder.keep_alive(&mut self.out);
        Poll::Ready(())
    }
}

impl hyper::body::Body for TurnBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.poll_bytes(cx).map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.project() {
            // A document in memory cannot fail.
            BodyKind::Document(document) => document.poll_frame(cx).map_err(|never| match never {}),
            BodyKind::File(file) => file.poll_piece(cx),
            BodyKind::Turn(turn) => turn.poll_frame(cx),
            BodyKind::Pumped(turn) => turn.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Document(document) => document.is_end_stream(),
            Self::File(file) => file.left() == 0,
            Self::Turn(_) | Self::Pumped(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Document(document) => document.size_hint(),
            Self::File(file) => SizeHint::with_exact(file.left()),
            Self::Turn(_) | Self::Pumped(_) => SizeHint::default(),
        }
    }
}

impl Body {
    /// So many bytes of a file.
    pub fn file(file: tokio::fs::File, size: u64) -> Self {
        Self::File(Box::new(FileBody::new(file, size)))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Document(Full::new(bytes))
    }
}
