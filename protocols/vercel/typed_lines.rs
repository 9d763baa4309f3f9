//! Lines with a type in every payload (AI SDK wire notes 5).

use bytes::BytesMut;
use serde_json::{Map, Value};

use crate::chat::ChatRequest;
use crate::error::CallerError;
use crate::event::Event;
use crate::protocol::{Encoder, Reply, ReplyContext};

/// Reads the request of such a page.
pub(super) fn parse(body: Map<String, Value>) -> Result<ChatRequest, CallerError> {
    super::request::parse(body)
}

/// The reply: lines, or one JSON document where the page asked for no stream.
pub(super) fn open(_chat: &ChatRequest, _context: &ReplyContext) -> Reply {
    Reply { status: 200, headers: headers(), encoder: Box::new(TypedLines), whole: false }
}

/// Writes typed lines.
struct TypedLines;

impl Encoder for TypedLines {
    fn event(&mut self, _event: &Event, _out: &mut BytesMut) {}
    fn keep_alive(&mut self, _out: &mut BytesMut) {}
}

/// The answer's headers.
pub(super) fn headers() -> Vec<(&'static str, String)> {
    Vec::new()
}
