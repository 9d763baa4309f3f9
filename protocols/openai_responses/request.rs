//! The request's body (upstream notes 3.1).

use serde_json::{Map, Value, json};

use super::input::{Input, SystemRole};
use crate::chat::{ChatRequest, Effort, Format, Settings, ToolChoice, ToolSpec};
use crate::error::CallerError;
use crate::event::Warning;
use crate::history::tidy;
use crate::options::Options;
use crate::protocol::{Target, UpstreamRequest};
use crate::wire::names::{LONGEST, escaped};

/// How requests are written: the provider's options, read once.
#[derive(Debug)]
pub(super) struct Style {
    store: bool,
    encrypted: Encrypted,
    summary: Option<String>,
    system: SystemRole,
    stream: bool,
    /// The key goes into the header `api-key`.
    pub api_key_header: bool,
}

/// When encrypted reasoning is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encrypted {
    Auto,
    Always,
    Never,
}

impl Style {
    pub(super) fn read(options: &Options) -> Self {
        Self {
            store: options.flag("store").unwrap_or(false),
            encrypted: match options.text("encrypted_reasoning") {
                Some("always") => Encrypted::Always,
                Some("never") => Encrypted::Never,
                _ => Encrypted::Auto,
            },
            summary: options.text("reasoning_summary").map(str::to_owned),
            system: match options.text("system_role") {
                Some("system") => SystemRole::Message("system"),
                Some("developer") => SystemRole::Message("developer"),
                _ => SystemRole::Instructions,
            },
            stream: options.flag("stream").unwrap_or(true),
            api_key_header: options.text("auth") == Some("api-key"),
        }
    }
}

/// Builds the request for a target.
pub(super) fn build(style: &Style, chat: &ChatRequest, target: &Target<'_>) -> Result<UpstreamRequest, CallerError> {
    let mut warnings = Vec::new();
    let messages = tidy(chat, &mut warnings);
    let store = store(style, chat, target);
    let input = Input::of(&messages, style.system, store);
    if input.items.is_empty() {
        return Err(CallerError::invalid("messages", "must hold a message with content"));
    }
    warnings.extend(input.warnings);

    let mut body = Map::new();
    let mut set = |key: &str, value: Value| body.insert(key.to_owned(), value);
    set("model", target.model.into());
    if let Some(instructions) = input.instructions {
        set("instructions", instructions.into());
    }
    set("input", Value::Array(input.items));
    set("stream", style.stream.into());
    set("store", store.into());
    if !store && asks_for_encrypted(style.encrypted, target.model) {
        set("include", json!(["reasoning.encrypted_content"]));
    }
    tools(chat, &mut body);
    settings(style, &chat.settings, &mut body);
    merge(&mut body, &chat.settings.provider);
    if let Some(extra) = target.extra {
        merge(&mut body, extra);
    }
    choose(chat, &mut body);
    warnings.extend(dropped(&chat.settings));
    warnings.extend(long_name(&chat.tools));

    let accept = if style.stream { "text/event-stream" } else { "application/json" };
    Ok(UpstreamRequest {
        url: target.url("responses"),
        headers: vec![("accept", accept.to_owned())],
        body: Value::Object(body).to_string().into_bytes(),
        warnings,
    })
}

/// Whether the provider will store the answer: what goes back in the history depends on it.
fn store(style: &Style, chat: &ChatRequest, target: &Target<'_>) -> bool {
    let configured = target.extra.and_then(|extra| extra.get("store"));
    let asked = configured.or_else(|| chat.settings.provider.get("store"));
    asked.and_then(Value::as_bool).unwrap_or(style.store)
}

/// OpenAI's models without reasoning refuse a request for encrypted reasoning, so they are not asked.
fn asks_for_encrypted(encrypted: Encrypted, model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("openai.").unwrap_or(name);
    let without = ["gpt-3.5", "gpt-4", "chatgpt-4o", "gpt-5-chat"].iter().any(|head| name.starts_with(head))
        || name.ends_with("-chat-latest");
    match encrypted {
        Encrypted::Always => true,
        Encrypted::Never => false,
        Encrypted::Auto => !without,
    }
}

fn tools(chat: &ChatRequest, body: &mut Map<String, Value>) {
    if !chat.tools.is_empty() {
        body.insert("tools".to_owned(), chat.tools.iter().map(tool).collect());
    }
}

/// A function tool: flat, and with `strict` said, for its default here is not that of other protocols.
fn tool(spec: &ToolSpec) -> Value {
    let mut tool = json!({
        "type": "function",
        "name": escaped(&spec.name),
        "parameters": spec.parameters,
        "strict": spec.strict.unwrap_or(false),
    });
    if let Some(description) = &spec.description {
        tool["description"] = description.as_str().into();
    }
    tool
}

/// How tools are chosen, where there are any: hosted ones may have come with the configuration.
fn choose(chat: &ChatRequest, body: &mut Map<String, Value>) {
    if body.get("tools").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return;
    }
    let choice = match &chat.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::None => Some("none".into()),
        ToolChoice::Required => Some("required".into()),
        ToolChoice::Named(name) => Some(json!({ "type": "function", "name": escaped(name) })),
    };
    let parallel = chat.parallel_tools.map(Value::Bool);
    for (key, value) in [("tool_choice", choice), ("parallel_tool_calls", parallel)] {
        if let Some(value) = value {
            body.entry(key).or_insert(value);
        }
    }
}

fn settings(style: &Style, settings: &Settings, body: &mut Map<String, Value>) {
    let members = [
        ("max_output_tokens", settings.max_tokens.map(Value::from)),
        ("temperature", settings.temperature.map(Value::from)),
        ("top_p", settings.top_p.map(Value::from)),
        ("reasoning", reasoning(style.summary.as_deref(), settings.reasoning)),
        ("text", format(&settings.format).map(|format| json!({ "format": format }))),
        ("user", settings.user.as_deref().map(Value::from)),
    ];
    for (key, value) in members {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    }
}

/// Without a summary nothing of the reasoning is shown; a model that does not reason refuses the whole member, so it
/// is only there where somebody asked for it (upstream notes 6.4).
fn reasoning(summary: Option<&str>, effort: Option<Effort>) -> Option<Value> {
    let summary = match (summary, effort) {
        (Some("none"), _) | (None, None) | (_, Some(Effort::Off)) => None,
        (summary, _) => Some(summary.unwrap_or("auto")),
    };
    let mut reasoning = Map::new();
    if let Some(effort) = effort {
        reasoning.insert("effort".to_owned(), effort.name().into());
    }
    if let Some(summary) = summary {
        reasoning.insert("summary".to_owned(), summary.into());
    }
    (!reasoning.is_empty()).then_some(Value::Object(reasoning))
}

fn format(format: &Format) -> Option<Value> {
    match format {
        Format::Text => None,
        Format::Json => Some(json!({ "type": "json_object" })),
        Format::Schema { name, description, schema, strict } => {
            let mut format = json!({ "type": "json_schema", "name": escaped(name), "schema": schema });
            if let Some(description) = description {
                format["description"] = description.as_str().into();
            }
            if let Some(strict) = strict {
                format["strict"] = (*strict).into();
            }
            Some(format)
        }
    }
}

/// Puts members over those that are there; the lists of tools and of what to include are joined, so that a configured
/// hosted tool does not take the page's functions away.
fn merge(body: &mut Map<String, Value>, members: &Map<String, Value>) {
    for (key, value) in members {
        match (body.get_mut(key), value) {
            (Some(Value::Array(held)), Value::Array(more)) if ["tools", "include"].contains(&key.as_str()) => {
                for value in more {
                    if !held.contains(value) {
                        held.push(value.clone());
                    }
                }
            }
            _ => {
                body.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The settings that have no member here.
fn dropped(settings: &Settings) -> Option<Warning> {
    let given = [
        ("stop", !settings.stop.is_empty()),
        ("seed", settings.seed.is_some()),
        ("top_k", settings.top_k.is_some()),
        ("presence_penalty", settings.presence_penalty.is_some()),
        ("frequency_penalty", settings.frequency_penalty.is_some()),
    ];
    let names: Vec<&str> = given.into_iter().filter_map(|(name, given)| given.then_some(name)).collect();
    (!names.is_empty()).then(|| Warning {
        code: "setting-dropped",
        message: format!("OpenAI Responses has no setting for {}", names.join(", ")),
    })
}

fn long_name(tools: &[ToolSpec]) -> Option<Warning> {
    let long = tools.iter().any(|tool| escaped(&tool.name).len() > LONGEST);
    let message = || format!("a tool's name is longer than {LONGEST} characters");
    long.then(|| Warning { code: "tool-name-long", message: message() })
}
