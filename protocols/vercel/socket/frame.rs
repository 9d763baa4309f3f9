//! The frames of both sides. Each is a JSON text; those of ours are lines.

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::event::Text;
use crate::socket::Closed;
use crate::wire::body;

/// How long the id of a request may be. The transport makes 16 characters.
const LONGEST_ID: usize = 128;

/// What the page sends.
#[derive(Debug)]
pub(super) enum Sent {
    /// A request as it would be posted.
    Send(Map<String, Value>),
    /// The chat whose answer is to be resumed.
    Resume(Text),
    Abort,
}

/// What the page is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Frame<'a> {
    /// Without its number and its chunk: [`super::Frames`] writes them behind it.
    Chunk {
        request_id: &'a str,
    },
    End {
        request_id: &'a str,
    },
    Error {
        request_id: &'a str,
        error_text: &'a str,
    },
    NoActive {
        request_id: &'a str,
    },
    Start {
        request_id: &'a str,
    },
}

impl Frame<'_> {
    /// Appends the frame.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.json().as_bytes());
        out.push(b'\n');
    }

    /// Appends the frame to an answer.
    pub(super) fn put(&self, out: &mut BytesMut) {
        out.put_slice(self.json().as_bytes());
        out.put_u8(b'\n');
    }

    /// Texts alone always serialise.
    fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A frame that no page of this protocol sends: a policy violation, in the words of RFC 6455.
pub(super) const fn violation(reason: &'static str) -> Closed {
    Closed { code: 1008, reason }
}

/// Reads a frame of the page: the id of the request, and what is asked.
///
/// # Errors
/// It is none of this protocol.
pub(super) fn read(text: &str) -> Result<(Text, Sent), Closed> {
    let mut frame = body::object(text.as_bytes()).map_err(|_| violation("a frame must be a JSON object"))?;
    let kind = frame.remove("type");
    let Some(Value::String(kind)) = kind else { return Err(violation("a frame needs a type")) };
    let id = match frame.get("requestId") {
        Some(Value::String(id)) if is_id(id) => Text::from(id.as_str()),
        _ => return Err(violation("a frame needs a requestId of 1 to 128 bytes without control characters")),
    };
    let sent = match kind.as_str() {
        "send" => Sent::Send(posted(frame)?),
        "resume" => Sent::Resume(resumed(&frame)?),
        "abort" => Sent::Abort,
        _ => return Err(violation("the type of a frame must be one of send, resume, abort")),
    };
    Ok((id, sent))
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && !id.chars().any(char::is_control)
}

/// The body that the same request has over HTTP: the page's own members, and those of the transport, which win. Its
/// `headers` are said by whoever may write to the connection and prove nothing; its `metadata` is for the page's own
/// functions and never leaves it over HTTP.
fn posted(mut frame: Map<String, Value>) -> Result<Map<String, Value>, Closed> {
    check(&frame)?;
    match frame.get("trigger") {
        Some(Value::String(word)) if matches!(word.as_str(), "submit-message" | "regenerate-message") => {}
        _ => return Err(violation("the trigger must be submit-message or regenerate-message")),
    }
    if !matches!(frame.get("messageId"), None | Some(Value::Null | Value::String(_))) {
        return Err(violation("the messageId must be a string"));
    }
    if !matches!(frame.get("messages"), Some(Value::Array(_))) {
        return Err(violation("the messages must be an array"));
    }
    let mut body = match frame.remove("body") {
        Some(Value::Object(body)) => body,
        _ => Map::new(),
    };
    for name in ["id", "messages", "trigger", "messageId"] {
        match frame.remove(name) {
            Some(value) => body.insert(name.to_owned(), value),
            None => body.remove(name),
        };
    }
    Ok(body)
}

/// What the page has seen of the answer is no matter: it gets all of it, and passes over what it has.
fn resumed(frame: &Map<String, Value>) -> Result<Text, Closed> {
    check(frame)?;
    match frame.get("lastSequence") {
        None | Some(Value::Null) => {}
        Some(Value::Number(number)) if number.is_u64() => {}
        Some(_) => return Err(violation("the lastSequence must be a whole number")),
    }
    Ok(frame.get("id").and_then(Value::as_str).unwrap_or_default().into())
}

/// What `send` and `resume` have in common.
fn check(frame: &Map<String, Value>) -> Result<(), Closed> {
    if !matches!(frame.get("id"), Some(Value::String(_))) {
        return Err(violation("a request needs the id of its chat"));
    }
    if !matches!(frame.get("body"), None | Some(Value::Null | Value::Object(_))) {
        return Err(violation("the body must be an object"));
    }
    match frame.get("headers") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(headers)) if headers.values().all(Value::is_string) => Ok(()),
        Some(_) => Err(violation("the headers must be an object of strings")),
    }
}
