//! A provider's bytes to a page's bytes without a gateway: one model call as a whole turn.
//!
//! Ids and times are fixed, so that the same bytes always give the same bytes: this is what the `transcode` and
//! `golden` commands, the conformance tests and the benchmark run on.

use bytes::BytesMut;

use crate::chat::ChatRequest;
use crate::event::{Event, Text};
use crate::order::SingleStep;
use crate::protocol::{DecodeContext, Decoder, Encoder, Frontend, ReplyContext, Upstream};

/// The id of every transcoded turn.
pub const TURN: &str = "turn_0";

/// The id of every transcoded assistant message.
pub const MESSAGE: &str = "msg_0";

/// The model's name as a page sees it.
pub const MODEL: &str = "chat-model";

/// When every transcoded answer was made, in seconds since 1970: 2026-01-01 at noon, UTC.
pub const CREATED: u64 = 1_767_268_800;

/// Reads one answer of a provider as a turn: in order, with a start, and with exactly one end.
pub struct Turn {
    decoder: Box<dyn Decoder>,
    step: SingleStep,
    given: Vec<Event>,
}

impl Turn {
    /// A turn read by this protocol. Its first event is in `out`.
    pub fn begin(upstream: &dyn Upstream, out: &mut Vec<Event>) -> Self {
        let context = DecodeContext { seed: TURN.into(), ..DecodeContext::default() };
        let mut turn =
            Self { decoder: upstream.decoder(context), step: SingleStep::default(), given: Vec::with_capacity(16) };
        turn.step.admit([Event::TurnStart { turn: TURN.into() }], out);
        turn
    }

    /// Reads more of the answer, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>) {
        self.decoder.feed(bytes, &mut self.given);
        self.step.admit(self.given.drain(..), out);
    }

    /// Says that the answer is over and ends the turn.
    pub fn finish(&mut self, out: &mut Vec<Event>) {
        self.decoder.finish(&mut self.given);
        self.step.admit(self.given.drain(..), out);
        self.step.finish(out);
    }

    /// How many events the decoder gave against the order: 0 for every decoder of ours.
    pub const fn breaches(&self) -> u32 {
        self.step.breaches()
    }
}

/// The events of a whole answer that comes in these pieces.
pub fn decode<'a>(upstream: &dyn Upstream, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
    let mut events = Vec::new();
    let mut turn = Turn::begin(upstream, &mut events);
    for piece in pieces {
        turn.feed(piece, &mut events);
    }
    turn.finish(&mut events);
    events
}

/// An encoder for a transcoded turn: the reply to an empty request for a stream.
pub fn encoder(frontend: &dyn Frontend) -> Box<dyn Encoder> {
    let chat = ChatRequest { stream: true, ..ChatRequest::default() };
    frontend.open(&chat, &reply_context()).encoder
}

/// A turn's events as the page's bytes.
pub fn encode<'a>(frontend: &dyn Frontend, events: impl IntoIterator<Item = &'a Event>) -> BytesMut {
    let mut encoder = encoder(frontend);
    let mut out = BytesMut::new();
    for event in events {
        encoder.event(event, &mut out);
    }
    out
}

fn reply_context() -> ReplyContext {
    ReplyContext {
        turn: Text::from(TURN),
        message: Text::from(MESSAGE),
        model: Text::from(MODEL),
        created: CREATED,
        kept: None,
    }
}
