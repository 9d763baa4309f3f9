//! The same requests on a route that keeps the conversation: the store holds what was said before, so only the newest
//! message counts, however many a page sends (AI SDK wire notes 1.4 and 3.6).

use serde_json::{Map, Value, json};

use super::{extra, id, listed, message, prompt, said, without_conversation};
use crate::chat::{ChatRequest, Message, Part, Role};
use crate::error::CallerError;
use crate::event::Text;
use crate::items::{KeptData, Said, UserMessage};
use crate::operation::{Begin, Place, TurnAsk};
use crate::vercel::kept::check_id;
use crate::wire::body::Node;

/// Members of a user's message that are read; all others are kept beside it.
const KNOWN: &[&str] =
    &["content", "createdAt", "experimental_attachments", "id", "parts", "revisionId", "role", "toolInvocations"];

const NO_ID: &str = "is missing; this gateway keeps the conversation, so a page must name its chat \
                     (`useChat` does since AI SDK 4.0.36)";

/// Reads a request for a turn.
///
/// # Errors
/// The caller's mistake, with its place.
pub(in crate::vercel) fn turn(body: Map<String, Value>) -> Result<TurnAsk, CallerError> {
    let body = Value::Object(body);
    let root = Node::root(&body);
    let mut chat = without_conversation(&root)?;
    let listed = listed(&root)?;
    let mut talk = Vec::with_capacity(listed.len());
    for node in &listed {
        match role(node) {
            Some("system" | "developer") => message(node, false, &mut chat.messages)?,
            // Of the application, for the application.
            Some("data") => {}
            _ => talk.push(node),
        }
    }
    let begin = match talk.split_last() {
        Some((newest, earlier)) => begin(&root, newest, earlier, chat.regenerate)?,
        None if chat.regenerate => Begin::Retry { after: retried(&root)? },
        None if listed.is_empty() => {
            let content = vec![Said::Text { text: prompt(&root)?.str()?.to_owned() }];
            message_of(None, UserMessage { content, ..UserMessage::default() }, Place::Next, "prompt")?
        }
        None => return Err(CallerError::invalid("messages", "holds no message of the user or the assistant")),
    };
    if let (Begin::Outputs { .. }, Some(newest)) = (&begin, talk.last()) {
        chat.continues = id(newest).filter(|_| role(newest) == Some("assistant"));
    }
    let thread = chat.thread.clone().ok_or_else(|| CallerError::invalid("id", NO_ID))?;
    check_id("id", &thread)?;
    chat.extra = extra(body);
    Ok(TurnAsk { thread: Some(thread), make: true, begin, chat })
}

fn role<'a>(node: &Node<'a>) -> Option<&'a str> {
    node.value.get("role").and_then(Value::as_str)
}

fn begin(root: &Node<'_>, newest: &Node<'_>, earlier: &[&Node<'_>], again: bool) -> Result<Begin, CallerError> {
    match role(newest) {
        Some("user") => {
            let read = user(newest)?;
            let id = id(newest);
            if let Some(id) = &id {
                check_id(&format!("{}.id", newest.path()), id)?;
            }
            let place = match again {
                true => Place::Again,
                // A page that names its messages, or sends only one, says no more about the place than that.
                false if id.is_some() || root.get("messages").is_none() => Place::Next,
                false => {
                    let users = earlier.iter().filter(|node| role(node) == Some("user"));
                    Place::Behind(users.map(|node| Ok(user(node)?.text())).collect::<Result<_, CallerError>>()?)
                }
            };
            message_of(id, read, place, newest.path())
        }
        _ if again => Ok(Begin::Retry { after: retried(root)? }),
        Some("assistant") => Ok(Begin::Outputs { answers: said::read(newest)?, lenient: true }),
        _ => {
            let results = earlier.iter().rev().take_while(|node| matches!(role(node), Some("tool" | "function")));
            let mut results: Vec<_> = results.copied().collect();
            results.reverse();
            results.push(newest);
            let answers = results.into_iter().map(said::read).collect::<Result<Vec<_>, _>>()?;
            Ok(Begin::Outputs { answers: answers.concat(), lenient: true })
        }
    }
}

fn message_of(id: Option<Text>, message: UserMessage, place: Place, path: &str) -> Result<Begin, CallerError> {
    let blank = |said: &Said| matches!(said, Said::Text { text } if text.trim().is_empty());
    if message.content.iter().all(blank) {
        return Err(CallerError::invalid(path, "is empty; there is nothing to answer"));
    }
    Ok(Begin::Message { id, message, place })
}

/// Which message another answer is wanted in the place of, or to.
fn retried(root: &Node<'_>) -> Result<Option<Text>, CallerError> {
    let Some(node) = root.get("messageId") else { return Ok(None) };
    let id = node.str()?;
    check_id("messageId", id)?;
    Ok(Some(id.into()))
}

/// A user's message, with what this gateway has no place for in `extra`.
fn user(node: &Node<'_>) -> Result<UserMessage, CallerError> {
    let mut read = Vec::new();
    message(node, true, &mut read)?;
    let content = read.into_iter().flat_map(content).collect();
    let mut extra = node.value.as_object().cloned().unwrap_or_default();
    extra.retain(|name, _| !KNOWN.contains(&name.as_str()));
    let strange = strange(node);
    if !strange.is_empty() {
        extra.insert("parts".to_owned(), strange.into());
    }
    Ok(UserMessage { content, extra, ..UserMessage::default() })
}

/// What a message says, without empty texts.
fn content(message: Message) -> impl Iterator<Item = Said> {
    message.parts.into_iter().filter_map(|part| match part {
        Part::Text { text, .. } if !text.is_empty() => Some(Said::Text { text }),
        Part::File(file) => Some(Said::File(file)),
        Part::Data { name, id, value } => Some(Said::Data(KeptData { name, id, value })),
        _ => None,
    })
}

/// Parts that nobody here knows, with their places: `[{"at": 1, "part": {…}}]`.
fn strange(node: &Node<'_>) -> Vec<Value> {
    let parts = node.value.get("parts").and_then(Value::as_array).into_iter().flatten().enumerate();
    let known = |kind: &str| matches!(kind, "text" | "file") || kind.starts_with("data-");
    let strange = parts.filter(|(_, part)| !part.get("type").and_then(Value::as_str).is_some_and(known));
    strange.map(|(at, part)| json!({ "at": at, "part": part })).collect()
}

/// Reads the request of a page that sends texts and nothing else.
///
/// # Errors
/// The caller's mistake, with its place.
pub(in crate::vercel) fn plain(mut chat: ChatRequest) -> Result<TurnAsk, CallerError> {
    let mut messages = std::mem::take(&mut chat.messages);
    let last = messages.len().saturating_sub(1);
    let path = format!("messages[{last}]");
    let newest = messages.pop().filter(|message| message.role == Role::User);
    let newest = newest.ok_or_else(|| CallerError::invalid(path.as_str(), "must be a message of the user"))?;
    let texts = messages.iter().filter(|message| message.role == Role::User).map(Message::joined_text).collect();
    let place = if newest.id.is_some() { Place::Next } else { Place::Behind(texts) };
    messages.retain(|message| message.role == Role::System);
    chat.messages = messages;
    let thread = chat.thread.clone().ok_or_else(|| CallerError::invalid("id", NO_ID))?;
    check_id("id", &thread)?;
    let id = newest.id.clone();
    let message = UserMessage { content: content(newest).collect(), ..UserMessage::default() };
    let begin = message_of(id, message, place, &path)?;
    Ok(TurnAsk { thread: Some(thread), make: true, begin, chat })
}

#[cfg(test)]
mod tests;
