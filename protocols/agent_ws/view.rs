//! Kept items as messages and tool uses.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::calls;
use crate::event::{File, FileSource, ToolOutcome, output_text};
use crate::items::{Body, Item, KeptCall, Said, Task};
use crate::wire::time::utc;

/// A message.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    id: &'a str,
    chat_id: &'a str,
    role: &'static str,
    content: String,
    timestamp: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Image<'a>>,
}

/// A picture of a message.
#[derive(Debug, Serialize)]
struct Image<'a> {
    id: String,
    base64: &'a str,
    #[serde(rename = "mimeType")]
    media_type: &'a str,
}

/// A call with its result.
#[derive(Debug, Serialize)]
pub(super) struct ToolUse<'a> {
    id: &'a str,
    tool_name: &'a str,
    tool_input: Box<RawValue>,
    result_content: Option<String>,
    is_error: bool,
    timestamp: String,
}

/// The messages among items.
pub(super) fn messages<'a>(items: impl Iterator<Item = &'a Item>, chat: &'a str) -> Vec<Message<'a>> {
    items.filter(|item| !item.hidden).filter_map(|item| message(item, chat)).collect()
}

fn message<'a>(item: &'a Item, chat: &'a str) -> Option<Message<'a>> {
    let (role, content, files): (_, _, Vec<&File>) = match &item.body {
        Body::User(message) => {
            let files = message.content.iter().filter_map(|said| match said {
                Said::File(file) => Some(file),
                _ => None,
            });
            ("user", message.text(), files.collect())
        }
        Body::Assistant(message) => ("assistant", message.text.clone(), Vec::new()),
        Body::File(made) => ("assistant", String::new(), vec![&made.file]),
        _ => return None,
    };
    let images: Vec<Image<'_>> =
        files.into_iter().enumerate().filter_map(|(at, file)| image(&item.id, at, file)).collect();
    if content.is_empty() && images.is_empty() {
        return None;
    }
    Some(Message { id: &item.id, chat_id: chat, role, content, timestamp: utc(item.created), images })
}

fn image<'a>(item: &str, at: usize, file: &'a File) -> Option<Image<'a>> {
    match &file.source {
        FileSource::Base64(bytes) if file.media_type.starts_with("image/") => {
            Some(Image { id: format!("{item}_{at}"), base64: bytes, media_type: &file.media_type })
        }
        _ => None,
    }
}

/// The calls among items.
pub(super) fn tool_uses<'a>(items: impl Iterator<Item = &'a Item>) -> Vec<ToolUse<'a>> {
    items.flat_map(|item| kept_calls(item).filter_map(|kept| tool_use(kept, item.created))).collect()
}

fn kept_calls(item: &Item) -> Box<dyn Iterator<Item = &KeptCall> + '_> {
    match &item.body {
        Body::ToolCall(kept) => Box::new(std::iter::once(kept)),
        Body::Workflow(workflow) => Box::new(workflow.tasks.iter().filter_map(|task| match task {
            Task::Call(kept) => Some(&**kept),
            Task::Thought { .. } => None,
        })),
        _ => Box::new(std::iter::empty()),
    }
}

fn tool_use(kept: &KeptCall, created: u64) -> Option<ToolUse<'_>> {
    let call = &kept.call;
    let input = calls::object(&call.kind, &call.arguments).unwrap_or_else(|| "{}".to_owned());
    let result = kept.result.as_ref();
    Some(ToolUse {
        id: &call.id,
        tool_name: if call.name.is_empty() { call.kind.name() } else { &call.name },
        tool_input: RawValue::from_string(input).ok()?,
        result_content: result.filter(|result| !result.output.is_null()).map(|result| output_text(&result.output)),
        is_error: result.is_some_and(|result| result.outcome != ToolOutcome::Ok),
        timestamp: utc(created),
    })
}
