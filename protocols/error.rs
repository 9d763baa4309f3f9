//! What goes wrong, told apart by who is at fault: the caller ([`CallerError`]) or a provider
//! ([`Failure`]). What a tool did is a [`crate::event::ToolResult`]; what we did is [`FailureKind::Internal`].
//!
//! Each has a safe text for the page, which never holds a provider's words, an address or a secret, and a full
//! text for the operator's log.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::event::StepEnd;

/// A provider's failure, or our own, as it ends a turn.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[error("{}: {message}", kind.label())]
pub struct Failure {
    /// What sort of failure it is; decides status, retry and the page's text.
    pub kind: FailureKind,
    /// The provider's HTTP status, if it was not 200.
    pub status: Option<u16>,
    /// How long the provider asks us to wait.
    #[serde(serialize_with = "seconds")]
    pub retry_after: Option<Duration>,
    /// The full text, usually the provider's own. For the log; never for a page.
    pub message: String,
    /// The provider's word for the type of its error.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// The provider's code: a string or a number.
    pub code: Option<Value>,
    /// More than a sentence, where the provider says more: what the model wrote and a provider would not pass on, for
    /// the log or for a loop that feeds it back (corner case 60). Never for a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What is known of the model call that failed: its tokens count, although it failed (corner cases 47 and 145).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Box<StepEnd>>,
}

impl Failure {
    /// A failure with a full text and nothing else known.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            retry_after: None,
            message: message.into(),
            type_: None,
            code: None,
            detail: None,
            step: None,
        }
    }

    /// The same behind a pointer, as it travels in results and events.
    pub fn boxed(kind: FailureKind, message: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(kind, message))
    }

    /// Something is used up that we need for it. In a second, some may be free again.
    pub fn exhausted(message: impl Into<String>) -> Box<Self> {
        let retry_after = Some(Duration::from_secs(1));
        Box::new(Self { retry_after, ..Self::new(FailureKind::Exhausted, message) })
    }

    /// The text a page may show: what happened and what to do, in our words.
    pub const fn safe_text(&self) -> &'static str {
        self.kind.safe_text()
    }
}

fn seconds<S: Serializer>(wait: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    wait.map(|wait| wait.as_secs_f64()).serialize(serializer)
}

/// The sorts of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The provider refuses our key, or our right to the model.
    Auth,
    /// The provider finds our request wrong.
    BadRequest,
    /// The connection to the provider could not be made.
    Connect,
    /// A filter refused the request or cut the answer.
    ContentFilter,
    /// The conversation is longer than the model takes.
    ContextLength,
    /// The stream stopped before its own end.
    Cut,
    /// The provider ended its stream in good form without an answer.
    Empty,
    /// We have no connection, descriptor or place left for it.
    Exhausted,
    /// We failed.
    Internal,
    /// The answer is not the protocol it should be, or breaks a bound of ours.
    Malformed,
    /// The provider does not know the model or the address.
    NotFound,
    /// The provider cannot take the request now.
    Overloaded,
    /// Too many requests or tokens for our key.
    RateLimit,
    /// The provider failed inside.
    Server,
    /// The gateway shuts down.
    Shutdown,
    /// Nothing came in time.
    Timeout,
    /// The provider says that the account's money is spent.
    Quota,
}

impl FailureKind {
    /// One word for metric labels and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::BadRequest => "bad_request",
            Self::Connect => "connect",
            Self::ContentFilter => "content_filter",
            Self::ContextLength => "context_length",
            Self::Cut => "cut",
            Self::Empty => "empty",
            Self::Exhausted => "exhausted",
            Self::Internal => "internal",
            Self::Malformed => "malformed",
            Self::NotFound => "not_found",
            Self::Overloaded => "overloaded",
            Self::RateLimit => "rate_limit",
            Self::Server => "server",
            Self::Shutdown => "shutdown",
            Self::Timeout => "timeout",
            Self::Quota => "quota",
        }
    }

    /// The status that a page gets when its stream has not begun. A provider that refuses *our* key is a bad
    /// gateway, not the caller's fault.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest | Self::ContentFilter | Self::ContextLength => 400,
            Self::NotFound => 404,
            Self::RateLimit => 429,
            Self::Internal => 500,
            Self::Auth | Self::Connect | Self::Cut | Self::Empty | Self::Malformed | Self::Server | Self::Quota => 502,
            Self::Exhausted | Self::Overloaded | Self::Shutdown => 503,
            Self::Timeout => 504,
        }
    }

    /// What a page may show.
    pub const fn safe_text(self) -> &'static str {
        match self {
            Self::Auth => "The model provider refused the gateway's credentials. Please tell the operator.",
            Self::BadRequest => "The model provider did not accept this request.",
            Self::Connect => "The model provider could not be reached. Please try again in a moment.",
            Self::ContentFilter => "The model provider's content filter stopped this answer.",
            Self::ContextLength => "This conversation is too long for the model. Please shorten it or start a new one.",
            Self::Cut => "The model's answer was cut off. Please try again.",
            Self::Empty => "The model sent no answer. Please try again.",
            Self::Exhausted => "The gateway has no free connections. Please try again in a moment.",
            Self::Internal => "Something went wrong in the gateway. Please try again.",
            Self::Malformed => "The model provider sent an answer that could not be read. Please try again.",
            Self::NotFound => "The model provider does not know this model. Please tell the operator.",
            Self::Overloaded => "The model is busy. Please try again in a moment.",
            Self::RateLimit => "Too many requests to the model provider. Please try again in a moment.",
            Self::Server => "The model provider had an internal error. Please try again.",
            Self::Shutdown => "The gateway is restarting. Please try again in a moment.",
            Self::Timeout => "The model did not answer in time. Please try again.",
            Self::Quota => "The model provider's quota is used up. Please tell the operator.",
        }
    }
}

/// What the caller did wrong, with the place of the mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(path))]
pub struct CallerError {
    /// The HTTP status: 4xx.
    pub status: u16,
    /// One stable word (`invalid_json`, `unknown_model`).
    pub code: &'static str,
    /// The place in the body, for example `messages[2].content`; empty for the request as a whole.
    pub path: String,
    /// What is wrong there and what would be right.
    pub message: String,
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

impl CallerError {
    /// A wrong value in the body.
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, code: "invalid_request", path: path.into(), message: message.into() }
    }

    /// Any other mistake of the caller.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, path: String::new(), message: message.into() }
    }
}

/// Why an answer before the stream is not a stream: the caller's mistake, or a failure before the first event.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal<'a> {
    /// The caller did something wrong.
    Caller(&'a CallerError),
    /// A provider, or we, failed before the first event.
    Failure(&'a Failure),
}

impl Refusal<'_> {
    /// The HTTP status of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Caller(error) => error.status,
            Self::Failure(failure) => failure.kind.status(),
        }
    }

    /// One stable word for what went wrong.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Caller(error) => error.code,
            Self::Failure(failure) => failure.kind.label(),
        }
    }

    /// The text a page may show.
    pub fn safe_text(&self) -> String {
        match self {
            Self::Caller(error) => error.to_string(),
            Self::Failure(failure) => failure.safe_text().to_owned(),
        }
    }

    /// The same for pages that call a thread something else.
    pub fn safe_text_of(&self, thread: &str) -> String {
        let text = self.safe_text();
        match self.code() {
            "unknown_thread" | "thread_locked" | "thread_closed" | "busy" => text.replacen("thread", thread, 1),
            _ => text,
        }
    }

    /// The place of the caller's mistake, if it has one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Caller(error) if !error.path.is_empty() => Some(&error.path),
            _ => None,
        }
    }
}
