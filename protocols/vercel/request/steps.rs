//! A page's assistant message, which holds all steps of an answer, taken apart into linear history.

use serde_json::Value;

use crate::chat::{Approval, CallPart, Message, Part, ResultPart, Role};
use crate::event::{Runs, Text, ToolKind, ToolOutcome};
use crate::wire::body::Node;

/// Collects the parts of one assistant message, and splits them: an assistant message for each step, a tool message
/// with its results behind it. All pieces bear the id of the page's message.
pub(super) struct Steps<'a> {
    id: Option<Text>,
    /// Whether the page marks the steps. Where it does not, text behind a result begins the next step.
    marked: bool,
    number: Option<u64>,
    said: Vec<Part>,
    results: Vec<Part>,
    out: &'a mut Vec<Message>,
}

impl<'a> Steps<'a> {
    /// Begins a message.
    pub(super) const fn new(id: Option<Text>, marked: bool, out: &'a mut Vec<Message>) -> Self {
        Self { id, marked, number: None, said: Vec::new(), results: Vec::new(), out }
    }

    /// Adds what is no tool call.
    pub(super) fn say(&mut self, part: Part) {
        if !self.marked && !self.results.is_empty() {
            self.cut();
        }
        self.said.push(part);
    }

    /// Adds a call, with its result if it has one.
    pub(super) fn call(&mut self, call: CallPart, result: Option<(ToolOutcome, Value)>) {
        let result = result.map(|(outcome, output)| {
            Part::ToolResult(ResultPart {
                call: call.id.clone(),
                name: call.name.clone(),
                outcome,
                output,
                files: Vec::new(),
                runs: call.runs,
            })
        });
        let inline = call.runs == Runs::Provider;
        self.said.push(Part::ToolCall(call));
        if inline {
            self.said.extend(result);
        } else {
            self.results.extend(result);
        }
    }

    /// AI SDK 4 counts the steps in its calls; a new number is a new step.
    pub(super) fn numbered(&mut self, number: Option<u64>) {
        if !self.marked && number.is_some() && self.number.is_some_and(|now| Some(now) != number) {
            self.cut();
        }
        self.number = number.or(self.number);
    }

    /// Ends the step.
    pub(super) fn cut(&mut self) {
        if !self.said.is_empty() {
            let parts = std::mem::take(&mut self.said);
            self.out.push(Message { id: self.id.clone(), role: Role::Assistant, parts });
        }
        if !self.results.is_empty() {
            self.out.push(Message::new(Role::Tool, std::mem::take(&mut self.results)));
        }
    }

    /// Puts a user's message between two steps.
    pub(super) fn steer(&mut self, message: Message) {
        self.cut();
        self.out.push(message);
    }
}

/// A tool call as a page says it. A page does not know who ran a call, only whether the provider did.
pub(super) fn call(id: &str, name: &str, input: Option<&Value>) -> CallPart {
    let (arguments, kind) = match input {
        None | Some(Value::Null) => ("{}".to_owned(), ToolKind::Function),
        // Arguments are objects; only the input of a free-text tool is a string.
        Some(Value::String(text)) => (text.clone(), ToolKind::Custom),
        Some(input) => (input.to_string(), ToolKind::Function),
    };
    CallPart { id: id.into(), name: name.into(), arguments, kind, runs: Runs::Page, approval: None, marks: Vec::new() }
}

/// What a person said to a call. Only a JSON `true` is a yes (AI SDK wire notes 3.6).
pub(super) fn approval(node: &Node<'_>, answered: bool) -> Option<Approval> {
    let approval = node.get("approval")?;
    let id = approval.get("id")?.str().ok()?.into();
    let reason = approval.get("reason").and_then(|reason| reason.str().ok()).map(str::to_owned);
    let says_yes = approval.get("approved").is_some_and(|approved| *approved.value == Value::Bool(true));
    Some(Approval { id, approved: answered.then_some(says_yes), reason })
}
