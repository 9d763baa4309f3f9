//! Kept items as the messages of AI SDK 3.4 and 4: what a page holds once it has read the lines of the same turns (AI
//! SDK wire notes 1.3).
//!
//! Such a page has one text and one reasoning part for each step, whatever comes between their pieces; data never is part
//! of a message, and what the gateway does not keep (usage) is missing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::user;
use crate::calls::{UNUSABLE, object};
use crate::chat::citations;
use crate::event::{Citation, File, FileSource, Mark, Runs, Text, ToolOutcome};
use crate::items::{Body, Item, KeptCall, Origin, Task, UserMessage, as_said};
use crate::wire::time;

/// The messages of a thread.
pub(in crate::vercel) fn messages(items: &[Item]) -> Vec<Value> {
    let mut messages = Vec::new();
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    for item in as_said(items) {
        if let Body::User(message) = &item.body {
            messages.push(Message::Said(user_message(item, message)));
        } else if let Some(origin) = &item.origin {
            let at = *answers.entry(&origin.message).or_insert(messages.len());
            if at == messages.len() {
                messages.push(Message::Answer(Box::new(Answer::new(&origin.message, item.created))));
            }
            if let Some(Message::Answer(answer)) = messages.get_mut(at) {
                answer.add(item, origin);
            }
        }
    }
    messages.into_iter().filter_map(Message::end).collect()
}

enum Message {
    Said(Value),
    Answer(Box<Answer>),
}

impl Message {
    fn end(self) -> Option<Value> {
        match self {
            Self::Said(message) => Some(message),
            Self::Answer(answer) => answer.end(),
        }
    }
}

fn user_message(item: &Item, said: &UserMessage) -> Value {
    let text = user::text(said);
    let mut message = json!({
        "id": item.id,
        "createdAt": time::utc(item.created),
        "role": "user",
        "content": text,
        "parts": [{ "type": "text", "text": text }],
    });
    let attachments = user::attachments(said);
    if !attachments.is_empty() {
        message["experimental_attachments"] = attachments.into();
    }
    for (name, value) in user::extra(said) {
        message[name] = value;
    }
    message
}

/// An answer that grows by what is kept of it.
struct Answer {
    id: Text,
    created: u64,
    content: String,
    reasoning: Option<String>,
    parts: Vec<Value>,
    calls: Vec<Value>,
    annotations: Vec<Value>,
    /// The turn and the step whose parts come now, and the number of that step in the message.
    step: Option<(Text, u32)>,
    number: usize,
    /// Where the step's text and its thoughts stand.
    text: Option<usize>,
    thoughts: Option<usize>,
    /// The last of its thoughts may be added to.
    thinking: bool,
    /// The addresses of the turn's sources.
    sources: Vec<String>,
}

impl Answer {
    fn new(id: &str, created: u64) -> Self {
        Self {
            id: id.into(),
            created,
            content: String::new(),
            reasoning: None,
            parts: Vec::new(),
            calls: Vec::new(),
            annotations: Vec::new(),
            step: None,
            number: 0,
            text: None,
            thoughts: None,
            thinking: false,
            sources: Vec::new(),
        }
    }

    fn add(&mut self, item: &Item, origin: &Origin) {
        match &item.body {
            Body::Assistant(said) => {
                self.say(&said.text, origin);
                citations(&said.marks).for_each(|citation| self.cite(citation, origin));
            }
            Body::Workflow(workflow) => {
                for task in &workflow.tasks {
                    match task {
                        Task::Thought { text, marks, .. } => self.think(text, marks, origin),
                        Task::Call(call) => self.call(call, origin),
                    }
                }
            }
            Body::ToolCall(call) => self.call(call, origin),
            Body::File(made) => self.file(&made.file, origin),
            Body::User(_)
            | Body::PageCall(_)
            | Body::Widget(_)
            | Body::Form(_)
            | Body::Data(_)
            | Body::Note(_)
            | Body::EndOfTurn => {}
        }
    }

    /// Begins the step of what comes now, unless it has begun.
    fn enter(&mut self, origin: &Origin) {
        let now = (origin.turn.clone(), origin.step);
        let Some(before) = self.step.replace(now) else {
            self.parts.push(json!({ "type": "step-start" }));
            return;
        };
        if before.0 != origin.turn {
            self.sources.clear();
        }
        if before != (origin.turn.clone(), origin.step) {
            self.parts.push(json!({ "type": "step-start" }));
            self.number += 1;
            (self.text, self.thoughts, self.thinking) = (None, None, false);
        }
    }

    fn say(&mut self, text: &str, origin: &Origin) {
        if text.is_empty() {
            return;
        }
        self.enter(origin);
        self.content.push_str(text);
        match self.text {
            Some(at) => append(&mut self.parts[at]["text"], text),
            None => {
                self.text = Some(self.parts.len());
                self.parts.push(json!({ "type": "text", "text": text }));
            }
        }
    }

    /// Thoughts of a step are one text with blank lines in it, as the lines have it.
    fn think(&mut self, text: &str, marks: &[Mark], origin: &Origin) {
        let mut signature = String::new();
        for mark in marks {
            match mark {
                Mark::Redacted { data } => {
                    let at = self.thoughts(origin);
                    push(&mut self.parts[at]["details"], json!({ "type": "redacted", "data": data }));
                    self.thinking = false;
                }
                Mark::Signature { signature: piece } => signature.push_str(piece),
                Mark::Citation(_) | Mark::Opaque { .. } => {}
            }
        }
        if text.is_empty() && (signature.is_empty() || self.thinking) {
            return;
        }
        let at = self.thoughts(origin);
        let gap = if self.thinking { "\n\n" } else { "" };
        let text = format!("{gap}{text}");
        self.reasoning.get_or_insert_default().push_str(&text);
        let part = &mut self.parts[at];
        append(&mut part["reasoning"], &text);
        if !std::mem::replace(&mut self.thinking, true) {
            push(&mut part["details"], json!({ "type": "text", "text": "" }));
        }
        if let Some(detail) = part["details"].as_array_mut().and_then(|details| details.last_mut()) {
            append(&mut detail["text"], &text);
            if !signature.is_empty() {
                detail["signature"] = signature.into();
            }
        }
    }

    fn thoughts(&mut self, origin: &Origin) -> usize {
        self.enter(origin);
        *self.thoughts.get_or_insert_with(|| {
            self.parts.push(json!({ "type": "reasoning", "reasoning": "", "details": [] }));
            self.parts.len() - 1
        })
    }

    fn cite(&mut self, citation: &Citation, origin: &Origin) {
        let Some(url) = &citation.url else { return };
        self.enter(origin);
        if self.sources.contains(url) {
            return;
        }
        self.sources.push(url.clone());
        let mut source = json!({ "sourceType": "url", "id": format!("source-{}", self.sources.len()), "url": url });
        if let Some(title) = &citation.title {
            source["title"] = title.as_str().into();
        }
        self.parts.push(json!({ "type": "source", "source": source }));
    }

    fn file(&mut self, file: &File, origin: &Origin) {
        self.enter(origin);
        match &file.source {
            FileSource::Base64(data) => {
                self.parts.push(json!({ "type": "file", "mimeType": file.media_type, "data": data }));
            }
            FileSource::Url(url) => {
                self.annotations.push(json!({ "type": "file", "url": url, "mimeType": file.media_type }));
            }
            FileSource::Provider(_) => {}
        }
    }

    fn call(&mut self, kept: &KeptCall, origin: &Origin) {
        self.enter(origin);
        let call = &kept.call;
        let name = if call.name.is_empty() { call.kind.name() } else { &call.name };
        let arguments = object(&call.kind, &call.arguments);
        let args: Value = arguments.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or(json!({}));
        let mut invocation = json!({
            "state": "call", "step": self.number, "toolCallId": call.id, "toolName": name, "args": args,
        });
        let result = match &kept.result {
            _ if arguments.is_none() && call.runs == Runs::Page => Some(json!({ "error": UNUSABLE })),
            Some(result) if result.outcome == ToolOutcome::Ok => Some(result.output.clone()),
            Some(result) => Some(json!({ "error": result.output })),
            None => None,
        };
        if let Some(result) = result {
            invocation["state"] = "result".into();
            invocation["result"] = result;
        }
        self.parts.push(json!({ "type": "tool-invocation", "toolInvocation": invocation }));
        self.calls.push(invocation);
    }

    /// The message; nothing if it leaves no trace on a page.
    fn end(self) -> Option<Value> {
        if self.parts.is_empty() {
            return None;
        }
        let mut message = Map::new();
        message.insert("id".to_owned(), self.id.as_str().into());
        message.insert("createdAt".to_owned(), time::utc(self.created).into());
        message.insert("role".to_owned(), "assistant".into());
        message.insert("content".to_owned(), self.content.into());
        message.insert("parts".to_owned(), self.parts.into());
        if let Some(reasoning) = self.reasoning {
            message.insert("reasoning".to_owned(), reasoning.into());
        }
        for (name, list) in [("toolInvocations", self.calls), ("annotations", self.annotations)] {
            if !list.is_empty() {
                message.insert(name.to_owned(), list.into());
            }
        }
        Some(Value::Object(message))
    }
}

fn append(text: &mut Value, more: &str) {
    if let Value::String(text) = text {
        text.push_str(more);
    }
}

fn push(list: &mut Value, more: Value) {
    if let Value::Array(list) = list {
        list.push(more);
    }
}
