//! What a page says to calls that wait for it. The store is believed, not the page: what is not open there is no call.

use chatwire_protocols::chat::Approval;
use chatwire_protocols::event::{FinishReason, Runs, Text, ToolOutcome};
use chatwire_protocols::items::{Body, Item, PageRunState, REQUEST_APPROVAL};
use chatwire_protocols::operation::{CallAnswer, CallSaid};
use serde_json::{Value, json};

use crate::threads::ThreadError;
use crate::threads::draft::{Draft, Next, ThreadHandle, kept_call, page_run, said};
use crate::threads::error::no_pending_call;

/// Longest reason of a person that is kept, in characters.
const LONGEST_REASON: usize = 2000;

/// Stores what is said, and goes on if nothing else is waited for. What has been said before is no mistake, and begins
/// a turn only where the model has not read it yet, as after a failure. A `lenient` page says all it knows, so that
/// what is closed or unknown is passed over.
pub async fn outputs(handle: ThreadHandle<'_>, answers: Vec<CallAnswer>, lenient: bool) -> Result<Draft, ThreadError> {
    let mut draft = handle.draft(None).await?;
    let found: Vec<Found> = answers.iter().map(|answer| find(&draft.items, answer)).collect();
    let is_open = found.iter().any(|found| matches!(found, Found::Open(_)));
    let wrong = |found: &Found| match found {
        Found::Nowhere => true,
        Found::Settled { same, .. } => !is_open && !same,
        Found::Open(_) => false,
    };
    if !lenient && (answers.is_empty() || found.iter().any(wrong)) {
        return Err(no_pending_call());
    }
    let named = found.iter().find_map(|found| match found {
        Found::Open(at) | Found::Settled { at, .. } => draft.items.get(*at),
        Found::Nowhere => None,
    });
    let last = || draft.items.iter().rev().find(|item| kept_call(item).is_some());
    let continued = named.or_else(last).and_then(|item| item.origin.as_ref());
    draft.continues = continued.map(|origin| origin.message.clone());
    if !is_open && !draft.ends_with_results() {
        draft.next = Next::Said(said(Vec::new(), FinishReason::Stop));
        return Ok(draft);
    }
    for (found, answer) in found.iter().zip(answers) {
        if let Found::Open(at) = found {
            take(&mut draft, *at, answer.said);
        }
    }
    draft.go_on();
    Ok(draft)
}

/// True if all of it has been said before.
pub fn is_repeated(draft: &Draft, answers: &[CallAnswer], lenient: bool) -> bool {
    let mut found = answers.iter().map(|answer| find(&draft.items, answer));
    found.all(|found| match found {
        Found::Open(_) => false,
        Found::Settled { same, .. } => same || lenient,
        Found::Nowhere => lenient,
    })
}

/// Where a call is.
enum Found {
    /// It waits, at this place among the items.
    Open(usize),
    /// It has been answered, with the same words or with others.
    Settled { at: usize, same: bool },
    /// There is no such call.
    Nowhere,
}

fn find(items: &[Item], answer: &CallAnswer) -> Found {
    match (&answer.said, &answer.call) {
        (CallSaid::Approval { id, approved, .. }, call) => find_approval(items, call.as_ref(), id, *approved),
        (said, Some(call)) => find_call(items, call, said),
        (said, None) => find_pending(items, said),
    }
}

fn find_approval(items: &[Item], call: Option<&Text>, id: &Text, approved: bool) -> Found {
    let fits = |item: &Item| {
        kept_call(item).is_some_and(|kept| {
            call.is_none_or(|call| kept.call.id == *call)
                && kept.call.approval.as_ref().is_some_and(|approval| approval.id == *id)
        })
    };
    let Some(at) = items.iter().rposition(fits) else { return Found::Nowhere };
    let Some(kept) = items.get(at).and_then(kept_call) else { return Found::Nowhere };
    match kept.call.approval.as_ref().and_then(|approval| approval.approved) {
        None if kept.result.is_none() => Found::Open(at),
        before => Found::Settled { at, same: before == Some(approved) },
    }
}

/// A call by its id: what the page is shown of it, or the call itself.
fn find_call(items: &[Item], call: &Text, said: &CallSaid) -> Found {
    if let Some(at) = items.iter().rposition(|item| page_run(item).is_some_and(|run| run.call == *call)) {
        return page_call(items, at, said);
    }
    let Some(at) = items.iter().rposition(|item| kept_call(item).is_some_and(|kept| kept.call.id == *call)) else {
        return Found::Nowhere;
    };
    let Some(kept) = items.get(at).and_then(kept_call) else { return Found::Nowhere };
    match &kept.result {
        // A call of the gateway's is not the page's to answer.
        None if kept.call.runs == Runs::Page && kept.call.approval.is_none() => Found::Open(at),
        None => Found::Nowhere,
        Some(result) => {
            let (outcome, output) = result_of(said);
            Found::Settled { at, same: result.outcome == outcome && result.output == output }
        }
    }
}

/// The one call that the page has been asked for, or the last that it has answered.
fn find_pending(items: &[Item], said: &CallSaid) -> Found {
    let state = |item: &Item| page_run(item).map(|run| run.state);
    let pending = items.iter().rposition(|item| state(item) == Some(PageRunState::Pending));
    let last = || items.iter().rposition(|item| state(item) == Some(PageRunState::Completed));
    pending.or_else(last).map_or(Found::Nowhere, |at| page_call(items, at, said))
}

fn page_call(items: &[Item], at: usize, said: &CallSaid) -> Found {
    let Some(run) = items.get(at).and_then(page_run) else { return Found::Nowhere };
    match run.state {
        PageRunState::Pending | PageRunState::Queued => Found::Open(at),
        PageRunState::Completed => Found::Settled { at, same: run.output.as_ref() == Some(&result_of(said).1) },
        PageRunState::Abandoned => Found::Nowhere,
    }
}

fn take(draft: &mut Draft, at: usize, said: CallSaid) {
    let Some(mut item) = draft.items.get(at).cloned() else { return };
    match (&mut item.body, said) {
        (Body::ToolCall(_), CallSaid::Approval { id, approved, reason }) => approve(draft, &id, approved, reason),
        (Body::ToolCall(kept), said) => {
            let (outcome, output) = result_of(&said);
            let call = kept.call.id.clone();
            draft.settle(&call, outcome, output);
        }
        (Body::PageCall(run), said) => {
            let (outcome, output) = result_of(&said);
            (run.state, run.output) = (PageRunState::Completed, Some(output.clone()));
            item.hidden = false;
            let run = run.clone();
            draft.put(item);
            if run.by_model {
                draft.settle(&run.call, outcome, output);
            } else if run.name == REQUEST_APPROVAL {
                // Nothing but a plain yes is one.
                let approved = output == Value::Bool(true) || output.get("approved") == Some(&Value::Bool(true));
                let reason = output.get("reason").or(Some(&output)).and_then(Value::as_str).map(str::to_owned);
                approve(draft, &run.call, approved, reason);
            }
        }
        _ => {}
    }
}

/// Notes what a person said to a call, also on what the page is shown of it.
fn approve(draft: &mut Draft, id: &Text, approved: bool, reason: Option<String>) {
    let reason: Option<String> = reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
    let asks = |item: &&Item| {
        page_run(item).is_some_and(|run| run.call == *id && run.name == REQUEST_APPROVAL && !run.by_model)
    };
    if let Some(mut item) = draft.items.iter().rev().find(asks).cloned()
        && let Body::PageCall(run) = &mut item.body
        && run.state != PageRunState::Completed
    {
        let output = json!({ "approved": approved, "reason": reason });
        (run.state, run.output) = (PageRunState::Completed, Some(output));
        item.hidden = false;
        draft.put(item);
    }
    let asked = |item: &&Item| {
        let approval = kept_call(item).and_then(|kept| kept.call.approval.as_ref());
        approval.is_some_and(|approval| approval.id == *id)
    };
    if let Some(mut item) = draft.items.iter().rev().find(asked).cloned()
        && let Body::ToolCall(kept) = &mut item.body
    {
        kept.call.approval = Some(Approval { id: id.clone(), approved: Some(approved), reason });
        draft.put(item);
    }
}

fn result_of(said: &CallSaid) -> (ToolOutcome, Value) {
    match said {
        CallSaid::Output(output) => (ToolOutcome::Ok, output.clone()),
        CallSaid::Error(why) => (ToolOutcome::Error, Value::from(why.as_str())),
        CallSaid::Approval { .. } => (ToolOutcome::Ok, Value::Null),
    }
}
