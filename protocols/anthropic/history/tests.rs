use super::*;
use crate::chat::ChatRequest;
use crate::event::FileSource;
use crate::history::tidy;

fn said(messages: Vec<Message>) -> (Value, Vec<&'static str>) {
    let mut warnings = Vec::new();
    let chat = ChatRequest { messages, ..ChatRequest::default() };
    let tidied = tidy(&chat, &mut warnings);
    let conversation = Conversation::of(&tidied, &mut warnings);
    let turns = serde_json::to_value(&conversation.turns).unwrap();
    (turns, warnings.iter().map(|warning| warning.code).collect())
}

fn user(text: &str) -> Message {
    Message::text(Role::User, text)
}

fn assistant(parts: Vec<Part>) -> Message {
    Message::new(Role::Assistant, parts)
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn call_of(id: &str, arguments: &str, kind: ToolKind, runs: Runs, marks: Vec<Mark>) -> Part {
    Part::ToolCall(CallPart {
        id: id.into(),
        name: "f.g".into(),
        arguments: arguments.to_owned(),
        kind,
        runs,
        approval: None,
        marks,
    })
}

fn call(id: &str, arguments: &str) -> Part {
    call_of(id, arguments, ToolKind::Function, Runs::Page, Vec::new())
}

fn result_of(call: &str, output: Value, outcome: ToolOutcome, runs: Runs, files: Vec<File>) -> Part {
    Part::ToolResult(ResultPart { call: call.into(), name: "f.g".into(), outcome, output, files, runs })
}

fn result(call: &str, output: Value) -> Part {
    result_of(call, output, ToolOutcome::Ok, Runs::Page, Vec::new())
}

fn own(key: &str, value: Value) -> Mark {
    Mark::Opaque { protocol: PROTOCOL, key: key.into(), value }
}

#[test]
fn neighbours_are_merged_and_results_come_first_and_together() {
    let (turns, warnings) = said(vec![
        user("a"),
        user("b"),
        assistant(vec![Part::text("c"), call("1", "{}"), call("2:x", r#"{"n":1}"#)]),
        Message::new(Role::Tool, vec![result("2:x", json!({"r": 2}))]),
        Message::new(Role::Tool, vec![result("1", "r1".into())]),
        user("d"),
    ]);
    assert!(warnings.is_empty());
    assert_eq!(
        turns,
        json!([
            {"role": "user", "content": [text("a"), text("b")]},
            {"role": "assistant", "content": [text("c"),
                {"type": "tool_use", "id": "1", "name": "f__x2e__g", "input": {}},
                {"type": "tool_use", "id": "2__x3a__x", "name": "f__x2e__g", "input": {"n": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "r1"},
                {"type": "tool_result", "tool_use_id": "2__x3a__x", "content": "{\"r\":2}"},
                text("d")]},
        ])
    );
}

#[test]
fn the_first_turn_is_the_users_and_nothing_is_empty() {
    let (turns, _) = said(vec![
        assistant(vec![Part::text("hello")]),
        user(" \n"),
        assistant(vec![Part::text(""), Part::text("again \n")]),
    ]);
    assert_eq!(
        turns,
        json!([{"role": "user", "content": [text(OPENING)]},
            {"role": "assistant", "content": [text("hello"), text("again")]}])
    );
}

#[test]
fn a_call_without_result_gets_one_that_says_so() {
    let (turns, warnings) = said(vec![user("a"), assistant(vec![call("1", "{}")]), user("stop")]);
    let block = &turns[2]["content"][0];
    assert_eq!(
        (&block["type"], &block["is_error"], &block["tool_use_id"]),
        (&json!("tool_result"), &json!(true), &json!("1"))
    );
    assert_eq!((&turns[2]["content"][1], warnings), (&text("stop"), vec!["result-added"]));
}

#[test]
fn arguments_go_back_as_written_or_wrapped() {
    let input = |arguments: &str, kind: ToolKind| {
        let messages = [user("a"), assistant(vec![call_of("1", arguments, kind, Runs::Page, Vec::new())])];
        let conversation = Conversation::of(&messages, &mut Vec::new());
        serde_json::to_string(&conversation.turns[1].content[0]).unwrap()
    };
    let raw = r#"{"b":12345678901234567890123,"a":1.0}"#;
    assert!(input(raw, ToolKind::Function).ends_with(&format!("\"input\":{raw}}}")));
    assert!(input("{\"a\":", ToolKind::Function).ends_with(r#""input":{"_raw":"{\"a\":"}}"#));
    assert!(input("ls", ToolKind::Custom).ends_with(r#""input":{"input":"ls"}}"#));
    assert!(input("", ToolKind::Function).ends_with(r#""input":{}}"#));
}

#[test]
fn only_thoughts_of_this_protocol_go_back() {
    let signed = |signature: &str| Mark::Signature { signature: signature.into() };
    let thought = |text: &str, marks: Vec<Mark>| Part::Reasoning { text: text.to_owned(), marks };
    let (turns, warnings) = said(vec![
        user("a"),
        assistant(vec![
            thought("mine", vec![signed("s1"), own(SIGNED, true.into()), signed("s2")]),
            thought("", vec![signed("omitted"), own(SIGNED, true.into())]),
            thought("", vec![Mark::Redacted { data: "secret".to_owned() }, own(SIGNED, true.into())]),
            thought("cut", vec![]),
            thought("foreign", vec![signed("other")]),
            thought("", vec![Mark::Redacted { data: "other".to_owned() }]),
            thought("", vec![own(BLOCK, json!({"type": "compaction", "content": "sum"}))]),
            Part::text("b"),
        ]),
        user("c"),
    ]);
    assert_eq!(
        turns[1]["content"],
        json!([
            {"type": "thinking", "thinking": "mine", "signature": "s1s2"},
            {"type": "thinking", "thinking": "", "signature": "omitted"},
            {"type": "redacted_thinking", "data": "secret"},
            {"type": "compaction", "content": "sum"},
            text("b"),
        ])
    );
    assert_eq!(warnings, ["reasoning-dropped"]);
}

fn provider_call(id: &str) -> Part {
    let block = json!({"type": "server_tool_use", "id": id, "name": "web_search", "caller": {"type": "direct"}});
    call_of(id, r#"{"q":1}"#, ToolKind::Other("server_tool_use".into()), Runs::Provider, vec![own(BLOCK, block)])
}

fn provider_result(id: &str) -> Part {
    let block = json!({"type": "web_search_tool_result", "tool_use_id": id, "content": []});
    result_of(id, block, ToolOutcome::Ok, Runs::Provider, Vec::new())
}

#[test]
fn provider_run_calls_go_back_as_they_were() {
    let (turns, warnings) =
        said(vec![user("a"), assistant(vec![provider_call("s1"), provider_result("s1"), Part::text("b")]), user("c")]);
    assert_eq!(
        turns[1]["content"],
        json!([
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "caller": {"type": "direct"}, "input": {"q": 1}},
            {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
            text("b"),
        ])
    );
    assert!(warnings.is_empty());
}

#[test]
fn a_provider_run_call_without_result_goes_back_only_where_the_provider_paused() {
    let paused = vec![user("a"), assistant(vec![Part::text("b"), provider_call("s1")])];
    let (turns, warnings) = said(paused.clone());
    assert_eq!((&turns[1]["content"][1]["type"], warnings.len()), (&json!("server_tool_use"), 0));
    let interrupted = result_of("s1", "The answer ended.".into(), ToolOutcome::Interrupted, Runs::Provider, Vec::new());
    let mut later = paused;
    later[1].parts.push(interrupted);
    later.push(user("c"));
    let (turns, warnings) = said(later);
    assert_eq!((&turns[1]["content"], warnings), (&json!([text("b")]), vec!["provider-tool-dropped"]));
}

#[test]
fn what_other_providers_made_is_left_out_and_reported() {
    let foreign = |kind: &str| ToolKind::Other(kind.into());
    let (turns, warnings) = said(vec![
        user("a"),
        assistant(vec![
            call_of("w", "{}", foreign("web_search_call"), Runs::Provider, Vec::new()),
            result_of("w", json!({"type": "web_search_call"}), ToolOutcome::Ok, Runs::Provider, Vec::new()),
            Part::Opaque { protocol: "openai-responses", value: json!({"type": "item"}) },
            Part::Opaque { protocol: PROTOCOL, value: json!({"type": "container_upload", "file_id": "f"}) },
            Part::File(File { media_type: "image/png".into(), source: FileSource::Base64("AA".into()), name: None }),
            Part::Refusal { text: "no".to_owned() },
        ]),
    ]);
    assert_eq!(turns[1]["content"], json!([{"type": "container_upload", "file_id": "f"}, text("no")]));
    assert_eq!(warnings, ["provider-tool-dropped", "item-dropped", "file-dropped"]);
}

#[test]
fn results_carry_errors_and_files() {
    let file = |media_type: &str| File {
        media_type: media_type.into(),
        source: FileSource::Base64("iVBORw".to_owned()),
        name: None,
    };
    let (turns, warnings) = said(vec![
        user("a"),
        assistant(vec![call("1", ""), call("2", "")]),
        Message::new(
            Role::Tool,
            vec![
                result_of("1", "no".into(), ToolOutcome::Denied, Runs::Page, Vec::new()),
                result_of("2", "see".into(), ToolOutcome::Ok, Runs::Page, vec![file("image/png"), file("audio/x")]),
            ],
        ),
    ]);
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw"}});
    assert_eq!(
        turns[2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": "1", "content": "no", "is_error": true},
            {"type": "tool_result", "tool_use_id": "2", "content": [text("see"), image]},
        ])
    );
    assert_eq!(warnings, ["file-dropped"]);
}

#[test]
fn citations_and_callers_go_back() {
    let cited = json!({"type": "web_search_result_location", "encrypted_index": "e"});
    let caller = json!({"type": "code_execution_20250825", "tool_id": "s"});
    let (turns, _) = said(vec![
        user("a"),
        assistant(vec![
            Part::Text { text: "b".to_owned(), marks: vec![own(CITATION, cited.clone())] },
            call_of("1", "", ToolKind::Function, Runs::Page, vec![own(CALLER, caller.clone())]),
        ]),
    ]);
    assert_eq!(turns[1]["content"][0]["citations"], json!([cited]));
    assert_eq!(turns[1]["content"][1]["caller"], caller);
}

#[test]
fn going_on_without_thoughts_is_noticed() {
    let thought = Part::Reasoning {
        text: "t".to_owned(),
        marks: vec![Mark::Signature { signature: "s".into() }, own(SIGNED, true.into())],
    };
    let goes_on = |parts: Vec<Part>, answered: bool| {
        let mut messages = vec![user("a"), assistant(parts)];
        if answered {
            messages.push(Message::new(Role::Tool, vec![result("1", 1.into())]));
        }
        Conversation::of(&messages, &mut Vec::new()).goes_on_without_thoughts()
    };
    assert!(goes_on(vec![call("1", "")], true));
    assert!(!goes_on(vec![thought, call("1", "")], true));
    assert!(goes_on(vec![Part::text("half an answer")], false));
    assert!(!Conversation::of(&[user("a")], &mut Vec::new()).goes_on_without_thoughts());
}
