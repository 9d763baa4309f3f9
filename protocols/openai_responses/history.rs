//! Hosted calls of earlier answers as items of a request: the item as it was announced, completed from what the
//! conversation holds of it.

use serde_json::{Map, Value};

use crate::chat::{CallPart, Part, ResultPart};
use crate::event::{Runs, ToolKind};

/// The item of a hosted call; `None` for one that is not sent back.
pub(super) fn hosted_item(
    item: &Map<String, Value>,
    call: &CallPart,
    result: Option<&ResultPart>,
    image: Option<&str>,
) -> Option<Value> {
    let mut item = item.clone();
    let said = |key: &str| result.and_then(|result| result.output.get(key)).filter(|value| !value.is_null()).cloned();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            item.insert(key.to_owned(), value);
        }
    };
    match call.kind.name() {
        "web_search_call" => set("action", result.map(|result| result.output.clone())),
        "file_search_call" => set("queries", said("queries")),
        "code_interpreter_call" => {
            let input: Option<Value> = serde_json::from_str(&call.arguments).ok();
            set("code", input.and_then(|input| input.get("code").cloned()));
            set("outputs", Some(said("outputs").unwrap_or_default()));
        }
        "mcp_call" => {
            set("arguments", Some(call.arguments.as_str().into()));
            set("output", said("output"));
            set("error", said("error"));
        }
        "image_generation_call" => set("result", Some(image?.into())),
        _ => {}
    }
    // An item announced as running has ended by now.
    if item.contains_key("status") {
        item.insert("status".to_owned(), "completed".into());
    }
    Some(Value::Object(item))
}

/// True if the nearest part, read backwards, is a call that made an image, or its result.
pub(super) fn is_image_call<'a>(mut backwards: impl Iterator<Item = &'a Part>) -> bool {
    let makes_images = |kind: &ToolKind| matches!(kind.name(), "image_generation_call" | "code_interpreter_call");
    backwards
        .find_map(|part| match part {
            Part::ToolCall(call) => Some(call.runs == Runs::Provider && makes_images(&call.kind)),
            Part::ToolResult(_) | Part::File(_) => None,
            _ => Some(false),
        })
        .unwrap_or(false)
}
