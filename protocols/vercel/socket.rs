//! UI message streams over a WebSocket: what `WebSocketChatTransport` of AI SDK 7.0.135 and later sends and accepts
//! (AI SDK wire notes 4). One connection carries any number of answers, each under the id of its request.

mod frame;

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Arc, Weak};

use bytes::{BufMut, BytesMut};

use self::frame::{Frame, Sent};
use super::kept::check_id;
use super::request;
use super::ui_stream::{self, Settings, UiStream};
use crate::chat::ChatRequest;
use crate::error::Refusal;
use crate::event::{Event, Text};
use crate::operation::Answer;
use crate::protocol::{Encoder, ReplyContext};
use crate::socket::{Closed, Heard, Socket, SocketAsk};

const TOO_SLOW: &str = "The connection was too slow for this answer. Please load the chat again.";

/// One connection of a page.
pub(super) struct Session {
    settings: Settings,
    /// What [`ChatRequest::wire`] says of this wire.
    wire: &'static str,
    requests: HashMap<Text, Request>,
}

/// A request whose answer has not ended.
struct Request {
    resumes: bool,
    /// Goes to the encoder when the answer begins.
    open: Option<Open>,
    /// Dead when the answer has ended, or nobody writes it any more.
    alive: Weak<()>,
}

/// Whoever holds it can still write to the request.
type Open = Arc<()>;

impl Session {
    pub(super) fn new(settings: Settings, wire: &'static str) -> Self {
        Self { settings, wire, requests: HashMap::new() }
    }

    /// Notes a request. The gateway bounds how many there are at a time.
    fn begin(&mut self, key: Text, ask: SocketAsk) -> Result<Option<Heard>, Closed> {
        self.requests.retain(|_, request| request.alive.strong_count() > 0);
        if self.requests.contains_key(&key) {
            return Err(frame::violation("this requestId is in use"));
        }
        let open = Open::default();
        let alive = Arc::downgrade(&open);
        let resumes = matches!(ask, SocketAsk::Resume { .. });
        self.requests.insert(key.clone(), Request { resumes, open: Some(open), alive });
        Ok(Some(Heard { key, ask }))
    }

    fn fail(&mut self, key: &Text, error_text: &str, out: &mut Vec<u8>) {
        self.requests.remove(key);
        Frame::Error { request_id: key, error_text }.write(out);
    }
}

impl Socket for Session {
    /// Every frame of this protocol belongs to a request.
    fn opened(&mut self, _: &mut Vec<u8>) {}

    /// A frame that is none of this protocol closes the connection, for the page is not what it should be; a request
    /// that cannot be served fails alone.
    fn message(&mut self, text: &str, out: &mut Vec<u8>) -> Result<Option<Heard>, Closed> {
        let (key, sent) = frame::read(text)?;
        let ask = match sent {
            Sent::Send(body) => request::turn(body).map(|mut turn| {
                turn.chat.wire = self.wire;
                SocketAsk::Turn(Box::new(turn))
            }),
            Sent::Resume(thread) => check_id("id", &thread).map(|()| SocketAsk::Resume { thread }),
            // A page that stops reading at an error aborts what has ended.
            Sent::Abort => {
                let known = self.requests.remove(&key);
                return Ok(known.map(|_| Heard { ask: SocketAsk::Abort { turn: key.clone() }, key }));
            }
        };
        match ask {
            Ok(ask) => self.begin(key, ask),
            Err(error) => {
                Frame::Error { request_id: &key, error_text: &error.to_string() }.write(out);
                Ok(None)
            }
        }
    }

    fn turn(&mut self, key: &Text, chat: &ChatRequest, context: &ReplyContext) -> Box<dyn Encoder> {
        let request = self.requests.get_mut(key);
        let resumes = request.as_ref().is_some_and(|request| request.resumes);
        let open = request.and_then(|request| request.open.take());
        Box::new(Frames::new(key, resumes, open, UiStream::new(self.settings, chat, context)))
    }

    fn answer(&mut self, key: &Text, answer: &Answer, out: &mut Vec<u8>) {
        if *answer == Answer::NothingRuns {
            self.requests.remove(key);
            Frame::NoActive { request_id: key }.write(out);
        }
    }

    fn refuse(&mut self, key: &Text, refusal: &Refusal<'_>, out: &mut Vec<u8>) {
        self.fail(key, &refusal.safe_text(), out);
    }

    fn cut(&mut self, key: &Text, out: &mut Vec<u8>) {
        self.fail(key, TOO_SLOW, out);
    }
}

/// Writes an answer: the chunks of the UI message stream, each in a frame, numbered from 0.
struct Frames {
    key: Text,
    /// The page is to be told that there is an answer to resume.
    resumes: bool,
    open: Option<Open>,
    stream: UiStream,
    /// What the stream has written for one event.
    written: BytesMut,
    /// A frame up to its number.
    head: Vec<u8>,
    sequence: u64,
}

impl Frames {
    fn new(key: &Text, resumes: bool, open: Option<Open>, stream: UiStream) -> Self {
        let mut head = Vec::new();
        Frame::Chunk { request_id: key }.write(&mut head);
        // It goes on with the number: without the bracket and the line's end.
        head.truncate(head.len().saturating_sub(2));
        head.extend_from_slice(b",\"sequence\":");
        Self { key: key.clone(), resumes, open, stream, written: BytesMut::new(), head, sequence: 0 }
    }

    fn start(&mut self, out: &mut BytesMut) {
        if std::mem::take(&mut self.resumes) {
            Frame::Start { request_id: &self.key }.put(out);
        }
    }

    fn chunk(&mut self, json: &[u8], out: &mut BytesMut) {
        out.reserve(self.head.len() + json.len() + 32);
        out.put_slice(&self.head);
        // Writing to a buffer cannot fail.
        let _ = write!(out, "{}", self.sequence);
        out.put_slice(b",\"chunk\":");
        out.put_slice(json);
        out.put_slice(b"}\n");
        self.sequence += 1;
    }

    fn end(&mut self, out: &mut BytesMut) {
        Frame::End { request_id: &self.key }.put(out);
        self.open = None;
    }
}

impl Encoder for Frames {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        self.start(out);
        let mut written = std::mem::take(&mut self.written);
        self.stream.event(event, &mut written);
        for chunk in ui_stream::chunks(&written) {
            match chunk {
                Some(json) => self.chunk(json, out),
                None => self.end(out),
            }
        }
        written.clear();
        self.written = written;
    }

    /// The gateway pings connections, whatever is said on them.
    fn keep_alive(&mut self, out: &mut BytesMut) {
        self.start(out);
    }
}
