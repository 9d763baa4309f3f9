//! Protocols for tests of the configuration: they carry names and options, and speak nothing.
#![allow(clippy::unimplemented)]

use std::sync::Arc;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Failure, Refusal};
use chatwire_protocols::options::{OptionKind, OptionSpec, Options};
use chatwire_protocols::protocol::{
    AnswerHead, Auth, DecodeContext, Decoder, Document, Frontend, FrontendSpec, Keeps, Protocol, Reply, ReplyContext,
    RequestHead, Target, Upstream, UpstreamRequest, UpstreamSpec,
};

/// A registry of the tests' own.
pub static STAND_INS: &[&Protocol] = &[&OPENAI, &ANTHROPIC, &AUTO, &CALLBACK];

static OPENAI: Protocol = Protocol {
    name: "openai-chat",
    aliases: &["openai-compatible"],
    about: "A provider's protocol with options",
    frontend: None,
    upstream: Some(UpstreamSpec {
        options: &[
            OptionSpec {
                name: "preset",
                about: "A server's quirks.",
                kind: OptionKind::Choice(&["openai", "deepseek"]),
            },
            OptionSpec { name: "strict", about: "Strict tools.", kind: OptionKind::Flag },
            OptionSpec { name: "retries", about: "A number.", kind: OptionKind::Integer { min: 0, max: 9 } },
        ],
        make: upstream,
        base_url: "https://api.openai.example/v1",
    }),
};

static ANTHROPIC: Protocol = Protocol {
    name: "anthropic",
    aliases: &[],
    about: "A provider's protocol without options",
    frontend: None,
    upstream: Some(UpstreamSpec { options: &[], make: upstream, base_url: "https://api.anthropic.example" }),
};

static AUTO: Protocol = Protocol {
    name: "vercel-auto",
    aliases: &["vercel"],
    about: "A page's protocol with options",
    frontend: Some(FrontendSpec {
        options: &[OptionSpec { name: "reasoning", about: "Whether it is shown.", kind: OptionKind::Flag }],
        make: frontend,
        keeps: Keeps::Never,
        page_calls: false,
    }),
    upstream: None,
};

static CALLBACK: Protocol = Protocol {
    name: "callback-sse",
    aliases: &[],
    about: "A page's protocol without options",
    frontend: Some(FrontendSpec { options: &[], make: frontend, keeps: Keeps::Optional, page_calls: false }),
    upstream: None,
};

fn frontend(_options: &Options) -> Arc<dyn Frontend> {
    Arc::new(Mute(String::new()))
}

fn upstream(options: &Options) -> Arc<dyn Upstream> {
    Arc::new(Mute(format!("{options:?}")))
}

struct Mute(String);

impl Frontend for Mute {
    fn parse(&self, _: &RequestHead<'_>, _: &[u8]) -> Result<ChatRequest, CallerError> {
        unimplemented!("a stand-in reads nothing")
    }

    fn open(&self, _: &ChatRequest, _: &ReplyContext) -> Reply {
        unimplemented!("a stand-in writes nothing")
    }

    fn refuse(&self, _: &Refusal<'_>) -> Document {
        unimplemented!("a stand-in writes nothing")
    }
}

impl Upstream for Mute {
    fn request(&self, _: &ChatRequest, _: &Target<'_>) -> Result<UpstreamRequest, CallerError> {
        unimplemented!("a stand-in writes nothing")
    }

    fn decoder(&self, _: DecodeContext) -> Box<dyn Decoder> {
        unimplemented!("a stand-in reads nothing")
    }

    fn failure(&self, _: &AnswerHead<'_>, _: &[u8]) -> Failure {
        Failure::new(chatwire_protocols::error::FailureKind::Internal, self.0.clone())
    }

    fn auth(&self) -> Auth {
        Auth::Bearer
    }
}
