//! What a page speaks over a WebSocket, in words of no dialect and without IO.
//!
//! One connection carries any number of turns at once. Each thing that the page asks gets a **key**, made by the dialect,
//! under which the gateway hands back what comes of it. Messages are texts; an [`Encoder`] of a socket writes each
//! message as one line, and the gateway sends every line as a message of its own.

use bytes::BytesMut;

use crate::chat::ChatRequest;
use crate::error::Refusal;
use crate::event::{Event, Text};
use crate::operation::{Answer, Operation, TurnAsk};
use crate::protocol::{Encoder, ReplyContext};

/// One connection of a page.
pub trait Socket: Send {
    /// Appends what the page is told right after the upgrade, each message as a line.
    fn opened(&mut self, out: &mut Vec<u8>);

    /// Reads a message of the page.
    ///
    /// # Errors
    /// It is none that this dialect has: the connection is closed with this code and reason. A mistake that leaves the
    /// connection open is a line in `out`.
    fn message(&mut self, text: &str, out: &mut Vec<u8>) -> Result<Option<Heard>, Closed>;

    /// A turn begins to be shown under `key`, from its start.
    fn turn(&mut self, key: &Text, chat: &ChatRequest, context: &ReplyContext) -> Box<dyn Encoder>;

    /// The page follows a thread from now on: first its `messages`, then the turn that runs there, if one does, whose
    /// encoder is given back. What the turn has said so far is in `running`, and what of it is stored may be in the
    /// messages already: a dialect that shows both leaves the items out that the turn made.
    fn subscribed(
        &mut self,
        key: &Text,
        messages: &Answer,
        running: Option<Running<'_>>,
        out: &mut Vec<u8>,
    ) -> Option<Box<dyn Encoder>> {
        self.answer(key, messages, out);
        let Running { chat, context, past } = running?;
        let mut encoder = self.turn(key, chat, context);
        let mut said = BytesMut::new();
        past.iter().for_each(|event| encoder.event(event, &mut said));
        out.extend_from_slice(&said);
        Some(encoder)
    }

    /// Somebody has emptied the thread that is followed under `key`: what of it has been told is gone.
    fn cleared(&mut self, _key: &Text, _out: &mut Vec<u8>) {}

    /// What came of an operation.
    fn answer(&mut self, key: &Text, answer: &Answer, out: &mut Vec<u8>);

    /// What was asked under `key` will not be done.
    fn refuse(&mut self, key: &Text, refusal: &Refusal<'_>, out: &mut Vec<u8>);

    /// The turn under `key` was cut for this connection alone: it was too slow, or the gateway's part of it is lost.
    fn cut(&mut self, key: &Text, out: &mut Vec<u8>);
}

/// A turn that was running when a page began to follow its thread.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// The request without its conversation.
    pub chat: &'a ChatRequest,
    /// The context of every reply.
    pub context: &'a ReplyContext,
    /// What the turn has said so far.
    pub past: &'a [Event],
}

/// What a page asks over a socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// Under which key its answer comes.
    pub key: Text,
    /// What is asked.
    pub ask: SocketAsk,
}

/// What a page asks over a socket.
#[derive(Clone, Debug, PartialEq)]
pub enum SocketAsk {
    /// A turn, shown under the key.
    Turn(Box<TurnAsk>),
    /// The turn that runs in a thread, if one does: shown under the key, else [`Answer::NothingRuns`].
    Resume {
        /// The thread.
        thread: Text,
    },
    /// Everything of a thread from now on: [`Socket::subscribed`], then each turn that begins, whoever began it, all
    /// under the key. Asking again begins anew.
    Subscribe {
        /// The thread.
        thread: Text,
    },
    /// Stop the turn that was begun or resumed under this key, and show no more of it.
    Abort {
        /// The key.
        turn: Text,
    },
    /// An operation, answered under the key.
    Operation(Operation),
}

/// How a connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code (RFC 6455, 7.4).
    pub code: u16,
    /// Why, in words.
    pub reason: &'static str,
}
