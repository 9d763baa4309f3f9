use super::*;
use crate::event::{Runs, ToolKind};

const ADDED: &str = r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":""}}"#;

fn arguments(delta: &str) -> String {
    arguments_at(0, delta)
}

fn arguments_at(at: u32, delta: &str) -> String {
    format!(r#"{{"type":"response.function_call_arguments.delta","output_index":{at},"delta":{delta}}}"#)
}

fn item_done(arguments: &str, status: &str) -> String {
    format!(
        r#"{{"type":"response.output_item.done","output_index":0,"item":{{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":{arguments},"status":{status}}}}}"#
    )
}

#[test]
fn a_call_is_known_by_its_call_id_and_remembers_its_item() {
    let done = item_done(r#""{\"n\":12345678901234567890, \"x\":1.0}""#, "\"completed\"");
    let decoded = decode(&stream(&[
        ADDED,
        &arguments(r#""{\"n\":12345678901234567890,""#),
        &arguments(r#"" \"x\":""#),
        &arguments("\"1.0}\""),
        r#"{"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\"n\":12345678901234567890, \"x\":1.0}"}"#,
        &done,
    ]));
    let tool = decoded.tools()[0];
    assert_eq!((tool.call.id.as_str(), tool.call.runs, &tool.call.kind), ("call_1", Runs::Page, &ToolKind::Function));
    assert_eq!((tool.arguments.as_str(), tool.whole), (r#"{"n":12345678901234567890, "x":1.0}"#, true));
    assert_eq!(marked(&tool.marks, "id"), Some(&"fc_1".into()));
    assert_eq!(decoded.finish(), ("tool_calls", Some("completed")));
}

#[test]
fn a_call_without_arguments_has_none() {
    for done in [item_done("\"\"", "\"completed\""), item_done("null", "null"), item_done("\"{}\"", "null")] {
        let decoded = decode(&stream(&[ADDED, &arguments("\"\""), &done]));
        let tool = decoded.tools()[0];
        assert_eq!((tool.whole, tool.arguments()), (true, Some(serde_json::json!({}))));
    }
}

#[test]
fn arguments_are_taken_from_wherever_they_are() {
    for (payloads, place) in [
        (vec![item_done(r#""{\"a\":1}""#, "null")], "only in the item"),
        (vec![ADDED.to_owned(), item_done(r#"{"a":1}"#, "null")], "an object"),
        (vec![arguments(r#""{\"a\"""#), arguments("\":1}\""), item_done(r#""{\"a\":1}""#, "null")], "before the call"),
        (
            vec![
                ADDED.replace(r#""arguments":"""#, r#""arguments":"{\"a\":1}""#),
                arguments(r#""{\"a\":1}""#),
                item_done(r#""{\"a\":1}""#, "null"),
            ],
            "announced and streamed",
        ),
        (vec![ADDED.to_owned(), ADDED.to_owned(), arguments(r#""{\"a\":1}""#)], "announced twice"),
    ] {
        let decoded = decode(&stream(&payloads.iter().map(String::as_str).collect::<Vec<_>>()));
        let tools = decoded.tools();
        assert_eq!(
            (tools.len(), tools[0].arguments.as_str(), tools[0].call.id.as_str()),
            (1, r#"{"a":1}"#, "call_1"),
            "{place}"
        );
    }
}

#[test]
fn calls_without_ids_get_one_and_calls_without_a_name_never_run() {
    let unnamed = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","name":"f","arguments":"{}"}}"#;
    let decoded = decode(&stream(&[unnamed, &unnamed.replace(":0", ":1")]));
    let ids: Vec<_> = decoded.tools().iter().map(|tool| tool.call.id.as_str()).collect();
    assert_eq!(ids, ["call_t_0", "call_t_1"]);
    let decoded = decode(&stream(&[&arguments("\"{}\"")]));
    assert_eq!((decoded.tools().len(), decoded.finish().0), (0, "stop"));
    assert!(
        decoded.events.iter().any(|event| matches!(event, Event::Warning(warning) if warning.code == "call-dropped"))
    );
}

#[test]
fn a_call_cut_by_the_limit_is_not_whole_and_the_one_before_it_is() {
    let incomplete =
        r#"{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}"#;
    let first = item_done("\"{}\"", "\"completed\"");
    let second = ADDED.replace("\"output_index\":0", "\"output_index\":1").replace("call_1", "call_2");
    for rest in [
        vec![],
        vec![arguments_at(1, r#""{\"a\":1}""#)],
        vec![
            item_done(r#""{\"a""#, "\"incomplete\"")
                .replace("\"output_index\":0", "\"output_index\":1")
                .replace("call_1", "call_2"),
        ],
    ] {
        let mut payloads = vec![CREATED, ADDED, &first, &second];
        payloads.extend(rest.iter().map(String::as_str));
        payloads.push(incomplete);
        let decoded = decode(&sse(&payloads));
        let whole: Vec<_> = decoded.tools().iter().map(|tool| tool.whole).collect();
        assert_eq!((whole, decoded.finish().0), (vec![true, false], "length"), "{rest:?}");
    }
}

#[test]
fn a_call_in_a_cut_stream_is_not_whole() {
    let decoded = decode(&sse(&[CREATED, ADDED, &arguments(r#""{\"a\":1}""#)]));
    assert_eq!((decoded.outcome(), decoded.tools()[0].whole), ("cut", false));
}

#[test]
fn calls_may_interleave() {
    let second = ADDED.replace("\"output_index\":0", "\"output_index\":1").replace("call_1", "call_2");
    let decoded = decode(&stream(&[
        ADDED,
        &second,
        &arguments_at(1, r#""{\"b\":""#),
        &arguments_at(0, r#""{\"a\":""#),
        &arguments_at(1, r#""2}""#),
        &arguments_at(0, r#""1}""#),
    ]));
    let calls: Vec<_> = decoded
        .tools()
        .iter()
        .map(|tool| (tool.call.id.to_string(), tool.arguments.clone(), tool.call.index))
        .collect();
    assert_eq!(calls, [("call_1".into(), r#"{"a":1}"#.into(), 0), ("call_2".into(), r#"{"b":2}"#.into(), 1)]);
}

#[test]
fn argument_pieces_may_end_inside_an_escape() {
    let decoded = decode(&stream(&[ADDED, &arguments(r#""{\"a\":\"\\u00""#), &arguments(r#""e9\"}""#)]));
    assert_eq!(decoded.tools()[0].arguments().unwrap()["a"], "é");
}

#[test]
fn text_after_a_call_is_a_block_of_its_own() {
    let later = text("\"after\"").replace("\"output_index\":0", "\"output_index\":2");
    let before = text("\"before\"");
    let added = ADDED.replace("\"output_index\":0", "\"output_index\":1");
    let decoded = decode(&stream(&[&before, &added, &later]));
    assert_eq!(decoded.texts().iter().map(|(text, _)| *text).collect::<Vec<_>>(), ["before", "after"]);
}

#[test]
fn custom_tools_take_free_text() {
    let decoded = decode(&stream(&[
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","id":"ct","call_id":"c","name":"sql","input":""}}"#,
        r#"{"type":"response.custom_tool_call_input.delta","output_index":0,"delta":"SELECT "}"#,
        r#"{"type":"response.custom_tool_call_input.delta","output_index":0,"delta":"1"}"#,
        r#"{"type":"response.custom_tool_call_input.done","output_index":0,"input":"SELECT 1;"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"custom_tool_call","id":"ct","call_id":"c","name":"sql","input":"SELECT 1;"}}"#,
    ]));
    let tool = decoded.tools()[0];
    assert_eq!((&tool.call.kind, tool.arguments.as_str(), tool.whole), (&ToolKind::Custom, "SELECT 1;", true));
}

#[test]
fn client_run_kinds_go_to_the_page_with_their_action() {
    for (item, name, arguments) in [
        (
            r#"{"type":"local_shell_call","id":"i","call_id":"c","action":{"type":"exec","command":["ls"]}}"#,
            "local_shell",
            r#"{"type":"exec","command":["ls"]}"#,
        ),
        (
            r#"{"type":"shell_call","id":"i","call_id":"c","action":{"commands":["ls"]}}"#,
            "shell",
            r#"{"commands":["ls"]}"#,
        ),
        (
            r#"{"type":"apply_patch_call","id":"i","call_id":"c","operation":{"type":"delete_file","path":"a"}}"#,
            "apply_patch",
            r#"{"type":"delete_file","path":"a"}"#,
        ),
        (
            r#"{"type":"computer_call","id":"i","call_id":"c","action":{"type":"screenshot"}}"#,
            "computer",
            r#"{"type":"screenshot"}"#,
        ),
        (
            r#"{"type":"computer_call","id":"i","call_id":"c","actions":[{"type":"wait"}]}"#,
            "computer",
            r#"{"actions":[{"type":"wait"}]}"#,
        ),
        (
            r#"{"type":"tool_search_call","id":"i","call_id":"c","execution":"client","arguments":{"q":1}}"#,
            "tool_search",
            r#"{"q":1}"#,
        ),
    ] {
        let added = format!(r#"{{"type":"response.output_item.added","output_index":0,"item":{item}}}"#);
        let done = format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{item}}}"#);
        for payloads in [vec![added.as_str(), &done], vec![&done]] {
            let decoded = decode(&stream(&payloads));
            let tool = decoded.tools()[0];
            assert_eq!((tool.call.label(), tool.call.id.as_str(), tool.call.runs), (name, "c", Runs::Page));
            assert_eq!((tool.arguments.as_str(), decoded.finish().0), (arguments, "tool_calls"));
            assert_eq!(marked(&tool.marks, "item").unwrap()["id"], "i");
        }
    }
}

#[test]
fn escaped_tool_names_come_back_as_the_page_knows_them() {
    let named = |payload: &str| payload.replace("\"name\":\"f\"", "\"name\":\"mcp_x3a_a_x2e_b\"");
    let (added, done) = (named(ADDED), named(&item_done("\"{}\"", "null")));
    for payloads in [vec![added.as_str(), &done], vec![&done]] {
        assert_eq!(decode(&stream(&payloads)).tools()[0].call.name, "mcp:a.b");
    }
}

#[test]
fn what_else_a_call_item_says_comes_back_with_it() {
    let done = item_done("\"{}\"", "\"completed\"")
        .replace("\"name\":\"f\"", "\"name\":\"f\",\"namespace\":\"ns\",\"caller\":null");
    let decoded = decode(&stream(&[ADDED, &done]));
    assert_eq!(marked(&decoded.tools()[0].marks, "extra"), Some(&serde_json::json!({"namespace": "ns"})));
}
