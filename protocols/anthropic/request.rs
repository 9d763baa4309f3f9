//! Builds the request of `/v1/messages` (upstream notes 4.1).

use serde_json::{Map, Value, json};

use super::history::Conversation;
use super::names::{ANSWER_TOOL, fits, tool_name};
use crate::chat::{ChatRequest, Effort, Format, ToolChoice, ToolSpec};
use crate::error::CallerError;
use crate::event::Warning;
use crate::history::{tidy, warn};
use crate::protocol::{Target, UpstreamRequest};
use crate::wire::merge::merge;
use crate::wire::request::Body;

/// Members that the page's own parameters may not replace.
const OURS: [&str; 3] = ["model", "messages", "stream"];

/// The smallest budget for thoughts that the API takes, in tokens.
const LEAST_BUDGET: u64 = 1024;

const AS_JSON: &str = "Answer with one JSON object and nothing else: no other words, no code fence.";

/// What the configuration says of a provider.
#[derive(Debug)]
pub(super) struct RequestOptions {
    /// The API version.
    pub(super) version: String,
    /// Beta features, separated by commas.
    pub(super) beta: Option<String>,
    /// The answer's bound in tokens where the page sets none: the API wants one.
    pub(super) max_tokens: u64,
    pub(super) thinking: Thinking,
    pub(super) structured: Structured,
    /// How long the provider keeps what is marked for its cache; `None` marks nothing.
    pub(super) cache: Option<String>,
}

/// How thinking is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// By a number of tokens, as models up to a generation take it.
    Budget,
    /// By a word, as later ones do.
    Adaptive,
    /// Not at all.
    Nothing,
}

/// How an answer is held to a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Structured {
    /// By the API.
    Native,
    /// By a tool that the model must call, for models that know no other way.
    Tool,
}

/// Builds the request.
pub(super) fn build(
    chat: &ChatRequest,
    target: &Target<'_>,
    options: &RequestOptions,
) -> Result<UpstreamRequest, CallerError> {
    let mut warnings = Vec::new();
    let messages = tidy(chat, &mut warnings);
    let conversation = Conversation::of(&messages, &mut warnings);
    if conversation.turns.is_empty() {
        return Err(CallerError::invalid("messages", "must hold at least one message of the user with content"));
    }
    let mut builder = Builder { chat, options, conversation, body: Map::new(), warnings };
    builder.fill(target.model);
    let Builder { mut body, conversation, warnings, .. } = builder;
    let mut own = chat.settings.provider.clone();
    own.retain(|key, _| !OURS.contains(&key.as_str()));
    merge(&mut body, &own);
    if let Some(extra) = target.extra {
        merge(&mut body, extra);
    }
    let body = serde_json::to_vec(&Body { members: &body, messages: &conversation.turns })
        .map_err(|error| CallerError::invalid("", format!("cannot be written as JSON: {error}")))?;
    let mut headers = vec![("anthropic-version", options.version.clone())];
    headers.extend(options.beta.iter().map(|beta| ("anthropic-beta", beta.clone())));
    Ok(UpstreamRequest { url: url(target), headers, body, warnings })
}

/// `/v1/messages` below the base, which people give bare, with `/v1`, or whole.
fn url(target: &Target<'_>) -> String {
    let base = target.base_url.split('?').next().unwrap_or_default().trim_end_matches('/');
    let missing = ["/v1/messages", "/v1"].iter().find(|end| base.ends_with(*end));
    match missing {
        Some(&"/v1/messages") => target.base_url.to_owned(),
        Some(_) => target.url("messages"),
        None => target.url("v1/messages"),
    }
}

struct Builder<'a> {
    chat: &'a ChatRequest,
    options: &'a RequestOptions,
    conversation: Conversation,
    body: Map<String, Value>,
    warnings: Vec<Warning>,
}

impl Builder<'_> {
    fn fill(&mut self, model: &str) {
        self.put("model", model.into());
        self.put("max_tokens", self.chat.settings.max_tokens.unwrap_or(self.options.max_tokens).into());
        let instruction = self.put_format();
        self.put_system(instruction.as_deref());
        self.put("messages", Value::Null);
        self.put("stream", true.into());
        self.put_tools();
        let thinks = self.put_thinking();
        self.put_sampling(thinks);
        self.put_cache_marks();
    }

    fn put(&mut self, key: &str, value: Value) {
        self.body.insert(key.to_owned(), value);
    }

    fn warn(&mut self, code: &'static str, message: &str) {
        warn(&mut self.warnings, code, message);
    }

    /// The schema of the answer, if it has one that is sent as a tool: that must be an object's.
    fn answer_schema(&self) -> Option<&Value> {
        match &self.chat.settings.format {
            Format::Schema { schema, .. } if self.options.structured == Structured::Tool => {
                Some(schema).filter(|schema| schema.get("type").is_none_or(|kind| kind == "object"))
            }
            _ => None,
        }
    }

    /// Puts the form of the answer; what cannot be put is an instruction (upstream notes 6.5).
    fn put_format(&mut self) -> Option<String> {
        match &self.chat.settings.format {
            Format::Text => None,
            Format::Json => Some(AS_JSON.to_owned()),
            Format::Schema { schema, .. } if self.options.structured == Structured::Native => {
                self.put("output_config", json!({"format": {"type": "json_schema", "schema": schema}}));
                None
            }
            Format::Schema { .. } if self.answer_schema().is_some() => None,
            Format::Schema { schema, .. } => {
                Some(format!("Answer with JSON that fits this JSON Schema, and with nothing else: {schema}"))
            }
        }
    }

    fn put_system(&mut self, instruction: Option<&str>) {
        let system: Vec<&str> = self.conversation.system.iter().map(String::as_str).chain(instruction).collect();
        if !system.is_empty() {
            let text = system.join("\n\n");
            self.put("system", text.into());
        }
    }

    fn put_tools(&mut self) {
        let mut tools: Vec<Value> = self.chat.tools.iter().map(tool).collect();
        if self.chat.tools.iter().any(|tool| !fits(&tool.name)) {
            self.warn("tool-name-changed", "a tool's name is longer than the API takes: it was cut");
        }
        if let Some(schema) = self.answer_schema() {
            tools.push(json!({
                "name": ANSWER_TOOL,
                "description": "Gives the answer. Call this once, at the end.",
                "input_schema": object_schema(schema),
            }));
        }
        let offered = !tools.is_empty();
        if !offered {
            // The API refuses a history with calls of tools that it is not told of (corner case 171).
            let called = self.conversation.called();
            tools.extend(called.iter().map(|name| json!({"name": name, "input_schema": {"type": "object"}})));
        }
        if tools.is_empty() {
            return;
        }
        self.put("tools", tools.into());
        let choice = if offered { self.tool_choice() } else { Some(json!({"type": "none"})) };
        if let Some(choice) = choice {
            self.put("tool_choice", choice);
        }
    }

    fn tool_choice(&self) -> Option<Value> {
        let choice = &self.chat.tool_choice;
        let mut said = match choice {
            _ if self.answer_schema().is_some() => {
                if self.chat.tools.is_empty() || *choice == ToolChoice::None {
                    json!({"type": "tool", "name": ANSWER_TOOL})
                } else {
                    json!({"type": "any"})
                }
            }
            ToolChoice::Auto if self.chat.parallel_tools == Some(false) => json!({"type": "auto"}),
            ToolChoice::Auto => return None,
            ToolChoice::None => return Some(json!({"type": "none"})),
            ToolChoice::Required => json!({"type": "any"}),
            ToolChoice::Named(name) => json!({"type": "tool", "name": tool_name(name)}),
        };
        if self.chat.parallel_tools == Some(false) {
            said["disable_parallel_tool_use"] = true.into();
        }
        Some(said)
    }

    /// True if a tool must be called: the API does not think then.
    fn is_forced(&self) -> bool {
        let choice = self.body.get("tool_choice").and_then(|choice| choice.get("type")).and_then(Value::as_str);
        matches!(choice, Some("any" | "tool"))
    }

    /// Asks for thoughts (upstream notes 6.4); says whether the model will think.
    fn put_thinking(&mut self) -> bool {
        let Some(effort) = self.chat.settings.reasoning else { return false };
        let by = self.options.thinking;
        if effort == Effort::Off {
            if by != Thinking::Nothing {
                self.put("thinking", json!({"type": "disabled"}));
            }
            return false;
        }
        if by == Thinking::Nothing {
            self.warn("setting-dropped", "this provider is configured not to be asked for thinking");
            return false;
        }
        if self.is_forced() {
            self.warn("thinking-dropped", "the API does not think where it must call a tool");
            return false;
        }
        if by == Thinking::Budget {
            return self.put_budget(effort);
        }
        self.put("thinking", json!({"type": "adaptive"}));
        self.body.entry("output_config").or_insert_with(|| json!({}))["effort"] = word(effort).into();
        true
    }

    /// A budget is part of the answer's bound. Where the page sets that, a quarter of it stays for the answer; where
    /// it does not, the budget comes on top.
    fn put_budget(&mut self, effort: Effort) -> bool {
        if self.conversation.goes_on_without_thoughts() {
            self.warn("thinking-dropped", "the API does not begin to think in the middle of a tool loop");
            return false;
        }
        let mut budget = effort.budget().max(LEAST_BUDGET);
        match self.chat.settings.max_tokens {
            Some(bound) if bound <= LEAST_BUDGET => {
                self.warn("thinking-dropped", "the answer's bound leaves no room for thinking");
                return false;
            }
            Some(bound) => budget = budget.min(bound - bound / 4).max(LEAST_BUDGET),
            None => self.put("max_tokens", (self.options.max_tokens + budget).into()),
        }
        self.put("thinking", json!({"type": "enabled", "budget_tokens": budget}));
        true
    }

    fn put_sampling(&mut self, thinks: bool) {
        let settings = &self.chat.settings;
        let (mut temperature, mut top_p, mut top_k) = (settings.temperature, settings.top_p, settings.top_k);
        if thinks && (temperature.is_some_and(|value| value != 1.0) || top_k.is_some()) {
            self.warn("setting-dropped", "temperature and top_k cannot be set where the model thinks");
            (temperature, top_k) = (None, None);
        }
        if thinks && top_p.is_some_and(|value| value < 0.95) {
            self.warn("setting-dropped", "top_p cannot be below 0.95 where the model thinks");
            top_p = None;
        }
        if temperature.is_some() && top_p.is_some() {
            self.warn("setting-dropped", "temperature and top_p cannot both be set: top_p was left out");
            top_p = None;
        }
        if temperature.is_some_and(|value| value > 1.0) {
            self.warn("setting-changed", "temperature goes up to 1 here");
            temperature = Some(1.0);
        }
        let members = [
            ("temperature", temperature.map(Value::from)),
            ("top_p", top_p.map(Value::from)),
            ("top_k", top_k.map(Value::from)),
            ("metadata", settings.user.as_ref().map(|user| json!({"user_id": user}))),
        ];
        for (key, value) in members {
            if let Some(value) = value {
                self.put(key, value);
            }
        }
        self.put_stops();
        let unknown =
            settings.seed.is_some() || settings.presence_penalty.is_some() || settings.frequency_penalty.is_some();
        if unknown {
            self.warn("setting-dropped", "seed and penalties are not known here");
        }
    }

    fn put_stops(&mut self) {
        let all = &self.chat.settings.stop;
        let stops: Vec<Value> =
            all.iter().filter(|stop| !stop.trim().is_empty()).map(|stop| stop.as_str().into()).collect();
        if stops.len() < all.len() {
            self.warn("setting-dropped", "a stop sequence of nothing but whitespace was left out");
        }
        if !stops.is_empty() {
            self.put("stop_sequences", stops.into());
        }
    }

    /// Marks what the next request will repeat: the instructions, or else the tools, and the last two turns of the
    /// user. The API takes four marks at most.
    fn put_cache_marks(&mut self) {
        let mark = match self.options.cache.as_deref() {
            None => return,
            Some("5m") => json!({"type": "ephemeral"}),
            Some(time) => json!({"type": "ephemeral", "ttl": time}),
        };
        if let Some(system) = self.body.get_mut("system") {
            let text = system.take();
            *system = json!([{"type": "text", "text": text, "cache_control": mark}]);
        } else if let Some(tool) =
            self.body.get_mut("tools").and_then(Value::as_array_mut).and_then(|tools| tools.last_mut())
        {
            tool["cache_control"] = mark.clone();
        }
        for turn in self.conversation.turns.iter_mut().rev().filter(|turn| turn.is_user()).take(2) {
            turn.mark_for_cache(&mark);
        }
    }
}

fn tool(tool: &ToolSpec) -> Value {
    let mut said = Map::new();
    said.insert("name".to_owned(), tool_name(&tool.name).into());
    if let Some(description) = tool.description.as_deref().filter(|text| !text.is_empty()) {
        said.insert("description".to_owned(), description.into());
    }
    said.insert("input_schema".to_owned(), object_schema(&tool.parameters));
    if tool.strict == Some(true) {
        said.insert("strict".to_owned(), true.into());
    }
    Value::Object(said)
}

/// The schema with the `type` that the API insists on.
fn object_schema(schema: &Value) -> Value {
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    schema.entry("type").or_insert_with(|| "object".into());
    Value::Object(schema)
}

const fn word(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => Effort::Low.name(),
        effort => effort.name(),
    }
}

#[cfg(test)]
mod tests;
