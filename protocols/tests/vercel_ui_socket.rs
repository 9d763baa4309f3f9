//! UI message streams over a WebSocket: every frame of both sides.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod vercel_ui;

use bytes::BytesMut;
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Failure, FailureKind, Refusal};
use chatwire_protocols::event::{Event, Text};
use chatwire_protocols::operation::{Answer, Begin, Place, TurnAsk};
use chatwire_protocols::options::Options;
use chatwire_protocols::protocol::{Encoder, ReplyContext, RequestHead};
use chatwire_protocols::socket::{Closed, Heard, Socket, SocketAsk};
use proptest::prelude::*;
use serde_json::{Value, json};
use vercel_ui::{TURNS, encode, frontend, level, ordered, scenarios};

fn head(below: &str) -> RequestHead<'_> {
    RequestHead { method: "GET", path: "/api/chat", below, query: "token=x" }
}

fn socket(options: &Value) -> Box<dyn Socket> {
    frontend(options).socket(&head("/ws")).unwrap().unwrap()
}

fn say(socket: &mut dyn Socket, frame: &Value) -> (Result<Option<Heard>, Closed>, String) {
    let mut out = Vec::new();
    let heard = socket.message(&frame.to_string(), &mut out);
    (heard, String::from_utf8(out).unwrap())
}

#[track_caller]
fn hear(socket: &mut dyn Socket, frame: &Value) -> Heard {
    let (heard, told) = say(socket, frame);
    assert_eq!(told, "");
    heard.unwrap().unwrap()
}

fn send(id: &str) -> Value {
    json!({
        "type": "send", "requestId": id, "id": "chat-1", "trigger": "submit-message",
        "messages": [{"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}],
        "headers": {"authorization": "Bearer x"}, "body": {"model": "m", "tenant": 7},
    })
}

fn resume(id: &str) -> Value {
    json!({"type": "resume", "requestId": id, "id": "chat-1", "headers": {}, "body": {}})
}

fn abort(id: &str) -> Value {
    json!({"type": "abort", "requestId": id})
}

fn with(mut frame: Value, name: &str, value: Value) -> Value {
    frame[name] = value;
    frame
}

fn without(mut frame: Value, name: &str) -> Value {
    frame.as_object_mut().unwrap().remove(name);
    frame
}

fn turn_of(heard: Heard) -> TurnAsk {
    match heard.ask {
        SocketAsk::Turn(turn) => *turn,
        other => panic!("{other:?}"),
    }
}

fn opened(socket: &mut dyn Socket, id: &str) -> Box<dyn Encoder> {
    let context =
        ReplyContext { turn: "turn".into(), message: "msg-1".into(), model: "m".into(), created: 0, kept: None };
    socket.turn(&id.into(), &ChatRequest::default(), &context)
}

/// The calls that the events of a turn may answer.
fn expected(name: &str) -> &'static [&'static str] {
    if ["approved", "denied"].contains(&name) { &["p1"] } else { &[] }
}

fn written(encoder: &mut dyn Encoder, name: &str) -> String {
    let mut out = BytesMut::new();
    for event in ordered(scenarios::turn(name).events, expected(name)) {
        encoder.event(&event, &mut out);
        encoder.keep_alive(&mut out);
    }
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn an_answer_is_written_byte_for_byte() {
    let mut socket = socket(&json!({"ui_level": "7", "usage_metadata": false}));
    let mut opening = Vec::new();
    socket.opened(&mut opening);
    assert!(opening.is_empty(), "a page has no frame without a request");
    hear(&mut *socket, &send("r\"1"));
    assert_eq!(
        written(&mut *opened(&mut *socket, "r\"1"), "text"),
        [
            r#"{"type":"chunk","requestId":"r\"1","sequence":0,"chunk":{"type":"start","messageId":"msg-1"}}"#,
            r#"{"type":"chunk","requestId":"r\"1","sequence":1,"chunk":{"type":"start-step"}}"#,
            r#"{"type":"chunk","requestId":"r\"1","sequence":2,"chunk":{"type":"text-start","id":"t0"}}"#,
            r#"{"type":"chunk","requestId":"r\"1","sequence":3,"chunk":{"type":"text-delta","id":"t0","delta":"Hel"}}"#,
            r#"{"type":"chunk","requestId":"r\"1","sequence":4,"chunk":{"type":"text-delta","id":"t0","delta":"lo, "}}"#,
            r#"{"type":"chunk","requestId":"r\"1","sequence":5,"chunk":{"type":"text-delta","id":"t0","delta":"Grüße 👋🏽"}}"#,
            r#"{"type":"chunk","requestId":"r\"1","sequence":6,"chunk":{"type":"text-delta","id":"t0","delta":" \"quoted\"\n2nd\u2028line"}}"#,
            r#"{"type":"chunk","requestId":"r\"1","sequence":7,"chunk":{"type":"text-end","id":"t0"}}"#,
            r#"{"type":"chunk","requestId":"r\"1","sequence":8,"chunk":{"type":"finish-step"}}"#,
            r#"{"type":"chunk","requestId":"r\"1","sequence":9,"chunk":{"type":"finish","finishReason":"stop"}}"#,
            r#"{"type":"end","requestId":"r\"1"}"#,
            "",
        ]
        .join("\n")
    );
}

#[test]
fn every_turn_has_the_chunks_of_the_stream_numbered_without_gaps() {
    for level in ["floor", "5", "6", "7"].map(level) {
        for name in TURNS {
            let mut socket = socket(&level);
            hear(&mut *socket, &send("r"));
            let frames = written(&mut *opened(&mut *socket, "r"), name);
            let mut lines: Vec<&str> = frames.split_terminator('\n').collect();
            assert_eq!(lines.pop(), Some(r#"{"type":"end","requestId":"r"}"#), "{name}");
            let mut stream = String::new();
            for (at, line) in lines.into_iter().enumerate() {
                let start = format!("{{\"type\":\"chunk\",\"requestId\":\"r\",\"sequence\":{at},\"chunk\":");
                let chunk = line.strip_prefix(&start).and_then(|rest| rest.strip_suffix('}'));
                stream += &format!("data: {}\n\n", chunk.unwrap_or_else(|| panic!("{name}: {line}")));
            }
            assert_eq!(stream + "data: [DONE]\n\n", encode(name, &level), "{name}");
        }
    }
}

#[test]
fn a_failed_turn_says_why_and_ends() {
    let mut socket = socket(&level("floor"));
    hear(&mut *socket, &send("r"));
    let mut encoder = opened(&mut *socket, "r");
    let mut out = BytesMut::new();
    encoder.event(&Event::Failed(Failure::boxed(FailureKind::Overloaded, "secret words")), &mut out);
    encoder.event(&Event::Failed(Failure::boxed(FailureKind::Overloaded, "secret words")), &mut out);
    assert_eq!(
        String::from_utf8(out.to_vec()).unwrap(),
        concat!(
            r#"{"type":"chunk","requestId":"r","sequence":0,"chunk":{"type":"start","messageId":"msg-1"}}"#,
            "\n",
            r#"{"type":"chunk","requestId":"r","sequence":1,"chunk":{"type":"error","errorText":"The model is busy. Please try again in a moment."}}"#,
            "\n",
            r#"{"type":"end","requestId":"r"}"#,
            "\n"
        )
    );
}

#[test]
fn a_send_is_the_request_that_would_be_posted() {
    let frame = with(send("r1"), "messageId", json!("u1"));
    let frame = with(frame, "metadata", json!({"of": "the page"}));
    // The transport's members win over those of the page, as over HTTP.
    let frame = with(frame, "body", json!({"model": "m", "tenant": 7, "id": "x", "trigger": "x", "messages": []}));
    let heard = hear(&mut *socket(&json!({})), &frame);
    assert_eq!(heard.key, "r1");
    let posted = json!({
        "id": "chat-1", "trigger": "submit-message", "messageId": "u1", "messages": frame["messages"],
        "model": "m", "tenant": 7,
    });
    let head = RequestHead { method: "POST", path: "/api/chat", ..RequestHead::default() };
    let chatwire_protocols::operation::Ask::Turn(expected) =
        frontend(&json!({})).ask(&head, posted.to_string().as_bytes()).unwrap()
    else {
        panic!()
    };
    let turn = turn_of(heard);
    assert_eq!(turn, *expected);
    assert_eq!((turn.thread.as_deref(), turn.make), (Some("chat-1"), true));
    assert_eq!(turn.chat.extra.get("tenant"), Some(&json!(7)));
    assert!(!turn.chat.extra.contains_key("metadata") && !turn.chat.extra.contains_key("headers"));
}

#[test]
fn every_kind_of_turn_can_be_sent() {
    let mut socket = socket(&json!({}));
    let begun = |heard: Heard| turn_of(heard).begin;
    let heard = hear(&mut *socket, &send("1"));
    assert!(matches!(begun(heard), Begin::Message { place: Place::Next, .. }));
    let heard = hear(&mut *socket, &with(send("2"), "trigger", json!("regenerate-message")));
    assert!(matches!(begun(heard), Begin::Message { place: Place::Again, .. }));
    let called = json!([{"id": "a1", "role": "assistant", "parts": [
        {"type": "tool-where", "toolCallId": "c1", "state": "output-available", "input": {}, "output": "Thun"},
    ]}]);
    let turn = turn_of(hear(&mut *socket, &with(send("3"), "messages", called)));
    assert!(matches!(&turn.begin, Begin::Outputs { answers, .. } if answers.len() == 1), "{turn:?}");
    assert_eq!(turn.chat.continues.as_deref(), Some("a1"));
}

#[test]
fn a_running_answer_is_resumed_from_its_start() {
    let mut socket = socket(&level("floor"));
    for frame in [resume("r"), with(resume("s"), "lastSequence", json!(4)), without(resume("t"), "body")] {
        let key = Text::from(frame["requestId"].as_str().unwrap());
        let heard = hear(&mut *socket, &frame);
        assert_eq!(heard, Heard { key: key.clone(), ask: SocketAsk::Resume { thread: "chat-1".into() } });
        let frames = written(&mut *opened(&mut *socket, &key), "text");
        let (first, rest) = frames.split_once('\n').unwrap();
        assert_eq!(first, format!(r#"{{"type":"start","requestId":"{key}"}}"#));
        let mut other = self::socket(&level("floor"));
        hear(&mut *other, &send(&key));
        assert_eq!(rest, written(&mut *opened(&mut *other, &key), "text"));
    }
}

#[test]
fn a_resumed_answer_that_says_nothing_yet_is_announced_with_the_first_sign_of_life() {
    let mut socket = socket(&json!({}));
    hear(&mut *socket, &resume("r"));
    let mut encoder = opened(&mut *socket, "r");
    let mut out = BytesMut::new();
    encoder.keep_alive(&mut out);
    encoder.keep_alive(&mut out);
    assert_eq!(out, "{\"type\":\"start\",\"requestId\":\"r\"}\n");
}

#[test]
fn where_nothing_runs_there_is_nothing_active() {
    let mut socket = socket(&json!({}));
    hear(&mut *socket, &resume("r"));
    let mut out = Vec::new();
    socket.answer(&"r".into(), &Answer::NothingRuns, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), "{\"type\":\"no-active\",\"requestId\":\"r\"}\n");
    // The request is over.
    hear(&mut *socket, &resume("r"));
}

#[test]
fn an_abort_is_heard_once_and_only_for_what_has_not_ended() {
    let mut socket = socket(&json!({}));
    let aborted = |id: &str| Heard { key: id.into(), ask: SocketAsk::Abort { turn: id.into() } };
    for (id, ask) in [("send", send("send")), ("resume", resume("resume"))] {
        hear(&mut *socket, &ask);
        let _encoder = opened(&mut *socket, id);
        assert_eq!(hear(&mut *socket, &abort(id)), aborted(id));
        assert_eq!(say(&mut *socket, &abort(id)), (Ok(None), String::new()));
    }
    assert_eq!(say(&mut *socket, &abort("unknown")), (Ok(None), String::new()));
    // Before the answer begins.
    hear(&mut *socket, &send("early"));
    assert_eq!(hear(&mut *socket, &abort("early")), aborted("early"));
    let mut out = Vec::new();
    socket.answer(&"early".into(), &Answer::Stopped(true), &mut out);
    assert!(out.is_empty(), "pages expect nothing after an abort");
}

#[test]
fn an_id_is_free_again_when_its_answer_has_ended() {
    let mut socket = socket(&json!({}));
    let taken = |socket: &mut dyn Socket| say(socket, &send("r")).0.unwrap_err().reason == "this requestId is in use";
    hear(&mut *socket, &send("r"));
    assert!(taken(&mut *socket), "before the answer begins");
    let mut encoder = opened(&mut *socket, "r");
    assert!(taken(&mut *socket), "while it is written");
    written(&mut *encoder, "text");
    hear(&mut *socket, &send("r"));
    drop(opened(&mut *socket, "r"));
    hear(&mut *socket, &resume("r"));
    let error = CallerError::new(429, "busy", "too many requests");
    socket.refuse(&"r".into(), &Refusal::Caller(&error), &mut Vec::new());
    hear(&mut *socket, &send("r"));
    socket.cut(&"r".into(), &mut Vec::new());
    hear(&mut *socket, &send("r"));
}

#[test]
fn what_is_not_done_is_an_error_of_its_request_alone() {
    let mut socket = socket(&json!({}));
    let mut out = Vec::new();
    let failure = Failure::new(FailureKind::Overloaded, "secret words");
    socket.refuse(&"r".into(), &Refusal::Failure(&failure), &mut out);
    socket.cut(&"s".into(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            r#"{"type":"error","requestId":"r","errorText":"The model is busy. Please try again in a moment."}"#,
            "\n",
            r#"{"type":"error","requestId":"s","errorText":"The connection was too slow for this answer. Please load the chat again."}"#,
            "\n"
        )
    );
    let empty = json!([{"id": "u1", "role": "user", "parts": [{"type": "text", "text": " "}]}]);
    for (frame, expected) in [
        (with(send("r"), "messages", json!([])), "messages: is empty; at least one message is expected"),
        (with(send("r"), "messages", empty), "messages[0]: is empty; there is nothing to answer"),
        (with(send("r"), "messages", json!([7])), "messages[0].role: is missing"),
        (with(send("r"), "id", json!("a\u{0}b")), "id: must have 1 to 256 bytes and no control characters"),
        (with(resume("r"), "id", json!("x".repeat(257))), "id: must have 1 to 256 bytes and no control characters"),
        (with(resume("r"), "id", json!("")), "id: must have 1 to 256 bytes and no control characters"),
    ] {
        let (heard, told) = say(&mut *socket, &frame);
        assert_eq!(heard, Ok(None), "{frame}");
        let told: Value = serde_json::from_str(told.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(told, json!({"type": "error", "requestId": "r", "errorText": expected}), "{frame}");
    }
    // None of them has taken the id.
    hear(&mut *socket, &send("r"));
}

#[test]
fn what_is_no_frame_of_the_protocol_closes_the_connection() {
    for frame in [
        json!([]),
        json!("send"),
        json!({}),
        without(abort("r"), "type"),
        with(abort("r"), "type", json!(7)),
        with(abort("r"), "type", json!("ping")),
        with(send("r"), "type", json!("Send")),
        without(abort("r"), "requestId"),
        with(abort("r"), "requestId", json!(7)),
        with(abort("r"), "requestId", json!("")),
        with(abort("r"), "requestId", json!("a\nb")),
        with(abort("r"), "requestId", json!("x".repeat(129))),
        without(send("r"), "id"),
        with(send("r"), "id", json!(7)),
        without(send("r"), "trigger"),
        with(send("r"), "trigger", json!("submit-tool-result")),
        without(send("r"), "messages"),
        with(send("r"), "messages", json!({})),
        with(send("r"), "messageId", json!(7)),
        with(send("r"), "body", json!([])),
        with(send("r"), "headers", json!([])),
        with(send("r"), "headers", json!({"x-a": 7})),
        without(resume("r"), "id"),
        with(resume("r"), "id", json!(null)),
        with(resume("r"), "body", json!("x")),
        with(resume("r"), "headers", json!({"x-a": null})),
        with(resume("r"), "lastSequence", json!(-1)),
        with(resume("r"), "lastSequence", json!(1.5)),
        with(resume("r"), "lastSequence", json!("1")),
    ] {
        let (heard, told) = say(&mut *socket(&json!({})), &frame);
        let closed = heard.expect_err(&frame.to_string());
        assert_eq!((closed.code, told.as_str()), (1008, ""), "{frame}");
        assert!((1..=123).contains(&closed.reason.len()), "a close frame has room for it: {}", closed.reason);
    }
    for text in ["", " ", "{", "nonsense", "{\"type\":\"abort\",\"requestId\":\"r\"} x"] {
        assert_eq!(socket(&json!({})).message(text, &mut Vec::new()).unwrap_err().code, 1008, "{text}");
    }
}

#[test]
fn the_longest_id_is_heard() {
    let id = "ü".repeat(64);
    assert_eq!(hear(&mut *socket(&json!({})), &resume(&id)).key, id);
}

#[test]
fn only_pages_of_the_ui_message_stream_have_a_socket() {
    for (name, there) in [
        ("vercel-auto", true),
        ("vercel-ui-stream", true),
        ("vercel-data-stream", false),
        ("vercel-text", false),
        ("vercel-typed-lines", false),
    ] {
        let spec = chatwire_protocols::find(name).unwrap().frontend.as_ref().unwrap();
        let page = (spec.make)(&Options::default());
        for below in ["", "/ws"] {
            assert_eq!(page.socket(&head(below)).unwrap().is_some(), there, "{name} {below}");
        }
        for below in ["/", "/ws/", "/ws/x", "/chat-1/stream", "/threads"] {
            assert!(page.socket(&head(below)).unwrap().is_none(), "{name} {below}");
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just("r".to_owned()), Just("submit-message".to_owned()), ".{0,8}"].prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("role|parts|type|text|id", inner), 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a page sends, in whatever order, it is answered, heard or ends the connection: once, in whole lines.
    #[test]
    fn any_conversation_is_survived(
        frames in prop::collection::vec(
            (
                "send|resume|abort|other",
                "[a-c]",
                prop::option::of(("id|messages|trigger|messageId|body|headers|lastSequence|requestId", any_value())),
                any::<bool>(),
            ),
            0..12,
        ),
    ) {
        let mut socket = socket(&json!({}));
        for (kind, id, change, begins) in frames {
            let mut frame = with(send(&id), "type", json!(kind));
            if let Some((name, value)) = change {
                frame = with(frame, &name, value);
            }
            let (heard, told) = say(&mut *socket, &frame);
            let answered = told.lines().collect::<Vec<_>>();
            prop_assert!(answered.iter().all(|line| serde_json::from_str::<Value>(line).is_ok()));
            let answered = answered.len();
            prop_assert!(told.is_empty() || told.ends_with('\n'));
            match heard {
                Ok(Some(heard)) => {
                    prop_assert_eq!(answered, 0);
                    if begins && !matches!(heard.ask, SocketAsk::Abort { .. }) {
                        written(&mut *opened(&mut *socket, &heard.key), "text");
                    }
                }
                Ok(None) => prop_assert_eq!(answered, usize::from(kind != "abort")),
                Err(closed) => prop_assert_eq!((closed.code, answered), (1008, 0)),
            }
        }
    }
}
