//! One connection of a page.

use std::collections::HashMap;

use compact_str::format_compact;
use serde_json::{Map, Value};

use super::answer::CHAT;
use super::encode::Turn;
use super::frame::Frame;
use super::{image, past};
use crate::chat::ChatRequest;
use crate::error::{CallerError, Refusal};
use crate::event::Text;
use crate::items::{Body, Said, UserMessage};
use crate::operation::{Answer, Begin, Operation, Place, TurnAsk};
use crate::protocol::{Encoder, ReplyContext};
use crate::socket::{Closed, Heard, Running, Socket, SocketAsk};
use crate::wire::address::check_id;
use crate::wire::body::{self, Node};

/// Most chats of which it is remembered that the page follows them.
const MOST_FOLLOWED: usize = 1024;

/// Keys are a verb and the chat: turns and subscriptions of a chat have one key, so that they come one after another.
const TURN: &str = "chat";
const STOP: &str = "stop";
const CLEAR: &str = "clear_history";

/// One connection of a page.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Chats whose turns the page is shown, so that it sees there what becomes of a stop.
    followed: HashMap<Text, Followed>,
}

#[derive(Debug, Default)]
struct Followed {
    /// True if the page has subscribed: it hears of all that happens in the chat, also that it is emptied.
    subscribed: bool,
    /// The user's last message in the history that the page was given, which a turn that was about to begin would tell
    /// again.
    told: Option<Text>,
}

fn key(verb: &str, chat: &str) -> Text {
    format_compact!("{verb} {chat}")
}

fn split(key: &str) -> (&str, &str) {
    key.split_once(' ').unwrap_or((key, ""))
}

fn error(error: &str, chat: Option<&str>, out: &mut Vec<u8>) {
    Frame::Error { error, chat_id: chat }.write(out);
}

impl Session {
    /// The gateway bounds how many chats a page subscribes to.
    fn subscribe(&mut self, chat: &str, told: Option<Text>) {
        self.followed.insert(chat.into(), Followed { subscribed: true, told });
    }

    /// The page is shown a turn; gives the message that it has been told of.
    fn show(&mut self, chat: &str) -> Option<Text> {
        if let Some(followed) = self.followed.get_mut(chat) {
            return followed.told.take();
        }
        if self.followed.len() < MOST_FOLLOWED {
            self.followed.insert(chat.into(), Followed::default());
        }
        None
    }

    fn is_subscribed(&self, chat: &str) -> bool {
        self.followed.get(chat).is_some_and(|followed| followed.subscribed)
    }
}

impl Socket for Session {
    fn opened(&mut self, out: &mut Vec<u8>) {
        Frame::Connected.write(out);
    }

    fn message(&mut self, text: &str, out: &mut Vec<u8>) -> Result<Option<Heard>, Closed> {
        let mut chat = None;
        Ok(read(text, &mut chat).map_err(|wrong| error(&wrong.to_string(), chat.as_deref(), out)).ok())
    }

    fn turn(&mut self, key: &Text, chat: &ChatRequest, context: &ReplyContext) -> Box<dyn Encoder> {
        let told = self.show(split(key).1);
        Box::new(Turn::new(chat, context, told.as_deref()))
    }

    fn subscribed(
        &mut self,
        key: &Text,
        messages: &Answer,
        running: Option<Running<'_>>,
        out: &mut Vec<u8>,
    ) -> Option<Box<dyn Encoder>> {
        let chat = split(key).1;
        self.subscribe(chat, last_said(messages));
        past::write(chat, messages, running, out);
        let Running { chat, context, past } = running?;
        let mut turn = Turn::new(chat, context, last_said(messages).as_deref());
        let mut said = bytes::BytesMut::new();
        // The page has it as history.
        past.iter().for_each(|event| turn.event(event, &mut said));
        Some(Box::new(turn))
    }

    fn cleared(&mut self, key: &Text, out: &mut Vec<u8>) {
        Frame::HistoryCleared { chat_id: split(key).1 }.write(out);
    }

    fn answer(&mut self, key: &Text, answer: &Answer, out: &mut Vec<u8>) {
        let (verb, chat) = split(key);
        match (verb, answer) {
            (STOP, Answer::Done(false) | Answer::Stopped(false)) => error("nothing to stop", Some(chat), out),
            // Whoever follows the chat sees the end of its turn.
            (STOP, Answer::Done(true) | Answer::Stopped(true)) if !self.followed.contains_key(chat) => {
                Frame::Cancelled { chat_id: chat }.write(out);
            }
            // Whoever has subscribed hears of it, whoever has asked for it.
            (CLEAR, _) if !self.is_subscribed(chat) => Frame::HistoryCleared { chat_id: chat }.write(out),
            _ => {}
        }
    }

    fn refuse(&mut self, key: &Text, refusal: &Refusal<'_>, out: &mut Vec<u8>) {
        error(&refusal.safe_text_of(CHAT), Some(split(key).1), out);
    }

    fn cut(&mut self, key: &Text, out: &mut Vec<u8>) {
        let chat = split(key).1;
        self.followed.remove(chat);
        error("this page was too slow for the chat; subscribe to it again", Some(chat), out);
    }
}

/// The user's last message.
fn last_said(messages: &Answer) -> Option<Text> {
    let Answer::Messages { items, .. } = messages else { return None };
    items.iter().rev().find(|item| matches!(item.body, Body::User(_))).map(|item| item.id.clone())
}

/// Reads a message. `chat` is the chat that it names, if it names one, whatever is wrong with the rest.
fn read(text: &str, chat: &mut Option<Text>) -> Result<Heard, CallerError> {
    let value = Value::Object(body::object_in("message", text.as_bytes())?);
    let root = Node::root(&value);
    if let Some(id) = value.get("chat_id").and_then(Value::as_str).filter(|id| check_id("chat_id", id).is_ok()) {
        *chat = Some(id.into());
    }
    let kind = root.required("type")?;
    let verb = kind.str()?;
    if !["subscribe", TURN, STOP, CLEAR].contains(&verb) {
        return Err(kind.wrong("must be one of subscribe, chat, stop, clear_history"));
    }
    let id = root.required("chat_id")?.str()?;
    check_id("chat_id", id)?;
    let thread = Text::from(id);
    let (key, ask) = match verb {
        STOP => (key(STOP, id), SocketAsk::Operation(Operation::Stop { thread })),
        CLEAR => (key(CLEAR, id), SocketAsk::Operation(Operation::Clear { thread })),
        TURN => (key(TURN, id), SocketAsk::Turn(Box::new(turn(&root, thread)?))),
        _ => (key(TURN, id), SocketAsk::Subscribe { thread }),
    };
    Ok(Heard { key, ask })
}

fn turn(root: &Node<'_>, thread: Text) -> Result<TurnAsk, CallerError> {
    let mut content = Vec::new();
    if let Some(text) = root.get("content") {
        let text = text.str()?;
        if !text.trim().is_empty() {
            content.push(Said::Text { text: text.to_owned() });
        }
    }
    if let Some(images) = root.get("images") {
        content.extend(image::images(&images)?.into_iter().map(Said::File));
    }
    if content.is_empty() {
        return Err(CallerError::new(400, "empty_message", "a message needs a text or an image"));
    }
    let message = UserMessage { content, extra: Map::new(), ..UserMessage::default() };
    Ok(TurnAsk {
        thread: Some(thread),
        make: false,
        begin: Begin::Message { id: None, message, place: Place::Next },
        chat: ChatRequest::default(),
    })
}
