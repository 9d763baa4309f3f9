//! Golden bytes of the lines, and what holds for every turn.

use super::*;
use crate::event::Runs;
use crate::sample_turns::{self as turns, Turn, context, encoded, frames};

const USAGE: &str = r#""usage":{"promptTokens":12,"completionTokens":7}"#;
const SUM: &str = r#""usage":{"promptTokens":24,"completionTokens":14}"#;
const UNUSABLE_LINE: &str =
    r#"{"error":"The model's arguments for this tool were incomplete or not valid, so it was not run."}"#;

fn four() -> DataStream {
    DataStream::new(Level::Four, &context())
}

fn three() -> DataStream {
    DataStream::new(Level::Three, &context())
}

/// A step's or a turn's end.
fn end(code: &str, reason: &str, usage: &str) -> String {
    let continued = if code == "e" { r#","isContinued":false"# } else { "" };
    let comma = if usage.is_empty() { "" } else { "," };
    format!("{code}:{{\"finishReason\":\"{reason}\"{comma}{usage}{continued}}}\n")
}

/// One step of these lines, and the end of the turn.
fn one_step(lines: &str, reason: &str) -> String {
    format!("f:{{\"messageId\":\"msg-1\"}}\n{lines}{}{}", end("e", reason, USAGE), end("d", reason, USAGE))
}

#[test]
fn text_is_one_line_for_each_delta() {
    let lines = concat!(
        "0:\"Hel\"\n",
        "0:\"lo, \"\n",
        "0:\"Grüße \"\n",
        "0:\"👋🏽\"\n",
        "0:\" \\\"quoted\\\"\\n2nd\\u2028line\"\n",
    );
    assert_eq!(encoded(four(), &turns::text()), one_step(lines, "stop"));
}

#[test]
fn a_signature_stands_behind_its_thoughts_and_thoughts_are_parted() {
    let lines = concat!(
        "g:\"let me \"\n",
        "g:\"think\"\n",
        "j:{\"signature\":\"sig-1\"}\n",
        "g:\"\\n\\n\"\n",
        "g:\"again\"\n",
        "i:{\"data\":\"xyz\"}\n",
        "g:\"\"\n",
        "j:{\"signature\":\"only\"}\n",
        "0:\"42\"\n",
    );
    assert_eq!(encoded(four(), &turns::reasoning()), one_step(lines, "stop"));
}

#[test]
fn results_stand_in_the_step_that_called_them_and_steps_share_one_message_id() {
    let expected = [
        "f:{\"messageId\":\"msg-1\"}\n",
        "0:\"Looking it up. \"\n",
        "b:{\"toolCallId\":\"call_1\",\"toolName\":\"weather\"}\n",
        "c:{\"toolCallId\":\"call_1\",\"argsTextDelta\":\"{\\\"ci\"}\n",
        "c:{\"toolCallId\":\"call_1\",\"argsTextDelta\":\"ty\\\":\\\"Zü\"}\n",
        "c:{\"toolCallId\":\"call_1\",\"argsTextDelta\":\"rich\\\"}\"}\n",
        "9:{\"toolCallId\":\"call_1\",\"toolName\":\"weather\",\"args\":{\"city\":\"Zürich\"}}\n",
        "2:[{\"type\":\"tool-progress\",\"data\":{\"toolCallId\":\"call_1\",\"text\":\"asking\"}}]\n",
        "a:{\"toolCallId\":\"call_1\",\"result\":{\"tempC\":7,\"sky\":\"fog\"}}\n",
        &end("e", "tool-calls", USAGE),
        "f:{\"messageId\":\"msg-1\"}\n",
        "0:\"It is 7\"\n",
        "0:\" °C.\"\n",
        &end("e", "stop", USAGE),
        &end("d", "stop", SUM),
    ]
    .concat();
    assert_eq!(encoded(four(), &turns::gateway_tool()), expected);
}

#[test]
fn a_page_run_call_is_whole_and_has_no_result() {
    let lines = concat!(
        "b:{\"toolCallId\":\"c1\",\"toolName\":\"askColor\"}\n",
        "c:{\"toolCallId\":\"c1\",\"argsTextDelta\":\"{\\\"question\\\":\"}\n",
        "c:{\"toolCallId\":\"c1\",\"argsTextDelta\":\"\\\"which?\\\"}\"}\n",
        "9:{\"toolCallId\":\"c1\",\"toolName\":\"askColor\",\"args\":{\"question\":\"which?\"}}\n",
    );
    assert_eq!(encoded(four(), &turns::page_tool()), one_step(lines, "tool-calls"));
}

#[test]
fn interleaved_calls_keep_apart_and_arguments_keep_the_models_text_on_one_line() {
    let written = encoded(four(), &turns::parallel_tools());
    assert!(written.contains("9:{\"toolCallId\":\"a2\",\"toolName\":\"time\",\"args\":{}}\n"));
    assert!(written.contains("\"toolName\":\"weather\",\"args\":{\"id\":12345678901234567890,  \"x\":1.0}}\n"));
    assert!(
        written.contains(
            "a:{\"toolCallId\":\"a2\",\"result\":\"12:00\"}\na:{\"toolCallId\":\"a1\",\"result\":\"sun\"}\ne:"
        )
    );
}

#[test]
fn a_tools_failure_is_a_result_and_the_answer_goes_on() {
    let written = encoded(four(), &turns::failing_tools());
    assert!(written.contains("a:{\"toolCallId\":\"f1\",\"result\":{\"error\":\"no such city\"}}\n"));
    assert!(written.contains("a:{\"toolCallId\":\"f2\",\"result\":{\"error\":\"the user said no\"}}\n"));
    assert!(written.contains("9:{\"toolCallId\":\"f3\",\"toolName\":\"weather\",\"args\":{}}\n"));
    assert!(written.contains("a:{\"toolCallId\":\"f3\",\"result\":{\"error\":\"arguments are not valid JSON\"}}\n"));
    assert!(written.ends_with(&format!("0:\"I could not.\"\n{}{}", end("e", "stop", USAGE), end("d", "stop", SUM))));
}

#[test]
fn a_cut_page_run_call_never_runs_and_has_one_result() {
    let lines = [
        "b:{\"toolCallId\":\"c1\",\"toolName\":\"askColor\"}\n",
        "c:{\"toolCallId\":\"c1\",\"argsTextDelta\":\"{\\\"q\\\":1}\"}\n",
        "9:{\"toolCallId\":\"c1\",\"toolName\":\"askColor\",\"args\":{\"q\":1}}\n",
        "b:{\"toolCallId\":\"c2\",\"toolName\":\"askColor\"}\n",
        "c:{\"toolCallId\":\"c2\",\"argsTextDelta\":\"{\\\"q\\\":\"}\n",
        &format!("a:{{\"toolCallId\":\"c2\",\"result\":{UNUSABLE_LINE}}}\n"),
    ]
    .concat();
    assert_eq!(encoded(four(), &turns::cut_page_tool()), one_step(&lines, "length"));
}

#[test]
fn provider_run_calls_are_shown_with_their_last_result_and_free_text_is_a_member() {
    let lines = concat!(
        "b:{\"toolCallId\":\"ws\",\"toolName\":\"web_search_call\"}\n",
        "c:{\"toolCallId\":\"ws\",\"argsTextDelta\":\"{\\\"query\\\":\\\"Bern\\\"}\"}\n",
        "9:{\"toolCallId\":\"ws\",\"toolName\":\"web_search_call\",\"args\":{\"query\":\"Bern\"}}\n",
        "a:{\"toolCallId\":\"ws\",\"result\":[\"a\",\"b\"]}\n",
        "b:{\"toolCallId\":\"cu\",\"toolName\":\"shell\"}\n",
        "9:{\"toolCallId\":\"cu\",\"toolName\":\"shell\",\"args\":{\"input\":\"ls \\\"x\\\"\\n\"}}\n",
        "a:{\"toolCallId\":\"cu\",\"result\":{\"files\":[]}}\n",
        "0:\"ok\"\n",
    );
    assert_eq!(encoded(four(), &turns::provider_and_custom_tools()), one_step(lines, "stop"));
}

#[test]
fn sources_once_each_files_and_data_have_their_codes() {
    let lines = concat!(
        "2:[{\"type\":\"ping\",\"data\":null}]\n",
        "0:\"see \"\n",
        "h:{\"sourceType\":\"url\",\"id\":\"source-1\",\"url\":\"https://example.org/a\",\"title\":\"A\"}\n",
        "h:{\"sourceType\":\"url\",\"id\":\"source-2\",\"url\":\"https://example.org/b\"}\n",
        "0:\"A\"\n",
        "k:{\"data\":\"iVBORw0KGgo=\",\"mimeType\":\"image/png\"}\n",
        "8:[{\"type\":\"file\",\"url\":\"https://example.org/p.png\",\"mimeType\":\"image/png\"}]\n",
    );
    let first = "2:[{\"type\":\"status\",\"id\":\"s\",\"data\":{\"step\":1}}]\n";
    assert_eq!(encoded(four(), &turns::extras()), format!("{first}{}", one_step(lines, "length")));
}

#[test]
fn an_approval_is_a_data_entry() {
    let written = encoded(four(), &turns::approval());
    let expected =
        "2:[{\"type\":\"tool-approval-request\",\"data\":{\"approvalId\":\"ap-1\",\"toolCallId\":\"p1\"}}]\n";
    assert!(written.ends_with(expected), "{written}");
}

#[test]
fn refusals_are_text() {
    let lines = "0:\"I can\"\n0:\"not.\"\n";
    assert_eq!(encoded(four(), &turns::refusal()), one_step(lines, "content-filter"));
}

#[test]
fn an_empty_turn_still_ends() {
    assert_eq!(encoded(four(), &turns::empty()), one_step("", "stop"));
    assert_eq!(encoded(four(), &turns::bare()), end("d", "stop", ""));
}

#[test]
fn a_failure_is_the_last_line_and_says_nothing_of_the_provider() {
    let busy = "3:\"The model is busy. Please try again in a moment.\"\n";
    assert_eq!(encoded(four(), &turns::failed_at_once()), busy);
    let cut = "3:\"The model's answer was cut off. Please try again.\"\n";
    let in_text = format!("f:{{\"messageId\":\"msg-1\"}}\n0:\"I was\"\n{cut}");
    assert_eq!(encoded(four(), &turns::failed_in_text()), in_text);
    let in_arguments = encoded(four(), &turns::failed_in_arguments());
    assert!(!in_arguments.contains("9:{\"toolCallId\":\"c1\""));
    assert!(in_arguments.contains(&format!("a:{{\"toolCallId\":\"c1\",\"result\":{UNUSABLE_LINE}}}\n")));
    assert!(in_arguments.contains("a:{\"toolCallId\":\"c2\",\"result\":{\"error\":"));
    assert!(in_arguments.ends_with(cut));
    let between = encoded(four(), &turns::failed_between_steps());
    let late = "3:\"The model did not answer in time. Please try again.\"\n";
    assert!(between.ends_with(&format!("{}{late}", end("e", "tool-calls", USAGE))));
}

#[test]
fn a_stopped_answer_ends_without_a_reason_for_the_page_to_ask_again() {
    let ends = format!("{}{}", end("e", "other", ""), end("d", "other", ""));
    let stopped = encoded(four(), &turns::cancelled_in_text(CancelledBy::User));
    assert_eq!(stopped, format!("f:{{\"messageId\":\"msg-1\"}}\n0:\"I was\"\n{ends}"));
    let in_tool = encoded(four(), &turns::cancelled_in_tool());
    let last_step = format!("{}f:{{\"messageId\":\"msg-1\"}}\n{ends}", end("e", "tool-calls", USAGE));
    assert!(in_tool.ends_with(&last_step), "{in_tool}");
    let old_page = encoded(three(), &turns::cancelled_in_tool());
    assert!(!old_page.contains("a:{"), "{old_page}");
    let shutdown = encoded(four(), &turns::cancelled_in_text(CancelledBy::Shutdown));
    assert!(shutdown.ends_with("3:\"The gateway is restarting. Please try again in a moment.\"\n"));
}

#[test]
fn usage_details_are_an_annotation_where_the_route_wants_them() {
    let annotation = "8:[{\"model\":\"chat-model\",\"usage\":{\"inputTokens\":12,\"outputTokens\":7,\"totalTokens\":19,\
                      \"reasoningTokens\":3}}]\nd:{";
    assert!(encoded(four().annotated(true), &turns::text()).contains(annotation));
    assert!(!encoded(four(), &turns::text()).contains("8:"));
}

#[test]
fn level_three_has_the_same_lines_without_the_later_codes() {
    for (name, events) in turns::all() {
        let (old, new) = (encoded(three(), &events), encoded(four(), &events));
        let codes: Vec<char> = old.lines().filter_map(|line| line.chars().next()).collect();
        assert!(codes.iter().all(|code| "02389abcde".contains(*code)), "{name}: {codes:?}");
        if name != "cancelled-in-tool" {
            let expected: String =
                new.split_inclusive('\n').filter(|line| !line.starts_with(['f', 'g', 'h', 'i', 'j', 'k'])).collect();
            assert_eq!(old, expected, "{name}");
        }
    }
}

#[test]
fn level_three_drops_the_result_of_a_call_that_its_message_does_not_hold() {
    let events = Turn::default().step().call("c1", "f", Runs::Gateway, &["{}"]).events_so_far();
    let mut encoder = three();
    encoded_by(&mut encoder, &events);
    let late = Event::ToolResult(Box::new(ToolResult::ok("other", json!(1))));
    assert_eq!(encoded_by(&mut encoder, std::slice::from_ref(&late)), "");
    assert_eq!(encoded_by(&mut four(), &[late]), "a:{\"toolCallId\":\"other\",\"result\":1}\n");
}

fn encoded_by(encoder: &mut DataStream, events: &[Event]) -> String {
    let mut out = BytesMut::new();
    for event in events {
        encoder.event(event, &mut out);
    }
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn every_event_becomes_whole_lines_of_json_and_every_turn_has_one_end() {
    for (name, events) in turns::all() {
        for encoder in [three(), four(), four().annotated(true)] {
            let frames = frames(encoder, &events);
            assert!(frames.iter().all(|frame| frame.is_empty() || frame.ends_with('\n')), "{name}");
            let text = frames.concat();
            let mut ends = 0;
            for line in text.lines() {
                let (code, json) = line.split_once(':').unwrap();
                assert_eq!(code.len(), 1, "{name}: {line}");
                serde_json::from_str::<Value>(json).unwrap();
                assert_eq!(ends, 0, "{name}: {line} behind the end");
                ends += usize::from(code == "d" || code == "3");
            }
            assert_eq!(ends, 1, "{name}");
            assert!(!text.contains("secret"), "{name}");
        }
    }
}

#[test]
fn the_keep_alive_is_an_empty_line() {
    let mut out = BytesMut::new();
    four().keep_alive(&mut out);
    assert_eq!(&out[..], b"\n");
}

#[test]
fn the_headers_name_the_wire_and_forbid_buffering() {
    let value = |name| headers().into_iter().find(|(key, _)| *key == name).map(|(_, value)| value);
    assert_eq!(value("x-vercel-ai-data-stream").as_deref(), Some("v1"));
    assert_eq!(value("content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(value("x-accel-buffering").as_deref(), Some("no"));
    assert_eq!((Level::read(Some("3")), Level::read(None)), (Level::Three, Level::Four));
}
