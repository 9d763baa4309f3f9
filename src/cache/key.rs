//! What makes two requests the same.

use std::collections::HashMap;
use std::io;

use chatwire_protocols::chat::{ChatRequest, Message, Part, Role, Settings, ToolChoice, ToolSpec};
use chatwire_protocols::event::{File, Mark, Runs, ToolKind, ToolOutcome};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::config::plan::Model;
use crate::store::Owner;

/// Stands for a request and for whose it is: equal for all that a model is told in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key([u8; 32]);

/// All that an answer depends on: not the ids of messages, threads and calls, nor what is for the page alone.
#[derive(Serialize)]
struct Question<'a> {
    owner: Option<&'a str>,
    model: &'a str,
    targets: Vec<(&'a str, &'a str, &'a Map<String, Value>)>,
    messages: Vec<(Role, Vec<Said<'a>>)>,
    tools: &'a [ToolSpec],
    tool_choice: &'a ToolChoice,
    parallel_tools: Option<bool>,
    settings: Settings,
}

/// A part of a message. Calls are numbered: their ids are made anew in each conversation.
#[derive(Serialize)]
enum Said<'a> {
    Part(&'a Part),
    Call { number: usize, name: &'a str, arguments: &'a str, kind: &'a ToolKind, runs: Runs, marks: &'a [Mark] },
    Result { number: usize, name: &'a str, outcome: ToolOutcome, output: &'a Value, files: &'a [File], runs: Runs },
}

impl Key {
    /// The key of a request to a model, for an owner or for all. Nothing if the request has no form in JSON: a part of
    /// one would be the key of others too.
    pub fn new(chat: &ChatRequest, model: &Model, owner: Option<&Owner>) -> Option<Self> {
        let mut calls = HashMap::new();
        let targets = model.targets.iter();
        let question = Question {
            owner: owner.map(Owner::as_str),
            model: &model.name,
            targets: targets
                .map(|target| (target.provider.name.as_str(), target.model.as_str(), &target.extra))
                .collect(),
            messages: chat.messages.iter().map(|message| (message.role, said(message, &mut calls))).collect(),
            tools: &chat.tools,
            tool_choice: &chat.tool_choice,
            parallel_tools: chat.parallel_tools,
            settings: Settings { user: None, ..chat.settings.clone() },
        };
        let mut hash = Hash(Sha256::new());
        serde_json::to_writer(&mut hash, &question).ok()?;
        Some(Self(hash.0.finalize().into()))
    }

    #[cfg(test)]
    pub(super) const fn of_number(number: u8) -> Self {
        Self([number; 32])
    }
}

fn said<'a>(message: &'a Message, calls: &mut HashMap<&'a str, usize>) -> Vec<Said<'a>> {
    let mut number = |id: &'a str| {
        let next = calls.len();
        *calls.entry(id).or_insert(next)
    };
    let parts = message.parts.iter().filter_map(|part| match part {
        Part::Data { .. } => None,
        Part::ToolCall(call) => Some(Said::Call {
            number: number(&call.id),
            name: &call.name,
            arguments: &call.arguments,
            kind: &call.kind,
            runs: call.runs,
            marks: &call.marks,
        }),
        Part::ToolResult(result) => Some(Said::Result {
            number: number(&result.call),
            name: &result.name,
            outcome: result.outcome,
            output: &result.output,
            files: &result.files,
            runs: result.runs,
        }),
        part => Some(Said::Part(part)),
    });
    parts.collect()
}

struct Hash(Sha256);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chatwire_protocols::chat::{CallPart, ResultPart};
    use chatwire_protocols::event::Text;

    use super::*;
    use crate::config::plan::{ModelDefaults, RetryPlan};

    fn model(name: &str) -> Model {
        Model {
            name: name.to_owned(),
            targets: Vec::new(),
            defaults: ModelDefaults::default(),
            retry: RetryPlan::NONE,
            hedge: None,
        }
    }

    fn key(chat: &ChatRequest) -> Key {
        Key::new(chat, &model("m"), None).unwrap()
    }

    /// A conversation with a call whose id is `id`.
    fn talk(id: &str) -> ChatRequest {
        let call = CallPart {
            id: id.into(),
            name: "f".into(),
            arguments: "{}".to_owned(),
            kind: ToolKind::Function,
            runs: Runs::Gateway,
            approval: None,
            marks: Vec::new(),
        };
        let result = ResultPart {
            call: id.into(),
            name: "f".into(),
            outcome: ToolOutcome::Ok,
            output: Value::from(1),
            files: Vec::new(),
            runs: Runs::Gateway,
        };
        ChatRequest {
            messages: vec![
                Message { id: Some(format!("of {id}").into()), ..Message::text(Role::User, "hi") },
                Message::new(Role::Assistant, vec![Part::ToolCall(call)]),
                Message::new(Role::Tool, vec![Part::ToolResult(result)]),
            ],
            thread: Some(Text::from(id)),
            continues: Some(Text::from(id)),
            stream: id.len() > 1,
            ..ChatRequest::default()
        }
    }

    #[test]
    fn ids_and_what_is_for_the_page_make_no_difference() {
        let mut other = talk("other");
        other.messages[0].parts.push(Part::Data { name: "d".into(), id: None, value: Value::Null });
        other.settings.user = Some("ann".to_owned());
        other.extra.insert("page".to_owned(), Value::from(1));
        assert_eq!(key(&talk("a")), key(&other));
    }

    #[test]
    fn all_that_a_model_is_told_makes_a_difference() {
        let base = talk("a");
        let changes: [&dyn Fn(&mut ChatRequest); 10] = [
            &|_| {},
            &|chat| chat.messages[0] = Message::text(Role::User, "ho"),
            &|chat| chat.messages[0].role = Role::System,
            &|chat| chat.messages[0].parts.push(Part::text("")),
            &|chat| chat.settings.temperature = Some(0.5),
            &|chat| chat.settings.seed = Some(1),
            &|chat| chat.tool_choice = ToolChoice::Required,
            &|chat| {
                let parameters = Value::Null;
                chat.tools.push(ToolSpec { name: "f".into(), description: None, parameters, strict: None });
            },
            &|chat| {
                chat.messages.pop();
            },
            &|chat| {
                if let Part::ToolResult(result) = &mut chat.messages[2].parts[0] {
                    result.call = "another".into();
                }
            },
        ];
        let mut keys: Vec<Key> = changes
            .iter()
            .map(|change| {
                let mut chat = base.clone();
                change(&mut chat);
                key(&chat)
            })
            .collect();
        keys.push(Key::new(&base, &model("n"), None).unwrap());
        keys.push(Key::new(&base, &model("m"), Some(&Owner::local())).unwrap());
        keys.push(Key::new(&base, &model("m"), Some(&Owner::new("ann").unwrap())).unwrap());
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "change {at}");
        }
    }
}
