use serde_json::{Map, Value, json};

use super::*;
use crate::items::{Item, Note, Thread, ThreadStatus};
use crate::operation::ModelUsage;
use crate::protocol::KeptContext;
use crate::sample_turns as sample;

const STAMP: &str = r#","timestamp":"2023-11-14T22:13:20.000Z"}"#;

/// What the page reads, without the times that all frames share.
fn read(events: &[Event], deltas: bool) -> Vec<String> {
    let text = sample::encoded(Encode::new(&sample::context(), deltas), events);
    let (frames, end) = text.split_at(text.len() - 8);
    assert_eq!(end, ": done\n\n");
    frames.split_terminator("\n\n").map(|frame| frame.replace(STAMP, "}").replace("data: ", "")).collect()
}

fn types(frames: &[String]) -> Vec<String> {
    let kind = |frame: &String| serde_json::from_str::<Value>(frame).unwrap()["type"].as_str().unwrap().to_owned();
    frames.iter().map(kind).collect()
}

#[test]
fn texts_come_as_they_are_said() {
    let frames = read(&sample::text(), true);
    assert_eq!(frames[0], r#"{"type":"step_start","step_id":"step_turn-1_1","title":"Step 1","step_number":1}"#);
    assert_eq!(frames[1], r#"{"type":"text_delta","delta":"Hel"}"#);
    assert_eq!(frames[5], r#"{"type":"text_delta","delta":" \"quoted\"\n2nd\u2028line"}"#);
    assert_eq!(frames[6], r#"{"type":"step_complete","step_id":"step_turn-1_1","status":"completed","duration_ms":0}"#);
    assert_eq!(frames[7], r#"{"type":"final","content":"Hello, Grüße 👋🏽 \"quoted\"\n2nd\u2028line"}"#);
    let usage: Value = serde_json::from_str(&frames[8]).unwrap();
    assert_eq!((&usage["type"], &usage["usage"]["total_tokens"]), (&json!("usage"), &json!(19)));
    assert_eq!(usage.get("timestamp"), None);
    assert_eq!(frames.len(), 9);
}

#[test]
fn texts_are_whole_for_each_step() {
    let frames = read(&sample::gateway_tool(), false);
    assert_eq!(
        types(&frames),
        [
            "step_start",
            "text",
            "tool_call",
            "tool_result",
            "step_complete",
            "step_start",
            "text",
            "step_complete",
            "final",
            "usage"
        ]
    );
    assert_eq!(frames[1], r#"{"type":"text","content":"Looking it up. "}"#);
    assert_eq!(
        frames[2],
        r#"{"type":"tool_call","tool":"weather","args":{"city":"Zürich"},"tool_call_id":"call_1","display_name":""}"#
    );
    assert_eq!(
        frames[3],
        r#"{"type":"tool_result","tool":"weather","result":"{\"tempC\":7,\"sky\":\"fog\"}","tool_call_id":"call_1","is_error":false,"screenshot_base64":null}"#
    );
    assert_eq!(frames[8], r#"{"type":"final","content":"It is 7 °C."}"#);
}

#[test]
fn thoughts_have_ids_and_ends() {
    let frames = read(&sample::reasoning(), true);
    assert_eq!(frames[1], r#"{"type":"thinking_start","think_id":"think_turn-1_1"}"#);
    assert_eq!(frames[2], r#"{"type":"thinking_delta","think_id":"think_turn-1_1","delta":"let me "}"#);
    assert_eq!(frames[4], r#"{"type":"thinking_end","think_id":"think_turn-1_1"}"#);
    assert_eq!(frames[5], r#"{"type":"thinking_start","think_id":"think_turn-1_2"}"#);
    assert_eq!(frames[8], r#"{"type":"text_delta","delta":"42"}"#, "what nobody may read is not told of");
    let whole = read(&sample::reasoning(), false);
    assert_eq!(whole[1], r#"{"type":"thinking","content":"let me think\n\nagain"}"#);
    assert_eq!(whole[2], r#"{"type":"text","content":"42"}"#);
}

#[test]
fn every_call_has_one_result_and_says_whether_it_failed() {
    for deltas in [true, false] {
        for (name, events) in sample::all() {
            let frames: Vec<Value> =
                read(&events, deltas).iter().map(|frame| serde_json::from_str(frame).unwrap()).collect();
            let of = |kind: &str| frames.iter().filter(|frame| frame["type"] == kind).count();
            assert_eq!(of("final") + of("error"), 1, "{name}");
            assert_eq!(of("final"), of("usage"), "{name}");
            assert_eq!(of("step_start"), of("step_complete"), "{name}");
            assert_eq!(of("thinking_start"), of("thinking_end"), "{name}");
            assert!(of("tool_result") <= of("tool_call"), "{name}");
        }
    }
    let frames = read(&sample::failing_tools(), true);
    assert_eq!(frames.iter().filter(|frame| frame.contains(r#""is_error":true"#)).count(), 3);
}

#[test]
fn a_failure_ends_its_step_and_says_nothing_of_the_provider() {
    let frames = read(&sample::failed_in_text(), false);
    assert_eq!(types(&frames), ["step_start", "text", "step_complete", "error"]);
    assert_eq!(frames[1], r#"{"type":"text","content":"I was"}"#);
    assert!(frames[2].contains(r#""status":"error""#));
    assert!(!frames[3].contains("secret") && !frames[3].contains("timestamp"), "{}", frames[3]);
    assert_eq!(types(&read(&sample::failed_at_once(), true)), ["error"]);
}

#[test]
fn a_stop_tells_what_the_model_will_be_told_and_ends_with_an_error() {
    let frames = read(&sample::cancelled_in_text(CancelledBy::User), true);
    assert_eq!(types(&frames), ["step_start", "text_delta", "hidden", "step_complete", "error"]);
    assert_eq!(frames[4], format!(r#"{{"type":"error","error":"{STOPPED}"}}"#));
    let frames = read(&sample::cancelled_in_text(CancelledBy::Shutdown), true);
    assert!(frames.last().unwrap().contains(FailureKind::Shutdown.safe_text()));
}

#[test]
fn times_are_those_of_the_turn() {
    let mut events = vec![Event::TurnStart { turn: "turn_1".into() }, Event::Now { ms: 1_767_268_800_000 }];
    let mut text = sample::text();
    let end = text.pop().unwrap();
    events.append(&mut text);
    events.extend([Event::Now { ms: 1_767_268_801_500 }, end]);
    let text = sample::encoded(Encode::new(&sample::context(), true), &events);
    assert!(text.contains(r#""step_number":1,"timestamp":"2026-01-01T12:00:00.000Z"}"#), "{text}");
    assert!(text.contains(r#""duration_ms":1500,"timestamp":"2026-01-01T12:00:01.500Z"}"#), "{text}");
}

#[test]
fn a_session_says_what_it_has_cost_before_and_what_was_put_into_it() {
    let thread = Thread {
        id: "s".to_owned(),
        title: None,
        status: ThreadStatus::Active,
        metadata: Map::new(),
        created: 0,
        updated: 0,
    };
    let note = Body::Note(Note { text: "The user has clicked.".to_owned() });
    let added = vec![Item { id: "n".into(), created: 0, hidden: true, origin: None, body: note }];
    let usage = vec![ModelUsage { model: "chat-model".to_owned(), calls: 1, input: 100, ..ModelUsage::default() }];
    let kept = KeptContext { thread, made: false, added, replaced: Vec::new(), shown: Vec::new(), usage };
    let context = ReplyContext { kept: Some(Box::new(kept)), ..sample::context() };
    let text = sample::encoded(Encode::new(&context, true), &sample::text());
    assert!(text.starts_with(r#"data: {"type":"hidden","content":"The user has clicked.","timestamp""#), "{text}");
    assert!(text.contains(r#"{"type":"usage","session_id":"s","usage":{"total_tokens":119,"#), "{text}");
    assert!(text.contains(r#""invocations":2"#), "{text}");
}
