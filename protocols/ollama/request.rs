//! Builds the request of `/api/chat` (upstream notes 5.1).

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::chat::{CallPart, ChatRequest, Effort, Format, Message, Part, ResultPart, Role, ToolChoice, ToolSpec};
use crate::error::CallerError;
use crate::event::{File, FileSource, Runs, Warning};
use crate::history::{tidy, warn};
use crate::protocol::{Target, UpstreamRequest};
use crate::wire::base64;
use crate::wire::json::Arguments;
use crate::wire::merge::merge;
use crate::wire::request::Body;

/// Members that the page's own parameters may not replace.
const OURS: [&str; 3] = ["model", "messages", "stream"];

/// What the configuration says of a provider.
#[derive(Debug)]
pub(super) struct RequestOptions {
    /// The model's context in tokens.
    pub(super) context_size: Option<u64>,
    pub(super) truncate: Option<bool>,
    pub(super) keep_alive: Option<String>,
    pub(super) thinking: Thinking,
}

/// How thinking is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// On or off.
    Flag,
    /// By a word, for models that take one.
    Level,
    /// Not at all.
    Nothing,
}

/// Builds the request.
pub(super) fn build(
    chat: &ChatRequest,
    target: &Target<'_>,
    options: &RequestOptions,
) -> Result<UpstreamRequest, CallerError> {
    let mut warnings = Vec::new();
    let messages: Vec<Said> =
        tidy(chat, &mut warnings).iter().flat_map(|message| said(message, &mut warnings)).collect();
    if messages.is_empty() {
        // The server would load its model and say nothing (corner case 166).
        return Err(CallerError::invalid("messages", "must hold at least one message with content"));
    }
    let mut body = Map::new();
    body.insert("model".to_owned(), target.model.into());
    body.insert("messages".to_owned(), Value::Null);
    body.insert("stream".to_owned(), true.into());
    put_tools(&mut body, chat, &mut warnings);
    put_thinking(&mut body, chat, options, &mut warnings);
    put_format(&mut body, &chat.settings.format);
    put_sampling(&mut body, chat, options);
    put_keeping(&mut body, options);
    let mut own = chat.settings.provider.clone();
    own.retain(|key, _| !OURS.contains(&key.as_str()));
    merge(&mut body, &own);
    if let Some(extra) = target.extra {
        merge(&mut body, extra);
    }
    let body = serde_json::to_vec(&Body { members: &body, messages: &messages })
        .map_err(|error| CallerError::invalid("", format!("cannot be written as JSON: {error}")))?;
    let images: usize = messages.iter().flat_map(|said| &said.images).map(String::len).sum();
    warn_of_cut(body.len().saturating_sub(images), options, &mut warnings);
    Ok(UpstreamRequest { url: url(target), headers: Vec::new(), body, warnings })
}

/// `/api/chat` below the base, which people give bare, with `/api`, or with the `/v1` of the other protocol.
fn url(target: &Target<'_>) -> String {
    let (base, query) = match target.base_url.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (target.base_url, None),
    };
    let base = base.trim_end_matches('/');
    let base = ["/api", "/v1"].iter().find_map(|end| base.strip_suffix(end)).unwrap_or(base);
    let base_url = query.map_or_else(|| base.to_owned(), |query| format!("{base}?{query}"));
    Target { base_url: &base_url, ..*target }.url("api/chat")
}

/// A message as the server wants it.
#[derive(Debug, Default, serde::Serialize)]
struct Said {
    role: &'static str,
    content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
}

#[derive(Debug, serde::Serialize)]
struct Called {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function,
}

#[derive(Debug, serde::Serialize)]
struct Function {
    index: usize,
    name: String,
    arguments: Box<RawValue>,
}

fn said(message: &Message, warnings: &mut Vec<Warning>) -> Vec<Said> {
    if message.role == Role::Tool {
        let results = message.parts.iter().filter_map(|part| match part {
            Part::ToolResult(result) => Some(result),
            _ => None,
        });
        return results.map(|result| answered(result, warnings)).collect();
    }
    let mut said = Said { role: role(message.role), ..Said::default() };
    let mut texts = Vec::new();
    for part in &message.parts {
        match part {
            Part::Text { text, .. } | Part::Refusal { text } => texts.push(text.clone()),
            Part::Reasoning { text, .. } => said.thinking.push_str(text),
            Part::File(file) => texts.extend(file_text(file, &mut said.images, warnings)),
            Part::ToolCall(call) if call.runs != Runs::Provider => {
                let called = called(call, said.tool_calls.len(), warnings);
                said.tool_calls.push(called);
            }
            Part::ToolCall(_) => {
                warn(warnings, "provider-tool-dropped", "a call that another provider ran was left out")
            }
            Part::ToolResult(_) | Part::Opaque { .. } | Part::Data { .. } => {}
        }
    }
    let separator = if message.role == Role::Assistant { "" } else { "\n" };
    said.content = texts.join(separator);
    let empty = said.content.is_empty() && said.images.is_empty() && said.tool_calls.is_empty();
    if empty { Vec::new() } else { vec![said] }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

fn called(call: &CallPart, index: usize, warnings: &mut Vec<Warning>) -> Called {
    let arguments = Arguments::text(&call.arguments)
        .and_then(|text| RawValue::from_string(text.into_owned()).ok())
        .unwrap_or_else(|| {
            warn(warnings, "arguments-wrapped", "arguments that are no JSON object were wrapped into one");
            wrapped(&call.arguments)
        });
    let function = Function { index, name: call.name.to_string(), arguments };
    Called { id: call.id.to_string(), kind: "function", function }
}

/// An object around text that is none: the server takes nothing else (corner case 161).
fn wrapped(text: &str) -> Box<RawValue> {
    serde_json::value::to_raw_value(&json!({ "_raw": text })).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn answered(result: &ResultPart, warnings: &mut Vec<Warning>) -> Said {
    let mut said = Said {
        role: "tool",
        content: crate::event::output_text(&result.output),
        tool_name: Some(result.name.to_string()),
        tool_call_id: Some(result.call.to_string()),
        ..Said::default()
    };
    for file in &result.files {
        if let Some(text) = file_text(file, &mut said.images, warnings) {
            said.content.push('\n');
            said.content.push_str(&text);
        }
    }
    said
}

/// Puts an image among the images as bare base64; gives the words of a text file. Links cannot be said (corner case
/// 162), and neither can other files.
fn file_text(file: &File, images: &mut Vec<String>, warnings: &mut Vec<Warning>) -> Option<String> {
    match &file.source {
        FileSource::Base64(data) if file.media_type.starts_with("image/") => {
            images.push(data.clone());
            return None;
        }
        FileSource::Base64(data) if file.media_type.starts_with("text/") => {
            let text = base64::decode(data).and_then(|bytes| String::from_utf8(bytes).ok());
            if let Some(text) = text {
                return Some(match &file.name {
                    Some(name) => format!("{name}:\n{text}"),
                    None => text,
                });
            }
        }
        FileSource::Base64(_) | FileSource::Url(_) | FileSource::Provider(_) => {}
    }
    warn(warnings, "file-dropped", "the server takes images as base64 and text files only; a file was left out");
    None
}

fn put_tools(body: &mut Map<String, Value>, chat: &ChatRequest, warnings: &mut Vec<Warning>) {
    if chat.tools.is_empty() || chat.tool_choice == ToolChoice::None {
        return;
    }
    if chat.tool_choice != ToolChoice::Auto {
        warn(warnings, "tool-choice-dropped", "the server cannot be made to call a tool: the model decides");
    }
    if chat.parallel_tools == Some(false) {
        warn(warnings, "setting-dropped", "the server cannot be kept from calling several tools at once");
    }
    let offered = chat.tools.iter().filter(|tool| match &chat.tool_choice {
        ToolChoice::Named(name) => tool.name == *name,
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => true,
    });
    body.insert("tools".to_owned(), offered.map(tool).collect());
}

fn tool(tool: &ToolSpec) -> Value {
    let mut function = Map::new();
    function.insert("name".to_owned(), tool.name.as_str().into());
    if let Some(description) = &tool.description {
        function.insert("description".to_owned(), description.as_str().into());
    }
    function.insert("parameters".to_owned(), tool.parameters.clone());
    json!({"type": "function", "function": function})
}

fn put_thinking(
    body: &mut Map<String, Value>,
    chat: &ChatRequest,
    options: &RequestOptions,
    warnings: &mut Vec<Warning>,
) {
    let Some(effort) = chat.settings.reasoning else { return };
    let think = match options.thinking {
        Thinking::Nothing => {
            if effort != Effort::Off {
                warn(warnings, "setting-dropped", "this provider is configured not to be asked for thinking");
            }
            return;
        }
        Thinking::Level if effort != Effort::Off => level(effort).into(),
        Thinking::Level | Thinking::Flag => Value::Bool(effort != Effort::Off),
    };
    body.insert("think".to_owned(), think);
}

/// The nearest of the four words that models with levels know.
const fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::Off | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::Xhigh => "high",
        Effort::Max => "max",
    }
}

fn put_format(body: &mut Map<String, Value>, format: &Format) {
    let format = match format {
        Format::Text => return,
        Format::Json => "json".into(),
        Format::Schema { schema, .. } => schema.clone(),
    };
    body.insert("format".to_owned(), format);
}

fn put_sampling(body: &mut Map<String, Value>, chat: &ChatRequest, options: &RequestOptions) {
    let settings = &chat.settings;
    let mut given = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            given.insert(name.to_owned(), value);
        }
    };
    put("num_ctx", options.context_size.map(Value::from));
    put("num_predict", settings.max_tokens.map(Value::from));
    put("temperature", settings.temperature.map(Value::from));
    put("top_p", settings.top_p.map(Value::from));
    put("top_k", settings.top_k.map(Value::from));
    put("seed", settings.seed.map(Value::from));
    put("presence_penalty", settings.presence_penalty.map(Value::from));
    put("frequency_penalty", settings.frequency_penalty.map(Value::from));
    put("stop", (!settings.stop.is_empty()).then(|| settings.stop.clone().into()));
    if !given.is_empty() {
        body.insert("options".to_owned(), Value::Object(given));
    }
}

fn put_keeping(body: &mut Map<String, Value>, options: &RequestOptions) {
    if let Some(time) = &options.keep_alive {
        let time = time.parse::<i64>().map_or_else(|_| Value::from(time.as_str()), Value::from);
        body.insert("keep_alive".to_owned(), time);
    }
    if let Some(truncate) = options.truncate {
        body.insert("truncate".to_owned(), truncate.into());
    }
}

/// Four bytes are about a token. The server cuts a prompt that is too long from the front, down to about half of its
/// context, and says nothing (corner case 163).
fn warn_of_cut(bytes: usize, options: &RequestOptions, warnings: &mut Vec<Warning>) {
    if let Some(size) = options.context_size
        && options.truncate != Some(false)
        && bytes as u64 / 4 > size
    {
        let message = "the conversation looks longer than the model's context: the server may cut it from the front";
        warn(warnings, "context-short", message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Settings;
    use crate::event::{ToolKind, ToolOutcome};

    const OPTIONS: RequestOptions =
        RequestOptions { context_size: None, truncate: None, keep_alive: None, thinking: Thinking::Flag };

    fn target(base_url: &str) -> Target<'_> {
        Target { base_url, model: "m", extra: None }
    }

    fn built(chat: &ChatRequest, options: &RequestOptions) -> (Value, Vec<&'static str>) {
        let request = build(chat, &target("http://h"), options).unwrap();
        let codes = request.warnings.iter().map(|warning| warning.code).collect();
        (serde_json::from_slice(&request.body).unwrap(), codes)
    }

    fn user(text: &str) -> Message {
        Message::text(Role::User, text)
    }

    fn chat(messages: Vec<Message>) -> ChatRequest {
        ChatRequest { messages, ..ChatRequest::default() }
    }

    fn call(id: &str, arguments: &str) -> Part {
        Part::ToolCall(CallPart {
            id: id.into(),
            name: "get".into(),
            arguments: arguments.to_owned(),
            kind: ToolKind::Function,
            runs: Runs::Page,
            approval: None,
            marks: Vec::new(),
        })
    }

    fn result(call: &str, output: Value, files: Vec<File>) -> Part {
        Part::ToolResult(ResultPart {
            call: call.into(),
            name: "".into(),
            outcome: ToolOutcome::Ok,
            output,
            files,
            runs: Runs::Page,
        })
    }

    fn file(media_type: &str, source: FileSource) -> Part {
        Part::File(File { media_type: media_type.into(), source, name: Some("n".to_owned()) })
    }

    #[test]
    fn a_conversation_with_calls_is_said_in_ollamas_words() {
        let (body, warnings) = built(
            &chat(vec![
                Message::text(Role::System, "be brief"),
                user("hi"),
                Message::new(
                    Role::Assistant,
                    vec![
                        Part::Reasoning { text: "hm".to_owned(), marks: Vec::new() },
                        Part::text("a"),
                        Part::text("b"),
                        call("c1", r#"{"n": 1}"#),
                        call("c2", ""),
                    ],
                ),
                Message::new(
                    Role::Tool,
                    vec![result("c2", json!({"x": 1}), vec![]), result("c1", "one".into(), vec![])],
                ),
            ]),
            &OPTIONS,
        );
        assert!(warnings.is_empty());
        assert_eq!(
            body,
            json!({"model": "m", "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "ab", "thinking": "hm", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"index": 0, "name": "get", "arguments": {"n": 1}}},
                    {"id": "c2", "type": "function", "function": {"index": 1, "name": "get", "arguments": {}}},
                ]},
                {"role": "tool", "content": "one", "tool_name": "get", "tool_call_id": "c1"},
                {"role": "tool", "content": "{\"x\":1}", "tool_name": "get", "tool_call_id": "c2"},
            ], "stream": true})
        );
    }

    #[test]
    fn argument_text_goes_back_as_written_and_broken_text_in_an_object() {
        let said = |arguments: &str| {
            let chat = chat(vec![user("x"), Message::new(Role::Assistant, vec![call("c", arguments)])]);
            let body = build(&chat, &target("http://h"), &OPTIONS).unwrap().body;
            String::from_utf8(body).unwrap()
        };
        assert!(
            said(r#"{"id": 12345678901234567890123, "x": 1.0}"#)
                .contains(r#"{"id": 12345678901234567890123, "x": 1.0}"#)
        );
        assert!(said(r#"{"a":"#).contains(r#""arguments":{"_raw":"{\"a\":"}"#));
    }

    #[test]
    fn images_are_bare_base64_text_files_are_text_and_the_rest_is_reported() {
        let (body, warnings) = built(
            &chat(vec![Message::new(
                Role::User,
                vec![
                    Part::text("look"),
                    file("image/png", FileSource::Base64("AAAA".to_owned())),
                    file("text/plain", FileSource::Base64("w6k=".to_owned())),
                    file("image/png", FileSource::Url("https://a/b".to_owned())),
                    file("application/pdf", FileSource::Base64("AAAA".to_owned())),
                ],
            )]),
            &OPTIONS,
        );
        assert_eq!(body["messages"], json!([{"role": "user", "content": "look\nn:\né", "images": ["AAAA"]}]));
        assert_eq!(warnings, ["file-dropped"]);
    }

    #[test]
    fn images_in_results_stand_beside_the_result() {
        let image = File { media_type: "image/png".into(), source: FileSource::Base64("AA".to_owned()), name: None };
        let (body, _) = built(
            &chat(vec![
                user("x"),
                Message::new(Role::Assistant, vec![call("c", "{}")]),
                Message::new(Role::Tool, vec![result("c", "seen".into(), vec![image])]),
            ]),
            &OPTIONS,
        );
        assert_eq!(body["messages"][2]["images"], json!(["AA"]));
    }

    #[test]
    fn settings_are_options_and_configured_members_win() {
        let extra = json!({"options": {"top_k": 3, "num_gpu": 1}, "model": "other"});
        let provider = json!({"options": {"min_p": 0.1, "top_k": 2}, "model": "evil", "messages": [], "stream": false});
        let chat = ChatRequest {
            settings: Settings {
                max_tokens: Some(9),
                temperature: Some(0.5),
                top_p: Some(0.25),
                top_k: Some(1),
                stop: vec!["x".to_owned()],
                seed: Some(-1),
                presence_penalty: Some(0.0),
                frequency_penalty: Some(1.0),
                format: Format::Json,
                provider: provider.as_object().unwrap().clone(),
                ..Settings::default()
            },
            ..chat(vec![user("hi")])
        };
        let options = RequestOptions {
            context_size: Some(64),
            truncate: Some(false),
            keep_alive: Some("-1".to_owned()),
            thinking: Thinking::Flag,
        };
        let target = Target { extra: extra.as_object(), ..target("http://h") };
        let body: Value = serde_json::from_slice(&build(&chat, &target, &options).unwrap().body).unwrap();
        assert_eq!(
            body,
            json!({"model": "other", "messages": [{"role": "user", "content": "hi"}], "stream": true,
                "format": "json", "options": {"num_ctx": 64, "num_predict": 9, "temperature": 0.5, "top_p": 0.25,
                "top_k": 3, "seed": -1, "presence_penalty": 0.0, "frequency_penalty": 1.0, "stop": ["x"],
                "min_p": 0.1, "num_gpu": 1}, "keep_alive": -1, "truncate": false})
        );
    }

    #[test]
    fn thinking_is_asked_for_as_configured() {
        for (thinking, effort, think, warned) in [
            (Thinking::Flag, Effort::Off, json!(false), 0),
            (Thinking::Flag, Effort::High, json!(true), 0),
            (Thinking::Level, Effort::Off, json!(false), 0),
            (Thinking::Level, Effort::Xhigh, json!("high"), 0),
            (Thinking::Nothing, Effort::High, Value::Null, 1),
            (Thinking::Nothing, Effort::Off, Value::Null, 0),
        ] {
            let mut chat = chat(vec![user("hi")]);
            chat.settings.reasoning = Some(effort);
            let (body, warnings) = built(&chat, &RequestOptions { thinking, ..OPTIONS });
            assert_eq!((&body["think"], warnings.len()), (&think, warned), "{thinking:?} {effort:?}");
        }
    }

    #[test]
    fn a_tool_choice_that_cannot_be_said_is_reported() {
        let tool = |name: &str| ToolSpec {
            name: name.into(),
            description: Some("d".to_owned()),
            parameters: json!({"type": "object"}),
            strict: None,
        };
        for (choice, offered, warned) in [
            (ToolChoice::Auto, 2, vec![]),
            (ToolChoice::None, 0, vec![]),
            (ToolChoice::Required, 2, vec!["tool-choice-dropped"]),
            (ToolChoice::Named("b".into()), 1, vec!["tool-choice-dropped"]),
        ] {
            let chat = ChatRequest { tools: vec![tool("a"), tool("b")], tool_choice: choice, ..chat(vec![user("x")]) };
            let (body, warnings) = built(&chat, &OPTIONS);
            assert_eq!(body["tools"].as_array().map_or(0, Vec::len), offered);
            assert_eq!(warnings, warned);
            if offered == 1 {
                let function = json!({"name": "b", "description": "d", "parameters": {"type": "object"}});
                assert_eq!(body["tools"][0], json!({"type": "function", "function": function}));
            }
        }
    }

    #[test]
    fn a_prompt_beyond_the_context_is_reported() {
        let long = chat(vec![user(&"word ".repeat(1000))]);
        let small = RequestOptions { context_size: Some(1000), ..OPTIONS };
        assert_eq!(built(&long, &small).1, ["context-short"]);
        assert!(built(&long, &RequestOptions { truncate: Some(false), ..small }).1.is_empty());
        assert!(built(&long, &RequestOptions { context_size: Some(4000), ..OPTIONS }).1.is_empty());
    }

    #[test]
    fn an_empty_conversation_is_the_callers_mistake() {
        for messages in [vec![], vec![user("")]] {
            assert_eq!(build(&chat(messages), &target("http://h"), &OPTIONS).unwrap_err().path, "messages");
        }
    }

    #[test]
    fn the_address_is_found_from_any_base() {
        for base in ["http://h", "http://h/", "http://h/api", "http://h/api/", "http://h/v1", "http://h/v1/"] {
            assert_eq!(url(&target(base)), "http://h/api/chat", "{base}");
        }
        assert_eq!(url(&target("http://h/ollama?k=1")), "http://h/ollama/api/chat?k=1");
    }
}
