use super::*;
use crate::event::FinishReason;

const MESSAGE_DONE: &str = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"x"}]}}"#;

#[test]
fn an_end_of_the_body_without_an_end_of_the_response_is_a_cut() {
    let decoded = decode(&sse(&[CREATED, &text("\"x\""), MESSAGE_DONE]));
    assert_eq!((decoded.outcome(), decoded.answer.text().as_str()), ("cut", "x"));
    assert_eq!(decode(&sse(&[CREATED])).outcome(), "cut");
}

#[test]
fn a_stream_without_any_event_is_empty() {
    for body in ["", "\n", ": ping\n\n", "data: [DONE]\n\n", "retry: 5\n\n"] {
        assert_eq!(decode(body).outcome(), "empty", "{body:?}");
    }
}

#[test]
fn what_follows_the_end_means_nothing() {
    let body = stream(&[&text("\"x\"")]) + &sse(&["[DONE]", &text("\"y\""), COMPLETED, "{broken"]);
    let decoded = decode(&body);
    assert_eq!((decoded.outcome(), decoded.answer.text().as_str()), ("complete", "x"));
    assert_eq!(decoded.events.iter().filter(|event| matches!(event, Event::StepEnd(_))).count(), 1);
}

#[test]
fn the_answer_ends_with_its_event_although_the_body_stays_open() {
    let mut decoder = decoder(Limits::default());
    let mut out = Vec::new();
    decoder.feed(stream(&[&text("\"x\"")]).as_bytes(), &mut out);
    assert_eq!(decoder.progress(), Progress::Ended);
    assert!(matches!(out.last(), Some(Event::StepEnd(_))));
}

#[test]
fn response_done_is_completed() {
    let done = r#"{"type":"response.done","response":{"id":"r1","output":[],"usage":{"input_tokens":1}}}"#;
    let decoded = decode(&sse(&[CREATED, &text("\"x\""), done]));
    assert_eq!((decoded.outcome(), decoded.finish()), ("complete", ("stop", Some("completed"))));
    assert_eq!(decoded.answer.usage.input, Some(1));
    let cut = r#"{"type":"response.done","response":{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}}"#;
    assert_eq!(decode(&sse(&[CREATED, cut])).finish(), ("content_filter", Some("content_filter")));
}

#[test]
fn the_sentinel_ends_an_answer_whose_items_are_done() {
    assert_eq!(decode(&sse(&[CREATED, &text("\"x\""), MESSAGE_DONE, "[DONE]"])).outcome(), "complete");
    assert_eq!(decode(&sse(&[CREATED, &text("\"x\""), "[DONE]"])).outcome(), "cut");
    let text_done = r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"xy"}"#;
    let decoded = decode(&sse(&[CREATED, &text("\"x\""), text_done, "[DONE]"]));
    assert_eq!((decoded.outcome(), decoded.answer.text().as_str()), ("complete", "xy"));
    assert_eq!(decode(&sse(&[CREATED, "[DONE]"])).outcome(), "empty");
}

#[test]
fn an_error_and_the_failure_behind_it_are_one_failure_with_usage() {
    let error =
        r#"{"type":"error","error":{"type":"insufficient_quota","code":"insufficient_quota","message":"spent"}}"#;
    let failed = r#"{"type":"response.failed","response":{"id":"r1","status":"failed","error":{"code":"server_error","message":"other"},"usage":{"input_tokens":7}}}"#;
    let decoded = decode(&sse(&[CREATED, &text("\"x\""), error, failed]));
    assert_eq!(decoded.outcome(), "quota");
    let json = decoded.json();
    assert_eq!((&json["error"]["message"], &json["finish_reason"]), (&"spent".into(), &"failed".into()));
    assert_eq!(json["usage"]["input_tokens"], 7);
    assert_eq!(decoded.events.iter().filter(|event| matches!(event, Event::Failed(_))).count(), 1);
}

#[test]
fn an_error_alone_fails_at_the_end_of_the_body_or_at_the_sentinel() {
    let error = r#"{"type":"error","code":"rate_limit_exceeded","message":"slow down","param":null}"#;
    for body in [sse(&[CREATED, error]), sse(&[CREATED, error, "[DONE]"]), sse(&[error])] {
        let decoded = decode(&body);
        assert_eq!((decoded.outcome(), &decoded.json()["error"]["message"]), ("rate_limit", &"slow down".into()));
    }
    let mut decoder = decoder(Limits::default());
    decoder.feed(sse(&[CREATED, error]).as_bytes(), &mut Vec::new());
    assert_eq!(decoder.progress(), Progress::Finishing);
}

#[test]
fn errors_of_every_shape_are_told() {
    for (payload, label, message) in [
        (r#"{"error":{"message":"a","code":429}}"#, "rate_limit", "a"),
        (r#"{"error":"b"}"#, "server", "b"),
        (
            r#"{"type":"error","message":"maximum context length","code":null}"#,
            "context_length",
            "maximum context length",
        ),
        (
            r#"{"type":"response.failed","response":{"error":{"code":"invalid_image","message":"c"}}}"#,
            "bad_request",
            "c",
        ),
        (
            r#"{"type":"response.failed","response":{"status":"failed","error":null}}"#,
            "server",
            "the response failed without a reason",
        ),
        (
            r#"{"type":"response.cancelled","response":{"status":"cancelled"}}"#,
            "server",
            "the provider cancelled the response",
        ),
    ] {
        let decoded = decode(&sse(&[CREATED, payload]));
        assert_eq!((decoded.outcome(), &decoded.json()["error"]["message"]), (label, &message.into()), "{payload}");
    }
}

#[test]
fn a_document_is_a_whole_answer_or_an_error() {
    let document = r#"{"id":"r1","object":"response","model":"m","status":"completed","output":[
        {"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"E"},
        {"type":"message","id":"msg","content":[{"type":"output_text","text":"x","annotations":[]}]},
        {"type":"function_call","id":"fc","call_id":"c","name":"f","arguments":"{}"}],"usage":{"output_tokens":2}}"#;
    let decoded = decode(document);
    assert_eq!((decoded.outcome(), decoded.finish()), ("complete", ("tool_calls", Some("completed"))));
    assert_eq!((decoded.answer.text().as_str(), decoded.reasoning()[0].0, decoded.tools().len()), ("x", "hm", 1));
    assert_eq!((decoded.answer.model.as_deref(), decoded.answer.usage.output), (Some("m"), Some(2)));

    assert_eq!(decode(r#"{"error":{"message":"no","code":"context_length_exceeded"}}"#).outcome(), "context_length");
    assert_eq!(decode(r#"{"detail":"Unauthorized"}"#).outcome(), "auth");
    assert_eq!(decode(r#"{"id":"r","object":"response","output":[{"type":"mess"#).outcome(), "cut");
    assert_eq!(decode(r#"{"id":"r","object":"response","status":"queued","output":[]}"#).outcome(), "cut");
    assert_eq!(decode(r#"{"id":"r","output":[]} x"#).outcome(), "malformed");
}

#[test]
fn every_end_has_its_finish_and_its_usage() {
    let usage = r#""usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":1},"output_tokens":5.0,"output_tokens_details":{"reasoning_tokens":9},"total_tokens":"15"}"#;
    for (details, finish) in [
        (r#"{"reason":"max_output_tokens"}"#, ("length", Some("max_output_tokens"))),
        (r#"{"reason":"content_filter"}"#, ("content_filter", Some("content_filter"))),
        (r#"{"reason":"something_new"}"#, ("other", Some("something_new"))),
        ("null", ("other", Some("incomplete"))),
    ] {
        let end = format!(
            r#"{{"type":"response.incomplete","response":{{"status":"incomplete","incomplete_details":{details},{usage}}}}}"#
        );
        let decoded = decode(&sse(&[CREATED, &end]));
        assert_eq!((decoded.outcome(), decoded.finish()), ("complete", finish));
        let usage = &decoded.answer.usage;
        assert_eq!((usage.input, usage.cached_input, usage.cache_write_input), (Some(10), Some(4), Some(1)));
        assert_eq!((usage.output, usage.reasoning, usage.total), (Some(5), Some(9), Some(15)));
    }
    let unreported = decode(&stream(&[&text("\"x\"")]));
    assert_eq!((unreported.answer.usage.input, unreported.json()["usage"].is_null()), (None, true));
}

#[test]
fn an_empty_answer_is_complete_and_a_refusal_keeps_stop() {
    let empty = decode(&stream(&[]));
    assert_eq!((empty.outcome(), empty.answer.text().as_str()), ("complete", ""));
    let refusal = r#"{"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"No."}"#;
    let refused = decode(&stream(&[refusal]));
    assert_eq!(
        (refused.answer.refusal().as_str(), refused.answer.finish.as_ref().map(|finish| finish.reason)),
        ("No.", Some(FinishReason::Stop))
    );
}
