//! A conversation as the body of `POST chat/completions` (upstream notes 2.1, 6.3 to 6.5).
//!
//! What a server does not take is left out with a warning, never in silence. What the configuration adds comes last
//! and wins.

use serde_json::{Map, Value, json};

use super::messages;
use super::quirks::{Quirks, ReasoningStyle, ToolChoices};
use crate::chat::{ChatRequest, Effort, Format, ToolChoice, ToolSpec};
use crate::event::Warning;
use crate::protocol::{Target, UpstreamRequest};
use crate::wire::merge::merge;
use crate::wire::names::{self, LONGEST};

/// Builds the request.
pub(super) fn build(chat: &ChatRequest, target: &Target<'_>, quirks: &Quirks) -> UpstreamRequest {
    let mut body = Body { members: Map::new(), warnings: Vec::new(), quirks };
    body.set("model", target.model);
    let messages = messages::messages(chat, quirks, &mut body.warnings);
    body.set("messages", messages);
    body.stream();
    body.settings(chat);
    body.tools(chat);
    body.format(&chat.settings.format);
    if let Some(effort) = chat.settings.reasoning {
        body.reasoning(effort);
    }
    let added = [Some(&chat.settings.provider), target.extra];
    for members in added.into_iter().flatten() {
        merge(&mut body.members, members);
    }
    let streams = body.members.get("stream") == Some(&Value::Bool(true));
    let accept = if streams { "text/event-stream" } else { "application/json" };
    UpstreamRequest {
        url: target.url("chat/completions"),
        headers: vec![("accept", accept.to_owned()), ("accept-encoding", "identity".to_owned())],
        body: serde_json::to_vec(&body.members).unwrap_or_default(),
        warnings: body.warnings,
    }
}

struct Body<'q> {
    members: Map<String, Value>,
    warnings: Vec<Warning>,
    quirks: &'q Quirks,
}

impl Body<'_> {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.members.insert(key.to_owned(), value.into());
    }

    /// Sets a member that has a value; with an empty key, or where the server does not take it, warns instead.
    fn set_if(&mut self, takes: bool, key: &str, name: &str, value: Option<Value>) {
        match value {
            Some(value) if takes && !key.is_empty() => self.set(key, value),
            Some(_) => self.warn("setting-dropped", format!("the provider does not take `{name}`")),
            None => {}
        }
    }

    fn warn(&mut self, code: &'static str, message: impl Into<String>) {
        warn(&mut self.warnings, code, message);
    }

    fn stream(&mut self) {
        self.set("stream", self.quirks.stream);
        if self.quirks.stream && self.quirks.stream_usage {
            self.set("stream_options", json!({"include_usage": true}));
        }
    }

    fn settings(&mut self, chat: &ChatRequest) {
        let (quirks, settings) = (self.quirks, &chat.settings);
        let stop = (!settings.stop.is_empty()).then(|| Value::from(settings.stop.clone()));
        let float = |number: Option<f64>| number.map(Value::from);
        self.set_if(true, quirks.token_limit, "max_tokens", settings.max_tokens.map(Value::from));
        self.set_if(quirks.sampling, "temperature", "temperature", float(settings.temperature));
        self.set_if(quirks.sampling, "top_p", "top_p", float(settings.top_p));
        self.set_if(quirks.top_k, "top_k", "top_k", settings.top_k.map(Value::from));
        self.set_if(quirks.stop, "stop", "stop", stop);
        self.set_if(true, quirks.seed, "seed", settings.seed.map(Value::from));
        self.set_if(quirks.penalties, "presence_penalty", "presence_penalty", float(settings.presence_penalty));
        self.set_if(quirks.penalties, "frequency_penalty", "frequency_penalty", float(settings.frequency_penalty));
        // An id for abuse checks changes no answer: where there is no place for it, nothing is lost.
        if let Some(user) = settings.user.as_deref().filter(|_| !quirks.user.is_empty()) {
            self.set(quirks.user, user);
        }
    }

    /// Tools, and the two members that are refused without them.
    fn tools(&mut self, chat: &ChatRequest) {
        let mut offered: Vec<&ToolSpec> = chat.tools.iter().collect();
        let choice = self.tool_choice(chat, &mut offered);
        if offered.is_empty() {
            return;
        }
        let tools: Vec<Value> = offered.iter().map(|tool| self.tool(tool)).collect();
        self.set("tools", tools);
        if let Some(choice) = choice {
            self.set("tool_choice", choice);
        }
        if let Some(parallel) = chat.parallel_tools {
            self.set_if(
                self.quirks.parallel_tools,
                "parallel_tool_calls",
                "parallel_tool_calls",
                Some(parallel.into()),
            );
        }
    }

    /// The choice in the server's words; `None` leaves it out. May leave tools out instead.
    fn tool_choice(&mut self, chat: &ChatRequest, offered: &mut Vec<&ToolSpec>) -> Option<Value> {
        let takes = self.quirks.tool_choice;
        match (&chat.tool_choice, takes) {
            _ if offered.is_empty() => None,
            (ToolChoice::Auto, _) => None,
            (ToolChoice::None, ToolChoices::Auto) => {
                offered.clear();
                None
            }
            (ToolChoice::None, _) => Some("none".into()),
            (ToolChoice::Required, ToolChoices::Full) => Some("required".into()),
            (ToolChoice::Required, ToolChoices::Any) => Some("any".into()),
            (ToolChoice::Named(name), ToolChoices::Any) => {
                offered.retain(|tool| tool.name == *name);
                Some("any".into())
            }
            (ToolChoice::Named(name), ToolChoices::Full | ToolChoices::NoRequired) => {
                Some(json!({"type": "function", "function": {"name": self.tool_name(name)}}))
            }
            (ToolChoice::Required | ToolChoice::Named(_), ToolChoices::NoRequired | ToolChoices::Auto) => {
                self.warn("setting-dropped", "the provider cannot be made to call a tool; the model decides");
                None
            }
        }
    }

    fn tool(&mut self, tool: &ToolSpec) -> Value {
        let name = self.tool_name(&tool.name);
        if name.len() > LONGEST {
            self.warn("tool-name-long", format!("a tool's name is longer than {LONGEST} characters"));
        }
        let mut function = Map::new();
        function.insert("name".to_owned(), name.into());
        if let Some(description) = &tool.description {
            function.insert("description".to_owned(), description.as_str().into());
        }
        let parameters = match &tool.parameters {
            Value::Object(_) => tool.parameters.clone(),
            _ => json!({"type": "object", "properties": {}}),
        };
        function.insert("parameters".to_owned(), parameters);
        match tool.strict {
            Some(strict) if self.quirks.strict_tools => {
                function.insert("strict".to_owned(), strict.into());
            }
            Some(true) => self.warn("setting-dropped", "the provider does not take `strict` in tools"),
            Some(false) | None => {}
        }
        json!({"type": "function", "function": function})
    }

    fn tool_name(&self, name: &str) -> String {
        messages::tool_name(self.quirks, name)
    }

    fn format(&mut self, format: &Format) {
        match format {
            Format::Text => {}
            Format::Json => self.set("response_format", json!({"type": "json_object"})),
            Format::Schema { .. } if !self.quirks.json_schema => {
                self.warn("schema-dropped", "the provider takes no schema; it is asked for any JSON object");
                self.set("response_format", json!({"type": "json_object"}));
            }
            Format::Schema { name, description, schema, strict } => {
                let mut inner = Map::new();
                inner.insert("name".to_owned(), names::escaped(name).into());
                if let Some(description) = description {
                    inner.insert("description".to_owned(), description.as_str().into());
                }
                inner.insert("schema".to_owned(), schema.clone());
                if let Some(strict) = strict {
                    inner.insert("strict".to_owned(), (*strict).into());
                }
                self.set("response_format", json!({"type": "json_schema", "json_schema": inner}));
            }
        }
    }

    /// How much to think, in the server's style (upstream notes 6.4).
    fn reasoning(&mut self, wanted: Effort) {
        let thinks = wanted != Effort::Off;
        match self.quirks.reasoning {
            ReasoningStyle::None => {
                self.warn("setting-dropped", "the provider cannot be told how much to think");
            }
            ReasoningStyle::Thinking => {
                self.set("thinking", json!({"type": if thinks { "enabled" } else { "disabled" }}));
            }
            ReasoningStyle::Enable => {
                self.set("enable_thinking", thinks);
                if thinks {
                    self.set("thinking_budget", wanted.budget());
                }
            }
            ReasoningStyle::Template => {
                self.set("chat_template_kwargs", json!({"enable_thinking": thinks}));
            }
            ReasoningStyle::Object if !thinks => self.set("reasoning", json!({"enabled": false})),
            ReasoningStyle::Effort | ReasoningStyle::Object => self.effort(wanted),
        }
    }

    fn effort(&mut self, wanted: Effort) {
        let Some(effort) = self.quirks.efforts.nearest(wanted) else {
            let message = format!("the provider does not take the reasoning effort `{}`", wanted.name());
            return self.warn("setting-dropped", message);
        };
        if effort != wanted {
            let message = format!("reasoning effort `{}` instead of `{}`", effort.name(), wanted.name());
            self.warn("effort-changed", message);
        }
        match self.quirks.reasoning {
            ReasoningStyle::Object => self.set("reasoning", json!({"effort": effort.name()})),
            _ => self.set("reasoning_effort", effort.name()),
        }
    }
}

/// Says a thing once.
pub(super) fn warn(warnings: &mut Vec<Warning>, code: &'static str, message: impl Into<String>) {
    let warning = Warning { code, message: message.into() };
    if !warnings.contains(&warning) {
        warnings.push(warning);
    }
}
