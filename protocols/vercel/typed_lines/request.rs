//! The request of the simplified Next.js page: `{"messages": [{"role", "content"}], "model"?, "temperature"?,
//! "stream"?}`, with and without `id` (house dialects 4; AI SDK wire notes 5).

use serde_json::{Map, Value};

use crate::chat::{ChatRequest, Message, Part, Role};
use crate::error::CallerError;
use crate::event::Text;
use crate::wire::body::Node;

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
        model: name(&root, "model")?,
        messages: messages(&root.required("messages")?)?,
        stream: root.get("stream").map(|node| node.flag()).transpose()?.unwrap_or(true),
        thread: name(&root, "id")?,
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

/// A name; an empty one is none.
fn name(root: &Node<'_>, key: &str) -> Result<Option<Text>, CallerError> {
    let name = root.get(key).map(|node| node.str()).transpose()?;
    Ok(name.filter(|name| !name.is_empty()).map(Text::from))
}

fn messages(list: &Node<'_>) -> Result<Vec<Message>, CallerError> {
    let messages = list.items()?.map(|message| read(&message)).collect::<Result<Vec<_>, _>>()?;
    if messages.is_empty() {
        return Err(list.wrong("must hold at least one message"));
    }
    Ok(messages)
}

fn read(message: &Node<'_>) -> Result<Message, CallerError> {
    message.object()?;
    let role = message.required("role")?;
    let role = match role.str()? {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        _ => return Err(role.wrong("must be \"user\", \"assistant\" or \"system\"")),
    };
    let id = name(message, "id")?;
    Ok(Message { id, role, parts: content(&message.required("content")?)? })
}

/// A text, or a list of text parts.
fn content(content: &Node<'_>) -> Result<Vec<Part>, CallerError> {
    if content.value.is_array() {
        return content.items()?.map(|part| Ok(Part::text(part.required("text")?.str()?))).collect();
    }
    content.value.as_str().map(|text| vec![Part::text(text)]).ok_or_else(|| content.expected("a string"))
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
