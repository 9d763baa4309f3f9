//! An answer in the middle of its text: a decoder that has begun, and the frame of one more small delta.

use std::fs;
use std::path::Path;

use bytes::BytesMut;
use chatwire_protocols::event::Event;
use chatwire_protocols::protocol::{Encoder, Frontend, Upstream};
use chatwire_protocols::transcode::{self, Turn};

/// The most bytes of text that an event holds without memory of its own.
const INLINE: usize = 24;

/// A stream in its steady state: every further frame is one more text delta.
pub struct Steady {
    turn: Turn,
    frame: Vec<u8>,
    events: Vec<Event>,
    begun: Vec<Event>,
}

impl Steady {
    /// Reads the protocol's replay stream up to its first small text delta.
    pub fn begin(protocol: &str, upstream: &dyn Upstream) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/replay").join(protocol);
        let (path, end) = [("text.sse", "\n\n"), ("text.ndjson", "\n")]
            .map(|(file, end)| (folder.join(file), end))
            .into_iter()
            .find(|(path, _)| path.exists())
            .unwrap_or_else(|| panic!("no text stream for {protocol}"));
        let text = fs::read_to_string(path).unwrap();
        let mut events = Vec::new();
        let mut turn = Turn::begin(upstream, &mut events);
        let mut begun = std::mem::take(&mut events);
        for frame in text.split_inclusive(end) {
            turn.feed(frame.as_bytes(), &mut events);
            if matches!(&events[..], [Event::BlockDelta { text, .. }] if text.len() <= INLINE) {
                return Self { turn, frame: frame.as_bytes().to_vec(), events, begun };
            }
            begun.append(&mut events);
        }
        panic!("no small delta in the stream of {protocol}");
    }

    /// The event of one more delta.
    pub fn delta(&self) -> &Event {
        &self.events[0]
    }

    /// Bytes of the frame that is read again and again.
    pub fn frame_length(&self) -> usize {
        self.frame.len()
    }

    /// An encoder that has seen the answer's beginning.
    pub fn encoder(&self, frontend: &dyn Frontend) -> Box<dyn Encoder> {
        let mut encoder = transcode::encoder(frontend);
        let mut out = BytesMut::new();
        for event in self.begun.iter().chain(&self.events) {
            encoder.event(event, &mut out);
        }
        encoder
    }

    /// Reads one more delta.
    pub fn decode(&mut self) -> &[Event] {
        self.events.clear();
        self.turn.feed(&self.frame, &mut self.events);
        &self.events
    }

    /// Reads one more delta that comes in two pieces.
    pub fn decode_cut(&mut self) -> &[Event] {
        self.events.clear();
        let (left, right) = self.frame.split_at(self.frame.len() / 2);
        self.turn.feed(left, &mut self.events);
        self.turn.feed(right, &mut self.events);
        &self.events
    }
}
