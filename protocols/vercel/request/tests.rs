//! Bodies as the releases send them, and what is read from each.

use serde_json::{Value, json};

use super::parse;
use crate::chat::{ChatRequest, Effort, Part, ToolChoice};
use crate::error::CallerError;
use crate::event::{FileSource, Mark, Runs, ToolKind};

fn read(body: Value) -> Result<ChatRequest, CallerError> {
    let Value::Object(body) = body else { panic!("a body is an object") };
    parse(body)
}

/// The conversation, a line for each message.
fn sketch(body: Value) -> Vec<String> {
    let chat = read(body).unwrap();
    chat.messages
        .iter()
        .map(|message| {
            let role = serde_json::to_value(message.role).unwrap();
            let parts: Vec<_> = message.parts.iter().map(part).collect();
            format!("{} {}", role.as_str().unwrap(), parts.join(" + "))
        })
        .collect()
}

fn part(part: &Part) -> String {
    match part {
        Part::Text { text, .. } => format!("{text:?}"),
        Part::Reasoning { text, marks } => {
            let marks: Vec<_> = marks
                .iter()
                .map(|mark| match mark {
                    Mark::Signature { signature } => format!(" signed {signature}"),
                    Mark::Redacted { data } => format!(" redacted {data}"),
                    other => panic!("{other:?}"),
                })
                .collect();
            format!("thinks {text:?}{}", marks.concat())
        }
        Part::File(file) => {
            let source = match &file.source {
                FileSource::Url(url) => url,
                FileSource::Base64(data) => data,
                FileSource::Provider(id) => id,
            };
            format!("file {} {source} {}", file.media_type, file.name.as_deref().unwrap_or("-"))
        }
        Part::ToolCall(call) => {
            let runs = if call.runs == Runs::Provider { "provider " } else { "" };
            let kind = if call.kind == ToolKind::Custom { "custom " } else { "" };
            let approval = call.approval.as_ref().map(|a| format!(" approval {} {:?}", a.id, a.approved));
            let approval = approval.unwrap_or_default();
            format!("{runs}{kind}call {} {}({}){approval}", call.id, call.name, call.arguments)
        }
        Part::ToolResult(result) => {
            let files = if result.files.is_empty() { "" } else { " with files" };
            format!("result {} {:?} {}{files}", result.call, result.outcome, result.output)
        }
        Part::Data { name, value, .. } => format!("data {name} {value}"),
        other @ (Part::Refusal { .. } | Part::Opaque { .. }) => panic!("{other:?}"),
    }
}

fn assistant(parts: &Value) -> Value {
    json!({"id": "chat-1", "trigger": "submit-message", "messages": [
        {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "hi"}]},
        {"id": "a1", "role": "assistant", "parts": parts},
    ]})
}

#[test]
fn first_messages_of_every_release_are_read() {
    let hi = ["user \"Hello\""];
    let bodies = [
        // 3.4 and 4.0: content alone; 4.0.36 adds the id, 4.1.20 the parts.
        json!({"messages": [{"role": "user", "content": "Hello"}]}),
        json!({"id": "chat-1", "messages": [{"role": "user", "content": "Hello"}]}),
        json!({"id": "chat-1", "messages": [{"role": "user", "content": "Hello", "parts": [{"type": "text", "text": "Hello"}]}]}),
        json!({"messages": [{"role": "user", "content": "Hello", "parts": []}]}),
        json!({"messages": [{"role": "data", "content": "", "data": {"a": 1}}, {"role": "user", "content": "Hello"}]}),
        // 5, 6, 7.
        json!({"id": "chat-1", "messages": [{"id": "user-1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}], "trigger": "submit-message"}),
        // The chatbot template and `prepareSendMessagesRequest`: only the newest.
        json!({"id": "chat-1", "message": {"id": "user-1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}, "selectedChatModel": "chat-model"}),
        // assistant-ui's model messages.
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}], "runConfig": {}, "state": null}),
        // useCompletion.
        json!({"prompt": "Hello"}),
    ];
    for body in bodies {
        assert_eq!(sketch(body.clone()), hi, "{body}");
    }
}

#[test]
fn the_turn_is_read_from_the_top_level() {
    let chat = read(json!({
        "id": "chat-1", "trigger": "regenerate-message", "messageId": "a1", "model": "m", "system": "be brief",
        "messages": [{"id": "u1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}],
        "data": {"lang": "de"}, "stream": true, "callSettings": {"maxTokens": 9, "temperature": 0.5}, "seed": -7,
        "stopSequences": ["END"], "reasoningEffort": "high", "tool_choice": {"type": "tool", "toolName": "f"},
    }))
    .unwrap();
    assert_eq!((chat.thread.as_deref(), chat.model.as_deref()), (Some("chat-1"), Some("m")));
    assert!(chat.regenerate && chat.stream && chat.continues.is_none());
    assert_eq!(part(&chat.messages[0].parts[0]), "\"be brief\"");
    assert_eq!((chat.settings.max_tokens, chat.settings.temperature), (Some(9), Some(0.5)));
    assert_eq!((chat.settings.seed, chat.settings.stop), (Some(-7), vec!["END".to_owned()]));
    assert_eq!((chat.settings.reasoning, chat.tool_choice), (Some(Effort::High), ToolChoice::Named("f".into())));
    assert_eq!(Value::Object(chat.extra), json!({"messageId": "a1", "data": {"lang": "de"}}));
}

#[test]
fn a_page_that_names_its_model_elsewhere_is_heard() {
    let message = json!({"role": "user", "content": "x"});
    for body in [
        json!({"message": message, "selectedChatModel": "m"}),
        json!({"message": message, "config": {"modelName": "m"}}),
        json!({"message": message, "model": "m", "selectedChatModel": "other"}),
    ] {
        assert_eq!(read(body).unwrap().model.as_deref(), Some("m"));
    }
}

#[test]
fn tools_of_the_page_are_read_in_both_forms() {
    let message = json!({"role": "user", "content": "x"});
    let schema = json!({"type": "object", "properties": {"q": {"type": "string"}}});
    for tools in [
        json!({"find": {"description": "Finds.", "parameters": schema}}),
        json!([{"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": schema}}]),
        json!([{"name": "find", "description": "Finds.", "inputSchema": schema}]),
    ] {
        let chat = read(json!({"message": message, "tools": tools})).unwrap();
        let tool = &chat.tools[0];
        assert_eq!((tool.name.as_str(), tool.description.as_deref()), ("find", Some("Finds.")));
        assert_eq!(tool.parameters, schema);
    }
    let chat = read(json!({"message": message, "tools": {}, "functions": [{"name": "f"}]})).unwrap();
    assert_eq!(chat.tools[0].parameters, json!({"type": "object", "properties": {}}));
    // A list of names is a page's own switch, not a tool.
    assert_eq!(read(json!({"message": message, "tools": ["web"]})).unwrap().tools, []);
}

#[test]
fn an_assistant_message_is_split_at_its_steps() {
    let body = assistant(&json!([
        {"type": "step-start"},
        {"type": "reasoning", "text": "hm", "state": "done", "providerMetadata": {"chatwire": {"signature": "S", "redactedData": "R"}}},
        {"type": "text", "text": "I look.", "state": "done"},
        {"type": "tool-weather", "toolCallId": "c1", "state": "output-available", "input": {"city": "Bern"}, "output": {"t": 7}},
        {"type": "dynamic-tool", "toolName": "mcp/time", "toolCallId": "c2", "state": "output-error", "input": {}, "errorText": "no clock"},
        {"type": "source-url", "sourceId": "s1", "url": "https://a/b"},
        {"type": "data-fact", "id": "d", "data": 1},
        {"type": "step-start"},
        {"type": "text", "text": "It is 7.", "state": "done"},
        {"type": "a-later-kind", "x": 1},
    ]));
    assert_eq!(
        sketch(body.clone()),
        [
            "user \"hi\"",
            "assistant thinks \"hm\" signed S redacted R + \"I look.\" + call c1 weather({\"city\":\"Bern\"}) + \
             call c2 mcp/time({}) + data fact 1",
            "tool result c1 Ok {\"t\":7} + result c2 Error \"no clock\"",
            "assistant \"It is 7.\"",
        ]
    );
    let chat = read(body).unwrap();
    assert_eq!(chat.continues.as_deref(), Some("a1"));
    let ids: Vec<_> = chat.messages.iter().map(|message| message.id.as_deref()).collect();
    assert_eq!(ids, [Some("u1"), Some("a1"), None, Some("a1")]);
}

#[test]
fn without_step_marks_text_behind_a_result_is_the_next_step() {
    let call = json!({"type": "tool-f", "toolCallId": "c1", "state": "output-available", "input": {}, "output": 1});
    let text = json!({"type": "text", "text": "one"});
    assert_eq!(
        sketch(assistant(&json!([call, text])))[1..],
        ["assistant call c1 f({})", "tool result c1 Ok 1", "assistant \"one\""]
    );
}

#[test]
fn every_tool_state_is_read() {
    let part = |state: &str, more: Value| {
        let mut part = json!({"type": "tool-pay", "toolCallId": "p", "state": state, "input": {"eur": 5}});
        for (key, value) in more.as_object().unwrap() {
            part[key] = value.clone();
        }
        sketch(assistant(&json!([{"type": "step-start"}, part])))[1..].to_vec()
    };
    let call = "assistant call p pay({\"eur\":5})";
    let none = json!({});
    assert!(part("input-streaming", none.clone()).is_empty());
    assert_eq!(part("input-available", none), [call]);
    assert_eq!(part("approval-requested", json!({"approval": {"id": "a"}})), [format!("{call} approval a None")]);
    assert_eq!(
        part("output-available", json!({"output": null, "preliminary": true, "title": "Pay"})),
        [call.to_owned(), "tool result p Ok null".to_owned()]
    );
    assert_eq!(
        part("output-denied", json!({"approval": {"id": "a", "approved": false, "reason": "too dear"}})),
        [format!("{call} approval a Some(false)"), "tool result p Denied \"too dear\"".to_owned()]
    );
    assert_eq!(
        part("output-error", json!({"input": null, "rawInput": "{\"eur", "errorText": "bad"})),
        ["assistant call p pay({\"eur)".to_owned(), "tool result p Error \"bad\"".to_owned()]
    );
    assert_eq!(part("input-available", json!({"input": "free text"})), ["assistant custom call p pay(free text)"]);
    assert_eq!(
        part("output-available", json!({"providerExecuted": true, "output": 1})),
        ["assistant provider call p pay({\"eur\":5}) + result p Ok 1"]
    );
}

#[test]
fn only_a_json_true_approves() {
    for (said, read) in [
        (json!(true), Some(true)),
        (json!(false), Some(false)),
        (json!("true"), Some(false)),
        (json!(1), Some(false)),
        (json!(null), Some(false)),
    ] {
        let body = assistant(&json!([
            {"type": "step-start"},
            {"type": "tool-pay", "toolCallId": "p", "state": "approval-responded", "input": {}, "approval": {"id": "a", "approved": said}},
        ]));
        // It is answered, and has no result yet: the turn runs it or says no.
        assert_eq!(sketch(body)[1..], [format!("assistant call p pay({{}}) approval a {read:?}")]);
    }
}

#[test]
fn an_approval_denied_long_ago_is_a_denied_result() {
    let mut body = assistant(&json!([
        {"type": "tool-pay", "toolCallId": "p", "state": "approval-responded", "input": {}, "approval": {"id": "a", "approved": false}},
    ]));
    let next = json!({"id": "u2", "role": "user", "parts": [{"type": "text", "text": "next"}]});
    body["messages"].as_array_mut().unwrap().push(next);
    assert_eq!(
        sketch(body)[1..],
        [
            "assistant call p pay({}) approval a Some(false)",
            "tool result p Denied \"The user did not allow this call.\"",
            "user \"next\"",
        ]
    );
}

#[test]
fn an_approval_asked_for_as_a_tool_call_is_read_back() {
    for (output, read) in [
        (json!(true), "Some(true)"),
        (json!({"approved": true}), "Some(true)"),
        (json!("yes"), "Some(false)"),
        (json!({"approved": "true"}), "Some(false)"),
    ] {
        let body = assistant(&json!([
            {"type": "step-start"},
            {"type": "tool-pay", "toolCallId": "p", "state": "input-available", "input": {}},
            {"type": "step-start"},
            {"type": "tool-request_approval", "toolCallId": "ap", "state": "output-available",
             "input": {"toolCallId": "p", "toolName": "pay", "input": {}}, "output": output},
        ]));
        assert_eq!(sketch(body)[1..], [format!("assistant call p pay({{}}) approval ap {read}")]);
    }
}

#[test]
fn messages_of_sdk_4_with_parts_are_read() {
    let invocation = json!({"state": "result", "step": 0, "toolCallId": "c1", "toolName": "f", "args": {"a": 1}, "result": {"b": 2}});
    let body = json!({"id": "chat-1", "messages": [
        {"role": "user", "content": "look", "parts": [{"type": "text", "text": "look"}],
         "experimental_attachments": [{"name": "a.png", "contentType": "image/png", "url": "data:image/png;base64,iVBORw0KGgo="},
                                      {"url": "https://x/y.pdf", "contentType": "application/pdf"}]},
        {"id": "a1", "role": "assistant", "content": "done", "reasoning": "hm", "toolInvocations": [invocation],
         "parts": [
            {"type": "step-start"},
            {"type": "reasoning", "reasoning": "hm", "details": [{"type": "text", "text": "hm", "signature": "S"}, {"type": "redacted", "data": "R"}]},
            {"type": "tool-invocation", "toolInvocation": invocation},
            {"type": "tool-invocation", "toolInvocation": {"state": "partial-call", "toolCallId": "c2", "toolName": "f", "args": {}}},
            {"type": "step-start"},
            {"type": "text", "text": "done"},
            {"type": "file", "mimeType": "image/png", "data": "iVBORw0KGgo="},
         ]},
        {"role": "user", "content": "thanks", "parts": [{"type": "file", "mimeType": "image/gif", "data": "R0lGOD"}]},
    ]});
    assert_eq!(
        sketch(body),
        [
            "user \"look\" + file image/png iVBORw0KGgo= a.png + file application/pdf https://x/y.pdf -",
            "assistant thinks \"hm\" signed S + thinks \"\" redacted R + call c1 f({\"a\":1})",
            "tool result c1 Ok {\"b\":2}",
            "assistant \"done\" + file image/png iVBORw0KGgo= -",
            "user \"thanks\" + file image/gif R0lGOD -",
        ]
    );
}

#[test]
fn messages_of_sdk_4_without_parts_are_read_by_their_steps() {
    let invocation = |id: &str, step: u64, state: &str| json!({"state": state, "step": step, "toolCallId": id, "toolName": "f", "args": {}, "result": 1});
    let message = json!({"id": "a1", "role": "assistant", "content": "done",
        "toolInvocations": [invocation("c1", 0, "result"), invocation("c2", 0, "result"), invocation("c3", 1, "result")]});
    let user = json!({"role": "user", "content": "hi"});
    assert_eq!(
        sketch(json!({"messages": [message, user]})),
        [
            "assistant call c1 f({}) + call c2 f({})",
            "tool result c1 Ok 1 + result c2 Ok 1",
            "assistant call c3 f({})",
            "tool result c3 Ok 1",
            "assistant \"done\"",
            "user \"hi\"",
        ]
    );
    // The newest message is still waiting for its answer: its text stood before the calls.
    let waiting = json!({"id": "a1", "role": "assistant", "content": "I ask.", "toolInvocations": [invocation("c1", 0, "result")]});
    let body = json!({"messages": [user, waiting]});
    assert_eq!(sketch(body.clone())[1..], ["assistant \"I ask.\" + call c1 f({})", "tool result c1 Ok 1"]);
    assert_eq!(read(body).unwrap().continues.as_deref(), Some("a1"));
}

#[test]
fn calls_of_sdk_3_in_the_words_of_openai_are_read() {
    let body = json!({"messages": [
        {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
        {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "one"},
        {"role": "assistant", "content": "", "function_call": {"name": "g", "arguments": "{}"}},
        {"role": "function", "name": "g", "content": "two"},
        {"role": "user", "content": "and?"},
    ], "function_call": "auto"});
    assert_eq!(
        sketch(body),
        [
            "assistant call c1 f({\"a\":1})",
            "tool result c1 Ok \"one\"",
            "assistant call function_2 g({})",
            "tool result function_2 Ok \"two\"",
            "user \"and?\"",
        ]
    );
}

#[test]
fn model_messages_of_assistant_ui_are_read() {
    let body = json!({"system": "be brief", "threadId": "t1", "messages": [
        {"role": "system", "content": "you too"},
        {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image", "image": "https://a/b.png"}, {"type": "file", "data": "iVBORw0KGgo=", "mediaType": "image/png", "filename": "f"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "I look."}, {"type": "tool-call", "toolCallId": "c1", "toolName": "f", "input": {"a": 1}}, {"type": "tool-call", "toolCallId": "c2", "toolName": "g", "args": {}}]},
        {"role": "tool", "content": [
            {"type": "tool-result", "toolCallId": "c1", "toolName": "f", "output": {"type": "json", "value": {"b": 2}}},
            {"type": "tool-result", "toolCallId": "c2", "toolName": "g", "result": "boom", "isError": true}]},
        {"role": "tool", "content": [
            {"type": "tool-result", "toolCallId": "c3", "toolName": "f", "output": {"type": "error-text", "value": "no"}},
            {"type": "tool-result", "toolCallId": "c4", "toolName": "f", "output": {"type": "execution-denied", "reason": "never"}},
            {"type": "tool-result", "toolCallId": "c5", "toolName": "f", "output": {"type": "content", "value": [{"type": "text", "text": "see"}, {"type": "media", "data": "iVBORw0KGgo=", "mediaType": "image/png"}]}}]},
    ]});
    assert_eq!(
        sketch(body.clone()),
        [
            "system \"be brief\"",
            "system \"you too\"",
            "user \"look\" + file image/* https://a/b.png - + file image/png iVBORw0KGgo= f",
            "assistant \"I look.\" + call c1 f({\"a\":1}) + call c2 g({})",
            "tool result c1 Ok {\"b\":2} + result c2 Error \"boom\"",
            "tool result c3 Error \"no\" + result c4 Denied \"never\" + result c5 Ok \"see\" with files",
        ]
    );
    let chat = read(body).unwrap();
    assert_eq!((chat.thread.as_deref(), chat.continues), (Some("t1"), None));
}

#[test]
fn files_are_read_in_every_spelling() {
    let file = |part: Value| sketch(json!({"message": {"role": "user", "parts": [part]}})).remove(0);
    for (part, expected) in [
        (
            json!({"type": "file", "mediaType": "image/png", "url": "data:image/png;base64,AA", "filename": "a"}),
            "image/png AA a",
        ),
        (json!({"type": "file", "url": "data:image/webp;base64,AA"}), "image/webp AA -"),
        (
            json!({"type": "file", "mediaType": "application/pdf", "url": "https://a/b"}),
            "application/pdf https://a/b -",
        ),
        (
            json!({"type": "file", "mediaType": "application/pdf", "providerReference": {"openai": "file-1"}}),
            "application/pdf file-1 -",
        ),
        (json!({"type": "file", "data": "/9j/AA"}), "image/jpeg /9j/AA -"),
    ] {
        assert_eq!(file(part), format!("user file {expected}"));
    }
}

#[test]
fn steering_in_the_middle_of_an_answer_is_a_users_message() {
    let body = assistant(&json!([
        {"type": "step-start"}, {"type": "text", "text": "one"},
        {"type": "steering-message", "id": "s", "parts": [{"type": "text", "text": "shorter"}]},
        {"type": "step-start"}, {"type": "text", "text": "1"},
    ]));
    assert_eq!(sketch(body)[1..], ["assistant \"one\"", "user \"shorter\"", "assistant \"1\""]);
}

#[test]
fn mistakes_are_refused_with_their_place() {
    let user = |parts: Value| json!({"messages": [{"role": "user", "parts": parts}]});
    for (body, path) in [
        (json!({}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": null}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"messages": ["hi"]}), "messages[0]"),
        (json!({"messages": [{"content": "hi"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "robot", "content": "hi"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0]"),
        (json!({"messages": [{"role": "user", "content": 5}]}), "messages[0].content"),
        (json!({"message": {"role": "user", "parts": {}}}), "message.parts"),
        (user(json!([{"text": "hi"}])), "messages[0].parts[0].type"),
        (user(json!([{"type": "text"}])), "messages[0].parts[0].text"),
        (user(json!([{"type": "text", "text": ["hi"]}])), "messages[0].parts[0].text"),
        (user(json!([{"type": "file", "mediaType": "image/png"}])), "messages[0].parts[0].url"),
        (
            assistant(&json!([{"type": "tool-f", "state": "input-available", "input": {}}])),
            "messages[1].parts[0].toolCallId",
        ),
        (
            assistant(&json!([{"type": "dynamic-tool", "toolCallId": "c", "state": "x"}])),
            "messages[1].parts[0].toolName",
        ),
        (json!({"messages": [{"role": "function", "name": "f", "content": "x"}]}), "messages[0]"),
        (json!({"prompt": 5}), "prompt"),
        (json!({"prompt": "x", "id": 5}), "id"),
        (json!({"prompt": "x", "model": {"id": "m"}}), "model"),
        (json!({"prompt": "x", "temperature": "hot"}), "temperature"),
        (json!({"prompt": "x", "callSettings": {"maxTokens": -1}}), "callSettings.maxTokens"),
        (json!({"prompt": "x", "tools": {"f": {"parameters": []}}}), "tools.f.parameters"),
        (json!({"prompt": "x", "toolChoice": "sometimes"}), "toolChoice"),
    ] {
        let error = read(body.clone()).expect_err(&body.to_string());
        assert_eq!((error.status, error.path.as_str()), (400, path), "{body}: {error}");
    }
}

#[test]
fn what_nobody_knows_is_never_refused() {
    let chat = read(json!({
        "id": "chat-1", "trigger": "a-later-word", "laterField": {"x": [1]}, "metadata": null,
        "messages": [{"id": 7, "role": "user", "createdAt": 5, "later": true, "metadata": {"m": 1}, "parts": [
            {"type": "text", "text": "hi", "state": "done", "later": 1}, {"type": "data-pick", "data": {"n": 1}}, {"type": "later"}]}],
    }))
    .unwrap();
    assert_eq!(chat.messages[0].parts.len(), 2);
    assert_eq!(Value::Object(chat.extra), json!({"laterField": {"x": [1]}, "metadata": null}));
}
