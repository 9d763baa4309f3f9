//! How much an event weighs.

use chatwire_protocols::event::{BlockKind, Event, FileSource};
use serde_json::Value;

/// What an event occupies by itself, and a short text with it.
const SMALL: usize = 32;

/// The same with something behind a pointer.
const MIDDLE: usize = 256;

/// About how many bytes an event keeps occupied.
pub(crate) fn weight(event: &Event) -> usize {
    match event {
        Event::BlockDelta { text, .. } => SMALL + text.len(),
        Event::BlockEnd { .. } | Event::Now { .. } => SMALL,
        Event::BlockStart { kind: BlockKind::File(file), .. } => MIDDLE + source(&file.source),
        Event::ToolDelta(says) | Event::ToolProgress(says) => MIDDLE + says.text.len(),
        Event::ToolResult(result) => {
            let files: usize = result.files.iter().map(|file| source(&file.source)).sum();
            MIDDLE + value(&result.output) + result.full.as_ref().map_or(0, value) + files
        }
        Event::Data(data) => MIDDLE + value(&data.value),
        _ => MIDDLE,
    }
}

const fn source(source: &FileSource) -> usize {
    match source {
        FileSource::Base64(text) | FileSource::Url(text) | FileSource::Provider(text) => text.len(),
    }
}

fn value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => SMALL,
        Value::String(text) => SMALL + text.len(),
        Value::Array(values) => SMALL + values.iter().map(self::value).sum::<usize>(),
        Value::Object(members) => {
            SMALL + members.iter().map(|(key, value)| SMALL + key.len() + self::value(value)).sum::<usize>()
        }
    }
}
