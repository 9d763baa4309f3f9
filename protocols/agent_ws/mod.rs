//! `agent-ws`: chats over REST, and one WebSocket on which a page talks in all of them.
//!
//! `README.md` beside this file lists the addresses, the messages and the choices that the dialect leaves open.

mod address;
mod answer;
mod encode;
mod frame;
mod image;
mod past;
mod session;
mod view;

use std::sync::Arc;

use crate::chat::ChatRequest;
use crate::error::{CallerError, Refusal};
use crate::operation::{Answer, Ask};
use crate::options::Options;
use crate::protocol::{
    Document, Encoder, Frontend, FrontendSpec, Habits, Keeps, Protocol, Reply, ReplyContext, RequestHead,
};
use crate::socket::Socket;
use address::Address;

/// Chats over REST and a WebSocket.
pub static PROTOCOL: Protocol = Protocol {
    name: "agent-ws",
    aliases: &[],
    about: "Chats over REST, and a WebSocket for the turns of all of them",
    frontend: Some(FrontendSpec { options: &[], make, keeps: Keeps::Always, page_calls: false }),
    upstream: None,
};

fn make(_: &Options) -> Arc<dyn Frontend> {
    Arc::new(AgentWs)
}

struct AgentWs;

impl Frontend for AgentWs {
    /// Turns are asked for over the socket alone.
    fn parse(&self, _head: &RequestHead<'_>, _body: &[u8]) -> Result<ChatRequest, CallerError> {
        let message = "messages are sent over the WebSocket; serve this dialect on a route with memory";
        Err(CallerError::new(400, "needs_socket", message))
    }

    fn open(&self, chat: &ChatRequest, context: &ReplyContext) -> Reply {
        let encoder: Box<dyn Encoder> = Box::new(encode::Turn::new(chat, context, None));
        let headers = vec![("content-type", "application/x-ndjson".to_owned())];
        Reply { status: 200, headers, encoder, whole: false }
    }

    fn ask(&self, head: &RequestHead<'_>, body: &[u8]) -> Result<Ask, CallerError> {
        address::ask(head, body).map(Ask::Operation)
    }

    fn answer(&self, said: &Answer) -> Document {
        answer::answer(said)
    }

    fn socket(&self, head: &RequestHead<'_>) -> Result<Option<Box<dyn Socket>>, CallerError> {
        let there = matches!(Address::read(head.below), Some(Address::Socket));
        Ok(there.then(|| Box::new(session::Session::default()) as Box<dyn Socket>))
    }

    fn habits(&self) -> Habits {
        Habits { finish: true, interrupt: true }
    }

    fn refuse(&self, refusal: &Refusal<'_>) -> Document {
        answer::refuse(refusal)
    }
}

#[cfg(test)]
mod tests;
