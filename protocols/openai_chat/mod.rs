//! OpenAI Chat Completions, as OpenAI and the many servers modelled on it speak them. `README.md` in this folder says which
//! servers, which peculiarities, and what is not carried over.

mod calls;
mod decode;
mod details;
mod messages;
mod options;
mod plain;
mod presets;
mod quirks;
mod request;
mod sources;
mod spoken;
mod talk;
mod usage;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::chat::ChatRequest;
use crate::error::{CallerError, Failure};
use crate::failure;
use crate::options::Options;
use crate::protocol::{
    AnswerHead, Auth, DecodeContext, Decoder, Protocol, Target, Upstream, UpstreamRequest, UpstreamSpec,
};
use crate::wire::names;
use quirks::Quirks;

/// The protocol's name, under which its opaque marks are kept.
const NAME: &str = "openai-chat";

/// The mark that holds `reasoning_details`.
const REASONING_DETAILS: &str = "reasoning_details";

/// The mark that holds a call's `extra_content`.
const EXTRA_CONTENT: &str = "extra_content";

/// OpenAI Chat Completions, and every server compatible with it
pub static PROTOCOL: Protocol = Protocol {
    name: NAME,
    aliases: &["openai-compatible"],
    about: "OpenAI Chat Completions, and every server compatible with it",
    frontend: None,
    upstream: Some(UpstreamSpec { options: options::OPTIONS, make, base_url: "https://api.openai.com/v1" }),
};

fn make(options: &Options) -> Arc<dyn Upstream> {
    Arc::new(OpenAiChat { options: options.clone(), quirks: Quirks::read(options, "") })
}

/// The upstream with its options.
struct OpenAiChat {
    options: Options,
    /// What the options say without a base URL: enough for everything but requests.
    quirks: Quirks,
}

impl Upstream for OpenAiChat {
    fn request(&self, chat: &ChatRequest, target: &Target<'_>) -> Result<UpstreamRequest, CallerError> {
        Ok(request::build(chat, target, &Quirks::read(&self.options, target.base_url)))
    }

    fn decoder(&self, context: DecodeContext) -> Box<dyn Decoder> {
        let restore = if self.quirks.escape_names { names::restored } else { names::kept };
        Box::new(decode::ChatDecoder::new(&context, self.quirks.think_tags, restore))
    }

    fn failure(&self, answer: &AnswerHead<'_>, body: &[u8]) -> Failure {
        failure::from_body(answer, body)
    }

    fn transcription(&self, base_url: &str) -> Option<String> {
        Some(Target { base_url, model: "", extra: None }.url("audio/transcriptions"))
    }

    fn auth(&self) -> Auth {
        if self.quirks.api_key_header { Auth::Header("api-key") } else { Auth::Bearer }
    }
}
