//! Messages whose `content` is a list: the SDK's *model messages*, which assistant-ui's data stream runtime posts
//! (AI SDK wire notes 6).

use serde_json::Value;

use super::steps::{Steps, call};
use super::{classic, files, id, push};
use crate::chat::{Message, Part, ResultPart, Role};
use crate::error::CallerError;
use crate::event::{File, Runs, ToolOutcome};
use crate::wire::body::Node;

/// Reads such a message.
///
/// # Errors
/// A part without a type, or with a wrong type in a member that matters.
pub(super) fn read(node: &Node<'_>, role: Role, out: &mut Vec<Message>) -> Result<(), CallerError> {
    let content = node.required("content")?;
    match role {
        Role::System | Role::User => {
            let mut said = Vec::new();
            for part in content.items()? {
                match part.required("type")?.str()? {
                    "text" => said.push(Part::text(part.required("text")?.str()?)),
                    "image" | "file" => said.push(Part::File(files::read(&part)?)),
                    _ => {}
                }
            }
            said.extend(classic::attachments(node)?);
            push(node, role, said, out);
        }
        Role::Assistant => {
            let mut steps = Steps::new(id(node), true, out);
            for part in content.items()? {
                assistant_part(&part, &mut steps)?;
            }
            steps.cut();
        }
        Role::Tool => {
            let results = results(&content, Runs::Page)?;
            push(node, role, results, out);
        }
    }
    Ok(())
}

fn assistant_part(part: &Node<'_>, steps: &mut Steps<'_>) -> Result<(), CallerError> {
    match part.required("type")?.str()? {
        "text" => steps.say(Part::text(part.required("text")?.str()?)),
        "reasoning" => {
            steps.say(Part::Reasoning { text: part.required("text")?.str()?.to_owned(), marks: Vec::new() });
        }
        "file" => steps.say(Part::File(files::read(part)?)),
        "tool-call" => {
            let input = part.get("input").or_else(|| part.get("args"));
            let mut call = call(
                part.required("toolCallId")?.str()?,
                part.required("toolName")?.str()?,
                input.map(|input| input.value),
            );
            if part.get("providerExecuted").is_some_and(|flag| flag.value == &Value::Bool(true)) {
                call.runs = Runs::Provider;
            }
            steps.call(call, None);
        }
        // Only a tool that the provider ran has its result within the assistant's message.
        "tool-result" => steps.say(Part::ToolResult(result(part, Runs::Provider)?)),
        _ => {}
    }
    Ok(())
}

fn results(content: &Node<'_>, runs: Runs) -> Result<Vec<Part>, CallerError> {
    let mut results = Vec::new();
    for part in content.items()? {
        if part.required("type")?.str()? == "tool-result" {
            results.push(Part::ToolResult(result(&part, runs)?));
        }
    }
    Ok(results)
}

/// A result: `output: {type, value}` since AI SDK 5, `result` and `isError` before.
fn result(part: &Node<'_>, runs: Runs) -> Result<ResultPart, CallerError> {
    let mut result = ResultPart {
        call: part.required("toolCallId")?.str()?.into(),
        name: part.get("toolName").map_or(Ok(""), |name| name.str())?.into(),
        outcome: ToolOutcome::Ok,
        output: Value::Null,
        files: Vec::new(),
        runs,
    };
    let Some(output) = part.get("output") else {
        result.output = part.value.get("result").cloned().unwrap_or_default();
        if part.get("isError").is_some_and(|flag| flag.value == &Value::Bool(true)) {
            result.outcome = ToolOutcome::Error;
        }
        return Ok(result);
    };
    let value = output.value.get("value").cloned().unwrap_or_default();
    match output.required("type")?.str()? {
        "error-text" | "error-json" => (result.outcome, result.output) = (ToolOutcome::Error, value),
        "execution-denied" => {
            let reason = output.get("reason").and_then(|reason| reason.value.as_str());
            result.outcome = ToolOutcome::Denied;
            result.output = reason.unwrap_or("The user did not allow this call.").into();
        }
        "content" => (result.output, result.files) = mixed(&output.required("value")?)?,
        _ => result.output = value,
    }
    Ok(result)
}

/// An output of several pieces: its texts, and its images and files.
fn mixed(value: &Node<'_>) -> Result<(Value, Vec<File>), CallerError> {
    let (mut texts, mut files) = (Vec::new(), Vec::new());
    for piece in value.items()? {
        match piece.get("text") {
            Some(text) => texts.push(text.str()?),
            None if piece.get("data").is_some() || piece.get("url").is_some() => files.push(files::read(&piece)?),
            None => {}
        }
    }
    Ok((texts.join("\n").into(), files))
}
