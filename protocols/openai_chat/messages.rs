//! The messages of a conversation in the protocol's shape (upstream notes 2.1 and 9.3).

use serde_json::{Map, Value, json};

use super::details;
use super::quirks::{CallIds, Quirks, ReasoningBack};
use super::request::warn;
use super::{EXTRA_CONTENT, NAME, REASONING_DETAILS};
use crate::chat::{CallPart, ChatRequest, Message, Part, ResultPart, Role, opaque};
use crate::event::{File, FileSource, Runs, ToolKind, Warning, output_text};
use crate::history::tidy;
use crate::wire::json::Arguments;
use crate::wire::names;

/// The conversation as the server gets it.
pub(super) fn messages(chat: &ChatRequest, quirks: &Quirks, warnings: &mut Vec<Warning>) -> Vec<Value> {
    let mut tidied = tidy(chat, warnings);
    if !quirks.several_systems {
        tidied = one_system(tidied, warnings);
    }
    let mut writer = Writer { quirks, warnings, written: Vec::with_capacity(tidied.len()) };
    for message in &tidied {
        match message.role {
            Role::System => writer.system(message),
            Role::User => writer.user(message),
            Role::Assistant => writer.assistant(message),
            Role::Tool => writer.results(message),
        }
    }
    writer.written
}

/// A tool's name as the server gets it.
pub(super) fn tool_name(quirks: &Quirks, name: &str) -> String {
    if quirks.escape_names { names::escaped(name).into_owned() } else { name.to_owned() }
}

/// All system messages as one, at the front (corner case 169).
fn one_system(messages: Vec<Message>, warnings: &mut Vec<Warning>) -> Vec<Message> {
    let leading = messages.iter().take_while(|message| message.role == Role::System).count();
    let (systems, mut others): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|message| message.role == Role::System);
    if systems.is_empty() {
        return others;
    }
    if systems.len() > leading {
        warn(warnings, "system-moved", "system messages inside the conversation were moved to its beginning");
    }
    let text = systems.iter().map(|message| texts(message, "\n\n")).collect::<Vec<_>>().join("\n\n");
    others.insert(0, Message::text(Role::System, text));
    others
}

struct Writer<'a> {
    quirks: &'a Quirks,
    warnings: &'a mut Vec<Warning>,
    written: Vec<Value>,
}

impl Writer<'_> {
    fn system(&mut self, message: &Message) {
        if message.parts.iter().any(|part| part.as_text().is_none()) {
            self.warn("part-dropped", "a system message holds more than text");
        }
        self.written.push(json!({"role": self.quirks.system_role, "content": texts(message, "\n\n")}));
    }

    fn user(&mut self, message: &Message) {
        if message.parts.iter().all(|part| part.as_text().is_some()) {
            self.written.push(json!({"role": "user", "content": texts(message, "\n\n")}));
            return;
        }
        let parts: Vec<Value> = message.parts.iter().filter_map(|part| self.user_part(part)).collect();
        if !parts.is_empty() {
            self.written.push(json!({"role": "user", "content": parts}));
        }
    }

    fn user_part(&mut self, part: &Part) -> Option<Value> {
        match part {
            Part::Text { text, .. } => Some(json!({"type": "text", "text": text})),
            Part::File(file) => self.file(file),
            _ => {
                self.warn("part-dropped", "a user message holds a part that only a model can say");
                None
            }
        }
    }

    /// A file as a part of a user message: images, and whatever else the server takes.
    fn file(&mut self, file: &File) -> Option<Value> {
        let url = file.source.to_url(&file.media_type);
        let part = match (&file.source, file.media_type.split_once('/')) {
            (FileSource::Provider(id), _) if self.quirks.files => {
                Some(json!({"type": "file", "file": {"file_id": id}}))
            }
            (_, Some(("image", _))) => url.map(|url| json!({"type": "image_url", "image_url": {"url": url}})),
            (FileSource::Base64(data), Some(("audio", format))) if self.quirks.audio => {
                let format = if matches!(format, "mpeg" | "mp3") { "mp3" } else { "wav" };
                Some(json!({"type": "input_audio", "input_audio": {"data": data, "format": format}}))
            }
            (FileSource::Base64(_), _) if self.quirks.files => {
                let name = file.name.as_deref().unwrap_or("file");
                url.map(|url| json!({"type": "file", "file": {"filename": name, "file_data": url}}))
            }
            _ => None,
        };
        if part.is_none() {
            self.warn("file-dropped", format!("the provider does not take a file of type {}", file.media_type));
        }
        part
    }

    fn assistant(&mut self, message: &Message) {
        let mut said = Said::default();
        for part in &message.parts {
            match part {
                Part::Text { text, .. } => said.text.push_str(text),
                Part::Refusal { text } => said.refusal.push_str(text),
                Part::Reasoning { text, marks } => {
                    said.reasoning.extend((!text.is_empty()).then_some(text.as_str()));
                    if let Some(Value::Array(details)) = opaque(marks, NAME, REASONING_DETAILS) {
                        details::merge(&mut said.details, details.clone());
                    }
                }
                Part::ToolCall(call) if call.runs != Runs::Provider => said.calls.push(self.call(call)),
                Part::ToolCall(_) | Part::ToolResult(_) => {
                    self.warn("provider-tool-dropped", "a tool run by another provider cannot be told to this one");
                }
                Part::File(_) => self.warn("file-dropped", "a file made by the model cannot be sent back"),
                Part::Opaque { .. } => self.warn("part-dropped", "a part that only another provider understands"),
                Part::Data { .. } => {}
            }
        }
        self.written.extend(self.said(said));
    }

    /// An assistant message; nothing, if nothing is left of it.
    fn said(&self, said: Said<'_>) -> Option<Value> {
        let Said { mut text, refusal, reasoning, details, calls } = said;
        let mut message = Map::new();
        message.insert("role".to_owned(), "assistant".into());
        if !refusal.is_empty() && !self.quirks.refusal {
            text.push_str(&refusal);
        }
        let empty = text.is_empty() && calls.is_empty() && refusal.is_empty();
        let reasoning = reasoning.join("\n\n");
        let content = self.content(&text, &reasoning);
        message.insert("content".to_owned(), content);
        match self.quirks.reasoning_back {
            ReasoningBack::Content => {
                message.insert("reasoning_content".to_owned(), reasoning.into());
            }
            ReasoningBack::Reasoning if !reasoning.is_empty() => {
                message.insert("reasoning".to_owned(), reasoning.into());
            }
            ReasoningBack::Details if !details.is_empty() => {
                message.insert("reasoning_details".to_owned(), details.into());
            }
            _ => {}
        }
        if !refusal.is_empty() && self.quirks.refusal {
            message.insert("refusal".to_owned(), refusal.into());
        }
        if !calls.is_empty() {
            message.insert("tool_calls".to_owned(), calls.into());
        }
        (!empty).then_some(Value::Object(message))
    }

    /// The content: text, with the reasoning in it where that is the server's way. `null` for no text.
    fn content(&self, text: &str, reasoning: &str) -> Value {
        match self.quirks.reasoning_back {
            ReasoningBack::Parts if !reasoning.is_empty() => {
                let thinking = json!({"type": "thinking", "thinking": [{"type": "text", "text": reasoning}]});
                let text = (!text.is_empty()).then(|| json!({"type": "text", "text": text}));
                Value::Array([thinking].into_iter().chain(text).collect())
            }
            ReasoningBack::Tags if !reasoning.is_empty() => format!("<think>\n{reasoning}\n</think>\n\n{text}").into(),
            _ if text.is_empty() => Value::Null,
            _ => text.into(),
        }
    }

    fn call(&mut self, call: &CallPart) -> Value {
        let name = tool_name(self.quirks, &call.name);
        let id = self.call_id(&call.id);
        let mut value = if call.kind == ToolKind::Custom {
            json!({"id": id, "type": "custom", "custom": {"name": name, "input": call.arguments}})
        } else {
            let arguments = self.arguments(&call.arguments);
            json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
        };
        if let (Some(extra), Some(object)) = (opaque(&call.marks, NAME, EXTRA_CONTENT), value.as_object_mut()) {
            object.insert("extra_content".to_owned(), extra.clone());
        }
        value
    }

    /// The model's own text; where that is no object, the text in one, for servers that parse it.
    fn arguments(&mut self, raw: &str) -> String {
        match Arguments::text(raw) {
            Some(text) => text.into_owned(),
            None if self.quirks.broken_arguments => raw.to_owned(),
            None => {
                self.warn("arguments-wrapped", "arguments of an earlier call are no JSON object; they are sent in one");
                json!({"_raw": raw}).to_string()
            }
        }
    }

    fn call_id(&self, id: &str) -> String {
        match self.quirks.call_ids {
            CallIds::Keep => id.to_owned(),
            CallIds::Nine => names::nine(id).into_owned(),
        }
    }

    /// One message for each result, then the files of all of them, for a result is text only.
    fn results(&mut self, message: &Message) {
        let results = message.parts.iter().filter_map(|part| match part {
            Part::ToolResult(result) => Some(result),
            _ => None,
        });
        let mut files = Vec::new();
        for result in results {
            let content = output_text(&result.output);
            let id = self.call_id(&result.call);
            self.written.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
            files.extend(self.files_of(result));
        }
        if !files.is_empty() {
            self.written.push(json!({"role": "user", "content": files}));
        }
    }

    fn files_of(&mut self, result: &ResultPart) -> Vec<Value> {
        let files: Vec<Value> = result.files.iter().filter_map(|file| self.file(file)).collect();
        let label = format!("Files that the tool {} gave with its result:", result.name);
        let label = (!files.is_empty()).then(|| json!({"type": "text", "text": label}));
        label.into_iter().chain(files).collect()
    }

    fn warn(&mut self, code: &'static str, message: impl Into<String>) {
        warn(self.warnings, code, message);
    }
}

/// What an assistant message holds.
#[derive(Default)]
struct Said<'a> {
    text: String,
    refusal: String,
    reasoning: Vec<&'a str>,
    details: Vec<Value>,
    calls: Vec<Value>,
}

fn texts(message: &Message, between: &str) -> String {
    message.parts.iter().filter_map(Part::as_text).collect::<Vec<_>>().join(between)
}
