//! A user's message as the page sent it.

use serde_json::{Map, Value, json};

use crate::event::File;
use crate::items::{Said, UserMessage};

/// The parts of AI SDK 5 and later, those that nobody here knows at their places.
pub(super) fn parts(message: &UserMessage) -> Vec<Value> {
    let mut parts: Vec<Value> = message.content.iter().filter_map(part).collect();
    for strange in message.extra.get("parts").and_then(Value::as_array).into_iter().flatten() {
        let Some(part) = strange.get("part") else { continue };
        let at = strange.get("at").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
        parts.insert(at.unwrap_or(usize::MAX).min(parts.len()), part.clone());
    }
    parts
}

fn part(said: &Said) -> Option<Value> {
    match said {
        Said::Text { text } => Some(json!({ "type": "text", "text": text })),
        Said::Tag(tag) => Some(json!({ "type": "text", "text": tag.text })),
        Said::File(file) => file_part(file),
        Said::Data(data) => {
            let mut part = json!({ "type": format!("data-{}", data.name) });
            if let Some(id) = &data.id {
                part["id"] = id.as_str().into();
            }
            part["data"] = data.value.clone();
            Some(part)
        }
    }
}

fn file_part(file: &File) -> Option<Value> {
    let mut part =
        json!({ "type": "file", "mediaType": file.media_type, "url": file.source.to_url(&file.media_type)? });
    if let Some(name) = &file.name {
        part["filename"] = name.as_str().into();
    }
    Some(part)
}

/// The text, as AI SDK 4 has it.
pub(super) fn text(message: &UserMessage) -> String {
    let texts = message.content.iter().filter_map(|said| match said {
        Said::Text { text } => Some(text.as_str()),
        Said::Tag(tag) => Some(tag.text.as_str()),
        Said::File(_) | Said::Data(_) => None,
    });
    texts.collect()
}

/// The files, as AI SDK 4 has them.
pub(super) fn attachments(message: &UserMessage) -> Vec<Value> {
    let files = message.content.iter().filter_map(|said| match said {
        Said::File(file) => Some((file, file.source.to_url(&file.media_type)?)),
        _ => None,
    });
    files
        .map(|(file, url)| {
            let mut attachment = Map::new();
            if let Some(name) = &file.name {
                attachment.insert("name".to_owned(), name.as_str().into());
            }
            attachment.insert("contentType".to_owned(), file.media_type.as_str().into());
            attachment.insert("url".to_owned(), url.into());
            Value::Object(attachment)
        })
        .collect()
}

/// Members of the page's own.
pub(super) fn extra(message: &UserMessage) -> impl Iterator<Item = (String, Value)> {
    let own = message.extra.iter().filter(|(name, _)| *name != "parts");
    own.map(|(name, value)| (name.clone(), value.clone()))
}
