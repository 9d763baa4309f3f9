//! How answers end, what they cost, and answers that are no stream.

use serde_json::json;

use super::*;
use crate::error::FailureKind;
use crate::event::{BlockKind, FinishReason};
use crate::fold::End;

fn failure_kind(body: &str) -> Option<FailureKind> {
    match read(body).0.end {
        Some(End::Failed(failure)) => Some(failure.kind),
        _ => None,
    }
}

fn text(text: &str) -> Value {
    delta(json!({"content": text}))
}

#[test]
fn a_finish_reason_and_the_end_of_the_body_make_a_whole_answer() {
    let got = message(&stream([text("x"), finish("stop")]));
    assert_eq!((&got["outcome"], &got["finish_reason"]), (&json!("complete"), &json!("stop")));
}

#[test]
fn done_without_a_finish_reason_is_stop_or_calls() {
    let got = message(&(stream([text("x")]) + "data: [DONE]\n\n"));
    assert_eq!(
        (&got["outcome"], &got["finish"], &got["finish_reason"]),
        (&json!("complete"), &json!("stop"), &Value::Null)
    );
    let call = delta(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}));
    assert_eq!(message(&(stream([call]) + "data: [DONE]\n\n"))["finish"], "tool_calls");
}

#[test]
fn the_end_of_the_body_alone_is_a_cut_and_what_came_stays() {
    let (got, _) = read(&stream([text("x")]));
    assert_eq!(got.text(), "x");
    assert_eq!(failure_kind(&stream([text("x")])), Some(FailureKind::Cut));
    assert_eq!(failure_kind("data: {\"choices\":[{\"del"), Some(FailureKind::Cut));
    assert_eq!(failure_kind("data: {\"choices\":[{\"delta\":{}}]}\n\ndata: [DO"), Some(FailureKind::Cut));
}

#[test]
fn nothing_comments_heartbeats_or_done_alone_is_an_empty_answer() {
    for body in [
        "",
        "\n\n",
        ": ping\n\n: ping\n\n",
        "data: [DONE]\n\n",
        "data:\n\ndata: : keepalive\n\ndata: [DONE]\n\n",
        "event: ping\ndata: {}\n\n",
        "retry: 5\n\nid: 1\n\n",
    ] {
        assert_eq!(failure_kind(body), Some(FailureKind::Empty), "{body:?}");
    }
}

#[test]
fn heartbeats_in_the_clothes_of_data_are_skipped() {
    let body = answer([json!({"content": "x"})], "stop");
    let beats = "data:\n\ndata: : keepalive\n\ndata: ping\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n\
                 event: heartbeat\ndata: 17\n\ndata: {}\n\ndata: null\n\nid: 1\n\nretry: 5\n\n";
    let (got, events) = read(&format!("{beats}{}", body.replace("\n\n", &format!("\n\n{beats}"))));
    assert_eq!((got.text().as_str(), got.end.is_some(), warnings(&events)), ("x", true, vec![]));
    assert_eq!(got.to_json()["outcome"], "complete");
}

#[test]
fn what_follows_done_means_nothing() {
    let body = answer([json!({"content": "x"})], "stop");
    assert_eq!(read(&format!("{body}{body}data: nonsense\n\n")).0, read(&body).0);
}

#[test]
fn the_finish_chunk_may_carry_words_and_words_may_follow_it() {
    let last = json!({"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]});
    let (got, _) = read(&stream([text("a"), last, text("c"), finish("stop")]));
    assert_eq!((got.text().as_str(), got.pieces.len()), ("abc", 2));
}

#[test]
fn a_second_finish_reason_stands_and_ends_nothing_twice() {
    let (got, events) = read(&stream([text("a"), finish("stop"), finish("length")]));
    assert_eq!(got.finish.unwrap().reason, FinishReason::Length);
    assert_eq!(events.iter().filter(|event| matches!(event, Event::StepEnd(_))).count(), 1);
}

#[test]
fn unknown_finish_reasons_are_kept_as_they_are() {
    for (raw, finish_word) in [("eos", "stop"), ("abort", "other"), ("sensitive", "error"), ("max_tokens", "length")] {
        let got = message(&answer([json!({"content": "x"})], raw));
        assert_eq!((&got["finish_reason"], &got["finish"]), (&json!(raw), &json!(finish_word)));
    }
    let got = message(&stream([json!({"choices": [{"delta": {"content": "x"}, "finish_reason": 7}]})]));
    assert_eq!((&got["finish_reason"], &got["finish"]), (&json!("7"), &json!("other")));
}

#[test]
fn length_without_a_word_is_told() {
    let got = message(&answer([json!({"role": "assistant", "content": ""})], "length"));
    assert_eq!((&got["outcome"], &got["finish"], &got["text"]), (&json!("complete"), &json!("length"), &json!("")));
}

#[test]
fn the_decoder_says_that_it_only_waits_for_the_costs() {
    let mut decoder = upstream(json!({})).decoder(DecodeContext::default());
    let mut out = Vec::new();
    assert_eq!(decoder.progress(), Progress::Open);
    decoder.feed(stream([text("x"), finish("stop")]).as_bytes(), &mut out);
    assert_eq!(decoder.progress(), Progress::Finishing);
    decoder.feed(b"data: [DONE]\n\n", &mut out);
    assert_eq!(decoder.progress(), Progress::Ended);
    let given = out.len();
    decoder.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n", &mut out);
    decoder.finish(&mut out);
    assert_eq!(out.len(), given);
}

#[test]
fn the_last_usage_that_is_not_null_counts_wherever_it_stands() {
    let usage = |tokens: u64| json!({"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens});
    let end = finish("stop");
    let with = |mut chunk: Value, key: &str, value: Value| {
        chunk[key] = value;
        chunk
    };
    let nested =
        |tokens: u64| json!({"choices": [{"index": 0, "delta": {}, "usage": usage(tokens), "finish_reason": "stop"}]});
    for (name, chunks) in [
        ("own chunk", vec![text("x"), end.clone(), json!({"choices": [], "usage": usage(5)})]),
        ("finish chunk", vec![text("x"), with(end.clone(), "usage", usage(5))]),
        ("every chunk", vec![with(text("x"), "usage", usage(1)), with(end.clone(), "usage", usage(5))]),
        ("twice", vec![text("x"), with(end.clone(), "usage", usage(5)), json!({"choices": [], "usage": usage(5)})]),
        ("null behind", vec![with(end.clone(), "usage", usage(5)), json!({"choices": [], "usage": null})]),
        ("empty behind", vec![with(end, "usage", usage(5)), json!({"choices": [], "usage": {}})]),
        ("x_groq", vec![text("x"), with(finish("stop"), "x_groq", json!({"id": "r", "usage": usage(5)}))]),
        ("in the choice", vec![text("x"), nested(5)]),
    ] {
        let got = message(&stream(chunks));
        assert_eq!(got["usage"]["output_tokens"], 5, "{name}");
        assert_eq!(got["usage"]["input_tokens"], 10, "{name}");
    }
}

#[test]
fn odd_token_counts_never_cost_words() {
    let odd = json!({"prompt_tokens": 3.0, "completion_tokens": "4", "total_tokens": null, "prompt_tokens_details": null,
                     "completion_tokens_details": {"reasoning_tokens": 9}});
    let got = message(&stream([
        text("x"),
        json!({"choices": [{"delta": {"content": "y"}, "finish_reason": "stop"}], "usage": odd}),
    ]));
    assert_eq!(got["text"], "xy");
    let usage = &got["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["output_tokens"], &usage["reasoning_tokens"]),
        (&json!(3), &json!(4), &json!(9))
    );
    assert_eq!(message(&stream([text("x"), finish("stop")]))["usage"], Value::Null);
}

#[test]
fn a_whole_answer_is_one_big_delta() {
    let body = json!({"id": "i", "object": "chat.completion", "model": "m", "choices": [{"index": 0, "message": {
        "role": "assistant", "content": "hi", "reasoning_content": "hm",
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]},
        "finish_reason": "tool_calls"}], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}});
    for body in [body.to_string(), format!("\n {}\n", serde_json::to_string_pretty(&body).unwrap()), stream([&body])] {
        let got = message(&body);
        assert_eq!((&got["outcome"], &got["finish"]), (&json!("complete"), &json!("tool_calls")));
        assert_eq!((&got["text"], &got["reasoning"]), (&json!("hi"), &json!("hm")));
        assert_eq!(got["tool_calls"][0]["arguments"], json!({"x": 1}));
        assert_eq!(got["usage"]["total_tokens"], 3);
    }
}

#[test]
fn a_cut_document_is_cut_and_a_strange_one_malformed() {
    assert_eq!(failure_kind(r#"{"choices":[{"message":{"content":"a"#), Some(FailureKind::Cut));
    assert_eq!(failure_kind(r#"{"hello":1}"#), Some(FailureKind::Malformed));
    let page = events(&json!({}), Limits::default(), &[b"<html><h1>504"]);
    assert!(matches!(page.last(), Some(Event::Failed(failure)) if failure.kind == FailureKind::Malformed));
}

#[test]
fn documents_line_by_line_are_chunks() {
    let lines: String = [text("a"), text("b"), finish("stop")].map(|chunk| format!("{chunk}\n")).concat();
    assert_eq!(message(&lines)["text"], "ab");
}

#[test]
fn a_message_in_place_of_deltas_is_read_once() {
    let snapshot = |content: &str, reason: Value| json!({"choices": [{"message": {"role": "assistant", "content": content, "refusal": "r"}, "finish_reason": reason}]});
    let (got, _) =
        read(&stream([snapshot("a", Value::Null), snapshot("ab", Value::Null), snapshot("ab", json!("stop"))]));
    assert_eq!((got.text().as_str(), got.refusal().as_str()), ("ab", "r"));
    let role = delta(json!({"role": "assistant"}));
    assert_eq!(message(&stream([role, snapshot("a", json!("stop"))]))["text"], "a");
    assert_eq!(message(&stream([text("a"), snapshot("a", json!("stop"))]))["text"], "a");
}

#[test]
fn bounds_are_kept() {
    let malformed = |limits: Limits, body: &str| {
        let events = events(&json!({}), limits, &[body.as_bytes()]);
        matches!(events.last(), Some(Event::Failed(failure)) if failure.kind == FailureKind::Malformed)
    };
    let long = answer([json!({"content": "x".repeat(1000)})], "stop");
    assert!(malformed(Limits { line: 500, ..Limits::default() }, &long));
    let call = |index: u32, name: &str| json!({"tool_calls": [{"index": index, "id": format!("c{index}"), "function": {"name": name, "arguments": "{\"aaaa\":1}"}}]});
    let calls = |name: &str| answer((0..20).map(|index| call(index, name)), "tool_calls");
    assert!(!malformed(Limits::default(), &calls("f")));
    for name in ["f", ""] {
        assert!(malformed(Limits { arguments: 100, ..Limits::default() }, &calls(name)), "{name:?}");
        assert!(malformed(Limits { blocks: 10, ..Limits::default() }, &calls(name)), "{name:?}");
    }
}

#[test]
fn blocks_are_numbered_on_from_the_turn() {
    let context = DecodeContext { first_block: 7, ..DecodeContext::default() };
    let mut out = Vec::new();
    let mut decoder = upstream(json!({})).decoder(context);
    decoder.feed(answer([json!({"content": "x"})], "stop").as_bytes(), &mut out);
    assert!(matches!(&out[1], Event::BlockStart { block, kind: BlockKind::Text } if block.0 == 7));
}
