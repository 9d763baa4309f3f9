//! OpenAI Responses: the upstream side.
//!
//! What is implemented and where it comes from is written down in `README.md` beside this file.

mod calls;
mod decode;
mod history;
mod hosted;
mod input;
mod items;
mod outputs;
mod request;
#[cfg(test)]
mod tests;
mod text;
mod wire;

use std::sync::Arc;

use crate::chat::ChatRequest;
use crate::error::{CallerError, Failure};
use crate::options::{OptionKind, OptionSpec, Options};
use crate::protocol::{
    AnswerHead, Auth, DecodeContext, Decoder, Protocol, Target, Upstream, UpstreamRequest, UpstreamSpec,
};

/// The protocol's name in the registry, and the owner of its marks.
const NAME: &str = "openai-responses";

/// OpenAI Responses
pub static PROTOCOL: Protocol = Protocol {
    name: NAME,
    aliases: &["responses"],
    about: "OpenAI Responses",
    frontend: None,
    upstream: Some(UpstreamSpec { options: OPTIONS, make, base_url: "https://api.openai.com/v1" }),
};

static OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "store",
        about: "Whether the provider keeps the answers (default: no; reasoning then comes back encrypted).",
        kind: OptionKind::Flag,
    },
    OptionSpec {
        name: "encrypted_reasoning",
        about: "When to ask for encrypted reasoning if answers are not stored (default: auto, for all but the known models without reasoning, which refuse it).",
        kind: OptionKind::Choice(&["auto", "always", "never"]),
    },
    OptionSpec {
        name: "reasoning_summary",
        about: "How much of its reasoning the model tells (default: auto where a request sets the reasoning effort).",
        kind: OptionKind::Choice(&["auto", "concise", "detailed", "none"]),
    },
    OptionSpec {
        name: "system_role",
        about: "Where the system prompt goes: into `instructions` (default), or into a message of this role.",
        kind: OptionKind::Choice(&["instructions", "system", "developer"]),
    },
    OptionSpec {
        name: "stream",
        about: "Whether to ask the provider for a stream (default: yes, also for pages that want one document).",
        kind: OptionKind::Flag,
    },
    OptionSpec {
        name: "auth",
        about: "How the key is sent: as a bearer token (default), or in the header `api-key` (Azure).",
        kind: OptionKind::Choice(&["bearer", "api-key"]),
    },
];

fn make(options: &Options) -> Arc<dyn Upstream> {
    Arc::new(Responses(request::Style::read(options)))
}

struct Responses(request::Style);

impl Upstream for Responses {
    fn request(&self, chat: &ChatRequest, target: &Target<'_>) -> Result<UpstreamRequest, CallerError> {
        request::build(&self.0, chat, target)
    }

    fn decoder(&self, context: DecodeContext) -> Box<dyn Decoder> {
        Box::new(decode::ResponsesDecoder::new(&context))
    }

    fn failure(&self, answer: &AnswerHead<'_>, body: &[u8]) -> Failure {
        crate::failure::from_body(answer, body)
    }

    fn transcription(&self, base_url: &str) -> Option<String> {
        Some(Target { base_url, model: "", extra: None }.url("audio/transcriptions"))
    }

    fn auth(&self) -> Auth {
        if self.0.api_key_header { Auth::Header("api-key") } else { Auth::Bearer }
    }
}
