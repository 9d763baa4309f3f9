//! The conversation in the shape that this API insists on (upstream notes 4.1): turns of user and assistant in
//! alternation, results first, nothing empty, and provider-owned blocks as they were.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::files;
use super::names::{BLOCK, CALLER, CITATION, PROTOCOL, SIGNED, call_id, tool_name};
use crate::chat::{CallPart, Message, Part, ResultPart, Role, opaque};
use crate::event::{File, Mark, Runs, ToolKind, ToolOutcome, Warning, output_text};
use crate::history::warn;
use crate::wire::json::Arguments;

/// What the user says where a conversation does not begin with the user.
const OPENING: &str = ".";

/// A conversation ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// The application's instructions, in order.
    pub(super) system: Vec<String>,
    /// The turns.
    pub(super) turns: Vec<Turn>,
}

/// All that one side says before the other speaks.
#[derive(Debug, serde::Serialize)]
pub(super) struct Turn {
    role: &'static str,
    content: Vec<Block>,
}

/// A content block. A call's input stands apart, because argument text goes back as it was written.
#[derive(Debug)]
pub(super) struct Block {
    members: Map<String, Value>,
    input: Option<Box<RawValue>>,
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.members {
            map.serialize_entry(key, value)?;
        }
        if let Some(input) = &self.input {
            map.serialize_entry("input", input)?;
        }
        map.end()
    }
}

impl Turn {
    /// True for a turn of the user.
    pub(super) fn is_user(&self) -> bool {
        self.role == USER
    }

    /// Puts a cache mark behind what this turn says.
    pub(super) fn mark_for_cache(&mut self, mark: &Value) {
        if let Some(block) = self.content.last_mut() {
            block.members.insert("cache_control".to_owned(), mark.clone());
        }
    }

    fn begins_with(&self, kinds: &[&str]) -> bool {
        self.content.first().is_some_and(|block| kinds.contains(&block.kind()))
    }
}

impl Block {
    fn new(value: Value) -> Option<Self> {
        match value {
            Value::Object(members) => Some(Self { members, input: None }),
            _ => None,
        }
    }

    fn kind(&self) -> &str {
        self.text("type")
    }

    fn text(&self, key: &str) -> &str {
        self.members.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

impl Conversation {
    /// Reads tidy messages.
    pub(super) fn of(messages: &[Message], warnings: &mut Vec<Warning>) -> Self {
        let mut conversation = Self::default();
        for message in messages {
            match message.role {
                Role::System => conversation.instruct(message, warnings),
                Role::User | Role::Tool => conversation.say(USER, user_blocks(message, warnings)),
                Role::Assistant => conversation.say(ASSISTANT, assistant_blocks(message, warnings)),
            }
        }
        conversation.pair_provider_calls(warnings);
        conversation.trim_end();
        conversation.order();
        conversation
    }

    /// True if the model is to go on with what it began without thoughts, as in the middle of a tool loop: then it must
    /// not be told to think now.
    pub(super) fn goes_on_without_thoughts(&self) -> bool {
        let begun = match &self.turns[..] {
            [.., turn] if !turn.is_user() => turn,
            [.., turn, results] if results.begins_with(&["tool_result"]) => turn,
            _ => return false,
        };
        !begun.begins_with(&["thinking", "redacted_thinking"])
    }

    /// The names of the tools that were called, as they are sent.
    pub(super) fn called(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for block in self.turns.iter().flat_map(|turn| &turn.content).filter(|block| block.kind() == "tool_use") {
            let name = block.text("name");
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn instruct(&mut self, message: &Message, warnings: &mut Vec<Warning>) {
        let text = message.joined_text();
        if text.trim().is_empty() {
            return;
        }
        if !self.turns.is_empty() {
            warn(
                warnings,
                "system-moved",
                "instructions in the middle of the conversation were moved to its beginning",
            );
        }
        self.system.push(text);
    }

    fn say(&mut self, role: &'static str, blocks: Vec<Block>) {
        if blocks.is_empty() {
            return;
        }
        match self.turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.content.extend(blocks),
            None => self.turns.push(Turn { role, content: blocks }),
        }
    }

    /// A provider-run call goes back only with its result, and a result only with its call; but a turn that the
    /// provider paused ends in a call, which it will run now.
    fn pair_provider_calls(&mut self, warnings: &mut Vec<Warning>) {
        let last = self.turns.len().saturating_sub(1);
        for (at, turn) in self.turns.iter_mut().enumerate() {
            let ids = |key: &'static str, end: &str| -> Vec<String> {
                let blocks = turn.content.iter().filter(|block| block.kind().ends_with(end));
                blocks.map(|block| block.text(key).to_owned()).collect()
            };
            let (calls, results) = (ids("id", "_tool_use"), ids("tool_use_id", "_tool_result"));
            let before = turn.content.len();
            turn.content.retain(|block| match block.kind() {
                kind if kind.ends_with("_tool_use") => at == last || results.iter().any(|id| id == block.text("id")),
                kind if kind.ends_with("_tool_result") => calls.iter().any(|id| id == block.text("tool_use_id")),
                _ => true,
            });
            if turn.content.len() < before {
                warn(warnings, "provider-tool-dropped", "a provider-run call without its result was left out");
            }
        }
        self.turns.retain(|turn| !turn.content.is_empty());
    }

    /// An answer to be continued must not end in whitespace.
    fn trim_end(&mut self) {
        let Some(turn) = self.turns.last_mut().filter(|turn| turn.role == ASSISTANT) else { return };
        if let Some(block) = turn.content.last_mut().filter(|block| block.kind() == "text") {
            let text = block.text("text").trim_end().to_owned();
            block.members.insert("text".to_owned(), text.into());
        }
    }

    fn order(&mut self) {
        for turn in self.turns.iter_mut().filter(|turn| turn.is_user()) {
            turn.content.sort_by_key(|block| block.kind() != "tool_result");
        }
        if self.turns.first().is_some_and(|turn| !turn.is_user()) {
            let content = Block::new(json!({"type": "text", "text": OPENING})).into_iter().collect();
            self.turns.insert(0, Turn { role: USER, content });
        }
    }
}

fn user_blocks(message: &Message, warnings: &mut Vec<Warning>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text { text, .. } | Part::Refusal { text } => blocks.extend(text_block(text, &[])),
            Part::File(file) => blocks.extend(file_block(file, warnings)),
            Part::ToolResult(result) => blocks.extend(result_block(result, warnings)),
            Part::Opaque { protocol, value } => blocks.extend(own_block(protocol, value, warnings)),
            Part::Reasoning { .. } | Part::ToolCall(_) => {
                warn(warnings, "part-dropped", "thoughts or calls in a user's message were left out");
            }
            Part::Data { .. } => {}
        }
    }
    blocks
}

fn assistant_blocks(message: &Message, warnings: &mut Vec<Warning>) -> Vec<Block> {
    let mut blocks = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text { text, marks } => blocks.extend(text_block(text, marks)),
            Part::Refusal { text } => blocks.extend(text_block(text, &[])),
            Part::Reasoning { text, marks } => blocks.extend(thinking_block(text, marks, warnings)),
            Part::ToolCall(call) if call.runs == Runs::Provider => blocks.extend(provider_call(call, warnings)),
            Part::ToolCall(call) => blocks.extend(call_block(call, warnings)),
            Part::ToolResult(result) => blocks.extend(provider_result(result)),
            Part::Opaque { protocol, value } => blocks.extend(own_block(protocol, value, warnings)),
            Part::File(_) => warn(warnings, "file-dropped", "a file that a model made was left out"),
            Part::Data { .. } => {}
        }
    }
    blocks
}

/// Text of nothing but whitespace is refused like an empty one (corner case 156).
fn text_block(text: &str, marks: &[Mark]) -> Option<Block> {
    if text.trim().is_empty() {
        return None;
    }
    let mut block = json!({"type": "text", "text": text});
    let citations: Vec<Value> = marks.iter().filter_map(own_citation).cloned().collect();
    if !citations.is_empty() {
        block["citations"] = citations.into();
    }
    Block::new(block)
}

fn own_citation(mark: &Mark) -> Option<&Value> {
    match mark {
        Mark::Opaque { protocol, key, value } if *protocol == PROTOCOL && key == CITATION => Some(value),
        _ => None,
    }
}

/// Thoughts go back only as this API signed or redacted them: anything else is a 400 on every later turn (corner cases
/// 108 to 110 and 168).
fn thinking_block(text: &str, marks: &[Mark], warnings: &mut Vec<Warning>) -> Option<Block> {
    if let Some(block) = opaque(marks, PROTOCOL, BLOCK) {
        return Block::new(block.clone());
    }
    let mut signature = String::new();
    let mut redacted = None;
    for mark in marks {
        match mark {
            Mark::Signature { signature: more } => signature.push_str(more),
            Mark::Redacted { data } => redacted = Some(data),
            Mark::Citation(_) | Mark::Opaque { .. } => {}
        }
    }
    let own = opaque(marks, PROTOCOL, SIGNED).is_some();
    match redacted {
        Some(data) if own => Block::new(json!({"type": "redacted_thinking", "data": data})),
        None if own && !signature.is_empty() => {
            Block::new(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        _ => {
            warn(warnings, "reasoning-dropped", "thoughts without this provider's signature were left out");
            None
        }
    }
}

fn call_block(call: &CallPart, warnings: &mut Vec<Warning>) -> Option<Block> {
    let mut block = Block::new(json!({"type": "tool_use", "id": call_id(&call.id), "name": tool_name(&call.name)}))?;
    if let Some(caller) = opaque(&call.marks, PROTOCOL, CALLER) {
        block.members.insert("caller".to_owned(), caller.clone());
    }
    block.input = Some(input(call).unwrap_or_else(|| {
        if call.kind == ToolKind::Function {
            warn(warnings, "arguments-wrapped", "arguments that are no JSON object were wrapped into one");
        }
        let key = if call.kind == ToolKind::Custom { "input" } else { "_raw" };
        raw(&json!({ key: call.arguments }))
    }));
    Some(block)
}

/// The call's arguments as they were written, if they are an object.
fn input(call: &CallPart) -> Option<Box<RawValue>> {
    if call.kind == ToolKind::Custom {
        return None;
    }
    RawValue::from_string(Arguments::text(&call.arguments)?.into_owned()).ok()
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// A call that the provider ran, as it was; `None` for another provider's, and for one whose input was cut.
fn provider_call(call: &CallPart, warnings: &mut Vec<Warning>) -> Option<Block> {
    let own = opaque(&call.marks, PROTOCOL, BLOCK).and_then(|block| Block::new(block.clone()));
    let (Some(mut block), Some(input)) = (own, input(call)) else {
        warn(warnings, "provider-tool-dropped", "a call that another provider ran was left out");
        return None;
    };
    block.members.insert("id".to_owned(), call_id(&call.id).into());
    block.input = Some(input);
    Some(block)
}

/// The result of a provider-run call, as it was: it is the whole of its block.
fn provider_result(result: &ResultPart) -> Option<Block> {
    let kind = result.output.get("type").and_then(Value::as_str)?;
    if !kind.ends_with("_tool_result") {
        return None;
    }
    let mut block = Block::new(result.output.clone())?;
    block.members.insert("tool_use_id".to_owned(), call_id(&result.call).into());
    Some(block)
}

fn result_block(result: &ResultPart, warnings: &mut Vec<Warning>) -> Option<Block> {
    let mut block = Block::new(json!({"type": "tool_result", "tool_use_id": call_id(&result.call)}))?;
    let text = output_text(&result.output);
    let files: Vec<Map<String, Value>> =
        result.files.iter().filter_map(|file| file_block(file, warnings)).map(|file| file.members).collect();
    let content = if files.is_empty() {
        Value::String(text)
    } else {
        let words = text_block(&text, &[]).map(|block| block.members);
        words.into_iter().chain(files).map(Value::Object).collect()
    };
    block.members.insert("content".to_owned(), content);
    if result.outcome != ToolOutcome::Ok {
        block.members.insert("is_error".to_owned(), true.into());
    }
    Some(block)
}

fn file_block(file: &File, warnings: &mut Vec<Warning>) -> Option<Block> {
    let block = files::block(file);
    if block.is_none() {
        warn(warnings, "file-dropped", "the API takes images, PDFs and text files only; a file was left out");
    }
    block.map(|members| Block { members, input: None })
}

fn own_block(protocol: &str, value: &Value, warnings: &mut Vec<Warning>) -> Option<Block> {
    if protocol != PROTOCOL {
        warn(warnings, "item-dropped", "an item of another provider was left out");
        return None;
    }
    Block::new(value.clone())
}

#[cfg(test)]
mod tests;
