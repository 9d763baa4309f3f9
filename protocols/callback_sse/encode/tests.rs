//! Golden bytes of the frames, and what holds for every turn.

use serde_json::{Value, json};

use super::*;
use crate::sample_turns::{self as turns, context, encoded, frames};

fn plain(events: &[Event]) -> String {
    encoded(Encode::new(&context(), false), events)
}

fn legacy(events: &[Event]) -> String {
    encoded(Encode::new(&context(), true), events)
}

/// The payloads of the frames.
fn payloads(text: &str) -> Vec<Value> {
    text.split_terminator("\n\n")
        .map(|frame| serde_json::from_str(frame.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

fn message(text: &str) -> Value {
    payloads(text).pop().unwrap()["data"]["message"].clone()
}

#[test]
fn text_comes_in_chunks_and_the_last_frame_holds_the_message() {
    let expected = concat!(
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\"Hel\"}}\n\n",
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\"lo, \"}}\n\n",
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\"Grüße \"}}\n\n",
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\"👋🏽\"}}\n\n",
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\" \\\"quoted\\\"\\n2nd\\u2028line\"}}\n\n",
        "data: {\"type\":\"complete\",\"data\":{\"message\":{\"id\":\"msg-1\",\"role\":\"assistant\",",
        "\"content\":\"Hello, Grüße 👋🏽 \\\"quoted\\\"\\n2nd\\u2028line\",\"tool_calls\":[],\"tool_results\":[],",
        "\"finish_reason\":\"stop\",",
        "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":7,\"total_tokens\":19}}}}\n\n",
    );
    assert_eq!(plain(&turns::text()), expected);
}

#[test]
fn a_tool_streams_between_its_call_and_its_result() {
    let expected = concat!(
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\"Looking it up. \"}}\n\n",
        "data: {\"type\":\"tool_call\",\"data\":{\"tool_call_id\":\"call_1\",\"tool_name\":\"weather\",",
        "\"arguments\":{\"city\":\"Zürich\"}}}\n\n",
        "data: {\"type\":\"tool_stream_chunk\",\"data\":{\"tool_call_id\":\"call_1\",\"content\":\"7 \"}}\n\n",
        "data: {\"type\":\"tool_stream_chunk\",\"data\":{\"tool_call_id\":\"call_1\",\"content\":\"°C\"}}\n\n",
        "data: {\"type\":\"tool_result\",\"data\":{\"tool_call_id\":\"call_1\",",
        "\"result\":\"{\\\"tempC\\\":7,\\\"sky\\\":\\\"fog\\\"}\"}}\n\n",
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\"It is 7\"}}\n\n",
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\" °C.\"}}\n\n",
        "data: {\"type\":\"complete\",\"data\":{\"message\":{\"id\":\"msg-1\",\"role\":\"assistant\",",
        "\"content\":\"Looking it up. It is 7 °C.\",",
        "\"tool_calls\":[{\"tool_call_id\":\"call_1\",\"tool_name\":\"weather\",\"arguments\":{\"city\":\"Zürich\"}}],",
        "\"tool_results\":[{\"tool_call_id\":\"call_1\",\"result\":\"{\\\"tempC\\\":7,\\\"sky\\\":\\\"fog\\\"}\"}],",
        "\"finish_reason\":\"stop\",",
        "\"usage\":{\"prompt_tokens\":24,\"completion_tokens\":14,\"total_tokens\":38}}}}\n\n",
    );
    assert_eq!(plain(&turns::gateway_tool()), expected);
}

#[test]
fn parallel_calls_keep_apart_and_numbers_keep_their_digits() {
    let text = plain(&turns::parallel_tools());
    assert!(text.contains("\"tool_name\":\"weather\",\"arguments\":{\"id\":12345678901234567890,  \"x\":1.0}}}\n\n"));
    let results = json!([{"tool_call_id": "a2", "result": "12:00"}, {"tool_call_id": "a1", "result": "sun"}]);
    assert_eq!(message(&text)["tool_results"], results);
}

#[test]
fn unusable_arguments_are_an_empty_object_and_the_result_says_why() {
    let text = plain(&turns::cut_page_tool());
    let shown = concat!(
        "data: {\"type\":\"tool_call\",\"data\":{\"tool_call_id\":\"c2\",\"tool_name\":\"askColor\",\"arguments\":{}}}\n\n",
        "data: {\"type\":\"tool_result\",\"data\":{\"tool_call_id\":\"c2\",\"result\":\"The model's arguments",
    );
    assert!(text.contains(shown), "{text}");
    assert_eq!(text.matches("\"type\":\"tool_result\"").count(), 1);
    let failing = plain(&turns::failing_tools());
    for result in ["no such city", "the user said no", "arguments are not valid JSON"] {
        assert!(failing.contains(&format!("\"result\":\"{result}\"}}}}\n\n")), "{result}");
    }
}

#[test]
fn a_preview_of_a_result_is_not_the_result_and_free_text_is_a_member() {
    let message = message(&plain(&turns::provider_and_custom_tools()));
    let results =
        json!([{"tool_call_id": "ws", "result": "[\"a\",\"b\"]"}, {"tool_call_id": "cu", "result": "{\"files\":[]}"}]);
    assert_eq!(message["tool_results"], results);
    assert_eq!(message["tool_calls"][0]["tool_name"], "web_search_call");
    assert_eq!(message["tool_calls"][1]["arguments"], json!({"input": "ls \"x\"\n"}));
}

#[test]
fn refusals_are_text_and_reasoning_sources_files_and_data_have_no_frame() {
    assert_eq!(message(&plain(&turns::refusal()))["content"], "I cannot.");
    assert_eq!(payloads(&plain(&turns::reasoning())).len(), 2);
    assert_eq!(payloads(&plain(&turns::extras())).len(), 3);
}

#[test]
fn empty_failed_and_stopped_turns_end_with_one_frame() {
    let bare = concat!(
        "data: {\"type\":\"complete\",\"data\":{\"message\":{\"id\":\"msg-1\",\"role\":\"assistant\",\"content\":\"\",",
        "\"tool_calls\":[],\"tool_results\":[],\"finish_reason\":\"stop\"}}}\n\n",
    );
    assert_eq!(plain(&turns::bare()), bare);
    let busy =
        "data: {\"type\":\"error\",\"data\":{\"error\":\"The model is busy. Please try again in a moment.\"}}\n\n";
    assert_eq!(plain(&turns::failed_at_once()), busy);
    let cut =
        "data: {\"type\":\"error\",\"data\":{\"error\":\"The model's answer was cut off. Please try again.\"}}\n\n";
    let begun = "data: {\"type\":\"chunk\",\"data\":{\"content\":\"I was\"}}\n\n";
    assert_eq!(plain(&turns::failed_in_text()), format!("{begun}{cut}"));
    assert!(plain(&turns::failed_in_arguments()).ends_with(cut));
    let stopped = message(&plain(&turns::cancelled_in_text(CancelledBy::User)));
    assert_eq!((&stopped["content"], &stopped["finish_reason"]), (&json!("I was"), &json!("cancelled")));
    let in_tool = message(&plain(&turns::cancelled_in_tool()));
    assert_eq!(in_tool["usage"]["prompt_tokens"], 12);
    let shutdown = plain(&turns::cancelled_in_text(CancelledBy::Shutdown));
    assert!(shutdown.ends_with("{\"error\":\"The gateway is restarting. Please try again in a moment.\"}}\n\n"));
}

#[test]
fn older_pages_get_the_text_so_far_a_final_mark_and_a_done_frame() {
    let expected = concat!(
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\"I can\"},\"content\":\"I can\",\"accumulated\":\"I can\"}\n\n",
        "data: {\"type\":\"chunk\",\"data\":{\"content\":\"not.\"},\"content\":\"not.\",\"accumulated\":\"I cannot.\"}\n\n",
        "data: {\"type\":\"complete\",\"data\":{\"message\":{\"id\":\"msg-1\",\"role\":\"assistant\",",
        "\"content\":\"I cannot.\",\"tool_calls\":[],\"tool_results\":[],\"finish_reason\":\"content_filter\",",
        "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":7,\"total_tokens\":19}},\"final\":true}}\n\n",
        "data: {\"type\":\"done\"}\n\n",
    );
    assert_eq!(legacy(&turns::refusal()), expected);
    assert!(legacy(&turns::failed_in_text()).ends_with("}}\n\ndata: {\"type\":\"done\"}\n\n"));
}

#[test]
fn every_event_becomes_whole_frames_and_every_turn_has_one_end() {
    for (name, events) in turns::all() {
        let frames = frames(Encode::new(&context(), false), &events);
        assert!(frames.iter().all(|frame| frame.is_empty() || frame.ends_with("\n\n")), "{name}");
        let text = frames.concat();
        assert!(!text.contains("secret"), "{name}");
        let payloads = payloads(&text);
        let is_end = |payload: &Value| payload["type"] == "complete" || payload["type"] == "error";
        assert_eq!(payloads.iter().filter(|payload| is_end(payload)).count(), 1, "{name}");
        assert!(payloads.last().is_some_and(is_end), "{name}");
        let chunks: String = payloads
            .iter()
            .filter(|payload| payload["type"] == "chunk")
            .fold(String::new(), |text, payload| text + payload["data"]["content"].as_str().unwrap());
        if let Some(content) = payloads.last().unwrap().pointer("/data/message/content") {
            assert_eq!(content, &json!(chunks), "{name}");
        }
    }
}

#[test]
fn the_keep_alive_is_a_comment() {
    let mut out = BytesMut::new();
    Encode::new(&context(), false).keep_alive(&mut out);
    assert_eq!(&out[..], b": keep-alive\n\n");
}
