//! The decoder against hand-made streams, cut everywhere.

use serde_json::json;

use super::*;
use crate::cuts::every_cut;
use crate::event::{BlockKind, Mark, ToolOutcome};
use crate::fold::{Answer, Piece as Said};
use crate::protocol::Limits;

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","content":[],"usage":{"input_tokens":3,"cache_read_input_tokens":5,"output_tokens":1}}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

/// The events' bytes as the provider frames them.
fn framed(events: &[&str]) -> String {
    events
        .iter()
        .map(|event| {
            let kind = serde_json::from_str::<Value>(event).unwrap_or_default();
            format!("event: {}\ndata: {event}\n\n", kind["type"].as_str().unwrap_or_default())
        })
        .collect()
}

/// A whole stream around these events.
fn stream(events: &[&str], reason: &str) -> String {
    let delta =
        format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}"}},"usage":{{"output_tokens":9}}}}"#);
    framed(&[&[START], events, &[delta.as_str(), STOP]].concat())
}

fn context() -> DecodeContext {
    DecodeContext { seed: "s".into(), ..DecodeContext::default() }
}

fn decoded(body: &str) -> (Answer, Vec<Event>) {
    every_cut(&|| Box::new(StreamDecoder::new(&context(), false)), body.as_bytes())
}

fn answer(body: &str) -> Value {
    decoded(body).0.to_json()
}

fn failed(body: &str) -> Failure {
    match decoded(body).1.pop() {
        Some(Event::Failed(failure)) => *failure,
        other => panic!("no failure: {other:?}"),
    }
}

fn begin(index: u32, block: &str) -> String {
    format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#)
}

fn delta(index: u32, delta: &str) -> String {
    format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#)
}

fn text(index: u32, text: &str) -> String {
    delta(index, &json!({"type": "text_delta", "text": text}).to_string())
}

fn input(index: u32, json: &str) -> String {
    delta(index, &json!({"type": "input_json_delta", "partial_json": json}).to_string())
}

fn stop(index: u32) -> String {
    format!(r#"{{"type":"content_block_stop","index":{index}}}"#)
}

fn over(events: &[String], reason: &str) -> String {
    stream(&events.iter().map(String::as_str).collect::<Vec<_>>(), reason)
}

fn tool(id: &str, input: &str) -> String {
    format!(r#"{{"type":"tool_use","id":"{id}","name":"f","input":{input}}}"#)
}

fn hello() -> String {
    over(&[begin(0, r#"{"type":"text","text":""}"#), text(0, "he"), text(0, "llo"), stop(0)], "end_turn")
}

#[test]
fn a_plain_answer_is_read() {
    let json = answer(&hello());
    assert_eq!(
        (&json["outcome"], &json["text"], &json["finish"]),
        (&json!("complete"), &json!("hello"), &json!("stop"))
    );
    assert_eq!(
        (&json["id"], &json["model"], &json["finish_reason"]),
        (&json!("msg_1"), &json!("claude"), &json!("end_turn"))
    );
    assert_eq!(
        json["usage"],
        json!({"input_tokens": 8, "cached_input_tokens": 5, "cache_write_input_tokens": null,
            "output_tokens": 9, "reasoning_tokens": null, "total_tokens": 17})
    );
}

#[test]
fn any_framing_gives_the_same_answer() {
    let (expected, _) = decoded(&hello());
    let plain = hello();
    let nameless: String =
        plain.lines().filter(|line| !line.starts_with("event")).map(|line| format!("{line}\n")).collect();
    let late: String = plain
        .split("\n\n")
        .filter_map(|event| event.split_once('\n'))
        .map(|(name, data)| format!("{data}\n{name}\n\n"))
        .collect();
    for (what, body) in [
        ("CRLF", plain.replace('\n', "\r\n")),
        ("CR", plain.replace('\n', "\r")),
        ("BOM", format!("\u{feff}{plain}")),
        ("no space", plain.replace("data: ", "data:").replace("event: ", "event:")),
        ("no event lines", nameless),
        ("event lines last", late),
        ("padding", plain.replace("}\n", "     }\n")),
        ("several data lines", plain.replace("\"type\":\"content_block_delta\",", "\"type\":\"content_block_delta\",\ndata: ")),
        ("no blank line at the end", plain.trim_end().to_owned()),
        ("end of another protocol", format!("{plain}data: [DONE]\n\n")),
        ("comments", plain.replace("event: content", ": keepalive\n\nevent: content")),
        ("heartbeats", plain.replace("event: c", "event: ping\ndata: {}\n\ndata:\n\ndata: : keepalive\n\nid: 1\nretry: 5\n\ndata: {\"type\": \"ping\"}\n\nevent: c")),
        ("events from tomorrow", plain.replace("event: c", "event: new\ndata: {\"type\":\"new\",\"index\":0}\n\nevent: c")),
    ] {
        assert_eq!(decoded(&body).0, expected, "{what}");
    }
}

#[test]
fn an_end_of_the_body_before_the_end_of_the_message_is_a_cut() {
    let whole = hello();
    let at = whole.find("event: message_delta").unwrap();
    assert_eq!(failed(&whole[..at]).kind, FailureKind::Cut);
    assert_eq!(failed(&whole[..at + 60]).kind, FailureKind::Cut);
    assert_eq!(answer(&whole[..at])["text"], "hello");
    assert_eq!(answer(&whole[..at])["outcome"], "truncated");
    assert_eq!(failed(&format!("{}data: [DONE]\n\n", &whole[..at])).kind, FailureKind::Cut);
    let stopped = &whole[..whole.find("event: message_stop").unwrap()];
    assert_eq!(answer(stopped), answer(&whole));
}

#[test]
fn a_body_without_a_message_is_empty() {
    for body in ["", "\n\n", ": ping\n\n: ping\n\n", "data: [DONE]\n\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n"] {
        assert_eq!(failed(body).kind, FailureKind::Empty, "{body:?}");
    }
}

#[test]
fn a_body_that_is_no_stream_is_read_or_refused() {
    let whole = r#" {"type":"message","id":"m","model":"c","role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"hi"},{"type":"tool_use","id":"t","name":"f","input":{"a": 1.0}}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let json = answer(whole);
    assert_eq!(
        (&json["text"], &json["reasoning"], &json["finish"]),
        (&json!("hi"), &json!("hm"), &json!("tool_calls"))
    );
    assert_eq!(
        (&json["tool_calls"][0]["arguments_raw"], &json["usage"]["total_tokens"]),
        (&json!("{\"a\": 1.0}"), &json!(3))
    );
    let error = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"},"request_id":"r"}"#;
    assert_eq!((failed(error).kind, failed(error).message.as_str()), (FailureKind::RateLimit, "slow"));
    let mut page = Vec::new();
    StreamDecoder::new(&context(), false).feed(b"<html><h1>502</h1></html>", &mut page);
    assert!(matches!(&page[1], Event::Failed(failure) if failure.kind == FailureKind::Malformed));
    assert_eq!(failed(r#"{"hello":"world"}"#).kind, FailureKind::Malformed);
    assert_eq!(failed(r#"{"type":"message","content":[{"#).kind, FailureKind::Cut);
    assert_eq!(failed("data: upstream connect error\n\n").type_.as_deref(), Some("protocol"));
}

#[test]
fn an_error_inside_the_stream_fails_the_answer_and_keeps_the_text() {
    let error = |kind: &str| format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"why"}}}}"#);
    for (kind, expected) in [
        ("overloaded_error", FailureKind::Overloaded),
        ("timeout_error", FailureKind::Timeout),
        ("api_error", FailureKind::Server),
        ("invalid_request_error", FailureKind::BadRequest),
        ("unheard_of", FailureKind::Server),
    ] {
        let body = framed(&[START, &text(0, "half"), &error(kind), STOP]);
        let failure = failed(&body);
        assert_eq!((failure.kind, failure.status, failure.type_.as_deref()), (expected, None, Some(kind)));
        let json = answer(&body);
        assert_eq!(
            (&json["text"], &json["finish"], &json["usage"]["input_tokens"]),
            (&json!("half"), &json!("error"), &json!(8))
        );
    }
    assert_eq!(failed("error: {\"error\":{\"message\":\"x\"}}\n\n").message, "x");
    assert_eq!(failed(&framed(&[r#"{"error":{"message":"bare"}}"#])).message, "bare");
}

#[test]
fn a_repeated_start_is_one_start_and_a_second_one_breaks_the_answer() {
    assert_eq!(answer(&framed(&[START, START, STOP]))["outcome"], "complete");
    let other = START.replace("msg_1", "msg_2");
    for body in [framed(&[START, &other, STOP]), framed(&[START, &text(0, "a"), START, STOP])] {
        let failure = failed(&body);
        assert_eq!((failure.kind, failure.type_.as_deref()), (FailureKind::Malformed, Some("protocol")));
    }
}

#[test]
fn a_start_that_is_empty_missing_or_full_is_no_harm() {
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":null}"#;
    for start in [Some(r#"{"type":"message_start","message":null}"#), Some(r#"{"type":"message_start"}"#), None] {
        let said = text(0, "a");
        let json = answer(&framed(&start.into_iter().chain([said.as_str(), end, STOP]).collect::<Vec<_>>()));
        assert_eq!((&json["text"], &json["id"], &json["outcome"]), (&json!("a"), &Value::Null, &json!("complete")));
    }
    let full = START.replace("[]", r#"[{"type":"tool_use","id":"t","name":"f","input":{"a":1}}]"#);
    let json = answer(&framed(&[&full, r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"}}"#, STOP]));
    assert_eq!((&json["tool_calls"][0]["arguments"], &json["finish"]), (&json!({"a": 1}), &json!("tool_calls")));
}

#[test]
fn thoughts_come_with_what_must_go_back() {
    let (answer, _) = decoded(&over(
        &[
            begin(0, r#"{"type":"thinking","thinking":"","signature":""}"#),
            delta(0, r#"{"type":"thinking_delta","thinking":"hm"}"#),
            delta(0, r#"{"type":"signature_delta","signature":"si"}"#),
            delta(0, r#"{"type":"signature_delta","signature":"gn"}"#),
            stop(0),
            begin(1, r#"{"type":"thinking","thinking":""}"#),
            delta(1, r#"{"type":"signature_delta","signature":"omitted"}"#),
            stop(1),
            begin(2, r#"{"type":"redacted_thinking","data":"secret"}"#),
            stop(2),
            begin(3, r#"{"type":"thinking","thinking":"unsigned"}"#),
            stop(3),
        ],
        "end_turn",
    ));
    let thoughts: Vec<(&str, Vec<&Mark>)> = answer
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            Said::Reasoning { text, marks, .. } => {
                Some((text.as_str(), marks.iter().filter(|mark| !matches!(mark, Mark::Opaque { .. })).collect()))
            }
            _ => None,
        })
        .collect();
    let signed = |signature: &str| Mark::Signature { signature: signature.into() };
    assert_eq!(
        thoughts,
        [
            ("hm", vec![&signed("sign")]),
            ("", vec![&signed("omitted")]),
            ("", vec![&Mark::Redacted { data: "secret".to_owned() }]),
            ("unsigned", vec![]),
        ]
    );
}

/// Sends an answer back and gives the blocks that the provider would get.
fn sent_back(answer: &Answer) -> Value {
    let mut messages = vec![crate::chat::Message::text(crate::chat::Role::User, "q")];
    messages.extend(answer.messages());
    let conversation = super::super::history::Conversation::of(&messages, &mut Vec::new());
    serde_json::to_value(&conversation.turns[1]).unwrap()["content"].take()
}

#[test]
fn every_block_goes_back_as_it_came() {
    let blocks = json!([
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "x", "document_index": 0}]},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "caller": {"type": "direct"}, "input": {"q": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "caller": {"type": "direct"}, "content": [{"type": "web_search_result", "url": "u"}]},
        {"type": "mcp_tool_use", "id": "m1", "name": "ask", "server_name": "wiki", "input": {}},
        {"type": "mcp_tool_result", "tool_use_id": "m1", "is_error": true, "content": []},
        {"type": "container_upload", "file_id": "f"},
        {"type": "compaction", "content": "sum"},
        {"type": "text", "text": "b"},
    ]);
    let message = json!({"type": "message", "content": blocks, "stop_reason": "end_turn"}).to_string();
    let (answer, _) = decoded(&message);
    assert_eq!(sent_back(&answer), blocks);
    assert_eq!((answer.text().as_str(), answer.reasoning().as_str()), ("ab", "hm"));
}

#[test]
fn a_kept_block_grows_by_its_own_deltas_only() {
    let (answer, _) = decoded(&over(
        &[
            begin(0, r#"{"type":"compaction","content":null}"#),
            delta(0, r#"{"type":"compaction_delta","content":"su"}"#),
            delta(0, r#"{"type":"compaction_delta","content":"m"}"#),
            delta(0, r#"{"type":"other_delta","x":1}"#),
            stop(0),
            begin(1, r#"{"type":"text","text":"a"}"#),
            stop(1),
        ],
        "end_turn",
    ));
    assert_eq!(sent_back(&answer)[0], json!({"type": "compaction", "content": "sum"}));
    assert_eq!((answer.text().as_str(), answer.reasoning().as_str()), ("a", ""));
}

#[test]
fn input_is_taken_from_the_deltas_and_else_from_the_start() {
    for (at_start, deltas, raw) in [
        ("{}", vec!["", "{\"a\"", ":1}"], "{\"a\":1}"),
        ("{}", vec![""], ""),
        ("{ }", vec![], ""),
        ("null", vec![], ""),
        (r#"{"b": 2.0}"#, vec![], r#"{"b": 2.0}"#),
        (r#"{"b": 2.0}"#, vec![""], r#"{"b": 2.0}"#),
        (r#"{"b":2}"#, vec!["{\"a\":1}"], "{\"a\":1}"),
    ] {
        let mut events = vec![begin(0, &tool("t", at_start))];
        events.extend(deltas.iter().map(|piece| input(0, piece)));
        events.push(stop(0));
        let json = answer(&over(&events, "tool_use"));
        assert_eq!(json["tool_calls"][0]["arguments_raw"], raw, "{at_start} {deltas:?}");
        assert_eq!(json["tool_calls"][0]["arguments_valid"], true);
    }
}

#[test]
fn escapes_split_over_deltas_are_joined_before_they_are_read() {
    let json = answer(&over(
        &[begin(0, &tool("t", "{}")), input(0, "{\"a\":\"\\u00"), input(0, "e9\"}"), stop(0)],
        "tool_use",
    ));
    assert_eq!(json["tool_calls"][0]["arguments"], json!({"a": "é"}));
    let halves = [
        begin(0, r#"{"type":"text","text":""}"#),
        delta(0, r#"{"type":"text_delta","text":"\ud83d"}"#),
        delta(0, r#"{"type":"text_delta","text":"\ude00"}"#),
        stop(0),
    ];
    assert_eq!(answer(&over(&halves, "end_turn"))["text"], "😀");
}

fn whole_calls(events: &[String], reason: &str) -> Vec<bool> {
    decoded(&over(events, reason)).0.tools().map(|tool| tool.whole).collect()
}

#[test]
fn a_call_that_the_limit_cut_is_not_whole_even_if_it_parses() {
    let first = [begin(0, &tool("a", "{}")), input(0, "{}"), stop(0)];
    let second = [begin(1, &tool("b", "{}")), input(1, "{}"), stop(1)];
    let both: Vec<String> = first.iter().chain(&second).cloned().collect();
    let then_text: Vec<String> =
        first.iter().cloned().chain([begin(1, r#"{"type":"text","text":"x"}"#), stop(1)]).collect();
    for reason in ["max_tokens", "model_context_window_exceeded", "refusal"] {
        assert_eq!(whole_calls(&both, reason), [true, false], "{reason}");
        assert_eq!(whole_calls(&then_text, reason), [true], "{reason}");
    }
    assert_eq!(whole_calls(&both, "tool_use"), [true, true]);
    assert_eq!(whole_calls(&both[..5], "tool_use"), [true, true]);
    assert_eq!(whole_calls(&both[..5], "max_tokens"), [true, false]);
    let cut = framed(&[&[START], &both.iter().map(String::as_str).collect::<Vec<_>>()[..]].concat());
    assert_eq!(decoded(&cut).0.tools().map(|tool| tool.whole).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn overlapping_blocks_keep_apart() {
    let json = answer(&over(
        &[
            begin(0, &tool("a", "{}")),
            begin(3, &tool("b", "{}")),
            input(0, "{\"x\":"),
            input(3, "{\"y\":"),
            input(0, "1}"),
            stop(0),
            input(3, "2}"),
            stop(3),
        ],
        "tool_use",
    ));
    let calls: Vec<_> =
        json["tool_calls"].as_array().unwrap().iter().map(|call| (&call["index"], &call["arguments"])).collect();
    assert_eq!(calls, [(&json!(0), &json!({"x": 1})), (&json!(3), &json!({"y": 2}))]);
}

#[test]
fn a_call_without_an_id_gets_one_and_names_are_mapped_back() {
    let block = r#"{"type":"tool_use","name":"files__x2e__read","input":{}}"#;
    let json = answer(&over(&[begin(0, block), stop(0)], "tool_use"));
    assert_eq!(
        (&json["tool_calls"][0]["id"], &json["tool_calls"][0]["name"]),
        (&json!("call_s_0"), &json!("files.read"))
    );
}

#[test]
fn provider_run_calls_are_never_the_pages() {
    let (answer, events) = decoded(&over(
        &[
            begin(0, r#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#),
            input(0, "{\"q\":1}"),
            stop(0),
            begin(
                1,
                r#"{"type":"web_search_tool_result","tool_use_id":"s","content":{"type":"web_search_tool_result_error","error_code":"max_uses_exceeded"}}"#,
            ),
            stop(1),
        ],
        "end_turn",
    ));
    let json = answer.to_json();
    assert_eq!((&json["tool_calls"], &json["finish"]), (&json!([]), &json!("stop")));
    assert_eq!(
        json["server_tools"],
        json!([{"type": "server_tool_use", "id": "s", "name": "web_search", "status": "max_uses_exceeded", "input": {"q": 1}}])
    );
    let result = events.iter().find_map(|event| match event {
        Event::ToolResult(result) => Some(result),
        _ => None,
    });
    assert_eq!(result.unwrap().outcome, ToolOutcome::Error);
}

#[test]
fn a_result_of_the_message_before_names_its_own_call() {
    let result = begin(0, r#"{"type":"web_search_tool_result","tool_use_id":"earlier","content":[]}"#);
    let mut decoder = StreamDecoder::new(&context(), false);
    let mut events = Vec::new();
    decoder.feed(over(&[result, stop(0)], "end_turn").as_bytes(), &mut events);
    assert!(matches!(&events[1], Event::ToolResult(result) if result.call == "earlier"));
}

#[test]
fn a_call_that_has_its_result_gets_no_other_and_none_of_it_goes_to_the_next_call() {
    let search = |index, id: &str| {
        begin(index, &format!(r#"{{"type":"server_tool_use","id":"{id}","name":"web_search","input":{{}}}}"#))
    };
    let result = |index, id: &str| {
        begin(
            index,
            &format!(r#"{{"type":"web_search_tool_result","tool_use_id":"{id}","content":[{{"url":"{index}"}}]}}"#),
        )
    };
    let blocks = [search(0, "a"), stop(0), search(1, "b"), stop(1)];
    // The second is the first again, the third answers a call that nobody knows.
    let results = [result(2, "a"), stop(2), result(3, "a"), stop(3), result(4, "c"), stop(4), result(5, "b"), stop(5)];
    let (_, events) = decoded(&over(&[&blocks[..], &results].concat(), "end_turn"));
    let answered: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::ToolResult(result) => Some((result.call.as_str(), result.output["content"][0]["url"].as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(answered, [("a", Some("2")), ("b", Some("4"))]);
}

#[test]
fn citations_come_before_with_and_in_the_start_of_text() {
    let cite = |title: &str| {
        format!(
            r#"{{"type":"citations_delta","citation":{{"type":"page_location","document_title":"{title}","cited_text":"q"}}}}"#
        )
    };
    let json = answer(&over(
        &[
            begin(0, r#"{"type":"text","text":"","citations":null}"#),
            delta(0, &cite("one")),
            text(0, "a"),
            delta(0, &cite("two")),
            delta(0, &cite("two")),
            stop(0),
            begin(
                1,
                r#"{"type":"text","text":"b","citations":[{"type":"web_search_result_location","url":"u","title":"three"}]}"#,
            ),
            stop(1),
        ],
        "end_turn",
    ));
    let titles: Vec<_> =
        json["citations"].as_array().unwrap().iter().map(|citation| citation["title"].as_str().unwrap()).collect();
    assert_eq!((titles, &json["text"]), (vec!["one", "two", "three"], &json!("ab")));
}

#[test]
fn reasons_are_mapped_and_unknown_ones_fail_nothing() {
    for (raw, reason) in [
        ("\"end_turn\"", "stop"),
        ("\"stop_sequence\"", "stop"),
        ("\"tool_use\"", "stop"),
        ("\"max_tokens\"", "length"),
        ("\"model_context_window_exceeded\"", "length"),
        ("\"pause_turn\"", "pause"),
        ("\"refusal\"", "content_filter"),
        ("\"compaction\"", "other"),
        ("7", "other"),
    ] {
        let end = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":{raw}}},"context_management":{{}}}}"#);
        let json = answer(&framed(&[START, &end, STOP]));
        assert_eq!((&json["outcome"], &json["finish"]), (&json!("complete"), &json!(reason)), "{raw}");
    }
    let early = framed(&[START, &begin(0, &tool("a", "{}")), &stop(0), STOP]);
    assert_eq!((&answer(&early)["finish"], &answer(&early)["finish_reason"]), (&json!("tool_calls"), &Value::Null));
}

#[test]
fn a_refusal_is_explained_where_that_is_wanted() {
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"cyber","explanation":"because"}}}"#;
    let body = framed(&[START, end, STOP]);
    let (quiet, events) = decoded(&body);
    assert_eq!(quiet.refusal(), "");
    assert!(events.iter().any(|event| matches!(event, Event::Warning(warning) if warning.message.contains("cyber"))));
    let (told, _) = every_cut(&|| Box::new(StreamDecoder::new(&context(), true)), body.as_bytes());
    assert_eq!((told.refusal().as_str(), &told.to_json()["finish"]), ("because", &json!("content_filter")));
}

#[test]
fn counts_replace_earlier_ones_and_null_replaces_nothing() {
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":"10","cache_read_input_tokens":null,"cache_creation_input_tokens":2.0,"output_tokens":7,"output_tokens_details":{"thinking_tokens":4}}}"#;
    let again = r#"{"type":"message_delta","delta":{},"usage":{"output_tokens":8,"output_tokens_details":null}}"#;
    assert_eq!(
        answer(&framed(&[START, end, again, STOP]))["usage"],
        json!({"input_tokens": 17, "cached_input_tokens": 5, "cache_write_input_tokens": 2,
            "output_tokens": 8, "reasoning_tokens": 4, "total_tokens": 25})
    );
    let none = r#"{"type":"message_start","message":{"id":"m","usage":null}}"#;
    assert_eq!(answer(&framed(&[none, STOP]))["usage"], Value::Null);
}

#[test]
fn an_answer_in_a_tools_input_is_text() {
    let block = |input: &str| format!(r#"{{"type":"tool_use","id":"t","name":"answer_as_json","input":{input}}}"#);
    for events in [
        vec![begin(0, &block("{}")), input(0, "{\"a\":"), input(0, "1}"), stop(0)],
        vec![begin(0, &block("{\"a\":1}")), stop(0)],
    ] {
        let json = answer(&over(&events, "tool_use"));
        assert_eq!(
            (&json["text"], &json["tool_calls"], &json["finish"]),
            (&json!("{\"a\":1}"), &json!([]), &json!("stop"))
        );
    }
}

#[test]
fn members_of_unexpected_types_cost_only_themselves() {
    let events = [
        r#"{"type":"content_block_start","index":"0","content_block":{"type":"text","text":5,"citations":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":"x"}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":null}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"ok"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":null}}"#,
        r#"{"type":"content_block_stop","index":9}"#,
        r#"{"type":"content_block_stop"}"#,
        r#"{"type":"content_block_start"}"#,
    ];
    assert_eq!(answer(&stream(&events, "end_turn"))["text"], "ok");
}

#[test]
fn a_delta_of_another_kind_opens_a_block_of_its_own() {
    let (answer, _) = decoded(&over(
        &[
            begin(0, r#"{"type":"text","text":""}"#),
            delta(0, r#"{"type":"thinking_delta","thinking":"hm"}"#),
            text(0, "a"),
            begin(0, r#"{"type":"text","text":"b"}"#),
        ],
        "end_turn",
    ));
    assert_eq!((answer.text().as_str(), answer.reasoning().as_str()), ("ab", "hm"));
}

#[test]
fn limits_hold() {
    let limits = Limits { line: 600, arguments: 10, blocks: 2 };
    let make = || -> Box<dyn Decoder> { Box::new(StreamDecoder::new(&DecodeContext { limits, ..context() }, false)) };
    let block = begin(0, r#"{"type":"text","text":"a"}"#);
    let blocks = framed(&[&block, &block, &block]);
    let arguments = framed(&[&begin(0, &tool("t", "{}")), &input(0, "{\"a\":1234"), &input(0, "5}")]);
    for body in [blocks, arguments] {
        let (_, events) = every_cut(&make, body.as_bytes());
        assert!(
            matches!(events.last(), Some(Event::Failed(failure)) if failure.kind == FailureKind::Malformed),
            "{body}"
        );
    }
}

#[test]
fn the_decoder_says_how_far_it_is() {
    let mut decoder = StreamDecoder::new(&context(), false);
    let mut events = Vec::new();
    let mut after = |bytes: &str| {
        decoder.feed(bytes.as_bytes(), &mut events);
        decoder.progress()
    };
    let body = hello();
    let (begun, end) = body.split_at(body.find("event: message_delta").unwrap());
    let (stopping, stopped) = end.split_at(end.find("event: message_stop").unwrap());
    assert_eq!([after(begun), after(stopping), after(stopped)], [Progress::Open, Progress::Finishing, Progress::Ended]);
    assert!(matches!(&events[1], Event::BlockStart { kind: BlockKind::Text, .. }));
}

#[test]
fn an_endless_line_is_bounded() {
    let limits = Limits { line: 100, ..Limits::default() };
    let mut decoder = StreamDecoder::new(&DecodeContext { limits, ..context() }, false);
    let mut events = Vec::new();
    let endless = format!("data: {}", "x".repeat(200));
    for chunk in endless.as_bytes().chunks(7) {
        decoder.feed(chunk, &mut events);
    }
    assert!(matches!(&events[..], [_, Event::Failed(failure)] if failure.kind == FailureKind::Malformed));
}
