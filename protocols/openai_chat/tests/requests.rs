//! The requests.

use serde_json::json;

use super::*;
use crate::chat::{
    CallPart, ChatRequest, Effort, Format, Message, Part, ResultPart, Role, Settings, ToolChoice, ToolSpec, opaque,
};
use crate::event::{File, FileSource, Mark, Runs, ToolKind, ToolOutcome};
use crate::fold::Piece;
use crate::protocol::{Auth, Target, UpstreamRequest};

fn request_to(
    options: Value,
    base_url: &str,
    extra: Option<&Map<String, Value>>,
    chat: &ChatRequest,
) -> UpstreamRequest {
    upstream(options).request(chat, &Target { base_url, model: "m", extra }).unwrap()
}

/// The body, and the codes of the warnings.
fn body(options: Value, chat: &ChatRequest) -> (Value, Vec<&'static str>) {
    let request = request_to(options, "http://host/v1/", None, chat);
    let codes = request.warnings.iter().map(|warning| warning.code).collect();
    (serde_json::from_slice(&request.body).unwrap(), codes)
}

fn preset(name: &str) -> Value {
    json!({"preset": name})
}

fn chat(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { messages, ..ChatRequest::default() }
}

fn settings(settings: Settings) -> ChatRequest {
    ChatRequest { settings, ..chat(vec![Message::text(Role::User, "hi")]) }
}

fn tools(names: &[&str], tool_choice: ToolChoice) -> ChatRequest {
    let spec = |name: &&str| ToolSpec {
        name: (*name).into(),
        description: Some("d".into()),
        parameters: json!({"type": "object", "properties": {"x": {}}}),
        strict: Some(true),
    };
    ChatRequest {
        tools: names.iter().map(spec).collect(),
        tool_choice,
        parallel_tools: Some(false),
        ..chat(vec![Message::text(Role::User, "hi")])
    }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(CallPart {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
        kind: ToolKind::Function,
        runs: Runs::Page,
        approval: None,
        marks: Vec::new(),
    })
}

fn result(id: &str, output: Value, files: Vec<File>) -> Part {
    Part::ToolResult(ResultPart {
        call: id.into(),
        name: "f".into(),
        outcome: ToolOutcome::Ok,
        output,
        files,
        runs: Runs::Page,
    })
}

fn file(media_type: &str, source: FileSource) -> File {
    File { media_type: media_type.into(), source, name: Some("n".into()) }
}

#[test]
fn a_request_asks_for_a_stream_and_its_costs() {
    let request =
        request_to(json!({}), "http://host/v1/?api-version=1", None, &chat(vec![Message::text(Role::User, "hi")]));
    assert_eq!(request.url, "http://host/v1/chat/completions?api-version=1");
    assert_eq!(request.headers, [("accept", "text/event-stream".into()), ("accept-encoding", "identity".into())]);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let expected = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": true,
                          "stream_options": {"include_usage": true}});
    assert_eq!((body, request.warnings), (expected, vec![]));
    assert_eq!(upstream(preset("azure")).auth(), Auth::Header("api-key"));
    assert_eq!(upstream(json!({})).auth(), Auth::Bearer);
}

#[test]
fn costs_and_streams_can_be_turned_off() {
    let hello = chat(vec![Message::text(Role::User, "hi")]);
    assert_eq!(body(json!({"stream_usage": false}), &hello).0.get("stream_options"), None);
    let request = request_to(json!({"stream": false}), "http://h", None, &hello);
    assert_eq!(request.headers[0].1, "application/json");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["stream"], body.get("stream_options")), (&json!(false), None));
}

#[test]
fn settings_have_the_names_the_server_knows() {
    let all = settings(Settings {
        max_tokens: Some(9),
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(3),
        stop: vec!["x".into()],
        seed: Some(-1),
        presence_penalty: Some(0.1),
        frequency_penalty: Some(0.2),
        user: Some("u".into()),
        ..Settings::default()
    });
    let (got, warned) = body(preset("openai"), &all);
    assert_eq!((&got["max_completion_tokens"], got.get("max_tokens"), &got["seed"]), (&json!(9), None, &json!(-1)));
    assert_eq!((&got["stop"], &got["user"], got.get("top_k")), (&json!(["x"]), &json!("u"), None));
    assert_eq!(warned, ["setting-dropped"]);
    let (got, warned) = body(preset("mistral"), &all);
    assert_eq!(
        (&got["max_tokens"], &got["random_seed"], got.get("seed"), got.get("user")),
        (&json!(9), &json!(-1), None, None)
    );
    assert_eq!(warned, ["setting-dropped"], "top_k");
    let (got, warned) = body(json!({"sampling": false, "stop": false, "penalties": false, "top_k": true}), &all);
    assert_eq!((got.get("temperature"), got.get("stop"), got.get("presence_penalty")), (None, None, None));
    assert_eq!((&got["top_k"], warned.len()), (&json!(3), 5));
}

#[test]
fn what_the_page_passes_on_is_added_and_the_configuration_wins() {
    let provider = json!({"a": 1, "b": 1, "stream_options": {"x": 1}}).as_object().unwrap().clone();
    let extra = json!({"b": 2, "temperature": 0}).as_object().unwrap().clone();
    let chat = settings(Settings { temperature: Some(1.0), provider, ..Settings::default() });
    let request = request_to(json!({}), "http://h", Some(&extra), &chat);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body["a"], &body["b"], &body["temperature"]), (&json!(1), &json!(2), &json!(0)));
    assert_eq!(body["stream_options"], json!({"include_usage": true, "x": 1}));
}

#[test]
fn users_send_text_images_files_and_sound() {
    let message = |files: Vec<File>| {
        chat(vec![Message::new(
            Role::User,
            [Part::text("look")].into_iter().chain(files.into_iter().map(Part::File)).collect(),
        )])
    };
    let all = message(vec![
        file("image/png", FileSource::Base64("AA".into())),
        file("image/png", FileSource::Url("https://a/b".into())),
        file("application/pdf", FileSource::Base64("BB".into())),
        file("application/pdf", FileSource::Provider("file-1".into())),
        file("audio/mpeg", FileSource::Base64("CC".into())),
        file("audio/wav", FileSource::Base64("DD".into())),
    ]);
    let (got, warned) = body(preset("openai"), &all);
    assert_eq!(
        got["messages"][0]["content"],
        json!([
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
            {"type": "image_url", "image_url": {"url": "https://a/b"}},
            {"type": "file", "file": {"filename": "n", "file_data": "data:application/pdf;base64,BB"}},
            {"type": "file", "file": {"file_id": "file-1"}},
            {"type": "input_audio", "input_audio": {"data": "CC", "format": "mp3"}},
            {"type": "input_audio", "input_audio": {"data": "DD", "format": "wav"}},
        ])
    );
    assert_eq!(warned, [""; 0]);
    let (got, warned) = body(preset("generic"), &all);
    assert_eq!(got["messages"][0]["content"].as_array().unwrap().len(), 3);
    assert_eq!(warned, ["file-dropped"; 3]);
    let unsayable = Part::File(file("video/mp4", FileSource::Url("https://a/v".into())));
    let (got, warned) = body(preset("openai"), &chat(vec![Message::new(Role::User, vec![unsayable])]));
    assert_eq!((&got["messages"], warned), (&json!([]), vec!["file-dropped"]));
}

#[test]
fn system_messages_keep_their_place_or_become_one() {
    let several = chat(vec![
        Message::text(Role::System, "a"),
        Message::text(Role::System, "b"),
        Message::text(Role::User, "hi"),
        Message::text(Role::System, "c"),
    ]);
    let (got, warned) = body(json!({"system_role": "developer"}), &several);
    let roles: Vec<_> = got["messages"].as_array().unwrap().iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!((roles, warned), (vec!["developer", "developer", "user", "developer"], vec![]));
    let (got, warned) = body(json!({"several_systems": false}), &several);
    assert_eq!(
        got["messages"],
        json!([{"role": "system", "content": "a\n\nb\n\nc"}, {"role": "user", "content": "hi"}])
    );
    assert_eq!(warned, ["system-moved"]);
}

#[test]
fn calls_and_results_go_back_word_for_word() {
    let history = chat(vec![
        Message::text(Role::User, "hi"),
        Message::new(
            Role::Assistant,
            vec![
                Part::text("let me "),
                Part::text("see"),
                call("a", "mcp:f", "{\"n\": 12345678901234567890, \"x\":1.0}"),
                call("b", "g", ""),
                call("c", "h", "{\"cut"),
            ],
        ),
        Message::new(
            Role::Tool,
            vec![
                result("a", json!({"ok": true}), vec![file("image/png", FileSource::Base64("AA".into()))]),
                result("b", json!("text"), vec![]),
                result("c", json!(null), vec![]),
            ],
        ),
    ]);
    let (got, warned) = body(preset("generic"), &history);
    let function = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    assert_eq!(
        got["messages"][1],
        json!({"role": "assistant", "content": "let me see", "tool_calls": [
            function("a", "mcp_x3a_f", "{\"n\": 12345678901234567890, \"x\":1.0}"),
            function("b", "g", "{}"),
            function("c", "h", "{\"_raw\":\"{\\\"cut\"}"),
        ]})
    );
    assert_eq!(got["messages"][2], json!({"role": "tool", "tool_call_id": "a", "content": "{\"ok\":true}"}));
    assert_eq!(got["messages"][3], json!({"role": "tool", "tool_call_id": "b", "content": "text"}));
    assert_eq!(got["messages"][4]["role"], "tool");
    assert_eq!(got["messages"][5]["content"][0]["text"], "Files that the tool f gave with its result:");
    assert_eq!(got["messages"][5]["content"][1]["type"], "image_url");
    assert_eq!(warned, ["arguments-wrapped"]);
    let (got, warned) = body(preset("openai"), &history);
    assert_eq!(got["messages"][1]["tool_calls"][2], function("c", "h", "{\"cut"));
    assert_eq!(warned, [""; 0]);
}

#[test]
fn a_call_that_was_interrupted_is_answered_before_it_goes_out() {
    let (got, warned) = body(
        json!({}),
        &chat(vec![Message::new(Role::Assistant, vec![call("a", "f", "{}")]), Message::text(Role::User, "stop")]),
    );
    let roles: Vec<_> = got["messages"].as_array().unwrap().iter().map(|it| it["role"].as_str().unwrap()).collect();
    assert_eq!((roles, warned), (vec!["assistant", "tool", "user"], vec!["result-added"]));
    assert_eq!(got["messages"][0]["content"], Value::Null);
}

#[test]
fn custom_calls_and_googles_signature_go_back() {
    let mut custom = call("a", "sql", "SELECT 1");
    let mut signed = call("b", "f", "{}");
    if let (Part::ToolCall(custom), Part::ToolCall(signed)) = (&mut custom, &mut signed) {
        custom.kind = ToolKind::Custom;
        signed.marks.push(Mark::Opaque {
            protocol: "openai-chat",
            key: "extra_content".into(),
            value: json!({"google": 1}),
        });
    }
    let (got, _) = body(json!({}), &chat(vec![Message::new(Role::Assistant, vec![custom, signed])]));
    let calls = &got["messages"][0]["tool_calls"];
    assert_eq!(calls[0], json!({"id": "a", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}));
    assert_eq!(calls[1]["extra_content"], json!({"google": 1}));
}

#[test]
fn ids_for_mistral_are_nine_characters_for_call_and_result_alike() {
    let history = chat(vec![
        Message::new(Role::Assistant, vec![call("call_long:1", "f", "{}"), call("D681PevKs", "f", "{}")]),
        Message::new(Role::Tool, vec![result("call_long:1", json!(1), vec![]), result("D681PevKs", json!(2), vec![])]),
    ]);
    let (got, _) = body(preset("mistral"), &history);
    let (calls, messages) = (&got["messages"][0]["tool_calls"], &got["messages"]);
    assert_eq!(calls[0]["id"], messages[1]["tool_call_id"]);
    assert_eq!(calls[0]["id"].as_str().unwrap().len(), 9);
    assert_eq!((&calls[1]["id"], &messages[2]["tool_call_id"]), (&json!("D681PevKs"), &json!("D681PevKs")));
}

#[test]
fn what_belongs_to_others_is_reported_and_stays() {
    let foreign = chat(vec![Message::new(
        Role::Assistant,
        vec![
            Part::text("x"),
            Part::Reasoning { text: "thoughts".into(), marks: vec![Mark::Signature { signature: "s".into() }] },
            Part::ToolCall(CallPart {
                runs: Runs::Provider,
                ..match call("a", "search", "{}") {
                    Part::ToolCall(call) => call,
                    _ => unreachable!(),
                }
            }),
            Part::Opaque { protocol: "openai-responses", value: json!({"type": "reasoning"}) },
            Part::File(file("image/png", FileSource::Base64("AA".into()))),
        ],
    )]);
    for name in ["openai", "openrouter"] {
        let (got, warned) = body(preset(name), &foreign);
        assert_eq!(got["messages"], json!([{"role": "assistant", "content": "x"}]), "{name}");
        assert_eq!(warned, ["provider-tool-dropped", "part-dropped", "file-dropped"]);
    }
}

#[test]
fn an_answer_without_content_is_not_sent_back() {
    let thoughts = Part::Reasoning { text: "t".into(), marks: Vec::new() };
    let history = chat(vec![Message::new(Role::Assistant, vec![thoughts]), Message::text(Role::User, "hi")]);
    assert_eq!(body(json!({}), &history).0["messages"].as_array().unwrap().len(), 1);
}

#[test]
fn refusals_go_back_as_such_or_as_text() {
    let history = chat(vec![Message::new(Role::Assistant, vec![Part::Refusal { text: "no".into() }])]);
    assert_eq!(
        body(preset("openai"), &history).0["messages"][0],
        json!({"role": "assistant", "content": null, "refusal": "no"})
    );
    assert_eq!(body(preset("generic"), &history).0["messages"][0], json!({"role": "assistant", "content": "no"}));
}

#[test]
fn reasoning_goes_back_the_servers_way() {
    let history = chat(vec![
        Message::new(Role::Assistant, vec![Part::Reasoning { text: "t".into(), marks: Vec::new() }, Part::text("x")]),
        Message::text(Role::Assistant, "y"),
    ]);
    let back = |way: &str| body(json!({"reasoning_back": way}), &history).0["messages"].clone();
    assert_eq!(back("none")[0], json!({"role": "assistant", "content": "x"}));
    assert_eq!(back("reasoning_content")[0]["reasoning_content"], "t");
    assert_eq!(back("reasoning_content")[1]["reasoning_content"], "", "DeepSeek wants it on every message");
    assert_eq!((&back("reasoning")[0]["reasoning"], back("reasoning")[1].get("reasoning")), (&json!("t"), None));
    assert_eq!(back("think-tags")[0]["content"], "<think>\nt\n</think>\n\nx");
    assert_eq!(
        back("content-parts")[0]["content"],
        json!([
        {"type": "thinking", "thinking": [{"type": "text", "text": "t"}]}, {"type": "text", "text": "x"}])
    );
    assert_eq!(back("content-parts")[1]["content"], "y");
    assert_eq!(back("reasoning_details")[0].get("reasoning_details"), None);
}

#[test]
fn reasoning_details_make_the_round_trip_unchanged() {
    let details = json!([{"type": "reasoning.text", "text": "a", "index": 0, "format": "f"}]);
    let rest = json!([{"type": "reasoning.text", "text": "b", "signature": "s", "index": 0},
                      {"type": "reasoning.encrypted", "data": "z", "index": 1}]);
    let stream = answer(
        [json!({"reasoning_details": details}), json!({"content": "x"}), json!({"reasoning_details": rest})],
        "stop",
    );
    let (got, _) = read(&stream);
    assert!(got.pieces.iter().any(|piece| matches!(piece,
        Piece::Reasoning { marks, .. } if opaque(marks, "openai-chat", "reasoning_details").is_some())));
    let (sent, _) = body(preset("openrouter"), &chat(got.messages()));
    assert_eq!(
        sent["messages"][0]["reasoning_details"],
        json!([
        {"type": "reasoning.text", "text": "ab", "index": 0, "format": "f", "signature": "s"},
        {"type": "reasoning.encrypted", "data": "z", "index": 1}])
    );
}

#[test]
fn without_tools_nothing_is_said_of_them() {
    let (got, _) = body(json!({}), &tools(&[], ToolChoice::Required));
    assert_eq!((got.get("tools"), got.get("tool_choice"), got.get("parallel_tool_calls")), (None, None, None));
}

#[test]
fn tools_are_described_and_named_plainly() {
    let (got, warned) = body(preset("openai"), &tools(&["a.b"], ToolChoice::Named("a.b".into())));
    assert_eq!(
        got["tools"],
        json!([{"type": "function", "function": {"name": "a_x2e_b", "description": "d",
        "parameters": {"type": "object", "properties": {"x": {}}}, "strict": true}}])
    );
    assert_eq!(got["tool_choice"], json!({"type": "function", "function": {"name": "a_x2e_b"}}));
    assert_eq!((&got["parallel_tool_calls"], warned), (&json!(false), vec![]));
    let (got, warned) =
        body(json!({"escape_names": false, "parallel_tool_calls": false}), &tools(&["a.b"], ToolChoice::Auto));
    assert_eq!(
        (&got["tools"][0]["function"]["name"], got["tools"][0]["function"].get("strict")),
        (&json!("a.b"), None)
    );
    assert_eq!(warned, ["setting-dropped"; 2]);
    assert_eq!(body(json!({}), &tools(&[&"x".repeat(65)], ToolChoice::Auto)).1[0], "tool-name-long");
    let mut odd = tools(&["f"], ToolChoice::Auto);
    odd.tools[0].parameters = Value::Null;
    assert_eq!(
        body(json!({}), &odd).0["tools"][0]["function"]["parameters"],
        json!({"type": "object", "properties": {}})
    );
}

#[test]
fn tool_choices_are_said_in_the_servers_words() {
    let choice = |name: &str, choice: ToolChoice| {
        let (got, warned) = body(preset(name), &tools(&["f", "g"], choice));
        let count = got["tools"].as_array().map_or(0, Vec::len);
        (got.get("tool_choice").cloned(), count, warned.len() > base_warnings(name))
    };
    let named = || ToolChoice::Named("g".into());
    assert_eq!(choice("openai", ToolChoice::Auto), (None, 2, false));
    assert_eq!(choice("openai", ToolChoice::None), (Some(json!("none")), 2, false));
    assert_eq!(choice("openai", ToolChoice::Required), (Some(json!("required")), 2, false));
    assert_eq!(choice("mistral", ToolChoice::Required), (Some(json!("any")), 2, false));
    assert_eq!(choice("mistral", named()), (Some(json!("any")), 1, false));
    assert_eq!(choice("moonshot", ToolChoice::Required), (None, 2, true));
    assert_eq!(choice("moonshot", named()).0.unwrap()["function"]["name"], "g");
    assert_eq!(choice("zai", ToolChoice::None), (None, 0, false));
    assert_eq!(choice("zai", named()), (None, 2, true));
}

/// The warnings of a preset for tools with `strict` and without parallel calls.
fn base_warnings(name: &str) -> usize {
    body(preset(name), &tools(&["f", "g"], ToolChoice::Auto)).1.len()
}

#[test]
fn the_form_of_the_answer_is_asked_for() {
    let of = |name: &str, format: Format| {
        let (got, warned) = body(preset(name), &settings(Settings { format, ..Settings::default() }));
        (got.get("response_format").cloned(), warned)
    };
    let schema = || Format::Schema {
        name: "a b".into(),
        description: Some("d".into()),
        schema: json!({"type": "object"}),
        strict: Some(true),
    };
    assert_eq!(of("openai", Format::Text), (None, vec![]));
    assert_eq!(of("openai", Format::Json), (Some(json!({"type": "json_object"})), vec![]));
    assert_eq!(
        of("openai", schema()).0,
        Some(json!({"type": "json_schema", "json_schema":
        {"name": "a_x20_b", "description": "d", "schema": {"type": "object"}, "strict": true}}))
    );
    assert_eq!(of("deepseek", schema()), (Some(json!({"type": "json_object"})), vec!["schema-dropped"]));
}

#[test]
fn the_effort_is_asked_for_in_every_style() {
    let of = |name: &str, effort: Effort| {
        let (mut got, warned) =
            body(preset(name), &settings(Settings { reasoning: Some(effort), ..Settings::default() }));
        let object = got.as_object_mut().unwrap();
        for usual in ["model", "messages", "stream", "stream_options"] {
            object.remove(usual);
        }
        (got, warned.first().copied())
    };
    assert_eq!(of("openai", Effort::Off), (json!({"reasoning_effort": "none"}), None));
    assert_eq!(of("openai", Effort::Max), (json!({"reasoning_effort": "xhigh"}), Some("effort-changed")));
    assert_eq!(of("generic", Effort::Off), (json!({}), Some("setting-dropped")));
    assert_eq!(of("generic", Effort::Minimal), (json!({"reasoning_effort": "low"}), Some("effort-changed")));
    assert_eq!(of("openrouter", Effort::High), (json!({"reasoning": {"effort": "high"}}), None));
    assert_eq!(of("openrouter", Effort::Off), (json!({"reasoning": {"enabled": false}}), None));
    assert_eq!(of("zai", Effort::Off), (json!({"thinking": {"type": "disabled"}}), None));
    assert_eq!(of("moonshot", Effort::Low), (json!({"thinking": {"type": "enabled"}}), None));
    assert_eq!(of("modelscope", Effort::Off), (json!({"enable_thinking": false}), None));
    assert_eq!(of("modelscope", Effort::High), (json!({"enable_thinking": true, "thinking_budget": 8192}), None));
    assert_eq!(of("vllm", Effort::Off), (json!({"chat_template_kwargs": {"enable_thinking": false}}), None));
    assert_eq!(of("mistral", Effort::Low), (json!({}), Some("setting-dropped")));
}
