//! Routes of the AI SDK family that keep conversations: what stands at each address, and kept items in the form of each
//! wire.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use chatwire_protocols::chat::{CallPart, ResultPart};
use chatwire_protocols::event::{Citation, Mark, Runs, ToolKind, ToolOutcome};
use chatwire_protocols::items::{
    AssistantMessage, Body, Item, KeptCall, Note, Origin, Said, Task, Thread, ThreadStatus, UserMessage, Workflow,
};
use chatwire_protocols::operation::{Answer, Ask, List, Operation, Page};
use chatwire_protocols::options::Options;
use chatwire_protocols::protocol::{Frontend, RequestHead};
use serde_json::{Value, json};

fn frontend(name: &str) -> Arc<dyn Frontend> {
    let spec = chatwire_protocols::find(name).unwrap().frontend.as_ref().unwrap();
    (spec.make)(&Options::default())
}

fn ask(protocol: &str, method: &str, below: &str, query: &str) -> Ask {
    let head = RequestHead { method, path: "/api/chat", below, query };
    frontend(protocol).ask(&head, b"").unwrap()
}

#[test]
fn each_generation_resumes_in_its_own_way_and_gets_what_it_takes_where_nothing_runs() {
    for (protocol, below, query, wire, status) in [
        ("vercel-auto", "/c/stream", "", "ui", 204),
        ("vercel-auto", "", "chatId=c", "lines", 200),
        ("vercel-ui-stream", "/c/stream", "", "ui", 204),
        ("vercel-data-stream", "", "chatId=c", "lines", 200),
        ("vercel-text", "/c/stream", "", "text", 204),
    ] {
        let Ask::Resume { thread, wire: on, idle } = ask(protocol, "GET", below, query) else { panic!("{protocol}") };
        assert_eq!((thread.as_str(), on, idle.status, idle.body.as_str()), ("c", wire, status, ""), "{protocol}");
    }
}

#[test]
fn messages_come_in_the_form_of_the_wire_or_of_the_release_that_is_named() {
    for (protocol, query, wire) in [
        ("vercel-auto", "", "ui"),
        ("vercel-auto", "sdk=4", "lines"),
        ("vercel-auto", "sdk=3", "lines"),
        ("vercel-data-stream", "", "lines"),
        ("vercel-data-stream", "sdk=6", "ui"),
    ] {
        let asked = ask(protocol, "GET", "/c/messages", query);
        assert_eq!(asked, Ask::Operation(Operation::Messages { thread: "c".into(), wire }), "{protocol} {query}");
    }
    assert_eq!(ask("vercel-auto", "POST", "/c/stop", ""), Ask::Operation(Operation::Stop { thread: "c".into() }));
    assert_eq!(ask("vercel-auto", "DELETE", "/c", ""), Ask::Operation(Operation::Delete { thread: "c".into() }));
    let list = List { limit: Some(2), ..List::default() };
    assert_eq!(ask("vercel-auto", "GET", "/threads", "limit=2"), Ask::Operation(Operation::Threads(list)));
}

#[test]
fn a_turn_speaks_the_wire_that_its_body_tells() {
    let head = RequestHead { method: "POST", ..RequestHead::default() };
    for (body, wire) in [
        (json!({"id": "c", "messages": [{"role": "user", "content": "hi"}]}), "lines"),
        (json!({"id": "c", "message": {"id": "u", "role": "user", "parts": [{"type": "text", "text": "hi"}]}}), "ui"),
        (json!({"id": "c", "stream": true, "messages": [{"role": "user", "content": "hi"}]}), "typed-lines"),
    ] {
        let Ok(Ask::Turn(turn)) = frontend("vercel-auto").ask(&head, body.to_string().as_bytes()) else {
            panic!("{body}")
        };
        assert_eq!((turn.chat.wire, turn.thread.as_deref(), turn.chat.messages.len()), (wire, Some("c"), 0), "{body}");
    }
    let nameless = json!({"stream": true, "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let error = frontend("vercel-auto").ask(&head, nameless.as_bytes()).unwrap_err();
    assert_eq!((error.status, error.path.as_str()), (400, "id"));
}

fn answered(answer: &Answer) -> Value {
    let document = frontend("vercel-auto").answer(answer);
    assert_eq!((document.status, document.content_type), (200, "application/json"));
    serde_json::from_str(&document.body).unwrap()
}

#[test]
fn answers_are_json() {
    assert_eq!(answered(&Answer::Stopped(true)), json!({"stopped": true}));
    assert_eq!(answered(&Answer::Deleted { thread: "c".into(), found: true }), json!({"deleted": true}));
    let thread = Thread {
        id: "c".into(),
        title: Some("T".into()),
        status: ThreadStatus::Active,
        metadata: serde_json::Map::new(),
        created: 0,
        updated: 1500,
    };
    assert_eq!(
        answered(&Answer::Threads(Page { rows: vec![thread], more: true })),
        json!({"hasMore": true, "threads": [{
            "id": "c", "title": "T", "createdAt": "1970-01-01T00:00:00.000Z", "updatedAt": "1970-01-01T00:00:01.500Z",
        }]})
    );
}

fn item(id: &str, step: u32, body: Body) -> Item {
    let origin = Origin { turn: "turn_1".into(), message: "m1".into(), step };
    Item { id: id.into(), created: 1000, hidden: matches!(body, Body::ToolCall(_)), origin: Some(origin), body }
}

fn said(text: &str, marks: Vec<Mark>) -> Body {
    Body::Assistant(AssistantMessage { text: text.into(), marks, refusal: false, whole: true })
}

fn call(id: &str, outcome: ToolOutcome) -> Body {
    let call = CallPart {
        id: id.into(),
        name: "look".into(),
        arguments: r#"{"at":1}"#.into(),
        kind: ToolKind::Function,
        runs: Runs::Gateway,
        approval: None,
        marks: Vec::new(),
    };
    let result = ResultPart {
        call: id.into(),
        name: "look".into(),
        outcome,
        output: json!("x"),
        files: Vec::new(),
        runs: Runs::Gateway,
    };
    Body::ToolCall(KeptCall { call, result: Some(result) })
}

fn thought(text: &str, marks: Vec<Mark>) -> Task {
    Task::Thought { text: text.into(), summary: false, marks }
}

/// A conversation whose items are stored in another order than they were begun in.
fn conversation() -> Vec<Item> {
    let mut extra = serde_json::Map::new();
    extra.insert("metadata".into(), json!({"from": "web"}));
    extra.insert("parts".into(), json!([{"at": 0, "part": {"type": "custom", "kind": "a.b"}}]));
    let content = vec![Said::Text { text: "hi".into() }];
    let user = Body::User(UserMessage { content, extra, ..UserMessage::default() });
    let signature = Mark::Signature { signature: "s".into() };
    let tasks = vec![thought("One.", vec![]), thought("Two.", vec![signature])];
    let cited =
        |url: &str| Mark::Citation(Citation { url: Some(url.into()), title: Some("T".into()), ..Citation::default() });
    vec![
        Item { origin: None, ..item("u1", 0, user) },
        item("wf_1_0", 0, Body::Workflow(Workflow { tasks, duration: 1 })),
        item("msg_1_2", 0, said("Wait.", vec![])),
        item("call_1_1", 0, call("c1", ToolOutcome::Ok)),
        item("call_1_3", 0, call("c2", ToolOutcome::Error)),
        item("msg_1_4", 1, said("Done.", vec![cited("https://a/"), cited("https://a/")])),
        item("msg_1_5", 1, Body::Note(Note { text: "for the model".into() })),
        item("eot_1_6", 1, Body::EndOfTurn),
    ]
}

#[test]
fn kept_items_are_messages_of_sdk_5_and_later() {
    let body = answered(&Answer::Messages { thread: "chat".into(), items: conversation(), wire: "ui" });
    let tool = |id: &str| json!({"type": "tool-look", "toolCallId": id, "state": "output-available", "input": {"at": 1}, "output": "x"});
    let mut failed = tool("c2");
    failed.as_object_mut().unwrap().remove("output");
    failed["state"] = "output-error".into();
    failed["errorText"] = "x".into();
    assert_eq!(
        body["messages"],
        json!([
            {"id": "u1", "role": "user", "metadata": {"from": "web"},
             "parts": [{"type": "custom", "kind": "a.b"}, {"type": "text", "text": "hi"}]},
            {"id": "m1", "role": "assistant", "parts": [
                {"type": "step-start"},
                {"type": "reasoning", "text": "One.", "state": "done"},
                {"type": "reasoning", "text": "Two.", "state": "done",
                 "providerMetadata": {"chatwire": {"signature": "s"}}},
                tool("c1"),
                {"type": "text", "text": "Wait.", "state": "done"},
                failed,
                {"type": "step-start"},
                {"type": "text", "text": "Done.", "state": "done"},
                {"type": "source-url", "sourceId": "turn_1-s1", "url": "https://a/", "title": "T"},
            ]},
        ])
    );
}

#[test]
fn kept_items_are_messages_of_sdk_4() {
    let body = answered(&Answer::Messages { thread: "chat".into(), items: conversation(), wire: "lines" });
    let call = |id: &str, result: Value| json!({"state": "result", "step": 0, "toolCallId": id, "toolName": "look", "args": {"at": 1}, "result": result});
    let (first, second) = (call("c1", json!("x")), call("c2", json!({"error": "x"})));
    assert_eq!(
        body["messages"][1],
        json!({
            "id": "m1", "createdAt": "1970-01-01T00:00:01.000Z", "role": "assistant",
            "content": "Wait.Done.", "reasoning": "One.\n\nTwo.",
            "toolInvocations": [first, second],
            "parts": [
                {"type": "step-start"},
                {"type": "reasoning", "reasoning": "One.\n\nTwo.",
                 "details": [{"type": "text", "text": "One.\n\nTwo.", "signature": "s"}]},
                {"type": "tool-invocation", "toolInvocation": first},
                {"type": "text", "text": "Wait."},
                {"type": "tool-invocation", "toolInvocation": second},
                {"type": "step-start"},
                {"type": "text", "text": "Done."},
                {"type": "source", "source": {"sourceType": "url", "id": "source-1", "url": "https://a/", "title": "T"}},
            ],
        })
    );
    let user = &body["messages"][0];
    assert_eq!(
        (&user["id"], &user["content"], &user["parts"]),
        (&json!("u1"), &json!("hi"), &json!([{"type": "text", "text": "hi"}]))
    );
    assert_eq!(user["metadata"], json!({"from": "web"}));
}

#[test]
fn an_answer_that_left_no_trace_is_no_message() {
    let items = vec![item("msg_1_0", 0, Body::Note(Note { text: "stopped".into() }))];
    for wire in ["ui", "lines"] {
        let body = answered(&Answer::Messages { thread: "chat".into(), items: items.clone(), wire });
        assert_eq!(body, json!({"messages": []}), "{wire}");
    }
}
