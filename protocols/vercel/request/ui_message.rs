//! Messages with `parts`: AI SDK 5, 6, 7, and 4.1.20 and later.

use serde_json::Value;

use super::steps::{Steps, approval, call};
use super::{classic, files, id, push};
use crate::chat::{Approval, CallPart, Message, Part, Role};
use crate::error::CallerError;
use crate::event::{Mark, Runs, Text, ToolKind, ToolOutcome};
use crate::vercel::APPROVAL_TOOL;
use crate::wire::body::Node;

/// Reads a message whose `parts` are not empty.
///
/// # Errors
/// A part without a type, or with a wrong type in a member that matters.
pub(super) fn read(
    node: &Node<'_>,
    role: Role,
    parts: &[Node<'_>],
    last: bool,
    out: &mut Vec<Message>,
) -> Result<(), CallerError> {
    if role == Role::Assistant {
        return assistant(node, parts, last, out);
    }
    let mut said = user_parts(parts)?;
    // AI SDK 4 repeats the text in `content`; a page that fills in only `content` is heard too.
    if let Some(content) = node.get("content")
        && !said.iter().any(|part| part.as_text().is_some())
    {
        said.insert(0, Part::text(content.str()?));
    }
    said.extend(classic::attachments(node)?);
    push(node, role, said, out);
    Ok(())
}

fn user_parts(parts: &[Node<'_>]) -> Result<Vec<Part>, CallerError> {
    let mut said = Vec::with_capacity(parts.len());
    for part in parts {
        match part.required("type")?.str()? {
            "text" => said.push(Part::text(part.required("text")?.str()?)),
            "file" => said.push(Part::File(files::read(part)?)),
            kind => said.extend(data(part, kind)),
        }
    }
    Ok(said)
}

fn assistant(node: &Node<'_>, parts: &[Node<'_>], last: bool, out: &mut Vec<Message>) -> Result<(), CallerError> {
    let marked = parts.iter().any(|part| part.get("type").is_some_and(|kind| kind.value == "step-start"));
    let page = Said { last, answers: parts.iter().filter_map(answer).collect() };
    let mut steps = Steps::new(id(node), marked, out);
    for part in parts {
        match part.required("type")?.str()? {
            "text" => steps.say(Part::text(part.required("text")?.str()?)),
            "reasoning" => reasoning(part, &mut steps)?,
            "file" => steps.say(Part::File(files::read(part)?)),
            "step-start" => steps.cut(),
            "tool-invocation" => classic::invocation(&part.required("toolInvocation")?, &mut steps)?,
            "dynamic-tool" => tool(part, part.required("toolName")?.str()?, &page, &mut steps)?,
            "steering-message" => {
                let parts: Vec<_> = part.required("parts")?.items()?.collect();
                steps.steer(Message { id: id(part), role: Role::User, parts: user_parts(&parts)? });
            }
            kind => match kind.strip_prefix("tool-") {
                Some(name) => tool(part, name, &page, &mut steps)?,
                None => data(part, kind).into_iter().for_each(|part| steps.say(part)),
            },
        }
    }
    steps.cut();
    Ok(())
}

/// A `data-NAME` part. Sources and kinds that came later are for the page alone.
fn data(part: &Node<'_>, kind: &str) -> Option<Part> {
    let name = kind.strip_prefix("data-")?.into();
    Some(Part::Data { name, id: id(part), value: part.value.get("data").cloned().unwrap_or_default() })
}

fn reasoning(part: &Node<'_>, steps: &mut Steps<'_>) -> Result<(), CallerError> {
    if let Some(details) = part.get("details") {
        return classic::reasoning_details(&details, steps);
    }
    let text = part.get("text").map_or_else(|| part.required("reasoning"), Ok)?.str()?.to_owned();
    let mut marks = Vec::new();
    for metadata in part.get("providerMetadata").and_then(|all| all.value.as_object()).into_iter().flatten() {
        let word = |key: &str| metadata.1.get(key).and_then(Value::as_str).filter(|word| !word.is_empty());
        marks.extend(word("signature").map(|signature| Mark::Signature { signature: signature.into() }));
        marks.extend(word("redactedData").map(|data| Mark::Redacted { data: data.to_owned() }));
    }
    steps.say(Part::Reasoning { text, marks });
    Ok(())
}

/// What is known of the whole message when one of its calls is read.
struct Said {
    /// True for the newest message of the request.
    last: bool,
    /// Approvals asked for as calls of [`APPROVAL_TOOL`], with the calls that they are for.
    answers: Vec<(Text, Approval)>,
}

/// The answer to an approval that was asked for as a tool call: `true`, or an object that says so.
pub(super) fn answer(part: &Node<'_>) -> Option<(Text, Approval)> {
    let kind = part.get("type")?.str().ok()?;
    let name = if kind == "dynamic-tool" { part.get("toolName")?.str().ok()? } else { kind.strip_prefix("tool-")? };
    if name != APPROVAL_TOOL {
        return None;
    }
    let call = part.get("input")?.get("toolCallId")?.str().ok()?;
    let output = part.get("output");
    let says_yes = |output: &Node<'_>| *output.value == Value::Bool(true);
    let reason = output.as_ref().and_then(|output| output.get("reason")?.value.as_str().map(str::to_owned));
    let approved = output.map(|output| says_yes(&output) || output.get("approved").as_ref().is_some_and(says_yes));
    Some((call.into(), Approval { id: part.get("toolCallId")?.str().ok()?.into(), approved, reason }))
}

/// A tool part of AI SDK 5 and later (AI SDK wire notes 3.6 and 3.7).
fn tool(part: &Node<'_>, name: &str, page: &Said, steps: &mut Steps<'_>) -> Result<(), CallerError> {
    let state = part.required("state")?.str()?;
    if state == "input-streaming" || name == APPROVAL_TOOL {
        // Cut before its arguments were whole, or not of the model at all: no history.
        return Ok(());
    }
    let input = part.get("input").or_else(|| part.get("rawInput"));
    let mut call = call(part.required("toolCallId")?.str()?, name, input.map(|input| input.value));
    if state == "output-error" && part.get("inputEncoding").is_none() {
        // What was refused as arguments of a function is kept as the text it was.
        call.kind = ToolKind::Function;
    }
    if part.get("providerExecuted").is_some_and(|flag| flag.value == &Value::Bool(true)) {
        call.runs = Runs::Provider;
    }
    let answered = page.answers.iter().find(|(id, _)| *id == call.id).map(|(_, approval)| approval.clone());
    call.approval = approval(part, state != "approval-requested").or(answered);
    let outcome = outcome(part, state, &call, page.last);
    steps.call(call, outcome);
    Ok(())
}

/// How the call went, if the page has been told. An approval that was just answered has no result yet: whoever runs
/// the turn gives it one.
fn outcome(part: &Node<'_>, state: &str, call: &CallPart, last: bool) -> Option<(ToolOutcome, Value)> {
    let denied = || {
        let reason = call.approval.as_ref().and_then(|approval| approval.reason.as_deref());
        (ToolOutcome::Denied, reason.unwrap_or("The user did not allow this call.").into())
    };
    match state {
        "output-available" => Some((ToolOutcome::Ok, part.value.get("output").cloned().unwrap_or_default())),
        "output-error" => {
            let text = part.get("errorText").and_then(|text| text.value.as_str());
            Some((ToolOutcome::Error, text.unwrap_or("The tool failed.").into()))
        }
        "output-denied" => Some(denied()),
        _ if !last => call.approval.as_ref().is_some_and(|approval| approval.approved == Some(false)).then(denied),
        _ => None,
    }
}
