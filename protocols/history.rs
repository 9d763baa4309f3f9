//! A conversation put in order before it goes to a provider.
//!
//! Pages send what they have: calls without results (the user stopped), results without calls (the page cut its
//! history), empty messages (a failed answer). Providers refuse all of these, usually on the *next* turn. What is
//! put right here is right for every provider; what only one of them wants is its own builder's work.

use std::collections::HashSet;

use compact_str::format_compact;
use serde_json::Value;

use crate::chat::{CallPart, ChatRequest, Message, Part, ResultPart, Role};
use crate::event::{Event, Runs, Text, ToolOutcome, Warning};

/// The text a model reads for a call that never got a result.
pub const NO_RESULT: &str = "The tool was not run: the turn ended before it.";

/// The messages of `chat` with: every client-run call answered, in call order, by the message right behind it;
/// no result without its call; no message without content; no id that stands for two calls. Says in `warnings` what was
/// changed.
pub fn tidy(chat: &ChatRequest, warnings: &mut Vec<Warning>) -> Vec<Message> {
    let mut tidied: Vec<Message> = Vec::with_capacity(chat.messages.len() + 1);
    let mut messages = chat.messages.iter().peekable();
    while let Some(message) = messages.next() {
        let mut message = message.clone();
        message.parts.retain(has_content);
        if message.role == Role::Tool {
            // Results are taken below, with the calls they answer.
            warn(warnings, "result-dropped", "a tool result without its call was left out");
            continue;
        }
        let calls: Vec<CallPart> = message.parts.iter().filter_map(client_call).cloned().collect();
        let mut results: Vec<ResultPart> = Vec::new();
        message.parts.retain(|part| match part {
            Part::ToolResult(result) if result.runs != Runs::Provider => {
                results.push(result.clone());
                false
            }
            _ => true,
        });
        while let Some(tool) = messages.next_if(|next| next.role == Role::Tool && !calls.is_empty()) {
            results.extend(tool.parts.iter().filter_map(|part| match part {
                Part::ToolResult(result) => Some(result.clone()),
                _ => None,
            }));
        }
        if !message.parts.is_empty() {
            tidied.push(message);
        }
        if !calls.is_empty() {
            let answers = answers(&calls, results, warnings);
            tidied.push(Message::new(Role::Tool, answers.into_iter().map(Part::ToolResult).collect()));
        }
    }
    tell_calls_apart(&mut tidied);
    tidied
}

/// Gives a call whose id was there before another one, and its result with it: some servers count from the same number
/// in every answer, and others refuse a conversation in which an id stands for two calls.
fn tell_calls_apart(messages: &mut [Message]) {
    let mut seen = HashSet::new();
    let mut rest = messages;
    while let Some((message, behind)) = rest.split_first_mut() {
        let mut client_calls = 0;
        for at in 0..message.parts.len() {
            let (parts, later) = message.parts.split_at_mut(at + 1);
            let Some(Part::ToolCall(call)) = parts.last_mut() else { continue };
            // The results of client-run calls stand in their order by now, in the message right behind.
            let result = if call.runs == Runs::Provider {
                result_in(later, &call.id)
            } else {
                client_calls += 1;
                behind.first_mut().and_then(|results| results.parts.get_mut(client_calls - 1))
            };
            if !seen.contains(&call.id) {
                seen.insert(call.id.clone());
                continue;
            }
            call.id = unused(&call.id, |id| seen.contains(id));
            seen.insert(call.id.clone());
            if let Some(Part::ToolResult(result)) = result {
                result.call = call.id.clone();
            }
        }
        rest = behind;
    }
}

fn result_in<'a>(parts: &'a mut [Part], id: &Text) -> Option<&'a mut Part> {
    parts.iter_mut().find(|part| matches!(part, Part::ToolResult(result) if result.call == *id))
}

/// An id made from `id` that is not taken yet.
pub(crate) fn unused(id: &Text, is_taken: impl Fn(&Text) -> bool) -> Text {
    (2_u64..).map(|number| format_compact!("{id}_{number}")).find(|id| !is_taken(id)).unwrap_or_default()
}

fn answers(calls: &[CallPart], mut results: Vec<ResultPart>, warnings: &mut Vec<Warning>) -> Vec<ResultPart> {
    let answers = calls
        .iter()
        .map(|call| match results.iter().position(|result| result.call == call.id) {
            Some(at) => {
                let mut result = results.swap_remove(at);
                if result.name.is_empty() {
                    result.name = call.name.clone();
                }
                result
            }
            None => {
                warn(warnings, "result-added", "a tool call without result was answered as not run");
                ResultPart {
                    call: call.id.clone(),
                    name: call.name.clone(),
                    outcome: ToolOutcome::Interrupted,
                    output: Value::String(NO_RESULT.to_owned()),
                    files: Vec::new(),
                    runs: call.runs,
                }
            }
        })
        .collect();
    if !results.is_empty() {
        warn(warnings, "result-dropped", "a tool result without its call was left out");
    }
    answers
}

fn client_call(part: &Part) -> Option<&CallPart> {
    match part {
        Part::ToolCall(call) if call.runs != Runs::Provider => Some(call),
        _ => None,
    }
}

fn has_content(part: &Part) -> bool {
    match part {
        Part::Text { text, .. } | Part::Refusal { text } => !text.is_empty(),
        Part::Reasoning { text, marks } => !text.is_empty() || !marks.is_empty(),
        Part::Data { .. } => false,
        Part::File(_) | Part::ToolCall(_) | Part::ToolResult(_) | Part::Opaque { .. } => true,
    }
}

/// Adds a warning, once for each code.
pub fn warn(warnings: &mut Vec<Warning>, code: &'static str, message: &str) {
    if !warnings.iter().any(|warning| warning.code == code) {
        warnings.push(Warning { code, message: message.to_owned() });
    }
}

/// Warnings as events, for the page's turn.
pub fn warning_events(warnings: Vec<Warning>) -> impl Iterator<Item = Event> {
    warnings.into_iter().map(|warning| Event::Warning(Box::new(warning)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ToolKind;

    fn call(id: &str) -> Part {
        Part::ToolCall(CallPart {
            id: id.into(),
            name: "f".into(),
            arguments: "{}".to_owned(),
            kind: ToolKind::Function,
            runs: Runs::Page,
            approval: None,
            marks: Vec::new(),
        })
    }

    fn result(id: &str) -> Part {
        Part::ToolResult(ResultPart {
            call: id.into(),
            name: "".into(),
            outcome: ToolOutcome::Ok,
            output: Value::from(1),
            files: Vec::new(),
            runs: Runs::Page,
        })
    }

    fn tidied(messages: Vec<Message>) -> (Vec<Message>, Vec<&'static str>) {
        let mut warnings = Vec::new();
        let chat = ChatRequest { messages, ..ChatRequest::default() };
        let messages = tidy(&chat, &mut warnings);
        (messages, warnings.iter().map(|warning| warning.code).collect())
    }

    #[test]
    fn results_stand_behind_their_calls_in_call_order() {
        let (messages, warnings) = tidied(vec![
            Message::new(Role::Assistant, vec![call("a"), call("b")]),
            Message::new(Role::Tool, vec![result("b")]),
            Message::new(Role::Tool, vec![result("a")]),
        ]);
        let Part::ToolResult(first) = &messages[1].parts[0] else { panic!() };
        assert_eq!((messages.len(), first.call.as_str(), first.name.as_str()), (2, "a", "f"));
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_call_without_result_is_answered() {
        let (messages, warnings) =
            tidied(vec![Message::new(Role::Assistant, vec![call("a")]), Message::text(Role::User, "stop")]);
        let Part::ToolResult(answer) = &messages[1].parts[0] else { panic!() };
        assert_eq!(answer.outcome, ToolOutcome::Interrupted);
        assert_eq!(warnings, ["result-added"]);
    }

    #[test]
    fn an_id_that_stands_for_two_calls_becomes_two_ids_each_with_its_result() {
        let turn = |ids: &[&str]| {
            let calls = ids.iter().map(|id| call(id)).collect();
            let results = ids.iter().rev().map(|id| result(id)).collect();
            [Message::text(Role::User, "q"), Message::new(Role::Assistant, calls), Message::new(Role::Tool, results)]
        };
        let (messages, warnings) = tidied([turn(&["a", "a_2"]), turn(&["a", "b"]), turn(&["a", "a"])].concat());
        let ids: Vec<(&str, &str)> = messages
            .iter()
            .zip(messages.iter().skip(1))
            .filter(|(message, _)| message.role == Role::Assistant)
            .flat_map(|(calls, results)| calls.parts.iter().zip(&results.parts))
            .map(|(call, result)| match (call, result) {
                (Part::ToolCall(call), Part::ToolResult(result)) => (call.id.as_str(), result.call.as_str()),
                other => panic!("{other:?}"),
            })
            .collect();
        let unique = ["a", "a_2", "a_3", "b", "a_4", "a_5"].map(|id| (id, id));
        assert_eq!((ids, warnings), (unique.to_vec(), vec![]));
    }

    #[test]
    fn a_repeated_call_that_the_provider_ran_keeps_its_own_result() {
        let ran = |mut part: Part| {
            match &mut part {
                Part::ToolCall(call) => call.runs = Runs::Provider,
                Part::ToolResult(result) => result.runs = Runs::Provider,
                _ => {}
            }
            part
        };
        let turn = || Message::new(Role::Assistant, vec![ran(call("s")), ran(result("s")), Part::text("x")]);
        let (messages, _) = tidied(vec![turn(), Message::text(Role::User, "again"), turn()]);
        let [Part::ToolCall(call), Part::ToolResult(result), _] = &messages[2].parts[..] else { panic!() };
        assert_eq!((call.id.as_str(), result.call.as_str()), ("s_2", "s_2"));
    }

    #[test]
    fn a_result_without_call_and_an_empty_message_are_left_out() {
        let (messages, warnings) = tidied(vec![
            Message::new(Role::Tool, vec![result("x")]),
            Message::text(Role::Assistant, ""),
            Message::text(Role::User, "hi"),
        ]);
        assert_eq!(messages, [Message::text(Role::User, "hi")]);
        assert_eq!(warnings, ["result-dropped"]);
    }
}
