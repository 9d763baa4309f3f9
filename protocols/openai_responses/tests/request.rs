use serde_json::{Value, json};

use super::*;
use crate::chat::{
    Approval, CallPart, ChatRequest, Effort, Format, Message, Part, ResultPart, Role, Settings, ToolChoice, ToolSpec,
};
use crate::event::{File, FileSource, Runs, ToolKind, ToolOutcome};
use crate::protocol::{Auth, Target};

fn build_with(options: &str, chat: &ChatRequest, extra: &Value) -> (Value, Vec<&'static str>) {
    let target = Target { base_url: "https://api/v1/?api-version=2", model: "gpt-5", extra: extra.as_object() };
    let request = upstream(options).request(chat, &target).unwrap();
    assert_eq!(request.url, "https://api/v1/responses?api-version=2");
    let codes = request.warnings.iter().map(|warning| warning.code).collect();
    (serde_json::from_slice(&request.body).unwrap(), codes)
}

fn build(chat: &ChatRequest) -> (Value, Vec<&'static str>) {
    build_with("{}", chat, &Value::Null)
}

fn chat(messages: Vec<Message>) -> ChatRequest {
    ChatRequest { messages, ..ChatRequest::default() }
}

fn hello() -> ChatRequest {
    chat(vec![Message::text(Role::User, "hi")])
}

fn call(id: &str, kind: ToolKind, arguments: &str, marks: Vec<Mark>) -> Part {
    let runs = Runs::Page;
    Part::ToolCall(CallPart {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        kind,
        runs,
        approval: None,
        marks,
    })
}

fn result(id: &str, output: Value) -> Part {
    Part::ToolResult(ResultPart {
        call: id.into(),
        name: "f".into(),
        outcome: ToolOutcome::Ok,
        output,
        files: Vec::new(),
        runs: Runs::Page,
    })
}

fn mark(key: &str, value: Value) -> Mark {
    Mark::Opaque { protocol: super::super::NAME, key: key.into(), value }
}

fn reasoning(item: Value) -> Part {
    Part::Reasoning { text: "hm".into(), marks: vec![mark("item", item)] }
}

/// The input items of a conversation that ends with a question.
fn items(mut messages: Vec<Message>) -> Vec<Value> {
    messages.push(Message::text(Role::User, "next"));
    let mut items = build(&chat(messages)).0["input"].as_array().unwrap().clone();
    items.pop();
    items
}

#[test]
fn the_smallest_request_streams_and_stores_nothing() {
    let (body, warnings) = build(&hello());
    assert_eq!(
        body,
        json!({
            "model": "gpt-5",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
            "stream": true,
            "store": false,
            "include": ["reasoning.encrypted_content"],
        })
    );
    assert!(warnings.is_empty());
}

#[test]
fn models_without_reasoning_are_not_asked_for_it() {
    let include = |options: &str, model: &str| {
        let target = Target { base_url: "https://api", model, extra: None };
        let request = upstream(options).request(&hello(), &target).unwrap();
        serde_json::from_slice::<Value>(&request.body).unwrap().get("include").is_some()
    };
    for model in ["gpt-4o-mini", "openai/gpt-4.1", "gpt-5-chat-latest", "gpt-3.5-turbo"] {
        assert!(!include("{}", model), "{model}");
        assert!(include(r#"{"encrypted_reasoning":"always"}"#, model));
    }
    for model in ["gpt-5.4", "o4-mini", "openai.gpt-oss-20b", "grok-4.3"] {
        assert!(include("{}", model), "{model}");
        assert!(!include(r#"{"encrypted_reasoning":"never"}"#, model));
        assert!(!include(r#"{"store":true}"#, model));
    }
}

#[test]
fn the_system_prompt_goes_where_the_option_says() {
    let chat = chat(vec![
        Message::text(Role::System, "one"),
        Message::text(Role::System, "two"),
        Message::text(Role::User, "hi"),
        Message::text(Role::System, "three"),
    ]);
    let roles = |body: &Value| -> Vec<String> {
        body["input"].as_array().unwrap().iter().map(|item| item["role"].as_str().unwrap().to_owned()).collect()
    };
    let (body, _) = build(&chat);
    assert_eq!((&body["instructions"], roles(&body)), (&"one\n\ntwo".into(), vec!["user".into(), "developer".into()]));
    let (body, _) = build_with(r#"{"system_role":"system"}"#, &chat, &Value::Null);
    assert_eq!(roles(&body), ["system", "system", "user", "system"]);
    assert!(body.get("instructions").is_none());
    let alone = ChatRequest { messages: vec![Message::text(Role::System, "one")], ..ChatRequest::default() };
    assert_eq!(roles(&build(&alone).0), ["developer"]);
}

#[test]
fn files_of_a_user_are_images_or_files() {
    let file =
        |media_type: &str, source: FileSource| Part::File(File { media_type: media_type.into(), source, name: None });
    let items = items(vec![Message::new(
        Role::User,
        vec![
            file("image/png", FileSource::Base64("AA".into())),
            file("image/jpeg", FileSource::Provider("file-1".into())),
            file("application/pdf", FileSource::Base64("BB".into())),
            file("application/pdf", FileSource::Url("https://a/b.pdf".into())),
        ],
    )]);
    assert_eq!(
        items[0]["content"],
        json!([
            {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA"},
            {"type": "input_image", "detail": "auto", "file_id": "file-1"},
            {"type": "input_file", "filename": "file.pdf", "file_data": "data:application/pdf;base64,BB"},
            {"type": "input_file", "file_url": "https://a/b.pdf"},
        ])
    );
}

#[test]
fn a_tool_step_goes_back_as_its_items_in_their_order() {
    let item = json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "E", "status": null});
    let items = items(vec![
        Message::new(
            Role::Assistant,
            vec![
                reasoning(item),
                Part::Text {
                    text: "so".into(),
                    marks: vec![mark("id", "msg".into()), mark("phase", "commentary".into())],
                },
                call(
                    "c1",
                    ToolKind::Function,
                    r#"{"n":12345678901234567890}"#,
                    vec![mark("id", "fc".into()), mark("extra", json!({"namespace": "ns"}))],
                ),
                call("c2", ToolKind::Custom, "SELECT 1", Vec::new()),
            ],
        ),
        Message::new(Role::Tool, vec![result("c2", "rows".into()), result("c1", json!({"a": 1}))]),
    ]);
    assert_eq!(
        items,
        [
            json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "E"}),
            json!({"type": "message", "role": "assistant", "id": "msg", "phase": "commentary",
                   "content": [{"type": "output_text", "text": "so", "annotations": []}]}),
            json!({"type": "function_call", "id": "fc", "call_id": "c1", "name": "f", "namespace": "ns",
                   "arguments": r#"{"n":12345678901234567890}"#}),
            json!({"type": "custom_tool_call", "call_id": "c2", "name": "f", "input": "SELECT 1"}),
            json!({"type": "function_call_output", "call_id": "c1", "output": r#"{"a":1}"#}),
            json!({"type": "custom_tool_call_output", "call_id": "c2", "output": "rows"}),
        ]
    );
}

#[test]
fn reasoning_goes_back_only_if_it_can_be_understood_and_something_follows() {
    let text = Part::Text { text: "so".into(), marks: vec![mark("id", "msg".into())] };
    let unencrypted = json!({"type": "reasoning", "id": "rs", "summary": []});
    let lost = items(vec![Message::new(Role::Assistant, vec![reasoning(unencrypted.clone()), text.clone()])]);
    assert_eq!((lost.len(), lost[0].get("id")), (1, None), "no id without its reasoning");

    let stored = chat(vec![
        Message::new(Role::Assistant, vec![reasoning(unencrypted), text.clone()]),
        Message::text(Role::User, "next"),
    ]);
    let (body, _) = build_with(r#"{"store":true}"#, &stored, &Value::Null);
    assert_eq!((&body["input"][0]["id"], &body["input"][1]["id"]), (&"rs".into(), &"msg".into()));

    let raw =
        json!({"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]});
    assert_eq!(items(vec![Message::new(Role::Assistant, vec![reasoning(raw), text])]).len(), 2);

    let alone = json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "E"});
    assert!(items(vec![Message::new(Role::Assistant, vec![reasoning(alone)])]).is_empty());
    let compaction = json!({"type": "compaction", "encrypted_content": "E"});
    assert_eq!(items(vec![Message::new(Role::Assistant, vec![reasoning(compaction)])]).len(), 1);
}

#[test]
fn what_another_protocol_made_stays_behind() {
    let foreign = Mark::Opaque { protocol: "anthropic", key: "item".into(), value: json!({"type": "thinking"}) };
    let searched = CallPart {
        id: "srv".into(),
        name: "web_search".into(),
        arguments: "{}".into(),
        kind: ToolKind::Other("server_tool_use".into()),
        runs: Runs::Provider,
        approval: None,
        marks: Vec::new(),
    };
    let chat = chat(vec![
        Message::new(
            Role::Assistant,
            vec![
                Part::Reasoning { text: "hm".into(), marks: vec![foreign, Mark::Signature { signature: "s".into() }] },
                Part::ToolCall(searched),
                Part::Opaque { protocol: "anthropic", value: json!({"type": "container_upload"}) },
                Part::text("answer"),
            ],
        ),
        Message::text(Role::User, "next"),
    ]);
    let (body, warnings) = build(&chat);
    assert_eq!(body["input"].as_array().unwrap().len(), 2);
    assert_eq!(warnings, ["provider-call-dropped"]);
}

#[test]
fn everything_the_decoder_made_goes_back_in_its_place() {
    let items_of = [
        json!({"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "E"}),
        json!({"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}),
        json!({"type": "code_interpreter_call", "id": "ci", "status": "completed", "container_id": "k", "code": "1+1", "outputs": [{"type": "logs", "logs": "2"}]}),
        json!({"type": "mcp_call", "id": "mcp", "status": "completed", "server_label": "s", "name": "ask", "arguments": "{}", "output": "ok"}),
        json!({"type": "image_generation_call", "id": "ig", "status": "completed", "result": "iVBORw0"}),
        json!({"type": "message", "id": "msg", "phase": "final_answer", "role": "assistant", "content": [{"type": "output_text", "text": "done", "annotations": []}]}),
        json!({"type": "local_shell_call", "id": "ls", "call_id": "c", "status": "completed", "action": {"type": "exec", "command": ["ls"]}}),
    ];
    let mut payloads = Vec::new();
    for (at, item) in items_of.iter().enumerate() {
        let mut added = item.clone();
        for key in ["action", "outputs", "output", "result"] {
            added.as_object_mut().unwrap().remove(key);
        }
        payloads.push(format!(r#"{{"type":"response.output_item.added","output_index":{at},"item":{added}}}"#));
        payloads.push(format!(r#"{{"type":"response.output_item.done","output_index":{at},"item":{item}}}"#));
    }
    payloads.push(r#"{"type":"response.output_item.done","output_index":9,"item":{"type":"mcp_list_tools","id":"l","server_label":"s","tools":[]}}"#.to_owned());
    let answer = decode(&stream(&payloads.iter().map(String::as_str).collect::<Vec<_>>())).answer;
    let mut messages = answer.messages();
    messages.push(Message::new(Role::Tool, vec![result("c", "a b".into())]));
    let sent = items(messages);
    for (at, item) in items_of.iter().enumerate() {
        assert_eq!(&sent[at], item);
    }
    assert_eq!(sent[7..], [json!({"type": "local_shell_call_output", "call_id": "c", "output": "a b"})]);
}

#[test]
fn outputs_of_client_run_kinds_have_their_own_shapes() {
    for (kind, arguments, output, item) in [
        (
            "shell_call",
            r#"{"commands":["ls"]}"#,
            json!("a"),
            json!({"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]}),
        ),
        (
            "shell_call",
            "{}",
            json!({"output": [{"stdout": "b"}]}),
            json!({"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "b"}]}),
        ),
        (
            "apply_patch_call",
            "{}",
            json!("ok"),
            json!({"type": "apply_patch_call_output", "call_id": "c", "status": "completed", "output": "ok"}),
        ),
        (
            "tool_search_call",
            "{}",
            json!({"tools": [{"name": "a"}]}),
            json!({"type": "tool_search_output", "call_id": "c", "execution": "client", "status": "completed", "tools": [{"name": "a"}]}),
        ),
        ("unheard_of", "{}", json!("x"), json!({"type": "function_call_output", "call_id": "c", "output": "x"})),
    ] {
        let sent = items(vec![
            Message::new(Role::Assistant, vec![call("c", ToolKind::Other(kind.into()), arguments, Vec::new())]),
            Message::new(Role::Tool, vec![result("c", output)]),
        ]);
        assert_eq!(sent[1], item);
        assert_eq!(sent[0]["call_id"], "c");
    }
    let shell = call("c", ToolKind::Other("shell_call".into()), r#"{"commands":["ls"]}"#, Vec::new());
    let sent = items(vec![Message::new(Role::Assistant, vec![shell])]);
    assert_eq!(
        sent[0],
        json!({"type": "shell_call", "call_id": "c", "status": "completed", "action": {"commands": ["ls"]}})
    );
}

#[test]
fn images_in_a_result_are_parts_of_it() {
    let file = File { media_type: "image/png".into(), source: FileSource::Base64("AA".into()), name: None };
    let Part::ToolResult(mut answer) = result("c", "see".into()) else { panic!() };
    answer.files.push(file);
    let sent = items(vec![
        Message::new(Role::Assistant, vec![call("c", ToolKind::Function, "", Vec::new())]),
        Message::new(Role::Tool, vec![Part::ToolResult(answer)]),
    ]);
    assert_eq!(sent[0]["arguments"], "{}");
    assert_eq!(
        sent[1]["output"],
        json!([{"type": "input_text", "text": "see"}, {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,AA"}])
    );
}

#[test]
fn an_approval_goes_back_with_its_request_and_an_open_one_not_at_all() {
    let asked = |approved: Option<bool>| {
        let item = json!({"type": "mcp_approval_request", "id": "mcpr", "name": "send", "arguments": "{}", "server_label": "s"});
        let part = Part::ToolCall(CallPart {
            id: "mcpr".into(),
            name: "send".into(),
            arguments: "{}".into(),
            kind: ToolKind::Other("mcp_approval_request".into()),
            runs: Runs::Provider,
            approval: Some(Approval { id: "mcpr".into(), approved, reason: Some("why".into()) }),
            marks: vec![mark("item", item)],
        });
        chat(vec![Message::new(Role::Assistant, vec![part]), Message::text(Role::User, "next")])
    };
    let (body, warnings) = build(&asked(Some(false)));
    assert_eq!(body["input"][0]["type"], "mcp_approval_request");
    assert_eq!(
        body["input"][1],
        json!({"type": "mcp_approval_response", "approval_request_id": "mcpr", "approve": false, "reason": "why"})
    );
    assert!(warnings.is_empty());
    let (body, warnings) = build(&asked(None));
    assert_eq!((body["input"].as_array().unwrap().len(), warnings), (1, vec!["approval-dropped"]));

    let mut unmarked = asked(Some(true));
    if let Part::ToolCall(call) = &mut unmarked.messages[0].parts[0] {
        call.marks.clear();
    }
    assert_eq!(build(&unmarked).1, ["approval-dropped"]);
    let (body, warnings) = build_with(r#"{"store":true}"#, &unmarked, &Value::Null);
    assert_eq!((&body["input"][0]["approve"], warnings.len()), (&true.into(), 0));
}

#[test]
fn a_call_without_result_is_answered_and_broken_arguments_go_as_they_are() {
    let sent = items(vec![Message::new(Role::Assistant, vec![call("c", ToolKind::Function, r#"{"a"#, Vec::new())])]);
    assert_eq!((&sent[0]["arguments"], &sent[1]["type"]), (&r#"{"a"#.into(), &"function_call_output".into()));
}

#[test]
fn tool_names_are_said_in_plain_letters_wherever_they_stand() {
    let spec = ToolSpec { name: "mcp:a.b".into(), description: None, parameters: json!({}), strict: None };
    let mut said = call("c", ToolKind::Function, "{}", Vec::new());
    if let Part::ToolCall(call) = &mut said {
        call.name = "mcp:a.b".into();
    }
    let messages =
        vec![Message::new(Role::Assistant, vec![said]), Message::new(Role::Tool, vec![result("c", 1.into())])];
    let choice = ToolChoice::Named("mcp:a.b".into());
    let chat = ChatRequest { tools: vec![spec.clone()], tool_choice: choice, ..chat(messages) };
    let (body, warnings) = build(&chat);
    let plain = json!("mcp_x3a_a_x2e_b");
    assert_eq!(
        (&body["tools"][0]["name"], &body["tool_choice"]["name"], &body["input"][0]["name"]),
        (&plain, &plain, &plain)
    );
    assert!(warnings.is_empty());
    let long = ToolSpec { name: "x".repeat(65).into(), ..spec };
    assert_eq!(build(&ChatRequest { tools: vec![long], ..hello() }).1, ["tool-name-long"]);
}

#[test]
fn tools_are_flat_and_say_strict() {
    let spec = |name: &str, strict| ToolSpec {
        name: name.into(),
        description: None,
        parameters: json!({"type": "object"}),
        strict,
    };
    for (choice, written) in [
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (ToolChoice::Named("a".into()), json!({"type": "function", "name": "a"})),
    ] {
        let chat = ChatRequest {
            tools: vec![spec("a", None), spec("b", Some(true))],
            tool_choice: choice,
            parallel_tools: Some(false),
            ..hello()
        };
        let (body, _) = build(&chat);
        assert_eq!(
            body["tools"][0],
            json!({"type": "function", "name": "a", "parameters": {"type": "object"}, "strict": false})
        );
        assert_eq!(
            (&body["tools"][1]["strict"], &body["tool_choice"], &body["parallel_tool_calls"]),
            (&true.into(), &written, &false.into())
        );
    }
    let without = ChatRequest { tool_choice: ToolChoice::Required, parallel_tools: Some(true), ..hello() };
    let (body, _) = build(&without);
    assert!(body.get("tool_choice").is_none() && body.get("parallel_tool_calls").is_none());
}

#[test]
fn settings_have_their_members_and_what_has_none_is_reported() {
    let settings = Settings {
        max_tokens: Some(5),
        temperature: Some(0.5),
        top_p: Some(0.9),
        top_k: Some(3),
        stop: vec!["x".into()],
        seed: Some(1),
        reasoning: Some(Effort::High),
        format: Format::Schema {
            name: "n".into(),
            description: None,
            schema: json!({"type": "object"}),
            strict: Some(true),
        },
        user: Some("u".into()),
        ..Settings::default()
    };
    let (body, warnings) = build(&ChatRequest { settings, ..hello() });
    assert_eq!(
        (&body["max_output_tokens"], &body["temperature"], &body["top_p"], &body["user"]),
        (&5.into(), &0.5.into(), &0.9.into(), &"u".into())
    );
    assert_eq!(body["reasoning"], json!({"effort": "high", "summary": "auto"}));
    assert_eq!(
        body["text"],
        json!({"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}})
    );
    assert_eq!(warnings, ["setting-dropped"]);
}

#[test]
fn a_summary_is_asked_for_where_reasoning_is() {
    let written = |options: &str, effort: Option<Effort>| {
        let chat = ChatRequest { settings: Settings { reasoning: effort, ..Settings::default() }, ..hello() };
        build_with(options, &chat, &Value::Null).0.get("reasoning").cloned()
    };
    assert_eq!(written("{}", None), None);
    assert_eq!(written("{}", Some(Effort::Off)), Some(json!({"effort": "none"})));
    assert_eq!(written(r#"{"reasoning_summary":"none"}"#, Some(Effort::Low)), Some(json!({"effort": "low"})));
    assert_eq!(written(r#"{"reasoning_summary":"detailed"}"#, None), Some(json!({"summary": "detailed"})));
}

#[test]
fn passed_members_win_and_lists_of_tools_are_joined() {
    let spec = ToolSpec { name: "a".into(), description: None, parameters: json!({}), strict: None };
    let provider = json!({"service_tier": "flex", "temperature": 1.0, "metadata": {"a": "b"}});
    let settings =
        Settings { temperature: Some(0.2), provider: provider.as_object().unwrap().clone(), ..Settings::default() };
    let extra = json!({"service_tier": "priority", "tools": [{"type": "web_search"}], "include": ["web_search_call.action.sources"], "tool_choice": "auto"});
    let chat = ChatRequest { tools: vec![spec], settings, tool_choice: ToolChoice::Required, ..hello() };
    let (body, _) = build_with("{}", &chat, &extra);
    assert_eq!(
        (&body["service_tier"], &body["temperature"], &body["metadata"]["a"]),
        (&"priority".into(), &1.0.into(), &"b".into())
    );
    assert_eq!((&body["tools"][0]["name"], &body["tools"][1]["type"]), (&"a".into(), &"web_search".into()));
    assert_eq!(body["include"], json!(["reasoning.encrypted_content", "web_search_call.action.sources"]));
    assert_eq!(body["tool_choice"], "auto");
    let (body, _) = build_with("{}", &hello(), &json!({"store": true}));
    assert!(body.get("include").is_none());
}

#[test]
fn an_empty_conversation_is_the_callers_mistake() {
    let target = Target { base_url: "https://api", model: "m", extra: None };
    let error = upstream("{}").request(&chat(Vec::new()), &target).unwrap_err();
    assert_eq!((error.status, error.path.as_str()), (400, "messages"));
}

#[test]
fn the_options_of_the_connection() {
    assert_eq!(
        (upstream("{}").auth(), upstream(r#"{"auth":"api-key"}"#).auth()),
        (Auth::Bearer, Auth::Header("api-key"))
    );
    let target = Target { base_url: "https://api", model: "m", extra: None };
    let request = upstream(r#"{"stream":false}"#).request(&hello(), &target).unwrap();
    assert_eq!(request.headers, [("accept", "application/json".to_owned())]);
    assert!(String::from_utf8(request.body).unwrap().contains(r#""stream":false"#));
}
