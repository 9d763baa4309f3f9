//! Anthropic Messages: `POST /v1/messages`, answered with server-sent events.

mod content;
mod decode;
mod files;
mod history;
mod names;
mod request;
mod wire;

use std::sync::Arc;

use serde_json::Value;

use crate::chat::ChatRequest;
use crate::error::{CallerError, Failure};
use crate::failure;
use crate::options::{OptionKind, OptionSpec, Options};
use crate::protocol::{
    AnswerHead, Auth, DecodeContext, Decoder, Protocol, Target, Upstream, UpstreamRequest, UpstreamSpec,
};
use request::{RequestOptions, Structured, Thinking};

/// Anthropic Messages
pub static PROTOCOL: Protocol = Protocol {
    name: names::PROTOCOL,
    aliases: &["claude"],
    about: "Anthropic Messages",
    frontend: None,
    upstream: Some(UpstreamSpec {
        options: OPTIONS,
        make: |options| Arc::new(Anthropic::new(options)),
        base_url: "https://api.anthropic.com",
    }),
};

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "max_tokens",
        about: "Bound of the answer in tokens where the page sets none (default 8192): this API wants one.",
        kind: OptionKind::Integer { min: 1, max: 1 << 32 },
    },
    OptionSpec {
        name: "thinking",
        about: "How thinking is asked for: budget sends a number of tokens (default), adaptive sends a word, which later models want, none sends nothing.",
        kind: OptionKind::Choice(&["budget", "adaptive", "none"]),
    },
    OptionSpec {
        name: "structured_output",
        about: "How an answer is held to a schema: native by the API (default), tool by a tool that the model must call, for older models.",
        kind: OptionKind::Choice(&["native", "tool"]),
    },
    OptionSpec {
        name: "cache_control",
        about: "Marks instructions and history for the provider's cache and says how long it keeps them. Without it nothing is marked.",
        kind: OptionKind::Choice(&["5m", "1h"]),
    },
    OptionSpec {
        name: "explain_refusals",
        about: "Puts the provider's explanation of a refusal into the answer.",
        kind: OptionKind::Flag,
    },
    OptionSpec { name: "anthropic_version", about: "The API version (default 2023-06-01).", kind: OptionKind::Text },
    OptionSpec {
        name: "anthropic_beta",
        about: "Beta features to switch on, separated by commas.",
        kind: OptionKind::Text,
    },
];

#[derive(Debug)]
struct Anthropic {
    request: RequestOptions,
    explain: bool,
}

impl Anthropic {
    fn new(options: &Options) -> Self {
        Self {
            request: RequestOptions {
                version: options.text("anthropic_version").unwrap_or("2023-06-01").to_owned(),
                beta: options.text("anthropic_beta").map(str::to_owned),
                max_tokens: options.integer("max_tokens").unwrap_or(8192),
                thinking: match options.text("thinking") {
                    Some("adaptive") => Thinking::Adaptive,
                    Some("none") => Thinking::Nothing,
                    _ => Thinking::Budget,
                },
                structured: match options.text("structured_output") {
                    Some("tool") => Structured::Tool,
                    _ => Structured::Native,
                },
                cache: options.text("cache_control").map(str::to_owned),
            },
            explain: options.flag("explain_refusals").unwrap_or(false),
        }
    }
}

impl Upstream for Anthropic {
    fn request(&self, chat: &ChatRequest, target: &Target<'_>) -> Result<UpstreamRequest, CallerError> {
        request::build(chat, target, &self.request)
    }

    fn decoder(&self, context: DecodeContext) -> Box<dyn Decoder> {
        Box::new(decode::StreamDecoder::new(&context, self.explain))
    }

    fn failure(&self, answer: &AnswerHead<'_>, body: &[u8]) -> Failure {
        let mut failure = failure::from_body(answer, body);
        if let Some(id) = request_id(body) {
            failure.message.push_str(&format!(" (request {id})"));
        }
        failure
    }

    fn auth(&self) -> Auth {
        Auth::Header("x-api-key")
    }
}

/// The id that the provider's support asks for.
fn request_id(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body.get("request_id")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FailureKind;

    #[test]
    fn an_error_status_is_read_with_the_request_it_was_for() {
        let upstream = Anthropic::new(&Options::default());
        for (status, kind, expected) in [
            (529, "overloaded_error", FailureKind::Overloaded),
            (429, "rate_limit_error", FailureKind::RateLimit),
            (402, "billing_error", FailureKind::Quota),
            (413, "request_too_large", FailureKind::ContextLength),
            (504, "timeout_error", FailureKind::Timeout),
            (500, "api_error", FailureKind::Server),
        ] {
            let body = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"m"}},"request_id":"req_1"}}"#);
            let failure = upstream.failure(&AnswerHead { status, ..AnswerHead::default() }, body.as_bytes());
            assert_eq!((failure.kind, failure.message.as_str()), (expected, "m (request req_1)"));
            assert_eq!((failure.status, failure.type_.as_deref()), (Some(status), Some(kind)));
        }
        let page = upstream.failure(&AnswerHead { status: 529, ..AnswerHead::default() }, b"<html>busy</html>");
        assert_eq!(page.kind, FailureKind::Overloaded);
    }

    #[test]
    fn the_key_has_a_header_of_its_own() {
        assert_eq!(Anthropic::new(&Options::default()).auth(), Auth::Header("x-api-key"));
    }
}
