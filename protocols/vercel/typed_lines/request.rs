//! The request of the simplified Next.js page: `{"messages": [{"role", "content"}], "model"?, "temperature"?,
//! "stream"?}`, with and without `id` (house dialects 4; AI SDK wire notes 5).

use serde_json::{Map, Value};

use crate::chat::ChatRequest;
use crate::error::CallerError;
use crate::wire::body::Node;
use crate::wire::plain;

/// The members that are read; all others are the page's own.
const KNOWN: [&str; 6] = ["id", "messages", "model", "temperature", "max_tokens", "stream"];

/// Reads a request.
///
/// # Errors
/// The caller's mistake, with its place.
pub(crate) fn parse(body: Map<String, Value>) -> Result<ChatRequest, CallerError> {
    let value = Value::Object(body);
    let root = Node::root(&value);
    let mut chat = ChatRequest {
        model: plain::name(&root, "model")?,
        messages: plain::messages(&root.required("messages")?)?,
        stream: root.get("stream").map(|node| node.flag()).transpose()?.unwrap_or(true),
        thread: plain::name(&root, "id")?,
        ..ChatRequest::default()
    };
    chat.settings.temperature = root.get("temperature").map(|node| temperature(&node)).transpose()?;
    chat.settings.max_tokens = root.get("max_tokens").map(|node| limit(&node)).transpose()?;
    if let Value::Object(mut body) = value {
        body.retain(|key, _| !KNOWN.contains(&key.as_str()));
        chat.extra = body;
    }
    Ok(chat)
}

fn temperature(node: &Node<'_>) -> Result<f64, CallerError> {
    match node.number()? {
        number if (0.0..=2.0).contains(&number) => Ok(number),
        _ => Err(node.wrong("must be from 0 to 2")),
    }
}

fn limit(node: &Node<'_>) -> Result<u64, CallerError> {
    match node.count()? {
        0 => Err(node.wrong("must be greater than 0")),
        count => Ok(count),
    }
}
