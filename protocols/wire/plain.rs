//! Conversations in their plainest form, `[{"role", "content"}]`, as several page dialects send them.

use super::body::Node;
use crate::chat::{Message, Part, Role};
use crate::error::CallerError;
use crate::event::Text;

/// The messages of a list; at least one.
///
/// # Errors
/// The first mistake, with its place.
pub fn messages(list: &Node<'_>) -> Result<Vec<Message>, CallerError> {
    let messages = list.items()?.map(|message| read(&message)).collect::<Result<Vec<_>, _>>()?;
    if messages.is_empty() {
        return Err(list.wrong("must hold at least one message"));
    }
    Ok(messages)
}

/// A name that may be left out; an empty one is none.
///
/// # Errors
/// It is no string.
pub fn name(root: &Node<'_>, key: &str) -> Result<Option<Text>, CallerError> {
    let name = root.get(key).map(|node| node.str()).transpose()?;
    Ok(name.filter(|name| !name.is_empty()).map(Text::from))
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
