//! An answer in the middle of its text: a decoder that has begun, and the frames of further small deltas.

use std::fs;
use std::path::Path;

use bytes::BytesMut;
use chatwire_protocols::event::Event;
use chatwire_protocols::protocol::{Encoder, Frontend, Upstream};
use chatwire_protocols::transcode::{self, Turn};

/// A text delta as each provider writes it today: `@` is the text, `#` changes from frame to frame.
const FRAMES: &[(&str, &str)] = &[
    (
        "openai-chat",
        concat!(
            r##"data: {"id":"chatcmpl-CwZ3kq1mVt8RrT0aYbN5xLd2Pe7Gh","object":"chat.completion.chunk","created":1767268800,"##,
            r##""model":"gpt-example-1-2026-01-01","service_tier":"default","system_fingerprint":"fp_44709d6fcb","##,
            r##""choices":[{"index":0,"delta":{"content":"@"},"logprobs":null,"finish_reason":null}],"obfuscation":"#"}"##,
            "\n\n"
        ),
    ),
    (
        "anthropic",
        concat!(
            "event: content_block_delta\n",
            r##"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"@"}}"##,
            "\n\n"
        ),
    ),
    (
        "openai-responses",
        concat!(
            "event: response.output_text.delta\n",
            r##"data: {"type":"response.output_text.delta","sequence_number":#,"##,
            r##""item_id":"msg_0d4f6a1c8e2b4a7f9c3d5e6f708192a3b4c5d6e7f8091a2b3c","output_index":0,"##,
            r##""content_index":0,"delta":"@","logprobs":[],"obfuscation":"#"}"##,
            "\n\n"
        ),
    ),
    (
        "ollama",
        concat!(
            r##"{"model":"llama-example:8b","created_at":"2026-01-01T12:00:00.#Z","##,
            r##""message":{"role":"assistant","content":"@"},"done":false}"##,
            "\n"
        ),
    ),
];

/// The texts of the frames, as they stand in JSON; none is longer than an event holds without memory of its own.
const TEXTS: &[&str] = &[
    " the",
    " answer",
    ",",
    " is",
    " not",
    " always",
    " so",
    ".",
    r"\n\n",
    " It",
    " de",
    "pends",
    "\\t\\\"on\\\"",
    " café",
];

/// How many frames are read before the first comes again.
const ROUND: usize = TEXTS.len() * 9;

/// A stream in its steady state: every further frame is one more text delta.
pub struct Steady {
    turn: Turn,
    frames: Vec<Vec<u8>>,
    next: usize,
    events: Vec<Event>,
    begun: Vec<Event>,
}

impl Steady {
    /// Frames that differ in what changes from delta to delta, and in nothing else.
    pub fn begin(protocol: &str, upstream: &dyn Upstream) -> Self {
        Self::with_frames(protocol, upstream, (0..ROUND).map(|at| frame(protocol, at)).collect())
    }

    /// The same with texts that are longer than an event holds without memory of its own.
    pub fn begin_long(protocol: &str, upstream: &dyn Upstream) -> Self {
        let long =
            |at| frame_with(protocol, at, &format!("{} and so the text goes on and on", TEXTS[at % TEXTS.len()]));
        Self::with_frames(protocol, upstream, (0..ROUND).map(long).collect())
    }

    /// The same with a space more in every other frame, so that a decoder has to read every one of them as new.
    pub fn begin_unlike(protocol: &str, upstream: &dyn Upstream) -> Self {
        let unlike = |at| if at % 2 == 0 { frame(protocol, at) } else { frame(protocol, at).replacen('{', "{ ", 1) };
        Self::with_frames(protocol, upstream, (0..ROUND).map(unlike).collect())
    }

    fn with_frames(protocol: &str, upstream: &dyn Upstream, frames: Vec<String>) -> Self {
        let mut events = Vec::new();
        let mut turn = Turn::begin(upstream, &mut events);
        // The first delta also begins the block.
        for frame in opening(protocol).iter().chain(&frames[..1]) {
            turn.feed(frame.as_bytes(), &mut events);
        }
        let begun = std::mem::take(&mut events);
        let frames = frames.into_iter().map(String::into_bytes).collect();
        let mut steady = Self { turn, frames, next: 0, events, begun };
        for _ in 0..ROUND {
            assert!(matches!(steady.decode(), [Event::BlockDelta { .. }]), "{protocol}: one frame, one delta");
        }
        steady
    }

    /// The event of one more delta.
    pub fn delta(&self) -> &Event {
        &self.events[0]
    }

    /// Bytes of a frame, on average.
    pub fn frame_length(&self) -> usize {
        self.frames.iter().map(Vec::len).sum::<usize>() / self.frames.len()
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
        self.turn.feed(&self.frames[self.next], &mut self.events);
        self.advance();
        &self.events
    }

    /// Reads one more delta that comes in two pieces.
    pub fn decode_cut(&mut self) -> &[Event] {
        self.events.clear();
        let frame = &self.frames[self.next];
        let (left, right) = frame.split_at(frame.len() / 2);
        self.turn.feed(left, &mut self.events);
        self.turn.feed(right, &mut self.events);
        self.advance();
        &self.events
    }

    fn advance(&mut self) {
        self.next = (self.next + 1) % self.frames.len();
    }
}

fn frame(protocol: &str, at: usize) -> String {
    frame_with(protocol, at, TEXTS[at % TEXTS.len()])
}

fn frame_with(protocol: &str, at: usize, text: &str) -> String {
    let known = FRAMES.iter().find(|(known, _)| *known == protocol);
    let (_, frame) = known.unwrap_or_else(|| panic!("how does a text delta of {protocol} look?"));
    let changing = format!("{}", 1000 + at * 7919 % 8000);
    frame.replace('#', &changing).replace('@', text)
}

/// The protocol's replay stream up to its first text delta.
fn opening(protocol: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/replay").join(protocol);
    let (path, end) = [("text.sse", "\n\n"), ("text.ndjson", "\n")]
        .map(|(file, end)| (folder.join(file), end))
        .into_iter()
        .find(|(path, _)| path.exists())
        .unwrap_or_else(|| panic!("no text stream for {protocol}"));
    let text = fs::read_to_string(path).unwrap();
    let opening = text.split_inclusive(end).take_while(|frame| !frame.contains("\"Hello,\"")).map(str::to_owned);
    opening.collect()
}
