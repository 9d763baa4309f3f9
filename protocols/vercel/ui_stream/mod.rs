//! The UI message stream (AI SDK wire notes 3).

use bytes::BytesMut;

use crate::chat::ChatRequest;
use crate::event::Event;
use crate::options::Options;
use crate::protocol::{Encoder, ReplyContext};

/// A route's settings of this wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings;

impl Settings {
    /// Reads the route's options.
    pub(super) fn read(_options: &Options) -> Self {
        Self
    }
}

/// Writes the stream.
pub(super) struct UiStream;

impl UiStream {
    /// An encoder for one answer.
    pub(super) fn new(_settings: Settings, _chat: &ChatRequest, _context: &ReplyContext) -> Self {
        Self
    }
}

impl Encoder for UiStream {
    fn event(&mut self, _event: &Event, _out: &mut BytesMut) {}
    fn keep_alive(&mut self, _out: &mut BytesMut) {}
}

/// The answer's headers.
pub(super) fn headers() -> Vec<(&'static str, String)> {
    Vec::new()
}
