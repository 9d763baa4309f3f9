//! The request side: what a page asks for, in words of no wire format.
//!
//! A frontend parses its own request into a [`ChatRequest`]; an upstream builds its provider's request from it.
//! History is linear: an assistant message with tool calls is followed by [`Role::Tool`] messages with the results,
//! then by the next assistant message, as [`tidy`](crate::history::tidy) makes sure.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::event::{Citation, File, Mark, Runs, Text, ToolKind, ToolOutcome};

/// One request for an answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ChatRequest {
    /// The model the page names, if it names one.
    pub model: Option<Text>,
    /// The conversation so far, oldest first.
    pub messages: Vec<Message>,
    /// The tools the model may call.
    pub tools: Vec<ToolSpec>,
    /// Whether it must, may or must not call one.
    pub tool_choice: ToolChoice,
    /// Whether it may call several at once; `None` leaves it to the provider.
    pub parallel_tools: Option<bool>,
    /// Sampling, limits and the like.
    pub settings: Settings,
    /// True if the page wants a stream, false for one JSON answer.
    pub stream: bool,
    /// The page's id of the conversation.
    pub thread: Option<Text>,
    /// The id of the assistant message that this answer continues (after a page-run tool or an approval).
    pub continues: Option<Text>,
    /// True if the page asks for another answer to the same message.
    pub regenerate: bool,
    /// Which of its frontend's wires the page speaks. Only that frontend reads it.
    pub wire: &'static str,
    /// Members of the body that no wire defines: the page's own.
    pub extra: Map<String, Value>,
    /// The provider that the request brings itself. Not every route lets it.
    #[serde(skip)]
    pub own_provider: Option<Box<OwnProvider>>,
}

/// A provider that a request brings itself. It takes the place of the configured one for this request alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OwnProvider {
    /// Where it is, if not where the configured one is.
    pub base_url: Option<String>,
    /// The key, which is never shown.
    pub api_key: Option<String>,
    /// The place of both in the request, for messages.
    pub place: &'static str,
}

impl fmt::Debug for OwnProvider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OwnProvider").field("place", &self.place).finish_non_exhaustive()
    }
}

impl ChatRequest {
    /// True if there is nothing to answer: no text but blanks, and nothing else either. Providers refuse such a
    /// conversation, or answer to nobody knows what.
    pub fn is_blank(&self) -> bool {
        self.messages.iter().all(Message::is_blank)
    }
}

/// A message of the conversation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Message {
    /// The page's or the gateway's id.
    pub id: Option<Text>,
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

impl Message {
    /// A message without an id.
    pub const fn new(role: Role, parts: Vec<Part>) -> Self {
        Self { id: None, role, parts }
    }

    /// A message of one text.
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self::new(role, vec![Part::text(text)])
    }

    fn is_blank(&self) -> bool {
        self.parts.iter().all(|part| part.as_text().is_some_and(|text| text.trim().is_empty()))
    }

    /// All its text parts, joined.
    pub fn joined_text(&self) -> String {
        self.parts.iter().filter_map(Part::as_text).collect()
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The application instructs the model.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// Results of the calls in the assistant message before.
    Tool,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Part {
    /// Text.
    Text {
        /// The text.
        text: String,
        /// Citations and provider-owned marks.
        marks: Vec<Mark>,
    },
    /// The model's thoughts.
    Reasoning {
        /// The thoughts; empty where the provider shows none.
        text: String,
        /// Signatures, redacted data and provider-owned values: they go back only to their own provider.
        marks: Vec<Mark>,
    },
    /// The model declined, in these words.
    Refusal {
        /// The words.
        text: String,
    },
    /// A file or an image.
    File(File),
    /// The model called a tool.
    ToolCall(CallPart),
    /// A call's result.
    ToolResult(ResultPart),
    /// A whole item of one provider's vocabulary, which goes back only to that protocol.
    Opaque {
        /// The protocol's name in the registry.
        protocol: &'static str,
        /// The item.
        value: Value,
    },
    /// Data of the application, not for the model.
    Data {
        /// The application's name for it.
        name: Text,
        /// Its id, if it has one.
        id: Option<Text>,
        /// The data.
        value: Value,
    },
}

impl Part {
    /// A text part without marks.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), marks: Vec::new() }
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// A tool call in a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallPart {
    /// Unique within the conversation.
    pub id: Text,
    /// The tool's name.
    pub name: Text,
    /// The argument text as the model wrote it: JSON for functions, free text for custom tools.
    pub arguments: String,
    /// What sort of call it is.
    pub kind: ToolKind,
    /// Who ran it.
    pub runs: Runs,
    /// What a person said to it, where one was asked.
    pub approval: Option<Approval>,
    /// Provider-owned values that go back with the call.
    pub marks: Vec<Mark>,
}

/// What a person said to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The approval's id, as it was asked under.
    pub id: Text,
    /// Yes, no, or not yet answered.
    pub approved: Option<bool>,
    /// In the person's words.
    pub reason: Option<String>,
}

/// A call's result in a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultPart {
    /// The call it answers.
    pub call: Text,
    /// The tool's name.
    pub name: Text,
    /// How it went.
    pub outcome: ToolOutcome,
    /// What came out.
    pub output: Value,
    /// Images and files that came out beside it.
    pub files: Vec<File>,
    /// Who ran it.
    pub runs: Runs,
}

/// A tool the model may call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: Text,
    /// What it is for, for the model.
    pub description: Option<String>,
    /// JSON Schema of its arguments: an object schema.
    pub parameters: Value,
    /// Whether the provider must hold the model to the schema.
    pub strict: Option<bool>,
}

/// Whether the model must, may or must not call a tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// It must not.
    None,
    /// It must call one.
    Required,
    /// It must call this one.
    Named(Text),
}

/// Sampling, limits and the like. `None` leaves it to the provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    /// Bound of the answer in tokens, reasoning included.
    pub max_tokens: Option<u64>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Sampling among the most likely.
    pub top_k: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// For repeatable sampling.
    pub seed: Option<i64>,
    /// Penalty for tokens that have occurred.
    pub presence_penalty: Option<f64>,
    /// Penalty by how often they have occurred.
    pub frequency_penalty: Option<f64>,
    /// How much the model should think.
    pub reasoning: Option<Effort>,
    /// The form of the answer.
    pub format: Format,
    /// The provider's own parameters, put into its request as they are.
    pub provider: Map<String, Value>,
    /// An opaque id of the end user, for the provider's abuse checks.
    pub user: Option<String>,
}

/// How much the model should think (upstream notes 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Not at all.
    Off,
    /// As little as possible.
    Minimal,
    /// A little.
    Low,
    /// A fair amount.
    Medium,
    /// Much.
    High,
    /// Very much.
    Xhigh,
    /// As much as possible.
    Max,
}

impl Effort {
    /// The word most providers use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// Reads the word, in any spelling a page sends.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "none" | "off" => Self::Off,
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::Xhigh,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// A budget in thinking tokens, for models that take a number.
    pub const fn budget(self) -> u64 {
        match self {
            Self::Off => 0,
            Self::Minimal => 1024,
            Self::Low => 2048,
            Self::Medium => 4096,
            Self::High => 8192,
            Self::Xhigh => 16384,
            Self::Max => 32768,
        }
    }
}

/// The form of the answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Format {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    Json,
    /// JSON that fits a schema.
    Schema {
        /// The schema's name.
        name: String,
        /// What it describes.
        description: Option<String>,
        /// The schema.
        schema: Value,
        /// Whether the provider must hold the model to it.
        strict: Option<bool>,
    },
}

/// The citations among marks.
pub fn citations(marks: &[Mark]) -> impl Iterator<Item = &Citation> {
    marks.iter().filter_map(|mark| match mark {
        Mark::Citation(citation) => Some(citation),
        _ => None,
    })
}

/// Adds a mark. Signatures come in pieces and are joined; everything else stands for itself.
pub(crate) fn add_mark(marks: &mut Vec<Mark>, mark: &Mark) {
    if let Mark::Signature { signature: more } = mark
        && let Some(Mark::Signature { signature }) =
            marks.iter_mut().find(|mark| matches!(mark, Mark::Signature { .. }))
    {
        signature.push_str(more);
        return;
    }
    marks.push(mark.clone());
}

/// The opaque value that `protocol` stored under `key`.
pub fn opaque<'a>(marks: &'a [Mark], protocol: &str, key: &str) -> Option<&'a Value> {
    marks.iter().find_map(|mark| match mark {
        Mark::Opaque { protocol: owner, key: name, value } if *owner == protocol && name == key => Some(value),
        _ => None,
    })
}
