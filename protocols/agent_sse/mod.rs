//! The dialect of an agent's session server: sessions over HTTP, typed events over SSE (house dialects 3).
//!
//! `README.md` beside this file lists the endpoints, the frames and the choices that the dialect leaves open.

mod answer;
mod encode;
mod frame;
mod request;
mod tally;
mod usage;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use crate::chat::ChatRequest;
use crate::error::{CallerError, Refusal};
use crate::operation::{Answer, Ask};
use crate::options::{OptionKind, OptionSpec, Options};
use crate::protocol::{
    Document, Encoder, Frontend, FrontendSpec, Keeps, Protocol, Reply, ReplyContext, RequestHead, Sessions,
};

/// Sessions over HTTP, typed events over SSE.
pub static PROTOCOL: Protocol = Protocol {
    name: "agent-sse",
    aliases: &[],
    about: "Sessions over HTTP, with an agent's steps as typed SSE frames",
    frontend: Some(FrontendSpec { options: OPTIONS, make, keeps: Keeps::Always, page_calls: false }),
    upstream: None,
};

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "session_timeout_minutes",
        about: "After how many minutes without a request a session ends. Default: 60.",
        kind: OptionKind::Integer { min: 1, max: 5_256_000 },
    },
    OptionSpec {
        name: "cleanup_interval_seconds",
        about: "How often sessions that are too old are looked for, in seconds. Default: 300.",
        kind: OptionKind::Integer { min: 1, max: 86_400 },
    },
    OptionSpec {
        name: "max_sessions",
        about: "Most sessions at a time; another one is refused with 503 then. Default: 1000.",
        kind: OptionKind::Integer { min: 1, max: 1_000_000 },
    },
];

fn make(options: &Options) -> Arc<dyn Frontend> {
    let number = |name: &str, default| options.integer(name).unwrap_or(default);
    Arc::new(AgentSse {
        sessions: Sessions {
            most: u32::try_from(number("max_sessions", 1000)).unwrap_or(u32::MAX),
            timeout: Duration::from_secs(number("session_timeout_minutes", 60).saturating_mul(60)),
            every: Duration::from_secs(number("cleanup_interval_seconds", 300)),
        },
    })
}

struct AgentSse {
    sessions: Sessions,
}

/// How an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wire {
    /// One JSON document.
    Whole,
    /// Frames, with texts whole for each step.
    Steps,
    /// Frames, with texts as they come.
    Deltas,
}

impl Wire {
    const ALL: [Self; 3] = [Self::Whole, Self::Steps, Self::Deltas];

    const fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Steps => "steps",
            Self::Deltas => "deltas",
        }
    }

    /// The wire of a request; the one that tells most where it names none.
    fn of(chat: &ChatRequest) -> Self {
        Self::ALL.into_iter().find(|wire| wire.name() == chat.wire).unwrap_or(Self::Deltas)
    }
}

impl Frontend for AgentSse {
    fn parse(&self, _head: &RequestHead<'_>, _body: &[u8]) -> Result<ChatRequest, CallerError> {
        Err(CallerError::new(404, "not_found", "there is nothing at this path"))
    }

    fn open(&self, chat: &ChatRequest, context: &ReplyContext) -> Reply {
        let encoder: Box<dyn Encoder> = match Wire::of(chat) {
            Wire::Whole => {
                let headers = vec![("content-type", "application/json".to_owned())];
                let encoder = Box::new(whole::Whole::new(context));
                return Reply { status: 200, headers, encoder, whole: true };
            }
            wire => Box::new(encode::Encode::new(context, wire == Wire::Deltas)),
        };
        let headers = vec![
            ("content-type", "text/event-stream; charset=utf-8".to_owned()),
            ("cache-control", "no-cache, no-transform".to_owned()),
            ("x-accel-buffering", "no".to_owned()),
        ];
        Reply { status: 200, headers, encoder, whole: false }
    }

    fn ask(&self, head: &RequestHead<'_>, body: &[u8]) -> Result<Ask, CallerError> {
        request::ask(head, body)
    }

    fn answer(&self, answer: &Answer) -> Document {
        answer::answer(answer)
    }

    fn sessions(&self) -> Option<Sessions> {
        Some(self.sessions)
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Document {
        answer::refuse(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_last_as_the_options_say() {
        let sessions = |options: &str| {
            let options = serde_json::from_str(options).unwrap();
            make(&Options::read(OPTIONS, &options).unwrap()).sessions().unwrap()
        };
        let usual = Sessions { most: 1000, timeout: Duration::from_secs(3600), every: Duration::from_secs(300) };
        assert_eq!(sessions("{}"), usual);
        let few = sessions(r#"{"max_sessions":2,"session_timeout_minutes":1,"cleanup_interval_seconds":7}"#);
        assert_eq!(few, Sessions { most: 2, timeout: Duration::from_secs(60), every: Duration::from_secs(7) });
        assert!(Options::read(OPTIONS, &serde_json::from_str(r#"{"max_sessions":0}"#).unwrap()).is_err());
    }

    #[test]
    fn every_wire_is_known_by_its_name() {
        for wire in Wire::ALL {
            assert_eq!(Wire::of(&ChatRequest { wire: wire.name(), ..ChatRequest::default() }), wire);
        }
    }
}
