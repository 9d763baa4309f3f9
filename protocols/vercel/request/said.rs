//! What a page's newest message says to the calls in it: outputs of page-run tools, and what people said to approvals
//! (AI SDK wire notes 1.4 and 3.7).
//!
//! A message holds all calls of an answer, also those that were closed long ago, and who ran a call is not written on
//! it. So this reads all that could be news; which of it is, only the store knows.

use serde_json::Value;

use super::message;
use super::ui_message::answer;
use crate::chat::{Part, ResultPart};
use crate::error::CallerError;
use crate::event::{ToolOutcome, output_text};
use crate::operation::{CallAnswer, CallSaid};
use crate::vercel::APPROVAL_TOOL;
use crate::wire::body::Node;

/// Reads them from a message of the assistant, or from one with results.
///
/// # Errors
/// A wrong type in a member that matters.
pub(super) fn read(node: &Node<'_>) -> Result<Vec<CallAnswer>, CallerError> {
    if node.required("role")?.str()? != "assistant" {
        let mut read = Vec::new();
        message(node, true, &mut read)?;
        return Ok(read.into_iter().flat_map(|message| message.parts).filter_map(result).collect());
    }
    if node.get("content").is_some_and(|content| content.value.is_array()) {
        // Model messages have the results in messages of their own.
        return Ok(Vec::new());
    }
    let mut said = Vec::new();
    let mut classic = false;
    if let Some(parts) = node.get("parts") {
        for part in parts.items()? {
            let kind = part.required("type")?.str()?;
            if kind == "tool-invocation" {
                classic = true;
                said.extend(invocation(&part.required("toolInvocation")?)?);
            } else if kind == "dynamic-tool" {
                said.extend(tool(&part, part.required("toolName")?.str()?)?);
            } else if let Some(name) = kind.strip_prefix("tool-") {
                said.extend(tool(&part, name)?);
            }
        }
    }
    // AI SDK 4.1.20 and later say the same in both places.
    if let Some(calls) = node.get("toolInvocations").filter(|_| !classic) {
        for call in calls.items()? {
            said.extend(invocation(&call)?);
        }
    }
    Ok(said)
}

/// A tool part of AI SDK 5 and later.
fn tool(part: &Node<'_>, name: &str) -> Result<Option<CallAnswer>, CallerError> {
    let state = part.required("state")?.str()?;
    if part.get("providerExecuted").is_some_and(|flag| *flag.value == Value::Bool(true)) {
        return Ok(None);
    }
    if name == APPROVAL_TOOL {
        let asked = answer(part).filter(|_| state == "output-available");
        return Ok(asked.map(|(call, approval)| CallAnswer {
            call: Some(call),
            said: CallSaid::Approval {
                id: approval.id,
                approved: approval.approved == Some(true),
                reason: approval.reason,
            },
        }));
    }
    let said = match state {
        "output-available" if part.get("preliminary").is_some_and(|flag| *flag.value == Value::Bool(true)) => None,
        "output-available" => Some(CallSaid::Output(part.value.get("output").cloned().unwrap_or_default())),
        "output-error" => {
            let text = part.get("errorText").and_then(|text| text.value.as_str());
            Some(CallSaid::Error(text.unwrap_or("The tool failed.").to_owned()))
        }
        "approval-responded" => {
            let approval = part.required("approval")?;
            Some(CallSaid::Approval {
                id: approval.required("id")?.str()?.into(),
                // Only a JSON `true` is a yes (AI SDK wire notes 3.6).
                approved: approval.get("approved").is_some_and(|approved| *approved.value == Value::Bool(true)),
                reason: approval.get("reason").and_then(|reason| reason.str().ok()).map(str::to_owned),
            })
        }
        _ => None,
    };
    said.map(|said| about(part, said)).transpose()
}

/// A tool invocation of AI SDK 4.
fn invocation(node: &Node<'_>) -> Result<Option<CallAnswer>, CallerError> {
    if node.required("state")?.str()? != "result" {
        return Ok(None);
    }
    about(node, CallSaid::Output(node.value.get("result").cloned().unwrap_or_default())).map(Some)
}

fn about(node: &Node<'_>, said: CallSaid) -> Result<CallAnswer, CallerError> {
    Ok(CallAnswer { call: Some(node.required("toolCallId")?.str()?.into()), said })
}

/// A result in a message of its own.
fn result(part: Part) -> Option<CallAnswer> {
    let Part::ToolResult(ResultPart { call, outcome, output, .. }) = part else { return None };
    let said = match outcome {
        ToolOutcome::Ok => CallSaid::Output(output),
        ToolOutcome::Error | ToolOutcome::Denied | ToolOutcome::Interrupted => CallSaid::Error(output_text(&output)),
    };
    Some(CallAnswer { call: Some(call), said })
}
