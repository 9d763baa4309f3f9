//! Errors inside of streams and in place of them.

use serde_json::json;

use super::*;
use crate::error::{Failure, FailureKind};
use crate::fold::End;

fn failure(body: &str) -> Box<Failure> {
    match read(body).0.end {
        Some(End::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

fn text(text: &str) -> Value {
    delta(json!({"content": text}))
}

#[test]
fn an_error_in_the_middle_ends_the_answer_and_keeps_its_beginning() {
    let error = json!({"error": {"message": "no", "type": "server_error", "code": "x"}});
    for body in [
        stream([text("a"), error.clone()]),
        format!("{}event: error\ndata: {error}\n\n", stream([text("a")])),
        stream([text("a"), error.clone(), text("b"), finish("stop")]) + "data: [DONE]\n\n",
        stream([text("a"), json!([error])]),
        stream([text("a"), finish("stop"), error]),
        stream([
            text("a"),
            json!({"choices": [{"delta": {}, "error": {"message": "no", "type": "server_error", "code": "x"}}]}),
        ]),
    ] {
        let got = message(&body);
        assert_eq!((&got["outcome"], &got["text"], &got["finish"]), (&json!("error"), &json!("a"), &json!("error")));
        assert_eq!(got["error"], json!({"message": "no", "type": "server_error", "code": "x"}), "{body}");
    }
}

#[test]
fn errors_come_in_other_shapes_too() {
    for (payload, words, kind) in [
        (json!({"error": "no"}), "no", FailureKind::Server),
        (json!({"code": "rate_limit", "error": "no"}), "no", FailureKind::RateLimit),
        (json!({"object": "error", "message": "no", "code": 400}), "no", FailureKind::BadRequest),
        (json!({"detail": "no"}), "no", FailureKind::Server),
        (json!({"message": "no", "code": 503}), "no", FailureKind::Overloaded),
        (json!({"error": {"message": "x", "metadata": {"raw": "no"}, "code": 429}}), "no", FailureKind::RateLimit),
    ] {
        let failure = failure(&stream([text("a"), payload.clone()]));
        assert_eq!((failure.message.as_str(), failure.kind), (words, kind), "{payload}");
    }
    assert_eq!(failure("event: error\ndata: {\"why\":\"x\"}\n\n").kind, FailureKind::Server);
}

#[test]
fn error_members_that_say_nothing_are_no_errors() {
    for empty in [json!(null), json!(false), json!(""), json!({})] {
        let body = stream([json!({"error": empty, "choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]})]);
        assert_eq!(message(&body)["outcome"], "complete", "{empty}");
    }
}

#[test]
fn an_error_beside_choices_wins_and_the_tokens_count() {
    let last = json!({"error": {"code": 400, "message": "limit"}, "choices": [{"delta": {"content": "b"}}],
                      "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}});
    let got = message(&(stream([text("a"), finish("length"), last]) + "data: [DONE]\n\n"));
    assert_eq!(
        (&got["outcome"], &got["finish_reason"], &got["text"]),
        (&json!("error"), &json!("length"), &json!("ab"))
    );
    assert_eq!((&got["usage"]["total_tokens"], &got["error"]["code"]), (&json!(6), &json!(400)));
}

#[test]
fn an_error_line_is_a_cut_with_a_reason() {
    for line in [r#"error: {"detail":"x","error":{"message":"no memory"}}"#, "error: no memory"] {
        let failure = failure(&(stream([text("a")]) + line + "\n\n"));
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Cut, "no memory"));
    }
}

#[test]
fn plain_text_in_a_data_line_is_an_error_with_that_text() {
    let told = failure(&(stream([text("a")]) + "data: upstream overloaded\n\n"));
    assert_eq!((told.kind, told.message.as_str()), (FailureKind::Overloaded, "upstream overloaded"));
    assert_eq!(failure("data: [Error] no\n\n").message, "[Error] no");
}

#[test]
fn data_that_is_no_json_is_malformed_unless_the_answer_is_there() {
    let broken = "data: {\"choices\":[{\"delta\":{\"content\":\n\n";
    assert_eq!(failure(&(stream([text("a")]) + broken)).kind, FailureKind::Malformed);
    let (got, events) = read(&(stream([text("a"), finish("stop")]) + broken));
    assert_eq!(got.to_json()["outcome"], "complete");
    assert_eq!(warnings(&events), ["unreadable-data"]);
}

#[test]
fn a_document_with_an_error_in_place_of_a_stream_is_that_error() {
    let told = failure(r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error"}}"#);
    assert_eq!(told.kind, FailureKind::Auth);
    assert_eq!(failure(r#"[{"error":{"code":404,"message":"x"}}]"#).kind, FailureKind::NotFound);
    assert_eq!(failure(r#"{"code":"x","error":"spent: insufficient credits"}"#).kind, FailureKind::Quota);
}

#[test]
fn what_is_open_is_closed_as_cut_and_nothing_follows() {
    let call = delta(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}));
    let (got, events) = read(&stream([text("a"), call, json!({"error": "x"}), finish("stop")]));
    assert!(matches!(events.last(), Some(Event::Failed(_))));
    assert!(events.iter().all(|event| !matches!(event, Event::StepEnd(_))));
    assert!(got.tools().all(|tool| !tool.whole) && got.tools().count() == 1);
}

#[test]
fn a_refused_call_keeps_what_the_model_wrote() {
    let error =
        json!({"error": {"message": "m", "code": "tool_use_failed", "failed_generation": "<f>", "status_code": 400}});
    let failure = failure(&format!("event: error\ndata: {error}\n\n"));
    assert_eq!((failure.kind, failure.detail.as_deref()), (FailureKind::BadRequest, Some("<f>")));
}
