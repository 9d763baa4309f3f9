//! The requests of every AI SDK page, read into one shape.
//!
//! What a page sends depends on its release, on the page's own additions and on what it has stored from older
//! releases (AI SDK wire notes 1.4, 3.6 and 6). So one reader takes all of it: each message is read by its own
//! shape, members that nobody knows are kept in [`ChatRequest::extra`], and only a wrong type in a place that
//! matters is refused.

mod classic;
mod files;
mod model_message;
mod said;
mod settings;
mod steps;
mod tools;
mod turn;
mod ui_message;

use serde_json::{Map, Value};

use crate::chat::{ChatRequest, Message, Part, Role};
use crate::error::CallerError;
use crate::event::Text;
use crate::wire::body::Node;

pub(super) use turn::{plain, turn};

/// Members of the body that this reader takes; what else there is goes to [`ChatRequest::extra`].
const KNOWN: &[&str] = &[
    "callSettings",
    "function_call",
    "functions",
    "id",
    "message",
    "messages",
    "model",
    "prompt",
    "stream",
    "system",
    "threadId",
    "toolChoice",
    "tool_choice",
    "tools",
    "trigger",
];

/// Reads a request.
///
/// # Errors
/// The caller's mistake, with its place.
pub(super) fn parse(body: Map<String, Value>) -> Result<ChatRequest, CallerError> {
    let body = Value::Object(body);
    let root = Node::root(&body);
    let mut chat = without_conversation(&root)?;
    let continued = conversation(&root, &mut chat.messages)?;
    chat.continues = continued.filter(|_| !chat.regenerate);
    chat.extra = extra(body);
    Ok(chat)
}

/// All but the conversation, with the page's own instructions in front of it.
fn without_conversation(root: &Node<'_>) -> Result<ChatRequest, CallerError> {
    let regenerate =
        root.get("trigger").and_then(|trigger| trigger.str().ok()).is_some_and(|word| word.starts_with("regenerate"));
    let mut chat = ChatRequest {
        model: model(root)?,
        tools: tools::specs(root)?,
        tool_choice: tools::choice(root)?,
        settings: settings::read(root)?,
        stream: true,
        thread: thread(root)?,
        regenerate,
        ..ChatRequest::default()
    };
    if let Some(system) = root.get("system") {
        chat.messages.push(Message::text(Role::System, system.str()?));
    }
    Ok(chat)
}

fn extra(body: Value) -> Map<String, Value> {
    let Value::Object(mut extra) = body else { return Map::new() };
    extra.retain(|name, _| !KNOWN.contains(&name.as_str()) && !settings::is_one(name));
    extra
}

/// Pages name the model in `model`; the public chatbot template and assistant-ui have names of their own for it.
fn model(root: &Node<'_>) -> Result<Option<Text>, CallerError> {
    if let Some(model) = root.get("model") {
        return Ok(Some(model.str()?.into()).filter(|name: &Text| !name.is_empty()));
    }
    let elsewhere = [root.get("selectedChatModel"), root.get("config").and_then(|config| config.get("modelName"))];
    Ok(elsewhere.into_iter().flatten().find_map(|node| node.str().ok().map(Text::from)))
}

fn thread(root: &Node<'_>) -> Result<Option<Text>, CallerError> {
    match root.get("id").or_else(|| root.get("threadId")) {
        Some(id) => Ok(Some(id.str()?.into()).filter(|id: &Text| !id.is_empty())),
        None => Ok(None),
    }
}

/// Reads the messages: all of them, only the newest, or a completion's prompt. Gives the id of an assistant's message
/// that stands last: the answer continues it (AI SDK wire notes 3.6).
fn conversation(root: &Node<'_>, out: &mut Vec<Message>) -> Result<Option<Text>, CallerError> {
    let listed = listed(root)?;
    let Some((last, earlier)) = listed.split_last() else {
        out.push(Message::text(Role::User, prompt(root)?.str()?));
        return Ok(None);
    };
    for node in earlier {
        message(node, false, out)?;
    }
    message(last, true, out)?;
    let of_assistant = last.get("role").is_some_and(|role| role.value == "assistant");
    Ok(id(last).filter(|_| of_assistant))
}

/// The messages that the page sends; none if it sends a prompt.
fn listed<'a>(root: &Node<'a>) -> Result<Vec<Node<'a>>, CallerError> {
    let newest = root.get("message");
    let mut listed = Vec::new();
    if let Some(messages) = root.get("messages") {
        listed.extend(messages.items()?);
        if listed.is_empty() && newest.is_none() {
            return Err(messages.wrong("is empty; at least one message is expected"));
        }
    }
    if listed.is_empty() {
        listed.extend(newest);
    }
    Ok(listed)
}

fn prompt<'a>(root: &Node<'a>) -> Result<Node<'a>, CallerError> {
    root.get("prompt")
        .ok_or_else(|| CallerError::invalid("messages", "is missing; `messages`, `message` or `prompt` is expected"))
}

/// Reads one message by its own shape.
fn message(node: &Node<'_>, last: bool, out: &mut Vec<Message>) -> Result<(), CallerError> {
    if !node.value.is_object() {
        return Err(node.expected("an object"));
    }
    let role = match node.required("role")?.str()? {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        // Of the application, for the application: no model ever sees it.
        "data" => return Ok(()),
        _ => {
            let role = node.required("role")?;
            return Err(role.wrong("must be one of system, user, assistant, tool, function, data"));
        }
    };
    let content = node.get("content");
    if content.as_ref().is_some_and(|content| content.value.is_array()) {
        return model_message::read(node, role, out);
    }
    if let Some(parts) = node.get("parts") {
        let parts: Vec<_> = parts.items()?.collect();
        if !parts.is_empty() {
            return ui_message::read(node, role, &parts, last, out);
        }
    }
    match content {
        Some(content) => classic::read(node, role, content.str()?, last, out),
        None if node.value.get("content").is_some_and(Value::is_null) || node.get("parts").is_some() => {
            classic::read(node, role, "", last, out)
        }
        None => Err(node.wrong("has neither `parts` nor `content`")),
    }
}

/// A message's id, where it has one.
fn id(node: &Node<'_>) -> Option<Text> {
    node.get("id")?.str().ok().filter(|id| !id.is_empty()).map(Text::from)
}

fn push(node: &Node<'_>, role: Role, parts: Vec<Part>, out: &mut Vec<Message>) {
    out.push(Message { id: id(node), role, parts });
}

#[cfg(test)]
mod tests;
