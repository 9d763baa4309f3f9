//! Kept items as the messages of AI SDK 5 and later: what a page holds once it has read the stream of the same turns
//! (AI SDK wire notes 3.3, 3.6 and 3.7), in the vocabulary of the route's level.
//!
//! It differs from the page's own in what is not kept:
//! - usage, model and finish reason in `metadata`, and the stream's ids of reasoning, which AI SDK 6 and 7 note;
//! - calls that were cut, blank texts, and steps in which nothing was said;
//! - where one text ended and the next began without anything between them, and the place of a source within its text;
//! - that data came before the first step of a turn.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::user;
use crate::chat::{Approval, CallPart, citations};
use crate::event::{Mark, Runs, Text, ToolKind, ToolOutcome, output_text};
use crate::items::{AssistantMessage, Body, Item, KeptCall, Origin, Task, as_said};
use crate::vercel::APPROVAL_TOOL;
use crate::vercel::ui_stream::blocks::metadata;
use crate::vercel::ui_stream::calls::INVALID;
use crate::vercel::ui_stream::sources::{Sources, Where};
use crate::vercel::ui_stream::{Level, Settings};
use crate::wire::json::Arguments;

/// The messages of a thread.
pub(in crate::vercel) fn messages(settings: Settings, items: &[Item]) -> Vec<Value> {
    let mut messages: Vec<Message> = Vec::new();
    let mut answers: BTreeMap<&str, usize> = BTreeMap::new();
    for item in as_said(items) {
        if let Body::User(said) = &item.body {
            let mut message = Message::new(item.id.as_str(), "user", settings);
            message.parts = user::parts(said);
            message.own = user::extra(said).collect();
            messages.push(message);
        } else if let Some(origin) = &item.origin {
            let at = *answers.entry(&origin.message).or_insert(messages.len());
            if at == messages.len() {
                messages.push(Message::new(&origin.message, "assistant", settings));
            }
            if let Some(message) = messages.get_mut(at) {
                message.add(item, origin);
            }
        }
    }
    // What leaves no trace on a page is no message.
    messages.into_iter().map(Message::end).filter(|message| message["parts"] != json!([])).collect()
}

/// A message that grows by what is kept of it.
struct Message {
    settings: Settings,
    id: Text,
    role: &'static str,
    own: Map<String, Value>,
    parts: Vec<Value>,
    /// The turn and the step whose parts come now.
    step: Option<(Text, u32)>,
    /// The turn whose sources these are.
    turn: Text,
    sources: Sources,
    /// Approvals that were asked for as calls of [`APPROVAL_TOOL`] in a step behind this one.
    asked: Vec<Value>,
}

impl Message {
    fn new(id: &str, role: &'static str, settings: Settings) -> Self {
        Self {
            settings,
            id: id.into(),
            role,
            own: Map::new(),
            parts: Vec::new(),
            step: None,
            turn: Text::default(),
            sources: Sources::new(Text::default()),
            asked: Vec::new(),
        }
    }

    fn add(&mut self, item: &Item, origin: &Origin) {
        match &item.body {
            Body::Assistant(said) => self.text(said, origin),
            Body::Workflow(workflow) => workflow.tasks.iter().for_each(|task| self.task(task, origin)),
            Body::ToolCall(call) => self.call(call, origin),
            Body::File(made) => {
                let media_type = &made.file.media_type;
                if let Some(url) = made.file.source.to_url(media_type) {
                    self.push(origin, json!({ "type": "file", "mediaType": media_type, "url": url }));
                }
            }
            Body::Data(data) => self.data(&data.name, data.id.as_deref(), data.value.clone(), origin),
            // Views of calls and data for dialects that show neither, and what no page is shown.
            Body::User(_) | Body::PageCall(_) | Body::Widget(_) | Body::Form(_) | Body::Note(_) | Body::EndOfTurn => {}
        }
    }

    /// Adds a part, behind the mark of its step.
    fn push(&mut self, origin: &Origin, part: Value) {
        let step = (origin.turn.clone(), origin.step);
        if self.step.as_ref() != Some(&step) {
            self.end_step();
            self.begin_turn(origin);
            self.step = Some(step);
            self.parts.push(json!({ "type": "step-start" }));
        }
        self.parts.push(part);
    }

    /// Sources are numbered within their turn.
    fn begin_turn(&mut self, origin: &Origin) {
        if self.turn != origin.turn {
            self.turn = origin.turn.clone();
            self.sources = Sources::new(origin.turn.clone());
        }
    }

    fn end_step(&mut self) {
        if !self.asked.is_empty() {
            self.parts.push(json!({ "type": "step-start" }));
            self.parts.append(&mut self.asked);
        }
    }

    fn text(&mut self, said: &AssistantMessage, origin: &Origin) {
        if !said.text.is_empty() {
            self.push(origin, json!({ "type": "text", "text": said.text, "state": "done" }));
        }
        for citation in citations(&said.marks) {
            self.begin_turn(origin);
            let Some(source) = self.sources.next(citation) else { continue };
            let mut part = json!({ "type": source.kind, "sourceId": source.id });
            match source.place {
                Where::Url(url) => part["url"] = url.into(),
                Where::Document(media_type) => part["mediaType"] = media_type.into(),
            }
            match (source.title, source.place) {
                (Some(title), _) => part["title"] = title.into(),
                (None, Where::Document(_)) => part["title"] = "Document".into(),
                (None, Where::Url(_)) => {}
            }
            self.push(origin, part);
        }
    }

    fn task(&mut self, task: &Task, origin: &Origin) {
        match task {
            Task::Thought { text, marks, .. } => {
                let metadata = thought_metadata(marks);
                if text.is_empty() && metadata.is_none() {
                    return;
                }
                let mut part = json!({ "type": "reasoning", "text": text, "state": "done" });
                if let Some(metadata) = metadata {
                    part["providerMetadata"] = metadata;
                }
                self.push(origin, part);
            }
            Task::Call(call) => self.call(call, origin),
        }
    }

    /// Data of the same name and id stands where it stood first.
    fn data(&mut self, name: &str, id: Option<&str>, value: Value, origin: &Origin) {
        let kind = format!("data-{name}");
        let same = |part: &&mut Value| id.is_some() && part["type"] == kind && part["id"].as_str() == id;
        if let Some(part) = self.parts.iter_mut().find(same) {
            part["data"] = value;
            return;
        }
        let mut part = json!({ "type": kind });
        if let Some(id) = id {
            part["id"] = id.into();
        }
        part["data"] = value;
        self.push(origin, part);
    }

    fn call(&mut self, kept: &KeptCall, origin: &Origin) {
        let words = self.settings.level >= Level::Six;
        let call = &kept.call;
        let mut part = self.part(label(call), &call.id);
        if call.runs == Runs::Provider {
            part["providerExecuted"] = true.into();
        }
        match input(call) {
            Some(input) => {
                part["input"] = input;
                state(kept, words, &mut part);
            }
            None => {
                part["state"] = "output-error".into();
                part["rawInput"] = call.arguments.as_str().into();
                part["errorText"] = INVALID.into();
            }
        }
        let asked = call.approval.as_ref().filter(|_| !words).map(|approval| self.asking(call, approval));
        if let Some(approval) = call.approval.as_ref().filter(|_| words) {
            part["approval"] = said(approval);
        }
        self.push(origin, part);
        self.asked.extend(asked);
    }

    fn part(&self, name: &str, call: &str) -> Value {
        if self.settings.dynamic {
            json!({ "type": "dynamic-tool", "toolName": name, "toolCallId": call })
        } else {
            json!({ "type": format!("tool-{name}"), "toolCallId": call })
        }
    }

    /// An approval as a call that the page runs: below the level that has words for it.
    fn asking(&self, call: &CallPart, approval: &Approval) -> Value {
        let mut part = self.part(APPROVAL_TOOL, &approval.id);
        part["input"] = json!({ "toolCallId": call.id, "toolName": label(call), "input": input(call) });
        part["state"] = "input-available".into();
        if approval.approved.is_some() {
            let mut output = said(approval);
            if let Some(output) = output.as_object_mut() {
                output.remove("id");
            }
            part["state"] = "output-available".into();
            part["output"] = output;
        }
        part
    }

    fn end(mut self) -> Value {
        self.end_step();
        let mut message = json!({ "id": self.id, "role": self.role, "parts": self.parts });
        for (name, value) in self.own {
            message[name] = value;
        }
        message
    }
}

fn label(call: &CallPart) -> &str {
    if call.name.is_empty() { call.kind.name() } else { &call.name }
}

/// The arguments as a page has them; nothing if they cannot be used.
fn input(call: &CallPart) -> Option<Value> {
    match (&call.kind, Arguments::read(&call.arguments)) {
        (ToolKind::Custom, _) => Some(call.arguments.as_str().into()),
        (_, Arguments::Object(object)) => Some(Value::Object(object)),
        (_, Arguments::Invalid) => None,
    }
}

/// How far a call is. `words`: the page knows approvals.
fn state(kept: &KeptCall, words: bool, part: &mut Value) {
    let approval = kept.call.approval.as_ref().filter(|_| words);
    part["state"] = match (&kept.result, approval) {
        (Some(result), _) => match result.outcome {
            ToolOutcome::Ok => {
                part["output"] = result.output.clone();
                "output-available"
            }
            ToolOutcome::Denied if words => "output-denied",
            ToolOutcome::Error | ToolOutcome::Denied | ToolOutcome::Interrupted => {
                part["errorText"] = output_text(&result.output).into();
                "output-error"
            }
        },
        (None, Some(Approval { approved: Some(_), .. })) => "approval-responded",
        (None, Some(_)) => "approval-requested",
        (None, None) => "input-available",
    }
    .into();
}

fn said(approval: &Approval) -> Value {
    let mut said = json!({ "id": approval.id });
    if let Some(approved) = approval.approved {
        said["approved"] = approved.into();
    }
    if let Some(reason) = &approval.reason {
        said["reason"] = reason.as_str().into();
    }
    said
}

fn thought_metadata(marks: &[Mark]) -> Option<Value> {
    let signatures = marks.iter().filter_map(|mark| match mark {
        Mark::Signature { signature } => Some(signature.as_str()),
        _ => None,
    });
    let redacted = marks.iter().rev().find_map(|mark| match mark {
        Mark::Redacted { data } => Some(data.as_str()),
        _ => None,
    });
    metadata(&signatures.collect::<String>(), redacted)
}
