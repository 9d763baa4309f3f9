//! The typed-callback SSE dialect: a page with one callback for each type of frame (house dialects 1).
//!
//! `README.md` beside this file lists the frames, the request and the choices that the dialect leaves open.

mod encode;
mod kept;
mod request;

use std::sync::Arc;

use serde_json::json;

use crate::chat::ChatRequest;
use crate::error::{CallerError, Refusal};
use crate::operation::{Answer, Ask};
use crate::options::{OptionKind, OptionSpec, Options};
use crate::protocol::{Document, Frontend, FrontendSpec, Keeps, Protocol, Reply, ReplyContext, RequestHead};

/// Typed SSE frames for a page with one callback per type.
pub static PROTOCOL: Protocol = Protocol {
    name: "callback-sse",
    aliases: &[],
    about: "Typed SSE frames for a page with one callback per type",
    frontend: Some(FrontendSpec { options: &[LEGACY_FIELDS], make, keeps: Keeps::Optional, page_calls: false }),
    upstream: None,
};

const LEGACY_FIELDS: OptionSpec = OptionSpec {
    name: "legacy_fields",
    about: "Adds what older pages of the family read: the text so far in every `chunk`, `final` in `complete`, and a \
            `done` frame at the end. Default: false.",
    kind: OptionKind::Flag,
};

fn make(options: &Options) -> Arc<dyn Frontend> {
    Arc::new(CallbackSse { legacy_fields: options.flag("legacy_fields").unwrap_or(false) })
}

struct CallbackSse {
    legacy_fields: bool,
}

impl Frontend for CallbackSse {
    fn parse(&self, _head: &RequestHead<'_>, body: &[u8]) -> Result<ChatRequest, CallerError> {
        request::parse(body)
    }

    fn ask(&self, head: &RequestHead<'_>, body: &[u8]) -> Result<Ask, CallerError> {
        kept::ask(head, body)
    }

    fn answer(&self, answer: &Answer) -> Document {
        kept::answer(answer)
    }

    fn open(&self, _chat: &ChatRequest, context: &ReplyContext) -> Reply {
        let encoder = Box::new(encode::Encode::new(context, self.legacy_fields));
        Reply { status: 200, headers: headers(), encoder, whole: false }
    }

    /// The `error` frame's own object as JSON, with a stable code and the place of the mistake; and the text where what
    /// is no page of this dialect looks for it.
    fn refuse(&self, refusal: &Refusal<'_>) -> Document {
        let text = refusal.safe_text();
        let mut data = json!({ "error": text, "code": refusal.code() });
        if let Some(path) = refusal.path() {
            data["path"] = path.into();
        }
        Document {
            status: refusal.status(),
            content_type: "application/json",
            body: json!({ "type": "error", "error": text, "data": data }).to_string(),
        }
    }
}

fn headers() -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "text/event-stream; charset=utf-8".to_owned()),
        ("cache-control", "no-cache, no-transform".to_owned()),
        ("x-accel-buffering", "no".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::error::{Failure, FailureKind};
    use crate::sample_turns::{context, text};

    fn frontend(options: &str) -> Arc<dyn Frontend> {
        let spec = PROTOCOL.frontend.as_ref().unwrap();
        (spec.make)(&Options::read(spec.options, &serde_json::from_str(options).unwrap()).unwrap())
    }

    #[test]
    fn the_route_option_chooses_the_older_frames() {
        for (options, legacy) in [("{}", false), (r#"{"legacy_fields":true}"#, true)] {
            let mut reply = frontend(options).open(&ChatRequest::default(), &context());
            let mut out = bytes::BytesMut::new();
            text().iter().for_each(|event| reply.encoder.event(event, &mut out));
            assert_eq!(String::from_utf8(out.to_vec()).unwrap().contains("accumulated"), legacy);
            assert_eq!(reply.headers[0].1, "text/event-stream; charset=utf-8");
            assert!(!reply.whole);
        }
    }

    #[test]
    fn a_refusal_has_the_frames_form_and_says_nothing_of_the_provider() {
        let mistake = CallerError::invalid("messages[0].role", "is missing");
        let reply = frontend("{}").refuse(&Refusal::Caller(&mistake));
        assert_eq!((reply.status, reply.content_type), (400, "application/json"));
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        let error = "messages[0].role: is missing";
        let data = json!({"error": error, "code": "invalid_request", "path": "messages[0].role"});
        assert_eq!(body, json!({"type": "error", "error": error, "data": data}));
        let failure = Failure::new(FailureKind::RateLimit, "secret");
        let reply = frontend("{}").refuse(&Refusal::Failure(&failure));
        assert_eq!(reply.status, 429);
        assert!(!reply.body.contains("secret"));
    }
}
