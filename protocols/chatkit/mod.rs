//! ChatKit: pages whose conversations the gateway keeps, as items of threads (ChatKit notes).
//!
//! `README.md` beside this file lists the operations, the forms and the choices that the protocol leaves open.

mod answer;
mod encode;
mod frame;
mod item;
mod object;
mod request;
mod simple;
mod task;
mod thread;
mod widget;

pub use thread::attachment;

use std::sync::Arc;

use crate::chat::ChatRequest;
use crate::error::{CallerError, Refusal};
use crate::operation::{Answer, Ask};
use crate::options::{OptionKind, OptionSpec, Options};
use crate::protocol::{Document, Encoder, Frontend, FrontendSpec, Keeps, Protocol, Reply, ReplyContext, RequestHead};

/// Threads of items, kept by the gateway, for the ChatKit component.
pub static PROTOCOL: Protocol = Protocol {
    name: "chatkit",
    aliases: &[],
    about: "OpenAI ChatKit: threads of items that the gateway keeps",
    frontend: Some(FrontendSpec { options: &[DIALECT, ALLOW_CANCEL], make, keeps: Keeps::Always, page_calls: true }),
    upstream: None,
};

const DIALECT: OptionSpec = OptionSpec {
    name: "dialect",
    about: "What a turn is streamed as: the events of the ChatKit component, or the three frames of an older family of \
            pages (`text.delta`, `client_tool_call`, `thread_item.done`). Requests and items are the same. Default: \
            \"chatkit\".",
    kind: OptionKind::Choice(&["chatkit", "simple"]),
};

const ALLOW_CANCEL: OptionSpec = OptionSpec {
    name: "allow_cancel",
    about: "Whether the page shows a stop button while a turn streams. Default: true.",
    kind: OptionKind::Flag,
};

fn make(options: &Options) -> Arc<dyn Frontend> {
    Arc::new(ChatKit {
        simple: options.text("dialect") == Some("simple"),
        allow_cancel: options.flag("allow_cancel").unwrap_or(true),
    })
}

struct ChatKit {
    simple: bool,
    allow_cancel: bool,
}

impl Frontend for ChatKit {
    /// No request of a page holds the conversation, so there is nothing to answer without the thread.
    fn parse(&self, _head: &RequestHead<'_>, _body: &[u8]) -> Result<ChatRequest, CallerError> {
        let message = "a ChatKit request names a thread and holds no conversation; serve it on a route with memory";
        Err(CallerError::new(400, "needs_memory", message))
    }

    fn open(&self, _chat: &ChatRequest, context: &ReplyContext) -> Reply {
        let encoder: Box<dyn Encoder> = if self.simple {
            Box::new(simple::Simple::new(context))
        } else {
            Box::new(encode::Encode::new(context, self.allow_cancel))
        };
        Reply { status: 200, headers: headers(), encoder, whole: false }
    }

    fn ask(&self, head: &RequestHead<'_>, body: &[u8]) -> Result<Ask, CallerError> {
        request::ask(head, body)
    }

    /// A page-run call named [`crate::items::REQUEST_APPROVAL`] asks.
    fn asks_approval(&self, _chat: &ChatRequest) -> bool {
        true
    }

    fn answer(&self, said: &Answer) -> Document {
        answer::answer(said)
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Document {
        answer::refuse(refusal)
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
mod tests;
