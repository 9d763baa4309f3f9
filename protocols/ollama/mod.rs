//! Ollama's own chat protocol: `POST /api/chat`, answered with JSON lines.

mod decode;
mod request;
mod wire;

use std::sync::Arc;

use crate::chat::ChatRequest;
use crate::error::{CallerError, Failure};
use crate::failure;
use crate::options::{OptionKind, OptionSpec, Options};
use crate::protocol::{AnswerHead, DecodeContext, Decoder, Protocol, Target, Upstream, UpstreamRequest, UpstreamSpec};
use crate::wire::think::ThinkSplit;
use request::{RequestOptions, Thinking};

/// Ollama /api/chat
pub static PROTOCOL: Protocol = Protocol {
    name: "ollama",
    aliases: &[],
    about: "Ollama /api/chat",
    frontend: None,
    upstream: Some(UpstreamSpec {
        options: OPTIONS,
        make: |options| Arc::new(Ollama::new(options)),
        base_url: "http://127.0.0.1:11434",
    }),
};

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "num_ctx",
        about: "Context of the model in tokens. The server's default is small, and it cuts longer prompts in silence.",
        kind: OptionKind::Integer { min: 1, max: 1 << 32 },
    },
    OptionSpec {
        name: "truncate",
        about: "Whether the server may cut a prompt that is longer than the context; false makes it refuse.",
        kind: OptionKind::Flag,
    },
    OptionSpec {
        name: "keep_alive",
        about: "How long the model stays loaded: a duration such as \"5m\", a number of seconds, or \"-1\" for ever.",
        kind: OptionKind::Text,
    },
    OptionSpec {
        name: "think",
        about: "How thinking is asked for: bool sends true or false, level sends a word, none sends nothing.",
        kind: OptionKind::Choice(&["bool", "level", "none"]),
    },
    OptionSpec {
        name: "think_tags",
        about: "What becomes of <think> tags in the text: keep leaves them, split takes thoughts at the start out, assume-open does so where the opening tag is missing.",
        kind: OptionKind::Choice(&["keep", "split", "assume-open"]),
    },
];

#[derive(Debug)]
struct Ollama {
    request: RequestOptions,
    think_tags: Option<fn() -> ThinkSplit>,
}

impl Ollama {
    fn new(options: &Options) -> Self {
        Self {
            request: RequestOptions {
                context_size: options.integer("num_ctx"),
                truncate: options.flag("truncate"),
                keep_alive: options.text("keep_alive").map(str::to_owned),
                thinking: match options.text("think") {
                    Some("level") => Thinking::Level,
                    Some("none") => Thinking::Nothing,
                    _ => Thinking::Flag,
                },
            },
            think_tags: match options.text("think_tags") {
                Some("split") => Some(ThinkSplit::new),
                Some("assume-open") => Some(ThinkSplit::assuming_open),
                _ => None,
            },
        }
    }
}

impl Upstream for Ollama {
    fn request(&self, chat: &ChatRequest, target: &Target<'_>) -> Result<UpstreamRequest, CallerError> {
        request::build(chat, target, &self.request)
    }

    fn decoder(&self, context: DecodeContext) -> Box<dyn Decoder> {
        let think = self.think_tags.map(|make| make());
        Box::new(decode::StreamDecoder::new(&context, think, self.request.context_size))
    }

    fn failure(&self, answer: &AnswerHead<'_>, body: &[u8]) -> Failure {
        failure::from_body(answer, body)
    }
}
