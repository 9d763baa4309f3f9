use super::*;
use crate::chat::{CallPart, Message, Part, Role, Settings};
use crate::event::{Runs, ToolKind};

fn options() -> RequestOptions {
    RequestOptions {
        version: "v".to_owned(),
        beta: None,
        max_tokens: 5000,
        thinking: Thinking::Budget,
        structured: Structured::Native,
        cache: None,
    }
}

fn target(base_url: &str) -> Target<'_> {
    Target { base_url, model: "m", extra: None }
}

fn chat() -> ChatRequest {
    ChatRequest { messages: vec![Message::text(Role::User, "hi")], ..ChatRequest::default() }
}

fn tools(mut chat: ChatRequest) -> ChatRequest {
    let tool = |name: &str, parameters: Value| ToolSpec {
        name: name.into(),
        description: Some("d".to_owned()),
        parameters,
        strict: Some(true),
    };
    chat.tools = vec![tool("a.b", json!({"type": "object", "properties": {}})), tool("c", Value::Null)];
    chat
}

fn built(chat: &ChatRequest, options: &RequestOptions) -> (Value, Vec<&'static str>) {
    let request = build(chat, &target("https://h"), options).unwrap();
    let codes = request.warnings.iter().map(|warning| warning.code).collect();
    (serde_json::from_slice(&request.body).unwrap(), codes)
}

#[test]
fn the_smallest_request() {
    let request = build(&chat(), &target("https://h"), &options()).unwrap();
    assert_eq!(request.headers, [("anthropic-version", "v".to_owned())]);
    assert_eq!(
        String::from_utf8(request.body).unwrap(),
        r#"{"model":"m","max_tokens":5000,"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"stream":true}"#
    );
    let beta = RequestOptions { beta: Some("x,y".to_owned()), ..options() };
    let headers = build(&chat(), &target("https://h"), &beta).unwrap().headers;
    assert_eq!(headers[1], ("anthropic-beta", "x,y".to_owned()));
}

#[test]
fn the_address_is_found_from_any_base() {
    for base in ["https://h", "https://h/", "https://h/v1", "https://h/v1/", "https://h/v1/messages"] {
        assert_eq!(url(&target(base)), "https://h/v1/messages", "{base}");
    }
    assert_eq!(url(&target("https://h/anthropic?k=1")), "https://h/anthropic/v1/messages?k=1");
}

#[test]
fn instructions_are_joined_and_one_in_the_middle_is_reported() {
    let mut chat = chat();
    chat.messages.insert(0, Message::text(Role::System, "one"));
    chat.messages.insert(1, Message::text(Role::System, "two"));
    let (body, warnings) = built(&chat, &options());
    assert_eq!((body["system"].as_str(), warnings), (Some("one\n\ntwo"), vec![]));
    chat.messages.push(Message::text(Role::System, "three"));
    let (body, warnings) = built(&chat, &options());
    assert_eq!((body["system"].as_str(), warnings), (Some("one\n\ntwo\n\nthree"), vec!["system-moved"]));
}

#[test]
fn tools_are_said_with_valid_names_and_schemas() {
    let (body, _) = built(&tools(chat()), &options());
    assert_eq!(
        body["tools"],
        json!([
            {"name": "a__x2e__b", "description": "d", "input_schema": {"type": "object", "properties": {}}, "strict": true},
            {"name": "c", "description": "d", "input_schema": {"type": "object"}, "strict": true},
        ])
    );
    assert_eq!(body.get("tool_choice"), None);
}

#[test]
fn every_tool_choice_has_its_words() {
    for (choice, parallel, said) in [
        (ToolChoice::Auto, None, Value::Null),
        (ToolChoice::Auto, Some(true), Value::Null),
        (ToolChoice::Auto, Some(false), json!({"type": "auto", "disable_parallel_tool_use": true})),
        (ToolChoice::None, Some(false), json!({"type": "none"})),
        (ToolChoice::Required, None, json!({"type": "any"})),
        (
            ToolChoice::Named("a.b".into()),
            Some(false),
            json!({"type": "tool", "name": "a__x2e__b", "disable_parallel_tool_use": true}),
        ),
    ] {
        let chat = ChatRequest { tool_choice: choice, parallel_tools: parallel, ..tools(chat()) };
        assert_eq!(built(&chat, &options()).0["tool_choice"], said);
        let bare = ChatRequest { tools: Vec::new(), ..chat };
        assert_eq!(built(&bare, &options()).0["tool_choice"], Value::Null);
    }
}

fn thinking(effort: Effort, max_tokens: Option<u64>, by: Thinking) -> (Value, Vec<&'static str>) {
    let mut chat = chat();
    chat.settings.reasoning = Some(effort);
    chat.settings.max_tokens = max_tokens;
    built(&chat, &RequestOptions { thinking: by, ..options() })
}

#[test]
fn a_budget_leaves_room_for_the_answer() {
    for (effort, bound, budget, max_tokens) in [
        (Effort::Medium, None, 4096, 9096),
        (Effort::Medium, Some(4000), 3000, 4000),
        (Effort::Minimal, Some(1025), 1024, 1025),
        (Effort::Max, Some(60_000), 32768, 60_000),
    ] {
        let (body, warnings) = thinking(effort, bound, Thinking::Budget);
        assert_eq!(body["thinking"], json!({"type": "enabled", "budget_tokens": budget}));
        assert_eq!((body["max_tokens"].as_u64(), warnings.len()), (Some(max_tokens), 0));
        assert!(budget < max_tokens);
    }
    let (body, warnings) = thinking(Effort::High, Some(1024), Thinking::Budget);
    assert_eq!((body.get("thinking"), warnings), (None, vec!["thinking-dropped"]));
}

#[test]
fn thinking_is_asked_for_as_configured() {
    let (body, _) = thinking(Effort::Minimal, None, Thinking::Adaptive);
    assert_eq!((&body["thinking"], &body["output_config"]), (&json!({"type": "adaptive"}), &json!({"effort": "low"})));
    assert_eq!(thinking(Effort::Off, None, Thinking::Budget).0["thinking"], json!({"type": "disabled"}));
    assert_eq!(thinking(Effort::High, None, Thinking::Nothing).1, ["setting-dropped"]);
    assert_eq!(thinking(Effort::Off, None, Thinking::Nothing).0.get("thinking"), None);
}

#[test]
fn a_forced_call_wins_over_thinking() {
    let mut chat = ChatRequest { tool_choice: ToolChoice::Required, ..tools(chat()) };
    chat.settings.reasoning = Some(Effort::High);
    for by in [Thinking::Budget, Thinking::Adaptive] {
        let (body, warnings) = built(&chat, &RequestOptions { thinking: by, ..options() });
        assert_eq!((body.get("thinking"), warnings), (None, vec!["thinking-dropped"]));
    }
}

fn sampled(settings: Settings) -> (Value, Vec<&'static str>) {
    built(&ChatRequest { settings, ..chat() }, &options())
}

#[test]
fn sampling_is_kept_in_what_the_api_takes() {
    let (body, warnings) = sampled(Settings {
        temperature: Some(1.5),
        top_k: Some(3),
        stop: vec!["x".to_owned(), " \n".to_owned()],
        user: Some("u".to_owned()),
        ..Settings::default()
    });
    assert_eq!((&body["temperature"], &body["top_k"]), (&json!(1.0), &json!(3)));
    assert_eq!((&body["stop_sequences"], &body["metadata"]), (&json!(["x"]), &json!({"user_id": "u"})));
    assert_eq!(warnings, ["setting-changed", "setting-dropped"]);
    let (body, warnings) =
        sampled(Settings { temperature: Some(0.5), top_p: Some(0.5), seed: Some(1), ..Settings::default() });
    assert_eq!((body.get("top_p"), body.get("seed"), warnings), (None, None, vec!["setting-dropped"]));
}

#[test]
fn sampling_gives_way_to_thinking() {
    let (body, warnings) = sampled(Settings {
        temperature: Some(0.2),
        top_p: Some(0.5),
        top_k: Some(3),
        reasoning: Some(Effort::Low),
        ..Settings::default()
    });
    assert_eq!((body.get("temperature"), body.get("top_p"), body.get("top_k")), (None, None, None));
    assert_eq!(warnings, ["setting-dropped"]);
}

fn formatted(format: Format, structured: Structured, chat: ChatRequest) -> Value {
    let settings = Settings { format, ..Settings::default() };
    built(&ChatRequest { settings, ..chat }, &RequestOptions { structured, ..options() }).0
}

fn schema(kind: &str) -> Format {
    Format::Schema { name: "n".to_owned(), description: None, schema: json!({"type": kind}), strict: None }
}

#[test]
fn an_answer_is_held_to_a_schema_by_the_api_or_by_a_tool() {
    let body = formatted(schema("object"), Structured::Native, chat());
    assert_eq!(body["output_config"], json!({"format": {"type": "json_schema", "schema": {"type": "object"}}}));
    let body = formatted(schema("object"), Structured::Tool, chat());
    assert_eq!(body["tools"][0]["name"], ANSWER_TOOL);
    assert_eq!(body["tools"][0]["input_schema"], json!({"type": "object"}));
    assert_eq!(body["tool_choice"], json!({"type": "tool", "name": ANSWER_TOOL}));
    let body = formatted(schema("object"), Structured::Tool, tools(chat()));
    assert_eq!((body["tools"].as_array().unwrap().len(), &body["tool_choice"]), (3, &json!({"type": "any"})));
    let body = formatted(schema("array"), Structured::Tool, chat());
    assert!(body["system"].as_str().unwrap().contains(r#"{"type":"array"}"#) && body.get("tools").is_none());
    assert_eq!(formatted(Format::Json, Structured::Native, chat())["system"], AS_JSON);
}

#[test]
fn cache_marks_stand_behind_what_repeats() {
    let mut chat = tools(chat());
    chat.messages.push(Message::text(Role::Assistant, "a"));
    chat.messages.push(Message::text(Role::User, "b"));
    let hour = RequestOptions { cache: Some("1h".to_owned()), ..options() };
    let (body, _) = built(&chat, &hour);
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    assert_eq!((body["tools"][0].get("cache_control"), &body["tools"][1]["cache_control"]), (None, &mark));
    for turn in [0, 2] {
        assert_eq!(body["messages"][turn]["content"][0]["cache_control"], mark);
    }
    chat.messages.insert(0, Message::text(Role::System, "s"));
    let (body, _) = built(&chat, &RequestOptions { cache: Some("5m".to_owned()), ..options() });
    assert_eq!(body["system"], json!([{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]));
    assert_eq!(body["tools"][1].get("cache_control"), None);
}

#[test]
fn configured_members_win_and_a_page_cannot_change_the_target() {
    let mut chat = tools(chat());
    let own = json!({"model": "evil", "messages": [], "stream": false, "container": "c", "top_k": 1});
    chat.settings.provider = own.as_object().unwrap().clone();
    let extra = json!({"top_k": 2, "tools": [{"type": "web_search_20250305", "name": "web_search"}]});
    let target = Target { extra: extra.as_object(), ..target("https://h") };
    let body: Value = serde_json::from_slice(&build(&chat, &target, &options()).unwrap().body).unwrap();
    assert_eq!((&body["model"], &body["stream"], &body["container"]), (&json!("m"), &json!(true), &json!("c")));
    assert_eq!((&body["top_k"], &body["tools"][2]["name"]), (&json!(2), &json!("web_search")));
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
}

/// The API refuses calls in the history where no tool is offered; with a stub and `none` it reads them.
#[test]
fn a_history_with_calls_of_tools_that_are_gone_gets_stubs_that_cannot_be_called() {
    let call = |id: &str, name: &str| {
        Part::ToolCall(CallPart {
            id: id.into(),
            name: name.into(),
            arguments: "{}".to_owned(),
            kind: ToolKind::Function,
            runs: Runs::Page,
            approval: None,
            marks: Vec::new(),
        })
    };
    let said = Message::new(Role::Assistant, vec![call("1", "a.b"), call("2", "c"), call("3", "a.b")]);
    let gone = ChatRequest { messages: vec![Message::text(Role::User, "hi"), said], ..ChatRequest::default() };
    let (body, _) = built(&gone, &options());
    let stub = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    assert_eq!(body["tools"], json!([stub("a__x2e__b"), stub("c")]));
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
    let (body, _) = built(&tools(gone), &options());
    assert_eq!((body["tools"].as_array().map(Vec::len), body.get("tool_choice")), (Some(2), None));
    let (body, _) = built(&chat(), &options());
    assert_eq!((body.get("tools"), body.get("tool_choice")), (None, None));
}

#[test]
fn an_empty_conversation_is_the_callers_mistake() {
    let empty = ChatRequest { messages: vec![Message::text(Role::System, "s")], ..ChatRequest::default() };
    assert_eq!(build(&empty, &target("https://h"), &options()).unwrap_err().path, "messages");
}

#[test]
fn a_tool_name_that_had_to_be_cut_is_reported() {
    let mut chat = tools(chat());
    chat.tools[0].name = "n".repeat(200).into();
    let (body, warnings) = built(&chat, &options());
    assert_eq!((body["tools"][0]["name"].as_str().unwrap().len(), warnings), (128, vec!["tool-name-changed"]));
}
