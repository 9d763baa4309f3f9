//! Anthropic Messages.

mod content;
mod decode;
mod names;
mod wire;

use std::sync::Arc;

use crate::chat::ChatRequest;
use crate::error::{CallerError, Failure};
use crate::failure;
use crate::options::{OptionKind, OptionSpec, Options};
use crate::protocol::{
    AnswerHead, Auth, DecodeContext, Decoder, Protocol, Target, Upstream, UpstreamRequest, UpstreamSpec,
};

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

const OPTIONS: &[OptionSpec] = &[];

#[derive(Debug)]
struct Anthropic {
    explain: bool,
}

impl Anthropic {
    fn new(options: &Options) -> Self {
        Self { explain: options.flag("explain_refusals").unwrap_or(false) }
    }
}

impl Upstream for Anthropic {
    fn request(&self, chat: &ChatRequest, target: &Target<'_>) -> Result<UpstreamRequest, CallerError> {
        let _ = (chat, target);
        Err(CallerError::invalid("", "later"))
    }

    fn decoder(&self, context: DecodeContext) -> Box<dyn Decoder> {
        Box::new(decode::StreamDecoder::new(&context, self.explain))
    }

    fn failure(&self, answer: &AnswerHead<'_>, body: &[u8]) -> Failure {
        failure::from_body(answer, body)
    }

    fn auth(&self) -> Auth {
        Auth::Header("x-api-key")
    }
}
