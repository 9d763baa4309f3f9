use serde_json::json;

use super::*;
use crate::event::{FileSource, Runs, ToolOutcome, Wants};

fn item(at: u32, event: &str, item: &str) -> String {
    format!(r#"{{"type":"response.output_item.{event}","output_index":{at},"item":{item}}}"#)
}

fn told(decoded: &Decoded) -> Vec<String> {
    decoded
        .events
        .iter()
        .filter_map(|event| match event {
            Event::BlockEnd { .. } => Some("input".to_owned()),
            Event::ToolStart { .. } => Some("start".to_owned()),
            Event::ToolProgress(says) => Some(says.text.to_string()),
            Event::ToolResult(_) => Some("result".to_owned()),
            Event::ToolAwait(_) => Some("await".to_owned()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_search_shows_that_it_searches_and_its_query_at_the_end() {
    let decoded = decode(&stream(&[
        &item(0, "added", r#"{"type":"web_search_call","id":"ws","status":"in_progress"}"#),
        r#"{"type":"response.web_search_call.in_progress","output_index":0}"#,
        r#"{"type":"response.web_search_call.searching","output_index":0}"#,
        r#"{"type":"response.web_search_call.completed","output_index":0}"#,
        &item(
            0,
            "done",
            r#"{"type":"web_search_call","id":"ws","status":"completed","action":{"type":"search","query":"q"}}"#,
        ),
    ]));
    assert_eq!(told(&decoded), ["input", "start", "searching", "result"]);
    let (tool, result) = (decoded.tools()[0], decoded.results()[0]);
    assert_eq!(
        (tool.call.runs, tool.call.name.as_str(), tool.call.kind.name()),
        (Runs::Provider, "", "web_search_call")
    );
    assert_eq!((&result.output, result.status.as_deref()), (&json!({"type":"search","query":"q"}), Some("completed")));
    assert_eq!(decoded.finish().0, "stop");
}

#[test]
fn streamed_code_becomes_the_input() {
    let added = item(0, "added", r#"{"type":"code_interpreter_call","id":"ci","code":"","container_id":"k"}"#);
    let done = item(
        0,
        "done",
        r#"{"type":"code_interpreter_call","id":"ci","status":"completed","code":"print(\"é\")\n","container_id":"k","outputs":[{"type":"logs","logs":"é"}]}"#,
    );
    let delta = |code: &str| {
        format!(r#"{{"type":"response.code_interpreter_call_code.delta","output_index":0,"delta":{code}}}"#)
    };
    let code_done = r#"{"type":"response.code_interpreter_call_code.done","output_index":0,"code":"print(\"é\")\n"}"#;
    let interpreting = r#"{"type":"response.code_interpreter_call.interpreting","output_index":0}"#;
    let (one, two) = (delta(r#""print(""#), delta(r#""\"é\")""#));
    for payloads in [
        vec![added.as_str(), &one, &two, code_done, interpreting, &done],
        vec![&added, &one, interpreting, &done],
        vec![&added, &done],
        vec![&done],
    ] {
        let decoded = decode(&stream(&payloads));
        assert_eq!(decoded.tools()[0].arguments(), Some(json!({"code": "print(\"é\")\n"})), "{payloads:?}");
        assert_eq!(decoded.results()[0].output, json!({"outputs": [{"type": "logs", "logs": "é"}]}));
        assert_eq!(told(&decoded).iter().filter(|told| *told == "start").count(), 1);
    }
}

#[test]
fn mcp_calls_have_arguments_output_and_error() {
    let decoded = decode(&stream(&[
        &item(0, "added", r#"{"type":"mcp_call","id":"mcp","name":"ask","server_label":"s","arguments":""}"#),
        r#"{"type":"response.mcp_call_arguments.delta","output_index":0,"delta":"{\"a\":"}"#,
        r#"{"type":"response.mcp_call_arguments.done","output_index":0,"arguments":"{\"a\":1}"}"#,
        &item(
            0,
            "done",
            r#"{"type":"mcp_call","id":"mcp","name":"ask","server_label":"s","arguments":"{\"a\":1}","output":"ok","error":null,"status":"completed"}"#,
        ),
        &item(
            1,
            "done",
            r#"{"type":"mcp_call","id":"mcp2","name":"ask","arguments":"{}","output":null,"error":"gone"}"#,
        ),
    ]));
    let tools = decoded.tools();
    assert_eq!((tools[0].call.label(), tools[0].arguments.as_str()), ("ask", "{\"a\":1}"));
    let results = decoded.results();
    assert_eq!((results[0].outcome, &results[0].output), (ToolOutcome::Ok, &json!({"output": "ok"})));
    assert_eq!((results[1].outcome, &results[1].output), (ToolOutcome::Error, &json!({"error": "gone"})));
}

#[test]
fn listed_tools_are_names_not_definitions() {
    let decoded = decode(&stream(&[&item(
        0,
        "done",
        r#"{"type":"mcp_list_tools","id":"l","server_label":"s","tools":[{"name":"a","input_schema":{"type":"object"}},{"name":"b"}]}"#,
    )]));
    assert_eq!(decoded.results()[0].output, json!({"server_label": "s", "tools": ["a", "b"]}));
    assert!(decoded.tools()[0].marks.is_empty());
}

#[test]
fn an_image_is_a_file_once() {
    let image = r#"{"type":"image_generation_call","id":"ig","status":"completed","output_format":"webp","result":"UklGRAAA","revised_prompt":"p"}"#;
    let decoded = decode(&sse(&[
        CREATED,
        &item(0, "added", r#"{"type":"image_generation_call","id":"ig","status":"in_progress","result":null}"#),
        r#"{"type":"response.image_generation_call.generating","output_index":0}"#,
        r#"{"type":"response.image_generation_call.partial_image","output_index":0,"partial_image_b64":"UklGRBBB"}"#,
        &item(0, "done", image),
        &format!(r#"{{"type":"response.completed","response":{{"output":[{image}]}}}}"#),
    ]));
    let files: Vec<_> = decoded
        .answer
        .pieces
        .iter()
        .filter_map(|piece| if let Piece::File(file) = piece { Some(file) } else { None })
        .collect();
    assert_eq!((files.len(), files[0].media_type.as_str()), (1, "image/webp"));
    assert_eq!(files[0].source, FileSource::Base64("UklGRAAA".into()));
    let said = format!("{:?}", decoded.events);
    assert_eq!((said.matches("UklGRAAA").count(), said.matches("UklGRBBB").count()), (1, 0));
    assert_eq!(decoded.results()[0].output, json!({"output_format": "webp", "revised_prompt": "p"}));
}

#[test]
fn an_image_without_a_format_is_recognised() {
    for (result, media_type) in
        [("iVBORw0", "image/png"), ("/9j/4A", "image/jpeg"), ("zzzz", "image/png"), ("https://a/b.png", "image/png")]
    {
        let decoded = decode(&stream(&[&item(
            0,
            "done",
            &format!(r#"{{"type":"image_generation_call","id":"ig","result":"{result}"}}"#),
        )]));
        let file = decoded
            .answer
            .pieces
            .iter()
            .find_map(|piece| if let Piece::File(file) = piece { Some(file) } else { None });
        assert_eq!(file.unwrap().media_type, media_type);
    }
}

#[test]
fn an_approval_is_asked_for_and_nothing_runs() {
    let request =
        r#"{"type":"mcp_approval_request","id":"mcpr","name":"send","arguments":"{\"to\":\"x\"}","server_label":"s"}"#;
    let decoded = decode(&stream(&[&item(0, "added", request), &item(0, "done", request)]));
    assert_eq!(told(&decoded), ["input", "await"]);
    let wait =
        decoded.events.iter().find_map(|event| if let Event::ToolAwait(wait) = event { Some(wait) } else { None });
    assert_eq!(wait.unwrap().wants, Wants::Approval("mcpr".into()));
    let tool = decoded.tools()[0];
    assert_eq!(
        (tool.call.id.as_str(), tool.call.name.as_str(), tool.arguments.as_str()),
        ("mcpr", "send", r#"{"to":"x"}"#)
    );
    assert_eq!(marked(&tool.marks, "item").unwrap()["server_label"], "s");
}

#[test]
fn kinds_nobody_knows_are_shown_with_a_small_output() {
    let big = "x".repeat(20_000);
    let decoded = {
        let body = stream(&[
            &item(0, "done", r#"{"type":"new_call","id":"n","status":"failed","arguments":{"a":1},"answer":42}"#),
            &item(1, "done", &format!(r#"{{"type":"other_output","id":"o","text":"{big}"}}"#)),
        ]);
        Decoded { answer: Answer::default(), events: events(&[body.as_bytes()]) }
    };
    let results = decoded.results();
    assert_eq!((results[0].outcome, &results[0].output["answer"]), (ToolOutcome::Error, &42.into()));
    assert_eq!(results[1].output, json!({}));
}

#[test]
fn a_hosted_call_without_an_end_is_interrupted() {
    let decoded =
        decode(&sse(&[CREATED, &item(0, "added", r#"{"type":"file_search_call","id":"fs","queries":["q"]}"#)]));
    assert_eq!((decoded.outcome(), decoded.tools()[0].arguments.as_str()), ("cut", r#"{"queries":["q"]}"#));
    let result = decoded.tools()[0].result.as_ref().map(|result| result.outcome);
    assert_eq!(result, Some(ToolOutcome::Interrupted));
}
