//! Plain text (AI SDK wire notes 2).

use bytes::BytesMut;

use crate::event::Event;
use crate::protocol::Encoder;

/// Writes the text alone.
pub(super) struct TextStream;

impl TextStream {
    /// An encoder for one answer.
    pub(super) fn new() -> Self {
        Self
    }
}

impl Encoder for TextStream {
    fn event(&mut self, _event: &Event, _out: &mut BytesMut) {}
    fn keep_alive(&mut self, _out: &mut BytesMut) {}
}

/// The answer's headers.
pub(super) fn headers() -> Vec<(&'static str, String)> {
    Vec::new()
}
