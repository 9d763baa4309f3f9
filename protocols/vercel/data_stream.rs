//! Data stream lines (AI SDK wire notes 1).

use bytes::BytesMut;

use crate::event::Event;
use crate::protocol::{Encoder, ReplyContext};

/// The vocabulary of the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Level {
    /// What AI SDK 3.4 and 4.0 know.
    Three,
    /// What AI SDK 4.1.63 and later know.
    #[default]
    Four,
}

impl Level {
    /// Reads the route's option.
    pub(super) fn read(name: Option<&str>) -> Self {
        if name == Some("3") { Self::Three } else { Self::Four }
    }
}

/// Writes lines.
pub(super) struct DataStream;

impl DataStream {
    /// An encoder for one answer.
    pub(super) fn new(_level: Level, _context: &ReplyContext) -> Self {
        Self
    }

    /// Whether the model's name and the detailed usage go to the page as a message annotation.
    pub(super) fn annotated(self, _annotated: bool) -> Self {
        self
    }
}

impl Encoder for DataStream {
    fn event(&mut self, _event: &Event, _out: &mut BytesMut) {}
    fn keep_alive(&mut self, _out: &mut BytesMut) {}
}

/// The answer's headers.
pub(super) fn headers() -> Vec<(&'static str, String)> {
    Vec::new()
}
