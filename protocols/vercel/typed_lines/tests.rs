//! Golden bytes of the lines and of the document, and requests.

use serde_json::{Value, json};

use super::*;
use crate::sample_turns::{self as turns, context, encoded, frames};

fn lines(events: &[Event]) -> String {
    encoded(TypedLines::new(), events)
}

fn document(events: &[Event]) -> Value {
    serde_json::from_str(&encoded(Document::new(&context()), events)).unwrap()
}

fn parsed(body: Value) -> Result<ChatRequest, crate::error::CallerError> {
    let Value::Object(body) = body else { unreachable!() };
    parse(body)
}

#[test]
fn text_and_refusals_are_text_lines_and_reasoning_has_none() {
    let text = concat!(
        "0:{\"type\":\"text-delta\",\"textDelta\":\"Hel\"}\n",
        "0:{\"type\":\"text-delta\",\"textDelta\":\"lo, \"}\n",
        "0:{\"type\":\"text-delta\",\"textDelta\":\"Grüße \"}\n",
        "0:{\"type\":\"text-delta\",\"textDelta\":\"👋🏽\"}\n",
        "0:{\"type\":\"text-delta\",\"textDelta\":\" \\\"quoted\\\"\\n2nd\\u2028line\"}\n",
        "d:{\"type\":\"finish\",\"finishReason\":\"stop\"}\n",
    );
    assert_eq!(lines(&turns::text()), text);
    let reasoning = concat!(
        "0:{\"type\":\"text-delta\",\"textDelta\":\"42\"}\n",
        "d:{\"type\":\"finish\",\"finishReason\":\"stop\"}\n",
    );
    assert_eq!(lines(&turns::reasoning()), reasoning);
    let refusal = concat!(
        "0:{\"type\":\"text-delta\",\"textDelta\":\"I can\"}\n",
        "0:{\"type\":\"text-delta\",\"textDelta\":\"not.\"}\n",
        "d:{\"type\":\"finish\",\"finishReason\":\"content-filter\"}\n",
    );
    assert_eq!(lines(&turns::refusal()), refusal);
}

#[test]
fn a_call_is_one_line_and_its_result_repeats_it() {
    let expected = concat!(
        "0:{\"type\":\"text-delta\",\"textDelta\":\"Looking it up. \"}\n",
        "9:{\"type\":\"tool-call\",\"toolCallId\":\"call_1\",\"toolName\":\"weather\",\"args\":{\"city\":\"Zürich\"}}\n",
        "a:{\"type\":\"tool-result\",\"toolCallId\":\"call_1\",\"toolName\":\"weather\",\"args\":{\"city\":\"Zürich\"},",
        "\"result\":{\"tempC\":7,\"sky\":\"fog\"}}\n",
        "0:{\"type\":\"text-delta\",\"textDelta\":\"It is 7\"}\n",
        "0:{\"type\":\"text-delta\",\"textDelta\":\" °C.\"}\n",
        "d:{\"type\":\"finish\",\"finishReason\":\"stop\"}\n",
    );
    assert_eq!(lines(&turns::gateway_tool()), expected);
}

#[test]
fn parallel_calls_get_their_own_results() {
    let expected = concat!(
        "9:{\"type\":\"tool-call\",\"toolCallId\":\"a2\",\"toolName\":\"time\",\"args\":{}}\n",
        "9:{\"type\":\"tool-call\",\"toolCallId\":\"a1\",\"toolName\":\"weather\",",
        "\"args\":{\"id\":12345678901234567890,  \"x\":1.0}}\n",
        "a:{\"type\":\"tool-result\",\"toolCallId\":\"a2\",\"toolName\":\"time\",\"args\":{},\"result\":\"12:00\"}\n",
        "a:{\"type\":\"tool-result\",\"toolCallId\":\"a1\",\"toolName\":\"weather\",",
        "\"args\":{\"id\":12345678901234567890,  \"x\":1.0},\"result\":\"sun\"}\n",
        "0:{\"type\":\"text-delta\",\"textDelta\":\"done\"}\n",
        "d:{\"type\":\"finish\",\"finishReason\":\"stop\"}\n",
    );
    assert_eq!(lines(&turns::parallel_tools()), expected);
}

#[test]
fn unusable_arguments_are_an_empty_object_with_an_error_result() {
    let expected = concat!(
        "9:{\"type\":\"tool-call\",\"toolCallId\":\"c1\",\"toolName\":\"askColor\",\"args\":{\"q\":1}}\n",
        "9:{\"type\":\"tool-call\",\"toolCallId\":\"c2\",\"toolName\":\"askColor\",\"args\":{}}\n",
        "a:{\"type\":\"tool-result\",\"toolCallId\":\"c2\",\"toolName\":\"askColor\",\"args\":{},",
        "\"result\":{\"error\":\"The model's arguments for this tool were incomplete or not valid, so it was not run.\"}}\n",
        "d:{\"type\":\"finish\",\"finishReason\":\"length\"}\n",
    );
    assert_eq!(lines(&turns::cut_page_tool()), expected);
    let failing = lines(&turns::failing_tools());
    assert!(failing.contains("\"args\":{\"city\":\"?\"},\"result\":{\"error\":\"no such city\"}}\n"));
    assert!(failing.contains("\"args\":{},\"result\":{\"error\":\"arguments are not valid JSON\"}}\n"));
}

#[test]
fn sources_files_and_data_have_no_line() {
    let expected = concat!(
        "0:{\"type\":\"text-delta\",\"textDelta\":\"see \"}\n",
        "0:{\"type\":\"text-delta\",\"textDelta\":\"A\"}\n",
        "d:{\"type\":\"finish\",\"finishReason\":\"length\"}\n",
    );
    assert_eq!(lines(&turns::extras()), expected);
}

#[test]
fn empty_failed_and_stopped_turns_end_with_one_line() {
    assert_eq!(lines(&turns::empty()), "d:{\"type\":\"finish\",\"finishReason\":\"stop\"}\n");
    let busy = "3:{\"type\":\"error\",\"error\":\"The model is busy. Please try again in a moment.\"}\n";
    assert_eq!(lines(&turns::failed_at_once()), busy);
    let begun = "0:{\"type\":\"text-delta\",\"textDelta\":\"I was\"}\n";
    let cut = "3:{\"type\":\"error\",\"error\":\"The model's answer was cut off. Please try again.\"}\n";
    assert_eq!(lines(&turns::failed_in_text()), format!("{begun}{cut}"));
    assert!(lines(&turns::failed_in_arguments()).ends_with(cut));
    let stopped = lines(&turns::cancelled_in_text(CancelledBy::NewerTurn));
    assert_eq!(stopped, format!("{begun}d:{{\"type\":\"finish\",\"finishReason\":\"other\"}}\n"));
    let shutdown = lines(&turns::cancelled_in_text(CancelledBy::Shutdown));
    assert!(shutdown.ends_with("\"error\":\"The gateway is restarting. Please try again in a moment.\"}\n"));
}

#[test]
fn every_line_has_its_type_and_nothing_follows_the_end() {
    for (name, events) in turns::all() {
        let frames = frames(TypedLines::new(), &events);
        assert!(frames.iter().all(|frame| frame.is_empty() || frame.ends_with('\n')), "{name}");
        let mut ends = 0;
        for line in frames.concat().lines() {
            let (code, json) = line.split_once(':').unwrap();
            let payload: Value = serde_json::from_str(json).unwrap();
            let expected = match code {
                "0" => "text-delta",
                "9" => "tool-call",
                "a" => "tool-result",
                "3" => "error",
                "d" => "finish",
                other => unreachable!("{name}: {other}"),
            };
            assert_eq!((payload["type"].as_str(), ends), (Some(expected), 0), "{name}: {line}");
            ends += usize::from(code == "3" || code == "d");
        }
        assert_eq!(ends, 1, "{name}");
    }
}

#[test]
fn the_document_holds_the_whole_answer() {
    let expected = json!({
        "id": "msg-1", "role": "assistant", "model": "chat-model", "content": "Looking it up. It is 7 °C.",
        "toolCalls": [{"toolCallId": "call_1", "toolName": "weather", "args": {"city": "Zürich"},
                       "result": {"tempC": 7, "sky": "fog"}}],
        "finishReason": "stop", "usage": {"promptTokens": 24, "completionTokens": 14, "totalTokens": 38},
    });
    assert_eq!(document(&turns::gateway_tool()), expected);
    let refusal = document(&turns::refusal());
    assert_eq!((&refusal["content"], &refusal["finishReason"]), (&json!("I cannot."), &json!("content-filter")));
    let cut = document(&turns::cut_page_tool());
    assert_eq!(cut["toolCalls"][0].get("result"), None);
    assert_eq!((&cut["toolCalls"][1]["args"], &cut["toolCalls"][1]["result"]), (&json!({}), &json!({"error": "cut"})));
    assert_eq!(document(&turns::provider_and_custom_tools())["toolCalls"][1]["args"], json!({"input": "ls \"x\"\n"}));
}

#[test]
fn an_empty_document_is_whole_and_a_failed_answer_writes_none() {
    let empty = document(&turns::bare());
    assert_eq!((&empty["content"], empty.get("usage")), (&json!(""), None));
    assert_eq!(encoded(Document::new(&context()), &turns::failed_in_text()), "");
    let stopped = document(&turns::cancelled_in_text(CancelledBy::User));
    assert_eq!((&stopped["content"], &stopped["finishReason"]), (&json!("I was"), &json!("other")));
}

#[test]
fn a_request_says_stream_or_document_and_keeps_what_it_does_not_know() {
    let chat = parsed(json!({
        "id": "chat-1", "model": "chat-model", "temperature": 0.5, "stream": false, "theme": "dark",
        "messages": [{"role": "system", "content": "Be brief.", "tone": 1},
                     {"id": "m2", "role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }))
    .unwrap();
    assert_eq!((chat.model.as_deref(), chat.thread.as_deref()), (Some("chat-model"), Some("chat-1")));
    assert_eq!((chat.settings.temperature, chat.stream), (Some(0.5), false));
    assert_eq!(chat.messages[1].joined_text(), "Hi");
    assert_eq!(chat.extra.get("theme"), Some(&json!("dark")));
    assert_eq!(chat.extra.len(), 1);
    assert!(open(&chat, &context()).whole);
    let plain = parsed(json!({"messages": [{"role": "user", "content": "Hi"}]})).unwrap();
    assert_eq!((plain.stream, plain.thread), (true, None));
}

#[test]
fn mistakes_in_a_request_name_their_place() {
    let user = json!({"role": "user", "content": "Hi"});
    for (body, place) in [
        (json!({}), "messages: is missing"),
        (json!({"messages": []}), "messages: must hold at least one message"),
        (json!({"messages": "Hi"}), "messages: must be an array, not a string"),
        (json!({"messages": [user, "Hi"]}), "messages[1]: must be an object, not a string"),
        (json!({"messages": [user, {"content": "Hi"}]}), "messages[1].role: is missing"),
        (
            json!({"messages": [{"role": "tool", "content": "Hi"}]}),
            "messages[0].role: must be \"user\", \"assistant\" or \"system\"",
        ),
        (json!({"messages": [{"role": "user", "content": 5}]}), "messages[0].content: must be a string, not a number"),
        (json!({"messages": [{"role": "user", "content": [{}]}]}), "messages[0].content[0].text: is missing"),
        (json!({"messages": [user], "temperature": 3}), "temperature: must be from 0 to 2"),
        (json!({"messages": [user], "stream": "yes"}), "stream: must be true or false, not a string"),
        (json!({"messages": [user], "model": 4}), "model: must be a string, not a number"),
        (json!({"messages": [user], "max_tokens": 0}), "max_tokens: must be greater than 0"),
    ] {
        let error = parsed(body.clone()).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.status), (place, 400), "{body}");
    }
}
