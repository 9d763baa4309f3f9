//! Tool calls in every shape of upstream notes 2.3.

use serde_json::json;

use super::*;
use crate::event::{BlockKind, Mark};
use crate::fold::Piece;

/// The calls of an answer of these deltas, one line each.
fn calls(deltas: impl IntoIterator<Item = Value>) -> Vec<String> {
    calls_with(deltas, "tool_calls")
}

fn calls_with(deltas: impl IntoIterator<Item = Value>, reason: &str) -> Vec<String> {
    let (got, _) = read(&answer(deltas, reason));
    got.tools()
        .map(|tool| {
            let cut = if tool.whole { "" } else { " cut" };
            format!("{} {} {} {}{cut}", tool.call.index, tool.call.id, tool.call.name, tool.arguments)
        })
        .collect()
}

/// A delta with these pieces of calls.
fn pieces(pieces: Value) -> Value {
    Value::Object([("tool_calls".to_owned(), pieces)].into_iter().collect())
}

fn open(index: u32, id: &str, name: &str, arguments: &str) -> Value {
    pieces(json!([{"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}}]))
}

fn more(index: u32, arguments: &str) -> Value {
    pieces(json!([{"index": index, "function": {"arguments": arguments}}]))
}

#[test]
fn the_usual_shape_is_an_opening_piece_and_argument_pieces() {
    let got = calls([open(0, "a", "f", ""), more(0, "{\"x\""), more(0, ":1}"), open(1, "b", "g", ""), more(1, "{}")]);
    assert_eq!(got, [r#"0 a f {"x":1}"#, "1 b g {}"]);
}

#[test]
fn escapes_and_numbers_come_through_byte_for_byte() {
    let got =
        calls([open(0, "a", "f", ""), more(0, r#"{"s":"\u00"#), more(0, r#"e9","n":12345678901234567890,"d":1.0}"#)]);
    assert_eq!(got, [r#"0 a f {"s":"\u00e9","n":12345678901234567890,"d":1.0}"#]);
}

#[test]
fn no_arguments_at_all_are_no_arguments() {
    let (got, _) =
        read(&answer([open(0, "a", "f", ""), pieces(json!([{"index": 0, "function": {"arguments": null}}]))], "stop"));
    let tool = got.tools().next().unwrap();
    assert_eq!((tool.arguments(), tool.whole), (Some(json!({})), true));
    assert_eq!(got.to_json()["finish"], "tool_calls");
}

#[test]
fn several_whole_calls_in_one_chunk_are_all_taken() {
    let got = calls([pieces(json!([
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{\"x\":1}"}},
        {"index": 1, "id": "b", "function": {"name": "f", "arguments": "{\"x\":2}"}}]))]);
    assert_eq!(got, [r#"0 a f {"x":1}"#, r#"1 b f {"x":2}"#]);
}

#[test]
fn an_object_in_place_of_argument_text_is_written_out_once() {
    let piece =
        || pieces(json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": [1, {"y": "z"}]}}}]));
    assert_eq!(calls([piece(), piece()]), [r#"0 a f {"x":[1,{"y":"z"}]}"#]);
}

#[test]
fn empty_ids_and_names_and_repeats_change_nothing() {
    let repeat = |id: Value, name: Value, arguments: &str| {
        pieces(json!([{"index": 0, "id": id, "type": null, "function": {"name": name, "arguments": arguments}}]))
    };
    let got = calls([
        open(0, "a", "f", ""),
        repeat(json!(""), json!(""), "{\"x"),
        repeat(json!(null), json!(null), "\":"),
        repeat(json!("a"), json!("f"), "1"),
        repeat(json!(""), json!("f"), "}"),
    ]);
    assert_eq!(got, [r#"0 a f {"x":1}"#]);
}

#[test]
fn a_name_in_pieces_is_joined_until_arguments_come() {
    let name = |name: &str| pieces(json!([{"index": 0, "function": {"name": name}}]));
    assert_eq!(calls([open(0, "a", "get", ""), name("_wea"), name("ther"), more(0, "{}")]), ["0 a get_weather {}"]);
    assert_eq!(calls([open(0, "a", "get_weather", ""), name("get_weather"), more(0, "{}")]), ["0 a get_weather {}"]);
}

#[test]
fn a_new_id_at_a_used_index_is_a_new_call() {
    let got =
        calls([open(0, "a", "f", "{\"x\":1}"), open(0, "b", "f", "{\"x\":"), more(0, "2}"), open(0, "c", "g", "")]);
    assert_eq!(got, [r#"0 a f {"x":1}"#, r#"0 b f {"x":2}"#, "0 c g "]);
}

#[test]
fn interleaved_pieces_go_to_their_own_calls() {
    let got = calls([
        open(0, "a", "f", ""),
        open(1, "b", "g", ""),
        more(0, "{\"x\""),
        more(1, "{\"y\""),
        more(0, ":1}"),
        more(1, ":2}"),
    ]);
    assert_eq!(got, [r#"0 a f {"x":1}"#, r#"1 b g {"y":2}"#]);
    let by_id =
        |id: &str, arguments: &str| pieces(json!([{"index": 0, "id": id, "function": {"arguments": arguments}}]));
    let got = calls([open(0, "a", "f", ""), open(0, "b", "g", ""), by_id("a", "{\"x\":1}"), by_id("b", "{}")]);
    assert_eq!(got, [r#"0 a f {"x":1}"#, "0 b g {}"], "the id tells where the index lies");
}

#[test]
fn indices_are_keys_and_may_start_anywhere() {
    assert_eq!(calls([open(1, "a", "f", ""), more(1, "{}"), open(5, "b", "g", "{}")]), ["1 a f {}", "5 b g {}"]);
}

#[test]
fn without_index_the_id_or_the_latest_call_counts() {
    let piece = |id: Value, name: Value, arguments: &str| {
        pieces(json!([{"id": id, "function": {"name": name, "arguments": arguments}}]))
    };
    let got = calls([
        piece(json!("a"), json!("f"), ""),
        piece(json!(null), json!(null), "{\"x\":"),
        piece(json!("a"), json!(null), "1}"),
        piece(json!("b"), json!("g"), "{"),
        piece(json!(null), json!(null), "}"),
    ]);
    assert_eq!(got, [r#"0 a f {"x":1}"#, "1 b g {}"]);
}

#[test]
fn missing_ids_are_made_up_and_stay() {
    let whole = |name: &str, arguments: &str| json!({"function": {"name": name, "arguments": arguments}});
    let got = calls([
        pieces(json!([whole("f", "{\"x\":1}"), whole("f", "{\"x\":1}"), whole("g", "")])),
        pieces(json!([whole("f", "{}")])),
    ]);
    assert_eq!(got, [r#"0 call_t_0 f {"x":1}"#, r#"1 call_t_1 f {"x":1}"#, "2 call_t_2 g ", "3 call_t_3 f {}"]);
    let same_index =
        |name: &str| pieces(json!([{"index": 0, "function": {"name": name, "arguments": "{\"x\":\"}\"}"}}]));
    let got = calls([same_index("f"), same_index("f"), same_index("g")]);
    assert_eq!(got.len(), 3, "{got:?}");
}

#[test]
fn an_id_that_comes_late_belongs_to_its_call() {
    let late = pieces(json!([{"index": 0, "id": "late", "function": {"arguments": "}"}}]));
    let got = calls([pieces(json!([{"index": 0, "function": {"name": "f", "arguments": "{"}}])), late]);
    assert_eq!(got, ["0 call_t_0 f {}"]);
    let early = pieces(json!([{"index": 0, "id": "late", "function": {"arguments": "{}"}}]));
    assert_eq!(calls([pieces(json!([{"index": 0, "function": {"name": "f"}}])), early]), ["0 late f {}"]);
}

#[test]
fn arguments_before_the_name_are_held_back() {
    let nameless = |arguments: &str| pieces(json!([{"index": 0, "id": "a", "function": {"arguments": arguments}}]));
    let body = answer(
        [
            nameless("{\"x\":\"\\u"),
            nameless("00e9\""),
            pieces(json!([{"index": 0, "function": {"name": "f"}}])),
            more(0, "}"),
        ],
        "stop",
    );
    let (got, events) = read(&body);
    let tool = got.tools().next().unwrap();
    assert_eq!((tool.call.name.as_str(), tool.arguments()), ("f", Some(json!({"x": "é"}))));
    let starts = events.iter().filter(|event| matches!(event, Event::BlockStart { .. })).count();
    assert_eq!(starts, 1);
}

#[test]
fn a_call_without_a_name_is_reported_and_nobody_waits_for_it() {
    let (got, events) = read(&answer([more(0, "{}")], "tool_calls"));
    assert_eq!((got.tools().count(), warnings(&events)), (0, vec!["call-without-name"]));
    assert_eq!(got.to_json()["finish"], "stop");
}

#[test]
fn calls_decide_between_stop_and_calls() {
    assert_eq!(message(&answer([open(0, "a", "f", "{}")], "stop"))["finish"], "tool_calls");
    assert_eq!(message(&answer([json!({"content": "x"})], "tool_calls"))["finish"], "stop");
}

#[test]
fn the_last_call_of_a_cut_answer_is_not_whole() {
    assert_eq!(calls_with([open(0, "a", "f", "{\"x\":")], "length"), [r#"0 a f {"x": cut"#]);
    assert_eq!(calls_with([open(0, "a", "f", "")], "length"), ["0 a f  cut"]);
    assert_eq!(calls_with([open(0, "a", "f", "{}"), open(1, "b", "g", "{}")], "length"), ["0 a f {}", "1 b g {} cut"]);
    let got = message(&answer([open(0, "a", "f", "")], "length"));
    assert_eq!((&got["finish"], &got["tool_calls"][0]["arguments_valid"]), (&json!("length"), &json!(false)));
}

#[test]
fn calls_are_not_closed_because_their_arguments_parse() {
    assert_eq!(calls([open(0, "a", "f", "{}"), more(0, " "), more(0, "\n")]), ["0 a f {} \n"]);
    let got = message(&answer([open(0, "a", "f", "{\"x\":1}"), more(0, "2}")], "tool_calls"));
    assert_eq!(got["tool_calls"][0]["arguments_valid"], false);
}

#[test]
fn nothing_twice_encoded_and_strings_become_objects() {
    for (arguments, expected) in [("null", json!(null)), ("\"{\\\"x\\\":1}\"", json!({"x": 1})), ("\"\"", json!({}))] {
        let got = message(&answer([open(0, "a", "f", arguments)], "tool_calls"));
        assert_eq!(
            (&got["tool_calls"][0]["arguments"], &got["tool_calls"][0]["arguments_valid"]),
            (&expected, &json!(true))
        );
    }
}

#[test]
fn the_obsolete_function_call_is_one_call() {
    let got = calls_with(
        [
            json!({"function_call": {"name": "f", "arguments": ""}}),
            json!({"function_call": {"arguments": "{\"x\""}}),
            json!({"function_call": {"name": null, "arguments": ":1}"}}),
        ],
        "function_call",
    );
    assert_eq!(got, [r#"0 call_t_0 f {"x":1}"#]);
}

#[test]
fn custom_tools_take_free_text() {
    let custom = |id: Value, input: &str| {
        pieces(json!([{"index": 0, "id": id, "type": "custom", "custom": {"name": "sql", "input": input}}]))
    };
    let rest = pieces(json!([{"index": 0, "custom": {"input": "1"}}]));
    let got = message(&answer([custom(json!("a"), "SELECT "), rest], "tool_calls"));
    assert_eq!(
        (&got["tool_calls"][0]["kind"], &got["tool_calls"][0]["arguments"]),
        (&json!("custom"), &json!("SELECT 1"))
    );
}

#[test]
fn text_behind_a_call_is_a_new_block_and_order_is_kept() {
    let (got, events) = read(&answer(
        [
            json!({"content": "a"}),
            open(0, "a", "f", ""),
            json!({"content": "b"}),
            more(0, "{"),
            json!({"content": "c"}),
            more(0, "}"),
        ],
        "tool_calls",
    ));
    let kinds: Vec<&str> = got
        .pieces
        .iter()
        .map(|piece| match piece {
            Piece::Step => "step",
            Piece::Text(text, _) => text,
            Piece::Tool(_) => "tool",
            _ => "?",
        })
        .collect();
    assert_eq!(kinds, ["step", "a", "tool", "bc"]);
    assert_eq!(got.tools().next().unwrap().arguments, "{}");
    assert_eq!(warnings(&events), [""; 0]);
}

#[test]
fn text_and_a_call_in_one_delta_are_both_taken() {
    let (got, _) = read(&answer(
        [
            json!({"content": "a", "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}),
        ],
        "stop",
    ));
    assert_eq!((got.text().as_str(), got.tools().count()), ("a", 1));
}

#[test]
fn googles_thought_signature_goes_with_its_call() {
    let extra = json!({"google": {"thought_signature": "sig"}});
    let (got, _) = read(&answer(
        [pieces(
            json!([{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}]),
        )],
        "stop",
    ));
    let expected = Mark::Opaque { protocol: "openai-chat", key: "extra_content".into(), value: extra };
    assert_eq!(got.tools().next().unwrap().marks, [expected]);
}

#[test]
fn escaped_tool_names_come_back_as_the_page_knows_them() {
    let (_, events) = read(&answer([open(0, "a", "mcp_x3a_files_x2e_read", "{}")], "stop"));
    assert!(events.iter().any(|event| matches!(event,
        Event::BlockStart { kind: BlockKind::ToolInput(call), .. } if call.name == "mcp:files.read")));
    let body = answer([open(0, "a", "a_x2e_b", "{}")], "stop");
    assert_eq!(read_with(&json!({"escape_names": false}), &body).0.tools().next().unwrap().call.name, "a_x2e_b");
}
