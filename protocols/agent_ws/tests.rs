//! The dialect without a gateway: what it writes for events, and what it hears.

use bytes::BytesMut;
use serde_json::{Value, json};

use super::PROTOCOL;
use super::session::Session;
use crate::chat::ChatRequest;
use crate::event::{
    BlockId, BlockKind, CancelledBy, Event, Finish, FinishReason, Runs, StepEnd, ToolCall, ToolKind, ToolOutcome,
    ToolResult, TurnEnd,
};
use crate::items::{AssistantMessage, Body, Item, Origin, Thread, ThreadStatus, UserMessage};
use crate::operation::{Answer, Operation};
use crate::options::Options;
use crate::protocol::{Encoder, KeptContext, ReplyContext, RequestHead};
use crate::socket::{Running, Socket, SocketAsk};

const CHAT: &str = "thr_1";

fn context(added: Vec<Item>) -> ReplyContext {
    let thread = Thread {
        id: CHAT.to_owned(),
        title: None,
        status: ThreadStatus::Active,
        metadata: serde_json::Map::new(),
        created: 0,
        updated: 0,
    };
    let kept = KeptContext { thread, made: false, added, replaced: vec![], shown: vec![], usage: vec![] };
    ReplyContext {
        turn: "turn_1".into(),
        message: "msg_1".into(),
        kept: Some(Box::new(kept)),
        ..ReplyContext::default()
    }
}

fn item(id: &str, turn: Option<&str>, body: Body) -> Item {
    let origin = turn.map(|turn| Origin { turn: turn.into(), message: "m".into(), step: 0 });
    Item { id: id.into(), created: 0, hidden: false, origin, body }
}

fn user(text: &str) -> Body {
    let content = vec![crate::items::Said::Text { text: text.to_owned() }];
    Body::User(UserMessage { content, ..UserMessage::default() })
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().unwrap()).collect()
}

fn encode(encoder: &mut dyn Encoder, events: &[Event]) -> Vec<Value> {
    let mut out = BytesMut::new();
    events.iter().for_each(|event| encoder.event(event, &mut out));
    lines(&out)
}

fn text(block: u32, pieces: &[&str]) -> Vec<Event> {
    let block = BlockId(block);
    let mut events = vec![Event::BlockStart { block, kind: BlockKind::Text }];
    events.extend(pieces.iter().map(|piece| Event::BlockDelta { block, text: (*piece).into() }));
    events.push(Event::BlockEnd { block, whole: true });
    events
}

fn call(block: u32, arguments: &str, whole: bool) -> Vec<Event> {
    let id = BlockId(block);
    let call = ToolCall {
        id: format!("c{block}").into(),
        name: "f".into(),
        kind: ToolKind::Function,
        runs: Runs::Gateway,
        index: 0,
    };
    vec![
        Event::BlockStart { block: id, kind: BlockKind::ToolInput(Box::new(call)) },
        Event::BlockDelta { block: id, text: arguments.into() },
        Event::BlockEnd { block: id, whole },
    ]
}

fn begin() -> Vec<Event> {
    vec![Event::TurnStart { turn: "turn_1".into() }, Event::Now { ms: 1000 }, Event::StepStart(Box::default())]
}

fn ended(reason: FinishReason) -> Vec<Event> {
    let finish = Finish { reason, raw: None };
    let end = TurnEnd { finish, ..TurnEnd::default() };
    vec![Event::Now { ms: 3500 }, Event::StepEnd(Box::<StepEnd>::default()), Event::TurnEnd(Box::new(end))]
}

fn turn(events: Vec<Event>) -> Vec<Value> {
    let mut session = Session::default();
    let context = context(vec![item("u1", None, user("hi"))]);
    let mut encoder = session.turn(&"chat thr_1".into(), &ChatRequest::default(), &context);
    encode(&mut *encoder, &[begin(), events].concat())
}

#[test]
fn a_turn_has_one_bubble_for_each_text_and_one_end() {
    let seen =
        turn([text(0, &["a", "b"]), call(1, "{\"n\":12345678901234567890}", true), ended(FinishReason::Stop)].concat());
    assert_eq!(
        kinds(&seen),
        ["user_message", "stream_start", "text_delta", "text_delta", "stream_end", "tool_use", "result"]
    );
    let end = json!({"type": "result", "success": true, "cost": null, "duration": 2500, "chat_id": CHAT});
    assert_eq!(seen.last(), Some(&end));
    for (reason, success) in
        [(FinishReason::Length, true), (FinishReason::Error, false), (FinishReason::ContentFilter, false)]
    {
        assert_eq!(turn(ended(reason)).last().unwrap()["success"], success, "{reason:?}");
    }
    for (by, kind) in
        [(CancelledBy::User, "cancelled"), (CancelledBy::NewerTurn, "cancelled"), (CancelledBy::Shutdown, "error")]
    {
        assert_eq!(kinds(&turn(vec![Event::Cancelled { by }])), ["user_message", kind]);
    }
}

#[test]
fn big_numbers_of_a_call_stay_as_the_model_wrote_them() {
    let mut session = Session::default();
    let mut encoder = session.turn(&"chat thr_1".into(), &ChatRequest::default(), &context(vec![]));
    let mut out = BytesMut::new();
    for event in [begin(), call(1, "{\"n\":12345678901234567890123}", true)].concat() {
        encoder.event(&event, &mut out);
    }
    assert!(std::str::from_utf8(&out).unwrap().contains("{\"n\":12345678901234567890123}"));
}

#[test]
fn a_call_that_was_cut_is_not_shown_nor_its_result() {
    let result = ToolResult::failed("c1", ToolOutcome::Interrupted, "cut");
    let seen = turn([call(1, "{\"n\":", false), vec![Event::ToolResult(Box::new(result))]].concat());
    assert_eq!(kinds(&seen), ["user_message"]);
    let result = ToolResult::failed("earlier", ToolOutcome::Denied, "no");
    let seen = turn(vec![Event::ToolResult(Box::new(result))]);
    assert_eq!((&seen[1]["tool_id"], &seen[1]["is_error"]), (&json!("earlier"), &json!(true)));
}

#[test]
fn texts_at_the_same_time_are_shown_one_behind_the_other() {
    let (one, two) = (BlockId(0), BlockId(1));
    let delta = |block, text: &str| Event::BlockDelta { block, text: text.into() };
    let seen = turn(vec![
        Event::BlockStart { block: one, kind: BlockKind::Text },
        Event::BlockStart { block: two, kind: BlockKind::Text },
        delta(one, "a"),
        delta(two, "x"),
        delta(one, "b"),
        delta(two, "y"),
        Event::BlockEnd { block: one, whole: false },
        delta(two, "z"),
        Event::BlockEnd { block: two, whole: false },
    ]);
    let deltas: Vec<_> = seen.iter().filter_map(|line| line["delta"].as_str()).collect();
    assert_eq!(deltas, ["a", "b", "xy", "z"]);
    let count = |kind| kinds(&seen).iter().filter(|seen| **seen == kind).count();
    assert_eq!((count("stream_start"), count("stream_end")), (2, 2), "{seen:?}");
}

/// However much of a turn is past when a page comes, and whatever of it is stored by then, the page knows the same in
/// the end.
#[test]
fn a_late_page_knows_the_same_wherever_the_turn_is() {
    let said = [
        begin(),
        text(0, &["one ", "two"]),
        call(1, "{}", true),
        vec![Event::ToolResult(Box::new(ToolResult::ok("c1", json!("r"))))],
        text(2, &["three ", "four"]),
        ended(FinishReason::Stop),
    ]
    .concat();
    let kept = [
        item("u1", None, user("hi")),
        item(
            "msg_1_0",
            Some("turn_1"),
            Body::Assistant(AssistantMessage { text: "one two".into(), ..Default::default() }),
        ),
    ];
    for stored in [1, 2] {
        for at in 0..said.len() {
            let (past, rest) = said.split_at(at);
            let mut session = Session::default();
            let mut out = Vec::new();
            let (chat, context) = (ChatRequest::default(), context(vec![]));
            let messages = Answer::Messages { thread: CHAT.into(), items: kept[..stored].to_vec(), wire: "" };
            let running = Running { chat: &chat, context: &context, past };
            let encoder = session.subscribed(&"chat thr_1".into(), &messages, Some(running), &mut out);
            let mut seen = lines(&out);
            seen.extend(encode(&mut *encoder.unwrap(), rest));
            assert_eq!(seen[0]["type"], "processing_state", "at {at}");
            let mut words = String::new();
            let mut tools = Vec::new();
            for line in &seen {
                match line["type"].as_str().unwrap() {
                    "history" => {
                        let messages = line["messages"].as_array().unwrap();
                        words.extend(messages.iter().filter_map(|message| message["content"].as_str()));
                        words.push_str(seen[0]["streaming_state"]["text"].as_str().unwrap());
                    }
                    "text_delta" => words.push_str(line["delta"].as_str().unwrap()),
                    "tool_history" => {
                        tools.extend(line["tool_uses"].as_array().unwrap().iter().map(|used| used["id"].clone()))
                    }
                    "tool_use" => tools.push(line["tool_id"].clone()),
                    _ => {}
                }
            }
            tools.extend(
                seen[0]["streaming_state"]["tool_uses"].as_array().unwrap().iter().map(|used| used["id"].clone()),
            );
            assert_eq!(words, "hione twothree four", "at {at} with {stored}: {seen:?}");
            assert_eq!(tools, ["c1"], "at {at} with {stored}: {seen:?}");
            let ends = kinds(&seen).iter().filter(|kind| **kind == "result").count();
            assert_eq!(ends, 1, "at {at}");
        }
    }
}

#[test]
fn a_message_of_the_history_is_not_told_again_by_its_turn() {
    let mut session = Session::default();
    let key = "chat thr_1".into();
    let items = vec![item("u1", None, user("hi"))];
    let messages = Answer::Messages { thread: CHAT.into(), items: items.clone(), wire: "" };
    assert!(session.subscribed(&key, &messages, None, &mut Vec::new()).is_none());
    for expected in [0, 1] {
        let mut turn = session.turn(&key, &ChatRequest::default(), &context(items.clone()));
        assert_eq!(encode(&mut *turn, &begin()).len(), expected);
    }
}

#[test]
fn requests_are_read() {
    let frontend = (PROTOCOL.frontend.as_ref().unwrap().make)(&Options::default());
    let ask =
        |method, below| frontend.ask(&RequestHead { method, below, query: "q=a%20b", ..RequestHead::default() }, b"");
    for (method, below, expected) in [
        ("GET", "/api/chats/", Ok(Operation::Recent { matching: None })),
        ("GET", "/api/chats/search", Ok(Operation::Recent { matching: Some("a b".to_owned()) })),
        ("GET", "/api/chats/x%2Fy", Ok(Operation::Thread { thread: "x/y".into() })),
        ("DELETE", "/api/chats/x", Ok(Operation::Delete { thread: "x".into() })),
        ("PUT", "/api/chats/x", Err(400)),
        ("GET", "/api/chats/x/y", Err(404)),
        ("GET", "/ws/chat", Err(426)),
        ("POST", "/ws/chat", Err(405)),
    ] {
        let expected = expected.map(crate::operation::Ask::Operation);
        assert_eq!(ask(method, below).map_err(|error| error.status), expected, "{method} {below}");
    }
}

#[test]
fn whatever_is_said_is_answered_in_lines_and_never_closes() {
    let mut session = Session::default();
    let long = "x".repeat(300);
    for said in ["", "{", "null", "[]", "{\"type\":\"stop\"}", "{\"type\":\"stop\",\"chat_id\":\"\\u0000\"}", &long] {
        let mut out = Vec::new();
        assert_eq!(session.message(said, &mut out), Ok(None), "{said}");
        assert_eq!(kinds(&lines(&out)), ["error"], "{said}");
    }
    let mut out = Vec::new();
    let heard = session.message(r#"{"type":"subscribe","chat_id":"a b"}"#, &mut out).unwrap().unwrap();
    assert_eq!((heard.ask, out.len()), (SocketAsk::Subscribe { thread: "a b".into() }, 0));
    session.answer(&"clear_history a b".into(), &Answer::Cleared("a b".into()), &mut out);
    assert_eq!(lines(&out), [json!({"type": "history_cleared", "chat_id": "a b"})]);
}
