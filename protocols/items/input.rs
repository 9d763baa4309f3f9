//! Items to what a model reads.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::fold::place;
use super::{Body, Form, FormState, Item, KeptCall, MadeFile, Said, Tag, Task, UserMessage};
use crate::chat::{Message, Part, ResultPart, Role};
use crate::event::{File, Text, ToolOutcome};

/// The bytes of uploaded files, by the ids of their attachments.
pub type Pasted = BTreeMap<Text, File>;

/// The conversation of these items, oldest first, as a model reads it: what each model call said is one message of the
/// assistant, in the order in which it said it, with the results of its calls in a message behind.
///
/// A call without a result stays without one: [`tidy`](crate::history::tidy) says that it was not run, and a turn that
/// answers it can still put its result there.
pub fn messages(items: &[Item], pasted: &Pasted) -> Vec<Message> {
    let newest = items.iter().rposition(|item| matches!(item.body, Body::User(_)));
    let mut messages = Vec::new();
    let mut at = 0;
    while let Some(item) = items.get(at) {
        let turn = turn(item);
        let length = match turn {
            Some(_) => items[at..].iter().take_while(|item| self::turn(item) == turn).count(),
            None => 1,
        };
        let run = &items[at..at + length];
        match &item.body {
            Body::User(message) => messages.push(user(item, message, newest == Some(at), pasted)),
            _ => answer(run, items, &mut messages),
        }
        at += length;
    }
    messages
}

/// The turn that made an item, if the assistant speaks in it.
fn turn(item: &Item) -> Option<&Text> {
    let origin = item.origin.as_ref()?;
    (!matches!(item.body, Body::User(_))).then_some(&origin.turn)
}

/// What one turn made, as messages.
fn answer(items: &[Item], all: &[Item], messages: &mut Vec<Message>) {
    for step in in_order(items).chunk_by(|(one, _), (other, _)| one.0 == other.0) {
        let mut said = Step::default();
        for (_, item) in step {
            said.item(item, all);
        }
        said.done(messages);
    }
}

/// What one turn made in the order in which it began, with step and place. Items are stored when they are finished, so a
/// call may stand behind a text that it was made before: their ids say what began first.
fn in_order(items: &[Item]) -> Vec<((u32, u32), &Item)> {
    let mut last = (0, 0);
    let mut ordered: Vec<((u32, u32), &Item)> = items
        .iter()
        .map(|item| {
            let step = item.origin.as_ref().map_or(last.0, |origin| origin.step);
            last = (step, place(&item.id).unwrap_or(last.1));
            (last, item)
        })
        .collect();
    ordered.sort_by_key(|(place, _)| *place);
    ordered
}

/// A thread's items as they were said: within each turn, what began first stands first.
pub(crate) fn as_said(items: &[Item]) -> impl Iterator<Item = &Item> {
    items.chunk_by(|one, other| turn(one) == turn(other)).flat_map(|run| match run.first().and_then(turn) {
        Some(_) => in_order(run).into_iter().map(|(_, item)| item).collect(),
        None => run.iter().collect::<Vec<_>>(),
    })
}

/// What one model call said.
#[derive(Default)]
struct Step {
    said: Vec<Part>,
    results: Vec<Part>,
    notes: Vec<Message>,
}

impl Step {
    fn item(&mut self, item: &Item, all: &[Item]) {
        match &item.body {
            Body::Assistant(message) if message.refusal => {
                self.said.push(Part::Refusal { text: message.text.clone() });
            }
            Body::Assistant(message) => {
                self.said.push(Part::Text { text: message.text.clone(), marks: message.marks.clone() });
            }
            Body::File(MadeFile { call: Some(_), .. }) => {}
            Body::File(made) => self.said.push(Part::File(made.file.clone())),
            Body::Workflow(workflow) => workflow.tasks.iter().for_each(|task| self.task(task)),
            Body::ToolCall(kept) => {
                let result = kept.result.clone().or_else(|| answers(kept, all));
                self.said.push(Part::ToolCall(kept.call.clone()));
                self.results.extend(result.map(Part::ToolResult));
            }
            Body::Note(note) => self.notes.push(Message::text(Role::User, note.text.as_str())),
            Body::Widget(widget) if widget.name.is_empty() => {
                let shown = format!("The user is shown a widget ({}): {}", item.id, widget.root);
                self.notes.push(Message::text(Role::User, shown));
            }
            // Seen by pages only: the calls and results behind them are items of their own.
            Body::PageCall(_) | Body::Widget(_) | Body::Form(_) | Body::Data(_) | Body::EndOfTurn => {}
            Body::User(_) => {}
        }
    }

    fn task(&mut self, task: &Task) {
        match task {
            Task::Thought { text, marks, .. } => {
                self.said.push(Part::Reasoning { text: text.clone(), marks: marks.clone() });
            }
            Task::Call(kept) if kept.is_cut() => {}
            Task::Call(kept) => {
                self.said.push(Part::ToolCall(kept.call.clone()));
                self.said.extend(kept.result.clone().map(Part::ToolResult));
            }
        }
    }

    fn done(self, messages: &mut Vec<Message>) {
        if !self.said.is_empty() {
            messages.push(Message::new(Role::Assistant, self.said));
        }
        if !self.results.is_empty() {
            messages.push(Message::new(Role::Tool, self.results));
        }
        messages.extend(self.notes);
    }
}

/// What the user answered to the form that a call asked.
fn answers(kept: &KeptCall, items: &[Item]) -> Option<ResultPart> {
    let form = items.iter().rev().find_map(|item| match &item.body {
        Body::Form(form) if form.call == kept.call.id => Some(form),
        _ => None,
    })?;
    Some(ResultPart {
        call: kept.call.id.clone(),
        name: kept.call.name.clone(),
        outcome: ToolOutcome::Ok,
        output: form_output(form)?,
        files: Vec::new(),
        runs: kept.call.runs,
    })
}

/// What the model that asked is told of a form; nothing while nobody has answered it.
pub fn form_output(form: &Form) -> Option<Value> {
    let status = match form.state {
        FormState::Pending => return None,
        FormState::Answered => "answered",
        FormState::Skipped => "skipped",
    };
    let answers = form.questions.iter().map(|question| {
        let values = question.answer.as_deref().unwrap_or_default();
        json!({ "id": question.id, "question": question.question, "values": values, "skipped": values.is_empty() })
    });
    Some(json!({ "status": status, "answers": answers.collect::<Vec<_>>() }))
}

/// A user's message. What is quoted matters to the newest one only: older ones have been answered with it in mind.
fn user(item: &Item, message: &UserMessage, newest: bool, pasted: &Pasted) -> Message {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut tags: Vec<&Tag> = Vec::new();
    for said in &message.content {
        match said {
            Said::Text { text: more } => text.push_str(more),
            Said::Tag(tag) => {
                text.push('@');
                text.push_str(&tag.text);
                if !tags.iter().any(|known| known.id == tag.id && known.data == tag.data) {
                    tags.push(tag);
                }
            }
            Said::File(file) => {
                end_text(&mut text, &mut parts);
                parts.push(Part::File(file.clone()));
            }
            Said::Data(_) => {}
        }
    }
    end_text(&mut text, &mut parts);
    for attachment in &message.attachments {
        parts.push(match pasted.get(&attachment.id) {
            Some(file) => Part::File(file.clone()),
            None => Part::text(format!("[The attached file {:?} cannot be read.]", attachment.name)),
        });
    }
    if let Some(quoted) = message.quoted.as_deref().filter(|quoted| newest && !quoted.trim().is_empty()) {
        parts.push(Part::text(format!("[The user refers to this passage:]\n{quoted}")));
    }
    if !tags.is_empty() {
        let entries = tags.iter().map(|tag| {
            let entry = json!({ "id": tag.id, "text": tag.text, "data": tag.data });
            format!("\n- @{}: {entry}", tag.text)
        });
        parts.push(Part::text(format!("[What the user mentions:]{}", entries.collect::<String>())));
    }
    Message { id: Some(item.id.clone()), role: Role::User, parts }
}

fn end_text(text: &mut String, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::text(std::mem::take(text)));
    }
}

#[cfg(test)]
mod tests;
