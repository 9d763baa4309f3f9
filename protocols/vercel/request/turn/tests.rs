//! What is read from requests on routes that keep the conversation.

use serde_json::{Value, json};

use super::turn;
use crate::chat::{Message, Role};
use crate::error::CallerError;
use crate::event::FileSource;
use crate::items::{Said, UserMessage};
use crate::operation::{Begin, CallAnswer, CallSaid, Place, TurnAsk};

fn read(body: Value) -> Result<TurnAsk, CallerError> {
    let Value::Object(body) = body else { panic!("a body is an object") };
    turn(body)
}

fn user(id: &str, text: &str) -> Value {
    json!({"id": id, "role": "user", "parts": [{"type": "text", "text": text}]})
}

fn assistant(parts: &Value) -> Value {
    json!({"id": "a1", "role": "assistant", "parts": parts})
}

/// The message that a body begins with.
fn said(body: Value) -> (Option<String>, UserMessage, Place) {
    match read(body).unwrap().begin {
        Begin::Message { id, message, place } => (id.map(String::from), message, place),
        other => panic!("{other:?}"),
    }
}

fn answers(body: Value) -> Vec<(String, CallSaid)> {
    match read(body).unwrap().begin {
        Begin::Outputs { answers, lenient: true } => {
            answers.into_iter().map(|CallAnswer { call, said }| (call.unwrap().into(), said)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn continued(parts: &Value) -> Vec<(String, CallSaid)> {
    answers(json!({"id": "c", "trigger": "submit-message", "messages": [user("u1", "hi"), assistant(parts)]}))
}

#[test]
fn only_the_newest_message_counts_however_many_are_sent() {
    let newest = user("u2", "and now?");
    let history = [user("u1", "hi"), assistant(&json!([{"type": "no part at all"}])), newest.clone()];
    for body in [
        json!({"id": "c", "trigger": "submit-message", "messages": history}),
        json!({"id": "c", "messages": [newest]}),
        json!({"id": "c", "message": newest}),
    ] {
        let ask = read(body.clone()).unwrap();
        assert_eq!((ask.thread.as_deref(), ask.make), (Some("c"), true));
        assert_eq!(ask.chat.messages, []);
        let (id, message, place) = said(body);
        assert_eq!((id.as_deref(), message.text().as_str(), place), (Some("u2"), "and now?", Place::Next));
    }
}

#[test]
fn the_pages_instructions_and_settings_go_along() {
    let ask = read(json!({
        "id": "c", "system": "Be kind.", "model": "m", "temperature": 0.5, "color": "red",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "data", "content": "x"}, user("u", "hi")],
    }))
    .unwrap();
    assert_eq!(ask.chat.messages, [Message::text(Role::System, "Be kind."), Message::text(Role::System, "Be brief.")]);
    assert_eq!((ask.chat.model.as_deref(), ask.chat.settings.temperature), (Some("m"), Some(0.5)));
    assert_eq!(ask.chat.extra["color"], "red");
}

#[test]
fn files_data_and_what_nobody_knows_are_kept_with_the_message() {
    let (_, message, _) = said(json!({"id": "c", "message": {
        "id": "u", "role": "user", "metadata": {"from": "web"}, "createdAt": "2026-01-01", "mood": 7,
        "parts": [
            {"type": "text", "text": "see"},
            {"type": "custom", "kind": "a.b"},
            {"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA==", "filename": "a.png"},
            {"type": "data-place", "id": "d", "data": {"city": "Bern"}},
        ],
    }}));
    let [Said::Text { text }, Said::File(file), Said::Data(data)] = &message.content[..] else {
        panic!("{:?}", message.content)
    };
    assert_eq!(text, "see");
    assert_eq!((&file.source, file.name.as_deref()), (&FileSource::Base64("AA==".into()), Some("a.png")));
    assert_eq!((data.name.as_str(), data.id.as_deref(), &data.value), ("place", Some("d"), &json!({"city": "Bern"})));
    let strange = json!([{"at": 1, "part": {"type": "custom", "kind": "a.b"}}]);
    assert_eq!(Value::Object(message.extra), json!({"metadata": {"from": "web"}, "mood": 7, "parts": strange}));
}

#[test]
fn pages_without_ids_say_what_stands_before() {
    let classic = |role: &str, text: &str| json!({"role": role, "content": text});
    let history = [classic("user", "one"), classic("assistant", "1"), classic("user", "two")];
    let (id, message, place) = said(json!({"id": "c", "messages": history}));
    assert_eq!((id, message.text().as_str(), place), (None, "two", Place::Behind(vec!["one".into()])));
    // With a way of its own to send the newest alone there is nothing before it to tell from.
    let (_, _, place) = said(json!({"id": "c", "message": classic("user", "two")}));
    assert_eq!(place, Place::Next);
    let file = json!({"role": "user", "content": "", "experimental_attachments": [
        {"name": "a.txt", "contentType": "text/plain", "url": "data:text/plain;base64,AA=="}]});
    let (_, message, _) = said(json!({"id": "c", "messages": [file]}));
    assert!(matches!(&message.content[..], [Said::File(file)] if file.name.as_deref() == Some("a.txt")));
}

#[test]
fn another_answer_is_asked_for_with_the_message_or_by_an_id() {
    let again = |rest: Value| {
        let mut body = json!({"id": "c", "trigger": "regenerate-message"});
        body.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        body
    };
    let (id, message, place) = said(again(json!({"messageId": "a2", "messages": [user("u1", "edited")]})));
    assert_eq!((id.as_deref(), message.text().as_str(), place), (Some("u1"), "edited", Place::Again));
    for (rest, after) in [
        (json!({"messageId": "a2"}), Some("a2")),
        (json!({"messageId": "a2", "messages": [assistant(&json!([]))]}), Some("a2")),
        (json!({}), None),
    ] {
        let ask = read(again(rest.clone())).unwrap();
        assert_eq!(ask.begin, Begin::Retry { after: after.map(Into::into) }, "{rest}");
        assert_eq!((ask.chat.regenerate, ask.chat.continues), (true, None));
    }
}

#[test]
fn outputs_are_read_from_the_calls_of_the_last_message() {
    let parts = json!([
        {"type": "step-start"},
        {"type": "text", "text": "Let me see"},
        {"type": "tool-a", "toolCallId": "1", "state": "output-available", "input": {}, "output": {"x": 1}},
        {"type": "tool-b", "toolCallId": "2", "state": "output-error", "input": {}, "errorText": "no"},
        {"type": "dynamic-tool", "toolName": "c", "toolCallId": "3", "state": "output-available", "input": {}},
        {"type": "tool-d", "toolCallId": "4", "state": "input-available", "input": {}},
        {"type": "tool-e", "toolCallId": "5", "state": "input-streaming"},
        {"type": "tool-f", "toolCallId": "6", "state": "output-available", "output": 1, "providerExecuted": true},
        {"type": "tool-g", "toolCallId": "7", "state": "output-available", "output": 1, "preliminary": true},
        {"type": "tool-h", "toolCallId": "8", "state": "output-denied"},
    ]);
    let expected = [
        ("1", CallSaid::Output(json!({"x": 1}))),
        ("2", CallSaid::Error("no".into())),
        ("3", CallSaid::Output(Value::Null)),
    ];
    assert_eq!(continued(&parts), expected.map(|(call, said)| (call.to_owned(), said)));
}

#[test]
fn the_answer_continues_the_message_of_the_calls() {
    let ask = read(json!({"id": "c", "messages": [user("u1", "hi"), assistant(&json!([]))]})).unwrap();
    assert_eq!(ask.chat.continues.as_deref(), Some("a1"));
    assert_eq!(ask.begin, Begin::Outputs { answers: vec![], lenient: true });
}

#[test]
fn only_true_approves() {
    let said = |approval: Value| {
        let part = json!({"type": "tool-a", "toolCallId": "1", "state": "approval-responded", "approval": approval});
        continued(&json!([part])).remove(0).1
    };
    let expected = |approved, reason: Option<&str>| CallSaid::Approval {
        id: "p".into(),
        approved,
        reason: reason.map(str::to_owned),
    };
    assert_eq!(said(json!({"id": "p", "approved": true, "reason": "ok"})), expected(true, Some("ok")));
    for approved in [json!(false), json!("true"), json!(1), Value::Null] {
        assert_eq!(said(json!({"id": "p", "approved": approved})), expected(false, None), "{approved}");
    }
    assert_eq!(said(json!({"id": "p"})), expected(false, None));
    let asked = json!([{"type": "tool-a", "toolCallId": "1", "state": "approval-requested", "approval": {"id": "p"}}]);
    assert_eq!(continued(&asked), []);
}

#[test]
fn an_approval_asked_for_as_a_call_is_an_approval() {
    let said = |state: &str, output: Value| {
        continued(&json!([
            {"type": "tool-a", "toolCallId": "1", "state": "input-available", "input": {}},
            {"type": "tool-request_approval", "toolCallId": "p", "state": state, "output": output,
             "input": {"toolCallId": "1", "toolName": "a", "input": {}}},
        ]))
    };
    let expected = |approved, reason: Option<&str>| {
        let reason = reason.map(str::to_owned);
        [("1".to_owned(), CallSaid::Approval { id: "p".into(), approved, reason })]
    };
    assert_eq!(said("output-available", json!(true)), expected(true, None));
    assert_eq!(said("output-available", json!({"approved": false, "reason": "no"})), expected(false, Some("no")));
    assert_eq!(said("output-available", json!("true")), expected(false, None));
    assert_eq!(said("input-available", Value::Null), []);
}

#[test]
fn results_of_older_releases_and_of_model_messages_are_read_too() {
    let call =
        |id: &str, state: &str| json!({"toolCallId": id, "toolName": "a", "args": {}, "state": state, "result": 7});
    let seven = |id: &str| (id.to_owned(), CallSaid::Output(json!(7)));
    let last = json!({"role": "assistant", "content": "", "toolInvocations": [call("1", "result"), call("2", "call")]});
    assert_eq!(answers(json!({"id": "c", "messages": [last]})), [seven("1")]);
    // AI SDK 4.1.20 says the same twice.
    let parts = json!([{"type": "tool-invocation", "toolInvocation": call("1", "result")}]);
    let last = json!({"role": "assistant", "content": "", "parts": parts, "toolInvocations": [call("1", "result")]});
    assert_eq!(answers(json!({"id": "c", "messages": [last]})), [seven("1")]);
    let result = |id: &str| {
        json!({"role": "tool", "content": [
            {"type": "tool-result", "toolCallId": id, "toolName": "a", "output": {"type": "json", "value": 7}}]})
    };
    assert_eq!(
        answers(json!({"id": "c", "messages": [result("0"), user("u", "x"), result("1"), result("2")]})),
        [seven("1"), seven("2")]
    );
}

#[test]
fn mistakes_are_refused_at_their_place() {
    let hi = user("u", "hi");
    let long = "x".repeat(257);
    for (body, path) in [
        (json!({"messages": [hi]}), "id"),
        (json!({"id": "", "messages": [hi]}), "id"),
        (json!({"id": "a\nb", "messages": [hi]}), "id"),
        (json!({"id": long, "messages": [hi]}), "id"),
        (json!({"id": 7, "messages": [hi]}), "id"),
        (json!({"id": "c", "messages": [hi, user(&long, "x")]}), "messages[1].id"),
        (json!({"id": "c", "messages": [user("u", " \n")]}), "messages[0]"),
        (json!({"id": "c", "message": user("u", "")}), "message"),
        (json!({"id": "c", "messages": []}), "messages"),
        (json!({"id": "c", "messages": [{"role": "system", "content": "x"}]}), "messages"),
        (json!({"id": "c", "messages": [{"role": "nobody", "content": "x"}]}), "messages[0].role"),
        (
            json!({"id": "c", "messages": [assistant(&json!([{"type": "tool-a", "toolCallId": "1"}]))]}),
            "messages[0].parts[0].state",
        ),
        (json!({"id": "c", "trigger": "regenerate-message", "messageId": "\u{0}"}), "messageId"),
        (json!({"id": "c"}), "messages"),
    ] {
        let error = read(body.clone()).unwrap_err();
        assert_eq!((error.status, error.path.as_str()), (400, path), "{body}");
    }
}
