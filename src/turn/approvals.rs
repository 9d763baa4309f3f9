//! The start of a turn that continues another: what people said to calls that needed their approval.
//!
//! The page holds the conversation, so an approval is as good as the page: whoever may talk to a route may approve
//! its calls.

use chatwire_protocols::chat::{CallPart, Message, Part, ResultPart, Role};
use chatwire_protocols::event::{Event, Runs, Text, ToolKind, ToolOutcome};
use chatwire_protocols::wire::json::Arguments;
use serde_json::Value;

use super::machine::Machine;
use super::round::ToolRun;
use crate::tools::{Runner, ToolOutput};

impl Machine {
    /// Begins what was approved and settles what was denied, in the last answer, if no newer message follows it.
    pub(super) fn take_approvals(&mut self, out: &mut Vec<Event>) -> Vec<ToolRun> {
        let mut said = Vec::new();
        let mut runs = Vec::new();
        for call in open_calls(&self.chat.messages) {
            let Some(approval) = &call.approval else { continue };
            match approval.approved {
                None => self.round.wait(),
                Some(false) => {
                    let why = approval.reason.clone().filter(|reason| !reason.is_empty());
                    let why = why.unwrap_or_else(|| "The user did not allow this call.".to_owned());
                    self.order.expect_result(&call.id);
                    self.round.settle(&call.id, ToolOutput::refused(ToolOutcome::Denied, why));
                }
                Some(true) => match (self.toolbox.runner(&call.name), arguments(&call)) {
                    (Runner::Gateway(tool), Some(arguments)) => {
                        self.order.expect_result(&call.id);
                        // The page may have changed what it was asked about.
                        match tool.arguments.check(&arguments) {
                            Ok(()) => runs.push(self.round.run(&call.id, tool, arguments, &mut said)),
                            Err(why) => self.round.settle(&call.id, ToolOutput::error(why)),
                        }
                    }
                    (Runner::Page(_), _) => self.round.wait(),
                    // A page may say that anything was approved.
                    (Runner::Denied(why), _) => {
                        self.order.expect_result(&call.id);
                        self.round.settle(&call.id, ToolOutput::refused(ToolOutcome::Denied, why));
                    }
                    (Runner::Gateway(_) | Runner::Nobody, _) => {
                        self.order.expect_result(&call.id);
                        self.round.settle(&call.id, ToolOutput::error("This call cannot be run."));
                    }
                },
            }
        }
        self.emit_all(said, out);
        runs
    }

    /// Puts a result behind the calls of the conversation.
    pub(super) fn store_approval(&mut self, result: &Event) {
        let Event::ToolResult(result) = result else { return };
        let calls = |message: &Message| {
            message.parts.iter().any(|part| matches!(part, Part::ToolCall(call) if call.id == result.call))
        };
        let Some(at) = self.chat.messages.iter().rposition(calls) else { return };
        let part = Part::ToolResult(ResultPart {
            call: result.call.clone(),
            name: name_of(&self.chat.messages, &result.call),
            outcome: result.outcome,
            output: result.output.clone(),
            files: result.files.clone(),
            runs: Runs::Gateway,
        });
        self.chat.messages.insert(at + 1, Message::new(Role::Tool, vec![part]));
    }
}

/// The calls of the last answer that have no result, if no newer message of the user follows it.
fn open_calls(messages: &[Message]) -> Vec<CallPart> {
    let Some(at) = messages.iter().rposition(|message| message.role == Role::Assistant) else { return Vec::new() };
    let (answer, behind) = messages.split_at(at).1.split_at(1);
    if behind.iter().any(|message| message.role == Role::User) {
        return Vec::new();
    }
    let answered = |id: &Text| {
        answer
            .iter()
            .chain(behind)
            .flat_map(|message| &message.parts)
            .any(|part| matches!(part, Part::ToolResult(result) if result.call == *id))
    };
    let calls = answer.iter().flat_map(|message| &message.parts).filter_map(|part| match part {
        Part::ToolCall(call) if call.runs != Runs::Provider && !answered(&call.id) => Some(call.clone()),
        _ => None,
    });
    calls.collect()
}

fn name_of(messages: &[Message], id: &Text) -> Text {
    let parts = messages.iter().flat_map(|message| &message.parts);
    parts
        .rev()
        .find_map(|part| match part {
            Part::ToolCall(call) if call.id == *id => Some(call.name.clone()),
            _ => None,
        })
        .unwrap_or_default()
}

fn arguments(call: &CallPart) -> Option<Value> {
    match (&call.kind, Arguments::read(&call.arguments)) {
        (ToolKind::Custom, _) => Some(Value::String(call.arguments.clone())),
        (ToolKind::Function | ToolKind::Other(_), Arguments::Object(object)) => Some(Value::Object(object)),
        (ToolKind::Function | ToolKind::Other(_), Arguments::Invalid) => None,
    }
}
