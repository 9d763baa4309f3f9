//! Events folded into what they amount to: an [`Answer`], for storing, caching, the next step, and answers that
//! are one document.

use serde_json::{Map, Value, json};

use crate::chat::{CallPart, Message, Part, ResultPart, Role, add_mark, citations};
use crate::error::{Failure, FailureKind};
use crate::event::{
    BlockId, BlockKind, CancelledBy, Citation, Data, Event, File, Finish, Mark, Runs, StepEnd, Text, ToolCall,
    ToolKind, ToolResult, Usage,
};
use crate::wire::json::Arguments;

/// Everything a turn, or a step, has said so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The pieces, in the order of their starts.
    pub pieces: Vec<Piece>,
    /// How it ended; `None` while it runs.
    pub end: Option<End>,
    /// Why the model stopped, once it has.
    pub finish: Option<Finish>,
    /// Tokens so far.
    pub usage: Usage,
    /// The provider's id of its (last) answer.
    pub response: Option<Text>,
    /// The model that answered.
    pub model: Option<Text>,
    open: Vec<(BlockId, usize)>,
}

/// How an answer ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// By the protocol's own end.
    Complete,
    /// By a failure.
    Failed(Box<Failure>),
    /// By somebody.
    Cancelled(CancelledBy),
}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// A model call begins.
    Step,
    /// Text with its marks.
    Text(String, Vec<Mark>),
    /// Thoughts with their marks.
    Reasoning {
        /// The thoughts.
        text: String,
        /// True for a provider-written summary.
        summary: bool,
        /// Signatures and the like.
        marks: Vec<Mark>,
    },
    /// The model declined in these words.
    Refusal(String),
    /// A file.
    File(Box<File>),
    /// A tool call, and its result once it has one.
    Tool(Box<ToolPiece>),
    /// Data that belongs to the message.
    Data(Box<Data>),
}

/// A tool call in an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolPiece {
    /// The call.
    pub call: ToolCall,
    /// Its argument text so far.
    pub arguments: String,
    /// True once its input has ended and was not cut.
    pub whole: bool,
    /// Provider-owned values.
    pub marks: Vec<Mark>,
    /// Its last result.
    pub result: Option<ToolResult>,
}

impl ToolPiece {
    /// The arguments as a value, if they are whole and valid: an object for functions, the text for custom tools.
    pub fn arguments(&self) -> Option<Value> {
        if !self.whole {
            return None;
        }
        match &self.call.kind {
            ToolKind::Custom => Some(Value::String(self.arguments.clone())),
            ToolKind::Function | ToolKind::Other(_) => match Arguments::read(&self.arguments) {
                Arguments::Object(object) => Some(Value::Object(object)),
                Arguments::Invalid => None,
            },
        }
    }
}

impl Answer {
    /// Takes the next event in.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::StepStart(start) => {
                self.pieces.push(Piece::Step);
                self.name(start.response.as_ref(), start.model.as_ref());
            }
            Event::BlockStart { block, kind } => {
                self.open.push((*block, self.pieces.len()));
                self.pieces.push(match kind {
                    BlockKind::Text => Piece::Text(String::new(), Vec::new()),
                    BlockKind::Reasoning { summary } => {
                        Piece::Reasoning { text: String::new(), summary: *summary, marks: Vec::new() }
                    }
                    BlockKind::Refusal => Piece::Refusal(String::new()),
                    BlockKind::File(file) => Piece::File(file.clone()),
                    BlockKind::ToolInput(call) => Piece::Tool(Box::new(ToolPiece {
                        call: (**call).clone(),
                        arguments: String::new(),
                        whole: false,
                        marks: Vec::new(),
                        result: None,
                    })),
                });
            }
            Event::BlockDelta { block, text } => match self.open_piece(*block) {
                Some(Piece::Text(held, _) | Piece::Reasoning { text: held, .. } | Piece::Refusal(held)) => {
                    held.push_str(text);
                }
                Some(Piece::Tool(tool)) => tool.arguments.push_str(text),
                Some(Piece::Step | Piece::File(_) | Piece::Data(_)) | None => {}
            },
            Event::BlockMark { block, mark } => match self.open_piece(*block) {
                Some(Piece::Text(_, marks) | Piece::Reasoning { marks, .. }) => add_mark(marks, mark),
                Some(Piece::Tool(tool)) => add_mark(&mut tool.marks, mark),
                Some(Piece::Step | Piece::Refusal(_) | Piece::File(_) | Piece::Data(_)) | None => {}
            },
            Event::BlockEnd { block, whole } => {
                if let Some(Piece::Tool(tool)) = self.open_piece(*block) {
                    tool.whole = *whole;
                }
                self.open.retain(|(open, _)| open != block);
            }
            Event::ToolResult(result) => {
                if let Some(tool) = self.tools_mut().rev().find(|tool| tool.call.id == result.call) {
                    tool.result = Some((**result).clone());
                }
            }
            Event::Data(data) if data.keep => self.keep(data),
            Event::StepEnd(end) => self.end_step(end),
            Event::TurnEnd(_) => self.end = Some(End::Complete),
            Event::Failed(failure) => {
                if let Some(step) = &failure.step {
                    self.end_step(step);
                }
                self.end = Some(End::Failed(failure.clone()));
            }
            Event::Cancelled { by } => self.end = Some(End::Cancelled(*by)),
            Event::TurnStart { .. }
            | Event::ToolStart { .. }
            | Event::ToolDelta(_)
            | Event::ToolProgress(_)
            | Event::ToolAwait(_)
            | Event::Data(_)
            | Event::Spent(_)
            | Event::Warning(_)
            | Event::Now { .. } => {}
        }
    }

    /// Folds a whole list.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut answer = Self::default();
        for event in events {
            answer.event(event);
        }
        answer
    }

    /// The text, all pieces joined.
    pub fn text(&self) -> String {
        self.pieces
            .iter()
            .filter_map(|piece| if let Piece::Text(text, _) = piece { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The reasoning: the thoughts themselves where any were shown, else the provider's summaries. Pieces are joined
    /// by a blank line, since nothing else tells them apart.
    pub fn reasoning(&self) -> String {
        let of = |wanted: bool| {
            self.pieces
                .iter()
                .filter_map(|piece| match piece {
                    Piece::Reasoning { text, summary, .. } if *summary == wanted && !text.is_empty() => {
                        Some(text.as_str())
                    }
                    _ => None,
                })
                .collect::<Vec<_>>()
                .join("\n\n")
        };
        let thoughts = of(false);
        if thoughts.is_empty() { of(true) } else { thoughts }
    }

    /// The words in which the model declined.
    pub fn refusal(&self) -> String {
        self.pieces
            .iter()
            .filter_map(|piece| if let Piece::Refusal(text) = piece { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The tool calls, in order.
    pub fn tools(&self) -> impl DoubleEndedIterator<Item = &ToolPiece> {
        self.pieces.iter().filter_map(|piece| if let Piece::Tool(tool) = piece { Some(&**tool) } else { None })
    }

    /// The citations, each once.
    pub fn citations(&self) -> Vec<&Citation> {
        let mut seen: Vec<&Citation> = Vec::new();
        for piece in &self.pieces {
            if let Piece::Text(_, marks) = piece {
                for citation in citations(marks) {
                    if !seen.contains(&citation) {
                        seen.push(citation);
                    }
                }
            }
        }
        seen
    }

    /// The answer as messages of a conversation: an assistant message for each step, with the results of its calls
    /// behind it. Calls that were cut are left out with their results.
    pub fn messages(&self) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::new();
        for step in self.pieces.split(|piece| matches!(piece, Piece::Step)) {
            let mut said = Vec::new();
            let mut results = Vec::new();
            for piece in step {
                match piece {
                    Piece::Step => {}
                    Piece::Text(text, marks) => said.push(Part::Text { text: text.clone(), marks: marks.clone() }),
                    Piece::Reasoning { text, marks, .. } => {
                        said.push(Part::Reasoning { text: text.clone(), marks: marks.clone() });
                    }
                    Piece::Refusal(text) => said.push(Part::Refusal { text: text.clone() }),
                    Piece::File(file) => said.push(Part::File((**file).clone())),
                    Piece::Tool(tool) if tool.whole => tool_parts(tool, &mut said, &mut results),
                    Piece::Tool(_) => {}
                    Piece::Data(data) => said.push(Part::Data {
                        name: data.name.clone(),
                        id: data.id.clone(),
                        value: data.value.clone(),
                    }),
                }
            }
            if !said.is_empty() {
                messages.push(Message::new(Role::Assistant, said));
            }
            if !results.is_empty() {
                messages.push(Message::new(Role::Tool, results));
            }
        }
        messages
    }

    /// The answer as one JSON object: what `transcode --to message` prints.
    pub fn to_json(&self) -> Value {
        let (outcome, error) = match &self.end {
            Some(End::Complete) => ("complete", Value::Null),
            Some(End::Failed(failure)) if failure.kind == FailureKind::Cut => ("truncated", Value::Null),
            Some(End::Failed(failure)) => {
                ("error", json!({"message": failure.message, "type": failure.type_, "code": failure.code}))
            }
            Some(End::Cancelled(_)) => ("cancelled", Value::Null),
            None => ("truncated", Value::Null),
        };
        let finish = self.finish.as_ref().filter(|_| outcome == "complete" || outcome == "error");
        let reason = if outcome == "error" { Some("error") } else { finish.map(|finish| finish.reason.name()) };
        json!({
            "outcome": outcome,
            "error": error,
            "id": self.response,
            "model": self.model,
            "text": self.text(),
            "reasoning": self.reasoning(),
            "refusal": self.refusal(),
            "tool_calls": self.tools().filter(|tool| tool.call.runs != Runs::Provider).map(call_json).collect::<Vec<_>>(),
            "server_tools": self.tools().filter(|tool| tool.call.runs == Runs::Provider).map(server_tool_json).collect::<Vec<_>>(),
            "citations": self.citations().into_iter().map(citation_json).collect::<Vec<_>>(),
            "images": self.pieces.iter().filter(|piece| matches!(piece, Piece::File(_))).count(),
            "finish_reason": finish.and_then(|finish| finish.raw.clone()),
            "finish": reason,
            "usage": usage_json(&self.usage),
            "usage_raw": self.usage.raw,
        })
    }

    fn end_step(&mut self, end: &StepEnd) {
        self.finish = Some(end.finish.clone());
        let raw = end.usage.raw.clone();
        self.usage.add(&end.usage);
        self.usage.raw = raw;
        self.name(end.response.as_ref(), end.model.as_ref());
    }

    fn name(&mut self, response: Option<&Text>, model: Option<&Text>) {
        if let Some(response) = response {
            self.response = Some(response.clone());
        }
        if let Some(model) = model {
            self.model = Some(model.clone());
        }
    }

    fn open_piece(&mut self, block: BlockId) -> Option<&mut Piece> {
        let at = self.open.iter().find(|(open, _)| *open == block)?.1;
        self.pieces.get_mut(at)
    }

    fn tools_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut ToolPiece> {
        self.pieces.iter_mut().filter_map(|piece| if let Piece::Tool(tool) = piece { Some(&mut **tool) } else { None })
    }

    fn keep(&mut self, data: &Data) {
        let held = self.pieces.iter_mut().find_map(|piece| match piece {
            Piece::Data(held) if held.id.is_some() && held.id == data.id && held.name == data.name => Some(held),
            _ => None,
        });
        match held {
            Some(held) => held.value = data.value.clone(),
            None => self.pieces.push(Piece::Data(Box::new(data.clone()))),
        }
    }
}

fn tool_parts(tool: &ToolPiece, said: &mut Vec<Part>, results: &mut Vec<Part>) {
    said.push(Part::ToolCall(CallPart {
        id: tool.call.id.clone(),
        name: tool.call.label().into(),
        arguments: tool.arguments.clone(),
        kind: tool.call.kind.clone(),
        runs: tool.call.runs,
        approval: None,
        marks: tool.marks.clone(),
    }));
    if let Some(result) = &tool.result {
        let part = Part::ToolResult(ResultPart {
            call: tool.call.id.clone(),
            name: tool.call.label().into(),
            outcome: result.outcome,
            output: result.output.clone(),
            files: result.files.clone(),
            runs: tool.call.runs,
        });
        if tool.call.runs == Runs::Provider { said.push(part) } else { results.push(part) }
    }
}

fn call_json(tool: &ToolPiece) -> Value {
    // Shown as the provider wrote it: `null` is valid, and no arguments to whoever runs the call.
    let as_written = |read: Value| if tool.arguments.trim() == "null" { Value::Null } else { read };
    let arguments = tool.arguments().map(as_written);
    json!({
        "kind": tool.call.kind.name(),
        "id": tool.call.id,
        "name": tool.call.label(),
        "arguments_raw": tool.arguments,
        "arguments_valid": arguments.is_some(),
        "arguments": arguments,
        "index": tool.call.index,
    })
}

fn server_tool_json(tool: &ToolPiece) -> Value {
    let mut object = Map::new();
    object.insert("type".to_owned(), tool.call.kind.name().into());
    object.insert("id".to_owned(), tool.call.id.as_str().into());
    object.insert(
        "name".to_owned(),
        if tool.call.name.is_empty() { Value::Null } else { tool.call.name.as_str().into() },
    );
    object.insert("status".to_owned(), tool.result.as_ref().and_then(|result| result.status.as_deref()).into());
    object.insert("input".to_owned(), tool.arguments().unwrap_or_default());
    Value::Object(object)
}

fn citation_json(citation: &Citation) -> Value {
    json!({
        "kind": citation.kind,
        "url": citation.url,
        "title": citation.title,
        "file_id": citation.file,
        "start": citation.start,
        "end": citation.end,
        "cited_text": citation.quote,
    })
}

/// Usage under the names of the recordings' notes, or `null` where nothing was reported.
pub fn usage_json(usage: &Usage) -> Value {
    if usage.raw.is_none() && usage.input.is_none() && usage.output.is_none() && usage.total.is_none() {
        return Value::Null;
    }
    json!({
        "input_tokens": usage.input,
        "cached_input_tokens": usage.cached_input,
        "cache_write_input_tokens": usage.cache_write_input,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "total_tokens": usage.total,
    })
}
