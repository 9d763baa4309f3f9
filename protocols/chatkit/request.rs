//! The sixteen operations of a page (ChatKit notes 3).
//!
//! Read as leniently as the protocol's own server reads: members nobody knows are ignored, `"5"` passes for 5. What is
//! wrong is refused here, before a stream has begun, at its place.

mod message;
mod read;

use std::collections::BTreeMap;

use serde_json::Value;

use self::read::{MOST_LISTED, count, id, ids, listed, media_type, text};
use crate::chat::{ChatRequest, ToolChoice};
use crate::error::CallerError;
use crate::event::Text;
use crate::items::UserMessage;
use crate::operation::{Act, Ask, Begin, CallAnswer, CallSaid, List, Operation, Place, TurnAsk};
use crate::protocol::RequestHead;
use crate::wire::base64;
use crate::wire::body::{self, Node};

/// Most rows of a page of a list. Pages ask for 9999 to get all.
const MOST_ROWS: u32 = 9999;

/// Most letters of a thread's title, and of the name of a file or an action.
const LONGEST_NAME: usize = 1000;

/// Most bytes of a recording.
const LONGEST_AUDIO: usize = 25 << 20;

/// Reads a request.
pub(super) fn ask(head: &RequestHead<'_>, bytes: &[u8]) -> Result<Ask, CallerError> {
    if !matches!(head.below, "" | "/") {
        return Err(CallerError::new(404, "not_found", "there is nothing at this path"));
    }
    if head.method != "POST" {
        return Err(CallerError::new(405, "method_not_allowed", "use POST"));
    }
    let body = Value::Object(body::object(bytes)?);
    let root = Node::root(&body);
    let operation = root.required("type")?;
    let read = reader(operation.str()?).ok_or_else(|| CallerError {
        code: "unknown_operation",
        ..operation.wrong("is no operation of this server")
    })?;
    let params = root.required("params")?;
    params.object()?;
    read(&params)
}

type Read = fn(&Node<'_>) -> Result<Ask, CallerError>;

/// What reads the parameters of this operation.
fn reader(operation: &str) -> Option<Read> {
    Some(match operation {
        "threads.create" => create,
        "threads.add_user_message" => add_message,
        "threads.add_client_tool_output" => add_output,
        "threads.add_structured_input" => add_form,
        "threads.retry_after_item" => retry,
        "threads.custom_action" => custom_action,
        "threads.sync_custom_action" => sync_action,
        "threads.get_by_id" => get_thread,
        "threads.list" => list_threads,
        "threads.update" => rename,
        "threads.delete" => delete,
        "items.list" => list_items,
        "items.feedback" => feedback,
        "attachments.create" => create_attachment,
        "attachments.delete" => delete_attachment,
        "input.transcribe" => transcribe,
        _ => return None,
    })
}

fn create(params: &Node<'_>) -> Result<Ask, CallerError> {
    said(None, message::read(&params.required("input")?)?)
}

fn add_message(params: &Node<'_>) -> Result<Ask, CallerError> {
    said(Some(thread(params)?), message::read(&params.required("input")?)?)
}

fn said(thread: Option<Text>, message: UserMessage) -> Result<Ask, CallerError> {
    let chat = ChatRequest {
        model: message.model.clone(),
        tool_choice: message.tool.clone().map_or(ToolChoice::Auto, ToolChoice::Named),
        ..ChatRequest::default()
    };
    Ok(turn(thread, Begin::Message { id: None, message, place: Place::Next }, chat))
}

/// The page names no call: it answers the one that is pending. A handler that gives nothing sends no `result`.
fn add_output(params: &Node<'_>) -> Result<Ask, CallerError> {
    let result = params.get("result").map_or(Value::Null, |result| result.value.clone());
    let answer = CallAnswer { call: None, said: CallSaid::Output(result) };
    Ok(turn(Some(thread(params)?), Begin::Outputs { answers: vec![answer], lenient: false }, ChatRequest::default()))
}

fn add_form(params: &Node<'_>) -> Result<Ask, CallerError> {
    let (thread, item) = (thread(params)?, id(&params.required("item_id")?)?);
    let input = params.required("input")?;
    input.object()?;
    let skipped = match input.get("status") {
        Some(status) => one_of(&status, ["answered", "skipped"])? == "skipped",
        None => false,
    };
    let mut answers = BTreeMap::new();
    if let Some(given) = input.get("answers") {
        for key in given.object()?.keys() {
            if answers.len() == MOST_LISTED {
                return Err(given.wrong(format!("has more than {MOST_LISTED} answers")));
            }
            // An answer that is `null` is a question left out.
            answers.insert(key.clone(), given.get(key).map_or(Ok(Vec::new()), |answer| values(&answer))?);
        }
    }
    Ok(turn(Some(thread), Begin::Form { item, answers: (!skipped).then_some(answers) }, ChatRequest::default()))
}

/// The values of an answer: none if it was skipped.
fn values(answer: &Node<'_>) -> Result<Vec<String>, CallerError> {
    answer.object()?;
    let skipped = read::flag(answer, "skipped")?;
    let values = match answer.get("values") {
        Some(values) => listed(&values, |value| value.str().map(str::to_owned))?,
        None => Vec::new(),
    };
    Ok(if skipped { Vec::new() } else { values })
}

fn retry(params: &Node<'_>) -> Result<Ask, CallerError> {
    let (thread, after) = (thread(params)?, Some(id(&params.required("item_id")?)?));
    let chat = ChatRequest { regenerate: true, ..ChatRequest::default() };
    Ok(turn(Some(thread), Begin::Retry { after }, chat))
}

fn custom_action(params: &Node<'_>) -> Result<Ask, CallerError> {
    Ok(turn(Some(thread(params)?), Begin::Action(act(params)?), ChatRequest::default()))
}

fn sync_action(params: &Node<'_>) -> Result<Ask, CallerError> {
    Ok(Ask::Operation(Operation::Act { thread: thread(params)?, act: act(params)? }))
}

fn act(params: &Node<'_>) -> Result<Act, CallerError> {
    let action = params.required("action")?;
    action.object()?;
    Ok(Act {
        item: params.get("item_id").map(|item| id(&item)).transpose()?,
        name: text(&action.required("type")?, LONGEST_NAME)?.to_owned(),
        payload: action.get("payload").map_or(Value::Null, |payload| payload.value.clone()),
    })
}

/// A turn in this thread, or in a new one whose id we make.
fn turn(thread: Option<Text>, begin: Begin, chat: ChatRequest) -> Ask {
    let chat = ChatRequest { stream: true, thread: thread.clone(), ..chat };
    Ask::Turn(Box::new(TurnAsk { thread, make: false, begin, chat }))
}

fn get_thread(params: &Node<'_>) -> Result<Ask, CallerError> {
    Ok(Ask::Operation(Operation::Thread { thread: thread(params)? }))
}

fn list_threads(params: &Node<'_>) -> Result<Ask, CallerError> {
    Ok(Ask::Operation(Operation::Threads(list(params)?)))
}

fn list_items(params: &Node<'_>) -> Result<Ask, CallerError> {
    Ok(Ask::Operation(Operation::Items { thread: thread(params)?, list: list(params)? }))
}

fn list(params: &Node<'_>) -> Result<List, CallerError> {
    let limit = params.get("limit").map(|limit| count(&limit)).transpose()?.filter(|limit| *limit > 0);
    let oldest_first = match params.get("order") {
        Some(order) => one_of(&order, ["asc", "desc"])? == "asc",
        None => false,
    };
    Ok(List {
        limit: limit.map(|limit| u32::try_from(limit).unwrap_or(MOST_ROWS).min(MOST_ROWS)),
        oldest_first,
        after: params.get("after").filter(|after| after.value != "").map(|after| id(&after)).transpose()?,
    })
}

fn rename(params: &Node<'_>) -> Result<Ask, CallerError> {
    let title = text(&params.required("title")?, LONGEST_NAME)?.trim().to_owned();
    Ok(Ask::Operation(Operation::Rename { thread: thread(params)?, title }))
}

fn delete(params: &Node<'_>) -> Result<Ask, CallerError> {
    Ok(Ask::Operation(Operation::Delete { thread: thread(params)? }))
}

fn feedback(params: &Node<'_>) -> Result<Ask, CallerError> {
    Ok(Ask::Operation(Operation::Feedback {
        thread: thread(params)?,
        items: ids(&params.required("item_ids")?)?,
        positive: one_of(&params.required("kind")?, ["positive", "negative"])? == "positive",
    }))
}

fn create_attachment(params: &Node<'_>) -> Result<Ask, CallerError> {
    Ok(Ask::Operation(Operation::CreateAttachment {
        name: text(&params.required("name")?, LONGEST_NAME)?.to_owned(),
        size: count(&params.required("size")?)?,
        media_type: media_type(&params.required("mime_type")?)?.to_owned(),
    }))
}

fn delete_attachment(params: &Node<'_>) -> Result<Ask, CallerError> {
    Ok(Ask::Operation(Operation::DeleteAttachment { attachment: id(&params.required("attachment_id")?)? }))
}

fn transcribe(params: &Node<'_>) -> Result<Ask, CallerError> {
    let media_type = media_type(&params.required("mime_type")?)?.to_owned();
    let node = params.required("audio_base64")?;
    let spoken = node.str()?;
    // Four letters are three bytes.
    if spoken.len() / 4 > LONGEST_AUDIO / 3 {
        let wrong = node.wrong(format!("is longer than {} MB", LONGEST_AUDIO >> 20));
        return Err(CallerError { status: 413, code: "too_large", ..wrong });
    }
    let audio = base64::decode(spoken).filter(|audio| !audio.is_empty());
    let audio = audio.ok_or_else(|| node.wrong("must be the recording in base64"))?;
    Ok(Ask::Operation(Operation::Transcribe { audio, media_type }))
}

fn thread(params: &Node<'_>) -> Result<Text, CallerError> {
    id(&params.required("thread_id")?)
}

/// One of these words.
fn one_of<'a, const N: usize>(node: &Node<'a>, words: [&str; N]) -> Result<&'a str, CallerError> {
    let word = node.str()?;
    if words.contains(&word) { Ok(word) } else { Err(node.wrong(format!("must be one of {}", words.join(", ")))) }
}

#[cfg(test)]
mod tests;
