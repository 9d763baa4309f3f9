//! Results of calls, and files, as members of a request (upstream notes 3.1).

use serde_json::{Map, Value, json};

use super::calls::client_kind;
use crate::chat::ResultPart;
use crate::event::{File, FileSource, ToolKind, ToolOutcome, output_text};

/// A call's result as its output item.
pub(super) fn output_item(result: &ResultPart, kind: &ToolKind) -> Value {
    let mut item = match kind {
        ToolKind::Other(name) => match client_kind(name) {
            Some(kind) => client_output(kind.output, result),
            None => plain("function_call_output", result),
        },
        ToolKind::Custom => plain("custom_tool_call_output", result),
        ToolKind::Function => plain("function_call_output", result),
    };
    item["call_id"] = result.call.as_str().into();
    item
}

/// A file or image of a user or a tool. Images say their detail, since the member is required.
pub(super) fn file_part(file: &File) -> Value {
    let mut part = Map::new();
    let mut set = |key: &str, value: String| part.insert(key.to_owned(), value.into());
    if file.media_type.starts_with("image/") {
        set("type", "input_image".to_owned());
        set("detail", "auto".to_owned());
        match file.source.to_url(&file.media_type) {
            Some(url) => set("image_url", url),
            None => provider_id(&file.source).and_then(|id| set("file_id", id)),
        };
        return Value::Object(part);
    }
    set("type", "input_file".to_owned());
    match &file.source {
        FileSource::Url(url) => set("file_url", url.clone()),
        FileSource::Provider(id) => set("file_id", id.clone()),
        FileSource::Base64(data) => {
            set("filename", file.name.clone().unwrap_or_else(|| default_name(&file.media_type)));
            set("file_data", format!("data:{};base64,{data}", file.media_type))
        }
    };
    Value::Object(part)
}

fn provider_id(source: &FileSource) -> Option<String> {
    match source {
        FileSource::Provider(id) => Some(id.clone()),
        FileSource::Url(_) | FileSource::Base64(_) => None,
    }
}

fn default_name(media_type: &str) -> String {
    let end = match media_type {
        "application/pdf" => "pdf",
        "application/json" => "json",
        "text/csv" => "csv",
        "text/markdown" => "md",
        text if text.starts_with("text/") => "txt",
        _ => "bin",
    };
    format!("file.{end}")
}

fn plain(kind: &str, result: &ResultPart) -> Value {
    let text = output_text(&result.output);
    if result.files.is_empty() {
        return json!({ "type": kind, "output": text });
    }
    let mut parts = Vec::new();
    if !text.is_empty() && !result.output.is_null() {
        parts.push(json!({ "type": "input_text", "text": text }));
    }
    parts.extend(result.files.iter().map(file_part));
    json!({ "type": kind, "output": parts })
}

fn client_output(kind: &str, result: &ResultPart) -> Value {
    let ok = result.outcome == ToolOutcome::Ok;
    let text = output_text(&result.output);
    match kind {
        "shell_call_output" => {
            let runs = list(&result.output, "output").unwrap_or_else(|| {
                let outcome = json!({ "type": "exit", "exit_code": i32::from(!ok) });
                json!([{ "stdout": text, "stderr": "", "outcome": outcome }])
            });
            json!({ "type": kind, "output": runs })
        }
        "apply_patch_call_output" => {
            json!({ "type": kind, "status": if ok { "completed" } else { "failed" }, "output": text })
        }
        "computer_call_output" => {
            let url = result.files.iter().find_map(|file| file.source.to_url(&file.media_type));
            let output = match url {
                Some(url) => json!({ "type": "computer_screenshot", "image_url": url }),
                None => result.output.clone(),
            };
            json!({ "type": kind, "output": output })
        }
        "tool_search_output" => {
            let tools = list(&result.output, "tools").unwrap_or_else(|| json!([]));
            json!({ "type": kind, "execution": "client", "status": "completed", "tools": tools })
        }
        _ => json!({ "type": kind, "output": text }),
    }
}

/// The list itself, or the one under this key.
fn list(output: &Value, key: &str) -> Option<Value> {
    let list = if output.is_array() { Some(output) } else { output.get(key) };
    list.filter(|list| list.is_array()).cloned()
}
