//! The bytes of the UI message stream for every kind of turn and every level.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod vercel_ui;

use bytes::BytesMut;
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::event::Event;
use serde_json::{Value, json};
use vercel_ui::{TURNS, encode, encoder, level};

/// The chunks, without `start`, `[DONE]` and what a plain end looks like.
fn chunks(name: &str, options: &Value) -> Vec<String> {
    let written = encode(name, options);
    let start = "data: {\"type\":\"start\",\"messageId\":\"msg-1\"}\n\n";
    let body = written.strip_prefix(start).unwrap_or_else(|| panic!("{name} starts with {written}"));
    let body = body.strip_suffix("data: [DONE]\n\n").unwrap_or_else(|| panic!("{name} ends with {written}"));
    let mut chunks: Vec<String> = body
        .split_terminator("\n\n")
        .map(|chunk| chunk.strip_prefix("data: ").unwrap_or_else(|| panic!("{name}: {chunk}")).to_owned())
        .collect();
    for chunk in &chunks {
        assert!(!chunk.contains('\n') && serde_json::from_str::<Value>(chunk).is_ok(), "{name}: {chunk}");
    }
    if chunks.last().is_some_and(|last| last.starts_with("{\"type\":\"finish\",") || last == "{\"type\":\"finish\"}") {
        chunks.pop();
    }
    chunks
}

#[track_caller]
fn check(name: &str, options: &Value, expected: &[&str]) {
    let got = chunks(name, options);
    assert_eq!(got, expected, "{name} with {options}:\n{}", got.join("\n"));
}

const STEP: &str = r#"{"type":"start-step"}"#;
const DONE: &str = r#"{"type":"finish-step"}"#;

#[test]
fn text_is_written_byte_for_byte() {
    assert_eq!(
        encode("text", &level("floor")),
        concat!(
            "data: {\"type\":\"start\",\"messageId\":\"msg-1\"}\n\n",
            "data: {\"type\":\"start-step\"}\n\n",
            "data: {\"type\":\"text-start\",\"id\":\"t0\"}\n\n",
            "data: {\"type\":\"text-delta\",\"id\":\"t0\",\"delta\":\"Hel\"}\n\n",
            "data: {\"type\":\"text-delta\",\"id\":\"t0\",\"delta\":\"lo, \"}\n\n",
            "data: {\"type\":\"text-delta\",\"id\":\"t0\",\"delta\":\"Grüße 👋🏽\"}\n\n",
            "data: {\"type\":\"text-delta\",\"id\":\"t0\",\"delta\":\" \\\"quoted\\\"\\n2nd\\u2028line\"}\n\n",
            "data: {\"type\":\"text-end\",\"id\":\"t0\"}\n\n",
            "data: {\"type\":\"finish-step\"}\n\n",
            "data: {\"type\":\"finish\",\"messageMetadata\":{\"model\":\"m\",\"finishReason\":\"stop\",",
            "\"usage\":{\"inputTokens\":12,\"outputTokens\":7}}}\n\n",
            "data: [DONE]\n\n",
        )
    );
}

#[test]
fn the_end_says_what_its_level_knows() {
    let last = |name: &str, options: &Value| {
        let written = encode(name, options);
        written.trim_end().rsplit("\n\n").nth(1).unwrap().trim_start_matches("data: ").to_owned()
    };
    let bare = |level: &str| json!({"ui_level": level, "usage_metadata": false});
    assert_eq!(last("length", &bare("floor")), r#"{"type":"finish"}"#);
    for level in ["5", "6", "7"] {
        assert_eq!(last("length", &bare(level)), r#"{"type":"finish","finishReason":"length"}"#);
        assert_eq!(last("client-tool", &bare(level)), r#"{"type":"finish","finishReason":"tool-calls"}"#);
    }
    assert_eq!(last("cancelled", &bare("6")), r#"{"type":"abort"}"#);
    assert_eq!(last("cancelled", &bare("7")), r#"{"type":"abort","reason":"user"}"#);
}

#[test]
fn reasoning_brings_its_signature_back() {
    check(
        "reasoning",
        &level("floor"),
        &[
            STEP,
            r#"{"type":"reasoning-start","id":"r0"}"#,
            r#"{"type":"reasoning-delta","id":"r0","delta":"let me "}"#,
            r#"{"type":"reasoning-delta","id":"r0","delta":"think"}"#,
            r#"{"type":"reasoning-end","id":"r0","providerMetadata":{"chatwire":{"signature":"Sig"}}}"#,
            r#"{"type":"text-start","id":"t1"}"#,
            r#"{"type":"text-delta","id":"t1","delta":"42"}"#,
            r#"{"type":"text-end","id":"t1"}"#,
            DONE,
        ],
    );
}

#[test]
fn blocks_without_words_show_nothing_unless_something_must_come_back() {
    let text = [
        r#"{"type":"text-start","id":"t2"}"#,
        r#"{"type":"text-delta","id":"t2","delta":"42"}"#,
        r#"{"type":"text-end","id":"t2"}"#,
    ];
    check(
        "redacted",
        &level("floor"),
        &[
            STEP,
            r#"{"type":"reasoning-start","id":"r0"}"#,
            r#"{"type":"reasoning-end","id":"r0","providerMetadata":{"chatwire":{"redactedData":"X"}}}"#,
            text[0],
            text[1],
            text[2],
            DONE,
        ],
    );
    check("empty", &level("floor"), &[STEP, DONE]);
}

#[test]
fn a_refusal_is_shown_as_text() {
    check(
        "refusal",
        &level("floor"),
        &[
            STEP,
            r#"{"type":"text-start","id":"t0"}"#,
            r#"{"type":"text-delta","id":"t0","delta":"I cannot."}"#,
            r#"{"type":"text-end","id":"t0"}"#,
            DONE,
        ],
    );
}

#[test]
fn a_tools_result_stands_in_the_step_that_called_it() {
    check(
        "tool",
        &level("floor"),
        &[
            STEP,
            r#"{"type":"text-start","id":"t0"}"#,
            r#"{"type":"text-delta","id":"t0","delta":"Looking. "}"#,
            r#"{"type":"text-end","id":"t0"}"#,
            r#"{"type":"tool-input-start","toolCallId":"call_1","toolName":"weather"}"#,
            r#"{"type":"tool-input-delta","toolCallId":"call_1","inputTextDelta":"{\"ci"}"#,
            r#"{"type":"tool-input-delta","toolCallId":"call_1","inputTextDelta":"ty\":\"Zü"}"#,
            r#"{"type":"tool-input-delta","toolCallId":"call_1","inputTextDelta":"rich\"\n}"}"#,
            r#"{"type":"tool-input-available","toolCallId":"call_1","toolName":"weather","input":{"city":"Zürich"}}"#,
            r#"{"type":"tool-output-available","toolCallId":"call_1","output":{"tempC":7}}"#,
            DONE,
            STEP,
            r#"{"type":"text-start","id":"t2"}"#,
            r#"{"type":"text-delta","id":"t2","delta":"It is 7 °C."}"#,
            r#"{"type":"text-end","id":"t2"}"#,
            DONE,
        ],
    );
}

#[test]
fn parallel_calls_interleave() {
    check(
        "parallel",
        &level("floor"),
        &[
            STEP,
            r#"{"type":"tool-input-start","toolCallId":"a1","toolName":"weather"}"#,
            r#"{"type":"tool-input-start","toolCallId":"a2","toolName":"clock"}"#,
            r#"{"type":"tool-input-delta","toolCallId":"a1","inputTextDelta":"{\"city\":"}"#,
            r#"{"type":"tool-input-delta","toolCallId":"a2","inputTextDelta":"{}"}"#,
            r#"{"type":"tool-input-delta","toolCallId":"a1","inputTextDelta":"\"Bern\"}"}"#,
            r#"{"type":"tool-input-available","toolCallId":"a2","toolName":"clock","input":{}}"#,
            r#"{"type":"tool-input-available","toolCallId":"a1","toolName":"weather","input":{"city":"Bern"}}"#,
            r#"{"type":"tool-output-available","toolCallId":"a2","output":"12:00"}"#,
            r#"{"type":"tool-output-available","toolCallId":"a1","output":null}"#,
            DONE,
            STEP,
            r#"{"type":"text-start","id":"t2"}"#,
            r#"{"type":"text-delta","id":"t2","delta":"done"}"#,
            r#"{"type":"text-end","id":"t2"}"#,
            DONE,
        ],
    );
}

#[test]
fn a_failed_tool_is_an_output_error_and_empty_arguments_are_an_object() {
    let got = chunks("tool-fails", &level("floor"));
    assert_eq!(got[1], r#"{"type":"tool-input-start","toolCallId":"f1","toolName":"weather"}"#);
    assert_eq!(got[2], r#"{"type":"tool-input-available","toolCallId":"f1","toolName":"weather","input":{}}"#);
    assert_eq!(got[3], r#"{"type":"tool-output-error","toolCallId":"f1","errorText":"no such city"}"#);
    assert_eq!(got[4], DONE);
}

#[test]
fn who_runs_a_call_and_whether_it_is_dynamic_is_said_on_all_of_its_chunks() {
    let got = chunks("provider-tool", &json!({"dynamic_tools": true}));
    for (at, rest) in [
        (1, r#""dynamic":true,"toolName":"web_search"}"#),
        (3, r#""dynamic":true,"toolName":"web_search","input":{"q":"x"}}"#),
        (4, r#""dynamic":true,"output":[{"url":"https://a/b"}]}"#),
    ] {
        assert!(
            got[at].contains(r#""toolCallId":"w1","providerExecuted":true,"#) && got[at].ends_with(rest),
            "{got:?}"
        );
    }
    assert!(!chunks("provider-tool", &level("floor")).concat().contains("dynamic"));
    assert!(!chunks("tool", &level("floor")).concat().contains("providerExecuted"));
}

#[test]
fn free_text_input_is_a_string() {
    let got = chunks("custom-tool", &level("floor"));
    assert_eq!(got[3], r#"{"type":"tool-input-available","toolCallId":"x1","toolName":"patch","input":"*** begin"}"#);
}

#[test]
fn previews_come_where_the_level_has_them_and_words_of_running_tools_are_transient() {
    let progress = r#"{"type":"data-tool-progress","data":{"toolCallId":"g1","text":"half"},"transient":true}"#;
    let output = r#"{"type":"data-tool-output","data":{"toolCallId":"g1","text":"line"},"transient":true}"#;
    let last = r#"{"type":"tool-output-available","toolCallId":"g1","output":"100 %"}"#;
    assert_eq!(chunks("progress", &level("floor"))[4..8], [progress, output, last, DONE]);
    let preview = r#"{"type":"tool-output-available","toolCallId":"g1","output":"50 %","preliminary":true}"#;
    for name in ["5", "6", "7"] {
        assert_eq!(chunks("progress", &level(name))[4..9], [progress, output, preview, last, DONE]);
    }
}

#[test]
fn a_page_run_call_has_arguments_and_no_output() {
    check(
        "client-tool",
        &level("floor"),
        &[
            STEP,
            r#"{"type":"tool-input-start","toolCallId":"c1","toolName":"askColor"}"#,
            r#"{"type":"tool-input-delta","toolCallId":"c1","inputTextDelta":"{}"}"#,
            r#"{"type":"tool-input-available","toolCallId":"c1","toolName":"askColor","input":{}}"#,
            DONE,
        ],
    );
}

#[test]
fn bad_arguments_never_reach_a_page_that_would_run_them() {
    for name in ["floor", "5", "6", "7"] {
        let got = chunks("bad-arguments", &level(name));
        let error = match name {
            "floor" => {
                r#"{"type":"tool-output-error","toolCallId":"b1","errorText":"The model's arguments for this tool are not valid JSON."}"#
            }
            _ => {
                r#"{"type":"tool-input-error","toolCallId":"b1","toolName":"pay","input":"{\"eur\":","errorText":"The model's arguments for this tool are not valid JSON."}"#
            }
        };
        // The turn's own result says the same again; the page has it already.
        assert_eq!(got[3..5], [error, DONE], "{name}");
    }
}

#[test]
fn a_cut_call_is_closed_as_an_error_before_the_answers_error() {
    for name in ["floor", "5", "6", "7"] {
        let got = chunks("cut-call", &level(name));
        let kind = if name == "floor" { "tool-output-error" } else { "tool-input-error" };
        assert!(got[3].starts_with(&format!(r#"{{"type":"{kind}","toolCallId":"k1""#)), "{got:?}");
        assert_eq!(got[4..], [r#"{"type":"error","errorText":"The model's answer was cut off. Please try again."}"#]);
        assert!(!got.concat().contains("tool-input-available"));
    }
}

#[test]
fn approvals_are_asked_for_in_the_words_of_the_level() {
    let call = [
        STEP,
        r#"{"type":"tool-input-start","toolCallId":"p1","toolName":"pay"}"#,
        r#"{"type":"tool-input-delta","toolCallId":"p1","inputTextDelta":"{\"eur\":5}"}"#,
        r#"{"type":"tool-input-available","toolCallId":"p1","toolName":"pay","input":{"eur":5}}"#,
    ];
    for name in ["6", "7"] {
        let request = r#"{"type":"tool-approval-request","approvalId":"ap1","toolCallId":"p1"}"#;
        check("approval", &level(name), &[&call[..], &[request, DONE]].concat());
    }
    for name in ["floor", "5"] {
        let request = r#"{"type":"tool-input-available","toolCallId":"ap1","toolName":"request_approval","input":{"toolCallId":"p1","toolName":"pay","input":{"eur":5}}}"#;
        check("approval", &level(name), &[&call[..], &[DONE, STEP, request, DONE]].concat());
    }
}

#[test]
fn answers_to_approvals_stand_before_the_first_step() {
    let paid = r#"{"type":"tool-output-available","toolCallId":"p1","output":{"paid":true}}"#;
    for name in ["floor", "5", "6", "7"] {
        assert_eq!(chunks("approved", &level(name))[..2], [paid, STEP]);
        let denied = match name {
            "floor" | "5" => r#"{"type":"tool-output-error","toolCallId":"p1","errorText":"The user said no."}"#,
            _ => r#"{"type":"tool-output-denied","toolCallId":"p1"}"#,
        };
        assert_eq!(chunks("denied", &level(name))[..2], [denied, STEP]);
    }
}

#[test]
fn a_continued_message_keeps_its_id() {
    let chat = ChatRequest { continues: Some("old \"1\"".into()), ..ChatRequest::default() };
    let mut out = BytesMut::new();
    encoder(&json!({}), &chat).event(&Event::TurnStart { turn: "t".into() }, &mut out);
    assert_eq!(&out[..], b"data: {\"type\":\"start\",\"messageId\":\"old \\\"1\\\"\"}\n\n");
}

#[test]
fn sources_are_shown_once() {
    check(
        "sources",
        &level("floor"),
        &[
            STEP,
            r#"{"type":"text-start","id":"t0"}"#,
            r#"{"type":"text-delta","id":"t0","delta":"see"}"#,
            r#"{"type":"source-url","sourceId":"turn-s1","url":"https://a/1","title":"One"}"#,
            r#"{"type":"source-url","sourceId":"turn-s2","url":"https://a/2"}"#,
            r#"{"type":"source-document","sourceId":"turn-s3","mediaType":"application/pdf","title":"Report"}"#,
            r#"{"type":"text-end","id":"t0"}"#,
            DONE,
        ],
    );
}

#[test]
fn files_are_shown_and_one_that_cannot_be_is_a_warning() {
    let file = r#"{"type":"file","url":"data:image/png;base64,iVBORw0KGgo=","mediaType":"image/png"}"#;
    let text = r#"{"type":"text-start","id":"t2"}"#;
    assert_eq!(chunks("file", &level("floor"))[..3], [STEP, file, text]);
    let warning = r#"{"type":"data-warning","data":{"code":"file-dropped","message":"a file that only the provider can read was not shown"},"transient":true}"#;
    assert_eq!(chunks("file", &json!({"warnings": true}))[..4], [STEP, file, warning, text]);
}

#[test]
fn data_is_kept_or_transient_and_warnings_are_an_option() {
    let first = r#"{"type":"data-status","id":"s","data":{"step":1}}"#;
    let second = r#"{"type":"data-status","id":"s","data":{"step":2}}"#;
    let ping = r#"{"type":"data-ping","data":null,"transient":true}"#;
    let text = r#"{"type":"text-start","id":"t0"}"#;
    assert_eq!(chunks("data", &level("floor"))[..5], [first, STEP, second, ping, text]);
    let warning = r#"{"type":"data-warning","data":{"code":"setting-dropped","message":"temperature was left out"},"transient":true}"#;
    assert_eq!(chunks("data", &json!({"warnings": true}))[..5], [first, STEP, second, ping, warning]);
}

#[test]
fn a_failure_ends_the_stream_with_a_safe_text() {
    let error =
        r#"{"type":"error","errorText":"Too many requests to the model provider. Please try again in a moment."}"#;
    assert_eq!(
        chunks("failed", &level("7"))[1..],
        [
            r#"{"type":"text-start","id":"t0"}"#,
            r#"{"type":"text-delta","id":"t0","delta":"I was about"}"#,
            r#"{"type":"text-end","id":"t0"}"#,
            error,
        ]
    );
    let early = chunks("failed-early", &level("7"));
    assert!(early.len() == 1 && early[0].starts_with(r#"{"type":"error""#), "{early:?}");
    let between = chunks("failed-between", &level("7"));
    assert!(between[4].starts_with(r#"{"type":"tool-output-error","toolCallId":"f1""#), "{between:?}");
    assert_eq!(between[5], DONE);
    assert!(between[6].starts_with(r#"{"type":"error""#), "{between:?}");
}

#[test]
fn a_gateway_that_goes_away_does_not_look_finished() {
    let got = chunks("shutdown", &level("7"));
    assert_eq!(
        got.last().unwrap(),
        r#"{"type":"error","errorText":"The gateway is restarting. Please try again in a moment."}"#
    );
}

#[test]
fn keep_alive_is_a_comment() {
    let mut out = BytesMut::new();
    encoder(&json!({}), &ChatRequest::default()).keep_alive(&mut out);
    assert_eq!(&out[..], b": keep-alive\n\n");
}

#[test]
fn the_floor_says_nothing_that_the_oldest_release_refuses() {
    let known = [
        "start",
        "start-step",
        "finish-step",
        "finish",
        "text-start",
        "text-delta",
        "text-end",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-end",
        "tool-input-start",
        "tool-input-delta",
        "tool-input-available",
        "tool-output-available",
        "tool-output-error",
        "source-url",
        "source-document",
        "file",
        "error",
        "abort",
    ];
    for name in TURNS {
        for chunk in chunks(name, &level("floor")) {
            let chunk: Value = serde_json::from_str(&chunk).unwrap();
            let kind = chunk["type"].as_str().unwrap();
            assert!(known.contains(&kind) || kind.starts_with("data-"), "{name}: {chunk}");
            for member in ["finishReason", "preliminary", "reason", "title"] {
                assert!(
                    kind == "source-url" || kind == "source-document" || chunk.get(member).is_none(),
                    "{name}: {chunk}"
                );
            }
            let free = ["output", "data", "input"];
            let nulls = chunk
                .as_object()
                .unwrap()
                .iter()
                .filter(|(key, value)| value.is_null() && !free.contains(&key.as_str()));
            assert_eq!(nulls.count(), 0, "{name}: {chunk}");
        }
    }
}
