//! A conversation as the `input` items of a request (upstream notes 3.1).
//!
//! Items that this protocol made (reasoning, hosted calls, client-run kinds) go back as they came; what another
//! protocol made and nobody else understands stays behind (corner case 168).

use serde_json::{Map, Value, json};

use super::NAME;
use super::calls::client_kind;
use super::history::{hosted_item, is_image_call};
use super::outputs::{file_part, output_item};
use crate::chat::{CallPart, Message, Part, ResultPart, Role, opaque};
use crate::event::{File, FileSource, Mark, Runs, Text, ToolKind, Warning};
use crate::wire::json::Arguments;
use crate::wire::names::escaped;

/// Where the system prompt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SystemRole {
    /// Into the member `instructions`.
    Instructions,
    /// Into a message of this role.
    Message(&'static str),
}

/// A conversation, ready for the request's body.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// The system prompt, where it does not go into a message.
    pub instructions: Option<String>,
    /// The items.
    pub items: Vec<Value>,
    /// What could not be said.
    pub warnings: Vec<Warning>,
    /// Whether the provider stores answers, so that an item's id stands for it.
    stored: bool,
    /// Reasoning that goes in front of the next item.
    reasoning: Vec<Value>,
    calls: Vec<(Text, ToolKind)>,
}

impl Input {
    /// Writes a tidy history.
    pub(super) fn of(messages: &[Message], system: SystemRole, stored: bool) -> Self {
        let mut input = Self { stored, ..Self::default() };
        let leading = messages.iter().take_while(|message| message.role == Role::System).count();
        let (prompt, rest) = messages.split_at(if system == SystemRole::Instructions { leading } else { 0 });
        let prompt: Vec<String> = prompt.iter().map(Message::joined_text).filter(|text| !text.is_empty()).collect();
        for message in rest {
            input.message(message, system);
        }
        match prompt.join("\n\n") {
            prompt if prompt.is_empty() => {}
            // A request needs input: a prompt on its own is that.
            prompt if input.items.is_empty() => input.items.push(system_message("developer", &prompt)),
            prompt => input.instructions = Some(prompt),
        }
        input
    }

    fn message(&mut self, message: &Message, system: SystemRole) {
        match message.role {
            Role::System => {
                let role = match system {
                    SystemRole::Message(role) => role,
                    SystemRole::Instructions => "developer",
                };
                self.items.push(system_message(role, &message.joined_text()));
            }
            Role::User => self.user(message),
            Role::Assistant => self.assistant(message),
            Role::Tool => {
                for part in &message.parts {
                    if let Part::ToolResult(result) = part {
                        let kind = self.calls.iter().rev().find(|(id, _)| *id == result.call).map(|(_, kind)| kind);
                        self.items.push(output_item(result, kind.unwrap_or(&ToolKind::Function)));
                    }
                }
            }
        }
    }

    fn user(&mut self, message: &Message) {
        let mut content = Vec::new();
        for part in &message.parts {
            match part {
                Part::Text { text, .. } => content.push(json!({ "type": "input_text", "text": text })),
                Part::File(file) => content.push(file_part(file)),
                Part::Opaque { protocol, value } if *protocol == NAME => self.items.push(value.clone()),
                _ => self.warn("part-dropped", "a part that a user message cannot hold was left out"),
            }
        }
        if !content.is_empty() {
            self.items.push(json!({ "type": "message", "role": "user", "content": content }));
        }
    }

    fn assistant(&mut self, message: &Message) {
        // An item that names its id asks for the reasoning in front of it: no ids where some of that is missing.
        let with_ids = !message.parts.iter().any(|part| self.is_lost_reasoning(part));
        for (at, part) in message.parts.iter().enumerate() {
            let behind = message.parts.get(at + 1..).unwrap_or_default();
            match part {
                Part::Reasoning { marks, .. } => self.reasoning(marks),
                Part::Text { text, marks } => {
                    let part = json!({ "type": "output_text", "text": text, "annotations": [] });
                    self.said(part, marks, with_ids);
                }
                Part::Refusal { text } => self.said(json!({ "type": "refusal", "refusal": text }), &[], with_ids),
                Part::ToolCall(call) if call.runs == Runs::Provider => self.hosted(call, behind),
                Part::ToolCall(call) => self.call(call, with_ids),
                Part::File(_) if at > 0 && is_image_call(message.parts[..at].iter().rev()) => {}
                Part::File(_) => self.warn("file-dropped", "a file of the model's own cannot be sent back"),
                Part::Opaque { protocol, value } if *protocol == NAME => self.push(value.clone()),
                Part::ToolResult(_) | Part::Opaque { .. } | Part::Data { .. } => {}
            }
        }
        // Reasoning that nothing follows is refused (upstream notes 3.1).
        self.reasoning.clear();
    }

    fn push(&mut self, item: Value) {
        self.items.append(&mut self.reasoning);
        self.items.push(item);
    }

    fn reasoning(&mut self, marks: &[Mark]) {
        let Some(item) = reasoning_item(marks).filter(|item| self.can_go_back(item)) else { return };
        let mut item = item.clone();
        item.retain(|key, value| !value.is_null() && key != "status");
        if item.get("type").and_then(Value::as_str) == Some("reasoning") {
            self.reasoning.push(Value::Object(item));
        } else {
            self.items.push(Value::Object(item));
        }
    }

    /// Without stored answers, only an item that holds its own content can be understood.
    fn can_go_back(&self, item: &Map<String, Value>) -> bool {
        let filled = |key: &str| match item.get(key) {
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(list)) => !list.is_empty(),
            _ => false,
        };
        self.stored || filled("encrypted_content") || filled("content")
    }

    fn is_lost_reasoning(&self, part: &Part) -> bool {
        match part {
            Part::Reasoning { marks, .. } => reasoning_item(marks).is_some_and(|item| !self.can_go_back(item)),
            _ => false,
        }
    }

    /// A part of an assistant message; parts of one message item stand together again.
    fn said(&mut self, part: Value, marks: &[Mark], with_ids: bool) {
        let id = opaque(marks, NAME, "id").filter(|_| with_ids).cloned();
        let phase = opaque(marks, NAME, "phase").cloned();
        if self.reasoning.is_empty()
            && let Some(Value::Object(last)) = self.items.last_mut()
            && last.get("role").and_then(Value::as_str) == Some("assistant")
            && (last.get("id"), last.get("phase")) == (id.as_ref(), phase.as_ref())
            && let Some(Value::Array(content)) = last.get_mut("content")
        {
            content.push(part);
            return;
        }
        let mut item = json!({ "type": "message", "role": "assistant", "content": [part] });
        for (key, value) in [("id", id), ("phase", phase)] {
            if let Some(value) = value {
                item[key] = value;
            }
        }
        self.push(item);
    }

    fn call(&mut self, call: &CallPart, with_ids: bool) {
        self.calls.push((call.id.clone(), call.kind.clone()));
        let id = opaque(&call.marks, NAME, "id").filter(|_| with_ids);
        let mut item: Map<String, Value> = match opaque(&call.marks, NAME, "extra") {
            Some(Value::Object(extra)) => extra.clone(),
            _ => Map::new(),
        };
        match &call.kind {
            ToolKind::Other(kind) if client_kind(kind).is_some() => return self.client_call(call, kind),
            ToolKind::Custom => {
                item.insert("type".to_owned(), "custom_tool_call".into());
                item.insert("input".to_owned(), call.arguments.as_str().into());
            }
            ToolKind::Function | ToolKind::Other(_) => {
                let arguments = Arguments::text(&call.arguments);
                item.insert("type".to_owned(), "function_call".into());
                item.insert("arguments".to_owned(), arguments.as_deref().unwrap_or(&call.arguments).into());
            }
        }
        item.insert("call_id".to_owned(), call.id.as_str().into());
        item.insert("name".to_owned(), escaped(&call.name).into());
        if let Some(id) = id {
            item.insert("id".to_owned(), id.clone());
        }
        self.push(Value::Object(item));
    }

    /// A call of the provider's own client-run vocabulary: as it came, or rebuilt where a page has lost the item.
    fn client_call(&mut self, call: &CallPart, kind: &str) {
        let mut item = match opaque(&call.marks, NAME, "item") {
            Some(Value::Object(item)) => item.clone(),
            _ => {
                let member = client_kind(kind).map_or("action", |kind| kind.input);
                let input: Value = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
                Map::from_iter([
                    ("type".to_owned(), kind.into()),
                    (member.to_owned(), input),
                    ("status".to_owned(), "completed".into()),
                ])
            }
        };
        item.retain(|_, value| !value.is_null());
        item.insert("call_id".to_owned(), call.id.as_str().into());
        self.push(Value::Object(item));
    }

    fn hosted(&mut self, call: &CallPart, behind: &[Part]) {
        let item = opaque(&call.marks, NAME, "item").and_then(Value::as_object);
        if call.kind.name() == "mcp_approval_request" {
            return self.approval(call, item);
        }
        let sent = item.and_then(|item| hosted_item(item, call, result_of(call, behind), image_of(call, behind)));
        match sent {
            Some(item) => self.push(item),
            None => {
                if item.is_none() && call.kind.name() != "mcp_list_tools" {
                    self.warn("provider-call-dropped", "a call that another provider ran was left out");
                }
                self.reasoning.clear();
            }
        }
    }

    /// A request for approval goes back with its answer; without one, neither can. A provider that stores its answers
    /// knows the request.
    fn approval(&mut self, call: &CallPart, item: Option<&Map<String, Value>>) {
        let answered = call.approval.as_ref().and_then(|asked| Some((asked, asked.approved?)));
        let Some((approval, approved)) = answered.filter(|_| self.stored || item.is_some()) else {
            self.reasoning.clear();
            return self.warn("approval-dropped", "a request for approval without its answer was left out");
        };
        if let Some(item) = item {
            self.push(Value::Object(item.clone()));
        }
        let mut answer = json!({
            "type": "mcp_approval_response",
            "approval_request_id": approval.id,
            "approve": approved,
        });
        if let Some(reason) = &approval.reason {
            answer["reason"] = reason.as_str().into();
        }
        self.push(answer);
    }

    fn warn(&mut self, code: &'static str, message: &str) {
        if !self.warnings.iter().any(|warning| warning.code == code) {
            self.warnings.push(Warning { code, message: message.to_owned() });
        }
    }
}

fn system_message(role: &str, text: &str) -> Value {
    json!({ "type": "message", "role": role, "content": [{ "type": "input_text", "text": text }] })
}

fn reasoning_item(marks: &[Mark]) -> Option<&Map<String, Value>> {
    opaque(marks, NAME, "item")?.as_object()
}

fn result_of<'a>(call: &CallPart, behind: &'a [Part]) -> Option<&'a ResultPart> {
    behind.iter().find_map(|part| match part {
        Part::ToolResult(result) if result.call == call.id => Some(result),
        _ => None,
    })
}

/// The image that a hosted call has made: the file right behind it and its result.
fn image_of<'a>(call: &CallPart, behind: &'a [Part]) -> Option<&'a str> {
    let made = behind.iter().find(|part| !matches!(part, Part::ToolResult(result) if result.call == call.id));
    match made {
        Some(Part::File(File { source: FileSource::Base64(image), .. })) => Some(image),
        _ => None,
    }
}
