//! What a protocol is: a frontend that a page speaks, an upstream that a provider speaks, or both.
//!
//! A [`Protocol`] is a descriptor in the one list of [`crate::PROTOCOLS`]; configuration, command line, documentation
//! and the conformance tests iterate that list, and nothing else matches on protocol names.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use serde_json::{Map, Value};

use crate::chat::ChatRequest;
use crate::error::{CallerError, Failure, Refusal};
use crate::event::{Event, Text, Warning};
use crate::items::{Item, Thread};
use crate::operation::{Answer, Ask, ModelUsage};
use crate::options::{OptionSpec, Options};
use crate::socket::Socket;

/// A protocol's entry in the registry.
#[derive(Debug)]
pub struct Protocol {
    /// Its name in configuration and on the command line.
    pub name: &'static str,
    /// Other names it is known by.
    pub aliases: &'static [&'static str],
    /// One line for help and documentation.
    pub about: &'static str,
    /// What a page can do with it, if pages speak it.
    pub frontend: Option<FrontendSpec>,
    /// What a provider can do with it, if providers speak it.
    pub upstream: Option<UpstreamSpec>,
}

/// The frontend side of a protocol.
#[derive(Debug)]
pub struct FrontendSpec {
    /// Its route options.
    pub options: &'static [OptionSpec],
    /// Builds it.
    pub make: fn(&Options) -> Arc<dyn Frontend>,
    /// Whether the gateway can, or must, keep the conversations of its pages.
    pub keeps: Keeps,
    /// True if page-run calls are items that its pages answer one at a time ([`crate::items::Style::page_calls`]).
    pub page_calls: bool,
}

/// Whether the gateway keeps the conversations of a dialect's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// Never: its pages hold them.
    Never,
    /// If the route says so.
    Optional,
    /// Always: its pages hold none.
    Always,
}

/// The upstream side of a protocol.
#[derive(Debug)]
pub struct UpstreamSpec {
    /// Its provider options.
    pub options: &'static [OptionSpec],
    /// Builds it.
    pub make: fn(&Options) -> Arc<dyn Upstream>,
    /// Where its best-known provider is, in configuration form.
    pub base_url: &'static str,
}

/// What a page speaks.
pub trait Frontend: Send + Sync {
    /// Reads a request.
    ///
    /// # Errors
    /// The caller's mistake, with its place in the body.
    fn parse(&self, head: &RequestHead<'_>, body: &[u8]) -> Result<ChatRequest, CallerError>;

    /// Opens the reply to a request that was accepted.
    fn open(&self, chat: &ChatRequest, context: &ReplyContext) -> Reply;

    /// Reads a request of a page whose conversations the gateway keeps: at the route's path or below it.
    ///
    /// # Errors
    /// The caller's mistake, with its place in the body; 404 for a path that means nothing, 405 for a wrong method.
    fn ask(&self, _head: &RequestHead<'_>, _body: &[u8]) -> Result<Ask, CallerError> {
        Err(CallerError::new(404, "not_found", "there is nothing at this path"))
    }

    /// Writes the answer to an [`crate::operation::Operation`].
    fn answer(&self, _answer: &Answer) -> Document {
        Document { status: 404, content_type: "application/json", body: "{}".to_owned() }
    }

    /// Opens a WebSocket at the route's path or below it; nothing where the dialect has none.
    ///
    /// # Errors
    /// The caller's mistake, told before the upgrade.
    fn socket(&self, _head: &RequestHead<'_>) -> Result<Option<Box<dyn Socket>>, CallerError> {
        Ok(None)
    }

    /// How long conversations last here, where they are sessions that end by themselves. Such a dialect also tells the
    /// gateway's health, below its path.
    fn sessions(&self) -> Option<Sessions> {
        None
    }

    /// True if the page of this request can ask a person to allow a tool call.
    fn asks_approval(&self, _chat: &ChatRequest) -> bool {
        false
    }

    /// What this dialect's pages are used to, where the route does not say otherwise.
    fn habits(&self) -> Habits {
        Habits::default()
    }

    /// The answer when there will be no stream.
    fn refuse(&self, refusal: &Refusal<'_>) -> Document;
}

/// What the pages of a dialect are used to in conversations that the gateway keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Habits {
    /// True if a turn goes on when its page leaves.
    pub finish: bool,
    /// True if a message interrupts the turn that runs in its thread, instead of waiting for its end.
    pub interrupt: bool,
}

/// Conversations that end by themselves. Those that are begun on one route belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Most of them at a time, those of all users together. Another one is refused then; none makes room for it.
    pub most: u32,
    /// How long one is kept after it was used last.
    pub timeout: Duration,
    /// How often those that are too old are looked for.
    pub every: Duration,
}

/// The parts of a request's head that a frontend may look at.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestHead<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path, decoded.
    pub path: &'a str,
    /// What of the path stands below the route's own, as it was sent: empty, or it begins with a slash, and its segments
    /// are percent-encoded.
    pub below: &'a str,
    /// The query string, without its question mark.
    pub query: &'a str,
}

/// What the gateway knows when it opens a reply.
#[derive(Clone, Debug, Default)]
pub struct ReplyContext {
    /// The turn's id.
    pub turn: Text,
    /// The id of the assistant message; the continued message's own where one is continued.
    pub message: Text,
    /// The model's name in the gateway.
    pub model: Text,
    /// Now, in seconds since 1970.
    pub created: u64,
    /// What is known of a conversation that the gateway keeps.
    pub kept: Option<Box<KeptContext>>,
}

/// What a reply to a turn in a kept conversation begins with.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptContext {
    /// The thread.
    pub thread: Thread,
    /// True if this request has made it.
    pub made: bool,
    /// What was stored for this request before the turn: the user's message.
    pub added: Vec<Item>,
    /// What was changed for this request before the turn and is to be shown so: an answered form, a widget.
    pub replaced: Vec<Item>,
    /// What the page is shown for the first time, behind all else of the opening: the page-run call whose turn has come.
    pub shown: Vec<Item>,
    /// What the conversation has cost before, by the models' names; known only where conversations are [`Sessions`].
    pub usage: Vec<ModelUsage>,
}

/// A reply that has begun.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(&'static str, String)>,
    /// Writes the body.
    pub encoder: Box<dyn Encoder>,
    /// True if the body is one document, which is sent when it is complete. A failure is then a [`Frontend::refuse`].
    pub whole: bool,
}

/// An answer that is no stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The HTTP status.
    pub status: u16,
    /// The media type.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

/// Turns events into a page's bytes.
///
/// Gets events in the order that [`crate::order::Order`] admits, so it needs no check of its own. What it writes for
/// one event is whole frames.
pub trait Encoder: Send {
    /// Appends what the page gets for this event; nothing for events without a place in the dialect.
    fn event(&mut self, event: &Event, out: &mut BytesMut);

    /// Appends what keeps an idle connection open; nothing where the dialect has no such thing.
    fn keep_alive(&mut self, out: &mut BytesMut);

    /// True if the body must end abnormally behind what has been written: the turn has ended without being whole, and
    /// the dialect has no words for that, so only a broken connection can tell the page. Asked behind the last event.
    fn abort(&self) -> bool {
        false
    }
}

/// What a provider speaks.
pub trait Upstream: Send + Sync {
    /// Builds the provider's request.
    ///
    /// # Errors
    /// The caller's mistake, where the conversation cannot be said in this protocol at all.
    fn request(&self, chat: &ChatRequest, target: &Target<'_>) -> Result<UpstreamRequest, CallerError>;

    /// A decoder for a successful answer, streamed or not.
    fn decoder(&self, context: DecodeContext) -> Box<dyn Decoder>;

    /// Reads an answer with an error status.
    fn failure(&self, answer: &AnswerHead<'_>, body: &[u8]) -> Failure;

    /// How the key goes into the request.
    fn auth(&self) -> Auth {
        Auth::Bearer
    }

    /// Where sound is sent to be written down, as a form with the fields `file` and `model` that is answered with
    /// `{"text": str}`. `None` for protocols without.
    fn transcription(&self, _base_url: &str) -> Option<String> {
        None
    }
}

/// Which model at which address a request is for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The provider's base URL, with or without a slash at its end.
    pub base_url: &'a str,
    /// The provider's name of the model.
    pub model: &'a str,
    /// Members that the configuration adds to every request of this target; they win over what the page asked.
    pub extra: Option<&'a Map<String, Value>>,
}

impl Target<'_> {
    /// The base URL and a path behind it, with exactly one slash between them and any query kept behind both.
    pub fn url(&self, path: &str) -> String {
        let (base, query) =
            self.base_url.split_once('?').map_or((self.base_url, None), |(base, query)| (base, Some(query)));
        let joined = format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'));
        match query {
            Some(query) => format!("{joined}?{query}"),
            None => joined,
        }
    }
}

/// A request for a provider, without its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamRequest {
    /// Where it goes.
    pub url: String,
    /// Header names in lower case, and values. `content-type` is JSON where none is listed.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What could not be said in this protocol.
    pub warnings: Vec<Warning>,
}

/// How a key goes into a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// A header that holds nothing but the key.
    Header(&'static str),
}

/// The head of a provider's answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswerHead<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The `content-type` header.
    pub content_type: Option<&'a str>,
    /// The `retry-after` or `retry-after-ms` header, read.
    pub retry_after: Option<Duration>,
}

/// What a decoder is told from outside: it has no clock and no randomness of its own.
#[derive(Clone, Debug, Default)]
pub struct DecodeContext {
    /// Makes the call ids unique that the decoder must make up.
    pub seed: Text,
    /// The id of its first block: blocks are dense over a turn.
    pub first_block: u32,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of one answer. Beyond them it fails as [`crate::error::FailureKind::Malformed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a line, an event, or an answer that is one document.
    pub line: usize,
    /// Bytes of all tool arguments together.
    pub arguments: usize,
    /// Number of blocks.
    pub blocks: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line: 16 << 20, arguments: 8 << 20, blocks: 4096 }
    }
}

/// Turns a provider's bytes into events.
///
/// The first event is [`Event::StepStart`], the last is either [`Event::StepEnd`] or [`Event::Failed`]; after that
/// nothing comes. Any cut of the bytes gives the same events, but for where a text is split into deltas.
pub trait Decoder: Send {
    /// Reads more of the body, cut anywhere.
    fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>);

    /// Says that the body is over, also after a reset: the events say whether that was the protocol's own end.
    fn finish(&mut self, out: &mut Vec<Event>);

    /// How far the answer is.
    fn progress(&self) -> Progress;
}

/// How far an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More is expected.
    Open,
    /// The answer has finished; usage and the like may still follow, so wait for it, but not long.
    Finishing,
    /// The last event has been given; the rest of the body means nothing.
    Ended,
}
