//! What happens to the calls of tools.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{File, Text};

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolCall {
    /// Unique within the turn. The provider's id, or one made by the decoder where it sent none.
    pub id: Text,
    /// The tool's name; empty for a provider-run kind that has no name of its own.
    pub name: Text,
    /// What sort of call it is.
    #[serde(rename = "call_kind")]
    pub kind: ToolKind,
    /// Who runs it.
    pub runs: Runs,
    /// The key the provider numbers its calls by: chat index, output index, block index, or position.
    pub index: u32,
}

impl ToolCall {
    /// The name to show: the tool's own, or else that of its kind.
    pub fn label(&self) -> &str {
        if self.name.is_empty() { self.kind.name() } else { &self.name }
    }
}

/// What sort of tool call this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolKind {
    /// Arguments are a JSON object.
    Function,
    /// The input is free text, not JSON.
    Custom,
    /// A call of the provider's own vocabulary (`web_search_call`, `local_shell_call`, `server_tool_use`).
    Other(Text),
}

impl ToolKind {
    /// The kind as one word.
    pub fn name(&self) -> &str {
        match self {
            Self::Function => "function",
            Self::Custom => "custom",
            Self::Other(name) => name,
        }
    }
}

/// Who runs a tool call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runs {
    /// The provider, inside its answer. Shown, never executed by anybody else.
    Provider,
    /// The gateway.
    Gateway,
    /// The page. Decoders say this of every call that the provider does not run; the turn knows better.
    Page,
}

/// What a running tool says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolSays {
    /// The call's id.
    pub call: Text,
    /// Its words.
    pub text: Text,
}

/// A call waits for somebody outside the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ToolAwait {
    /// The call's id.
    pub call: Text,
    /// For what it waits.
    pub wants: Wants,
}

/// For what a call waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wants {
    /// The page must run it and send the output.
    Output,
    /// The user must answer its questions, where the page has forms; elsewhere the page runs it.
    Answers,
    /// A person must allow it; the answer names this approval.
    Approval(Text),
}

/// A call has its result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolResult {
    /// The call's id.
    pub call: Text,
    /// How it went.
    pub outcome: ToolOutcome,
    /// What came out: any JSON; for a failure usually a text for people.
    pub output: Value,
    /// False for a preview that a later result of the same call replaces.
    #[serde(rename = "final")]
    pub last: bool,
    /// A provider-run call's own word for its state (`completed`, `failed`).
    pub status: Option<Text>,
    /// Images and files that came out beside the output.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// The whole of it, where `output` is a summary or cut: for whoever keeps the turn, not for pages and models.
    #[serde(skip)]
    pub full: Option<Value>,
}

impl ToolResult {
    /// A final result that went well.
    pub fn ok(call: impl Into<Text>, output: Value) -> Self {
        Self {
            call: call.into(),
            outcome: ToolOutcome::Ok,
            output,
            last: true,
            status: None,
            files: Vec::new(),
            full: None,
        }
    }

    /// A final result that did not go well, with the text that says why.
    pub fn failed(call: impl Into<Text>, outcome: ToolOutcome, why: &str) -> Self {
        Self { outcome, ..Self::ok(call, Value::String(why.to_owned())) }
    }

    /// The output as the text a model reads: a string as it is, anything else as JSON.
    pub fn text(&self) -> String {
        output_text(&self.output)
    }
}

/// A tool's output as the text a model reads: a string as it is, anything else as JSON.
pub fn output_text(output: &Value) -> String {
    match output {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolOutcome {
    /// It ran.
    Ok,
    /// It ran and failed, or its arguments were wrong.
    Error,
    /// A person said no.
    Denied,
    /// The turn ended before it did.
    Interrupted,
}
