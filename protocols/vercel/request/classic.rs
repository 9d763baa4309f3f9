//! Messages with text in `content`: AI SDK 3.4 and 4 before 4.1.20, and pages that send role and text alone.

use compact_str::format_compact;
use serde_json::Value;

use super::steps::{Steps, call};
use super::{files, id, push};
use crate::chat::{CallPart, Message, Part, ResultPart, Role};
use crate::error::CallerError;
use crate::event::{Mark, Runs, Text, ToolKind, ToolOutcome};
use crate::wire::body::Node;

/// Reads such a message.
///
/// # Errors
/// A wrong type in a member that matters.
pub(super) fn read(
    node: &Node<'_>,
    role: Role,
    content: &str,
    last: bool,
    out: &mut Vec<Message>,
) -> Result<(), CallerError> {
    match role {
        Role::System => push(node, role, vec![Part::text(content)], out),
        Role::User => {
            let mut parts = vec![Part::text(content)];
            parts.extend(attachments(node)?);
            push(node, role, parts, out);
        }
        Role::Assistant => assistant(node, content, last, out)?,
        Role::Tool => result(node, content, out)?,
    }
    Ok(())
}

/// The files of `experimental_attachments`.
///
/// # Errors
/// One has no `url`.
pub(super) fn attachments(node: &Node<'_>) -> Result<Vec<Part>, CallerError> {
    match node.get("experimental_attachments") {
        Some(attachments) => attachments.items()?.map(|file| files::read(&file).map(Part::File)).collect(),
        None => Ok(Vec::new()),
    }
}

/// The text holds what all steps said, so its place among the calls is not known: it stands behind the results, as
/// the answer to them, unless this message is still waiting to be continued.
fn assistant(node: &Node<'_>, content: &str, last: bool, out: &mut Vec<Message>) -> Result<(), CallerError> {
    let calls: Vec<_> = match node.get("toolInvocations") {
        Some(calls) => calls.items()?.collect(),
        None => Vec::new(),
    };
    let old_calls = old_calls(node, out.len())?;
    let first = last || calls.is_empty();
    let mut steps = Steps::new(id(node), false, out);
    if let Some(thoughts) = node.get("reasoning").and_then(|thoughts| thoughts.str().ok()) {
        steps.say(Part::Reasoning { text: thoughts.to_owned(), marks: Vec::new() });
    }
    if first && !content.is_empty() {
        steps.say(Part::text(content));
    }
    for call in &calls {
        invocation(call, &mut steps)?;
    }
    for call in old_calls {
        steps.call(call, None);
    }
    if !first && !content.is_empty() {
        steps.say(Part::text(content));
    }
    steps.cut();
    Ok(())
}

/// A tool invocation of AI SDK 3.4 and 4: `partial-call`, `call` or `result`.
///
/// # Errors
/// No id, no name, no state.
pub(super) fn invocation(node: &Node<'_>, steps: &mut Steps<'_>) -> Result<(), CallerError> {
    let state = node.required("state")?.str()?;
    if state == "partial-call" {
        return Ok(());
    }
    steps.numbered(node.get("step").and_then(|step| step.value.as_u64()));
    let call = call(
        node.required("toolCallId")?.str()?,
        node.required("toolName")?.str()?,
        node.get("args").map(|input| input.value),
    );
    let result = (state == "result").then(|| (ToolOutcome::Ok, node.value.get("result").cloned().unwrap_or_default()));
    steps.call(call, result);
    Ok(())
}

/// The `details` of a reasoning part of AI SDK 4: texts with signatures, and redacted pieces.
///
/// # Errors
/// A piece with a wrong type.
pub(super) fn reasoning_details(details: &Node<'_>, steps: &mut Steps<'_>) -> Result<(), CallerError> {
    for detail in details.items()? {
        let (text, mark) = match detail.required("type")?.str()? {
            "text" => {
                let signature = detail.get("signature").and_then(|signature| signature.value.as_str());
                let mark = signature.map(|signature| Mark::Signature { signature: signature.into() });
                (detail.required("text")?.str()?, mark)
            }
            "redacted" => ("", Some(Mark::Redacted { data: detail.required("data")?.str()?.to_owned() })),
            _ => continue,
        };
        steps.say(Part::Reasoning { text: text.to_owned(), marks: mark.into_iter().collect() });
    }
    Ok(())
}

/// `tool_calls` and `function_call` of AI SDK 3.4, in OpenAI's words. A function call has no id; its place makes one.
fn old_calls(node: &Node<'_>, at: usize) -> Result<Vec<CallPart>, CallerError> {
    let mut calls = Vec::new();
    if let Some(list) = node.get("tool_calls").filter(|list| list.value.is_array()) {
        for item in list.items()? {
            calls.push(old_call(item.required("id")?.str()?.into(), &item.required("function")?)?);
        }
    }
    if let Some(function) = node.get("function_call").filter(|function| function.value.is_object()) {
        calls.push(old_call(format_compact!("function_{at}"), &function)?);
    }
    Ok(calls)
}

fn old_call(id: Text, function: &Node<'_>) -> Result<CallPart, CallerError> {
    Ok(CallPart {
        id,
        name: function.required("name")?.str()?.into(),
        arguments: function.get("arguments").map_or(Ok("{}"), |text| text.str())?.to_owned(),
        kind: ToolKind::Function,
        runs: Runs::Page,
        approval: None,
        marks: Vec::new(),
    })
}

/// A `tool` or `function` message of AI SDK 3.4. A function's result answers the latest call of its name.
fn result(node: &Node<'_>, content: &str, out: &mut Vec<Message>) -> Result<(), CallerError> {
    let name = node.get("name").map_or(Ok(""), |name| name.str())?;
    let call = match node.get("tool_call_id") {
        Some(id) => id.str()?.into(),
        None => latest_call(name, out).ok_or_else(|| node.wrong("answers no call that stands before it"))?,
    };
    let result = ResultPart {
        call,
        name: name.into(),
        outcome: ToolOutcome::Ok,
        output: Value::from(content),
        files: Vec::new(),
        runs: Runs::Page,
    };
    push(node, Role::Tool, vec![Part::ToolResult(result)], out);
    Ok(())
}

fn latest_call(name: &str, messages: &[Message]) -> Option<Text> {
    let parts = messages.iter().rev().flat_map(|message| message.parts.iter().rev());
    parts.into_iter().find_map(|part| match part {
        Part::ToolCall(call) if call.name == name => Some(call.id.clone()),
        _ => None,
    })
}
