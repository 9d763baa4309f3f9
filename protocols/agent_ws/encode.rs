//! A turn as messages of the socket.

use std::collections::VecDeque;

use bytes::BytesMut;
use serde_json::value::RawValue;

use super::frame::Frame;
use crate::calls::{EndedCall, OpenCalls, UNUSABLE};
use crate::chat::ChatRequest;
use crate::error::FailureKind;
use crate::event::{BlockKind, CancelledBy, Event, FinishReason, Text, ToolOutcome, ToolResult};
use crate::items::{Body, Change, Folder, ItemId, Style};
use crate::protocol::{Encoder, ReplyContext};

/// Writes the events of one turn.
pub(super) struct Turn {
    chat: Text,
    /// The user's messages that the page is told of before the turn.
    said: Vec<String>,
    folder: Folder,
    changes: Vec<Change>,
    texts: Texts,
    calls: OpenCalls,
    /// Calls that were cut: the page does not know them.
    cut: Vec<Text>,
    began: Option<u64>,
    now: u64,
}

/// The open texts. A page has one bubble at a time, so others wait until it is closed.
#[derive(Debug, Default)]
struct Texts(VecDeque<OpenText>);

#[derive(Debug)]
struct OpenText {
    item: ItemId,
    /// What the page has not been told of it.
    waits: String,
    finished: bool,
}

impl Turn {
    /// A turn of a page that has been told of one message already.
    pub(super) fn new(chat: &ChatRequest, context: &ReplyContext, told: Option<&str>) -> Self {
        let kept = context.kept.as_deref();
        let added = kept.map(|kept| kept.added.as_slice()).unwrap_or_default();
        let said = added.iter().filter_map(|item| match &item.body {
            Body::User(message) if told != Some(&*item.id) => Some(message.text()),
            _ => None,
        });
        let chat = match kept {
            Some(kept) => kept.thread.id.as_str().into(),
            None => chat.thread.clone().unwrap_or_default(),
        };
        Self {
            chat,
            said: said.collect(),
            folder: Folder::new(context.message.clone(), Style::default()),
            changes: Vec::new(),
            texts: Texts::default(),
            calls: OpenCalls::default(),
            cut: Vec::new(),
            began: None,
            now: 0,
        }
    }

    fn change(&mut self, change: Change, out: &mut BytesMut) {
        match change {
            Change::TextOpened { item, .. } => {
                self.texts.0.push_back(OpenText { item, waits: String::new(), finished: false });
                if self.texts.0.len() == 1 {
                    Frame::StreamStart { chat_id: &self.chat }.write(out);
                }
            }
            Change::TextGrew { item, text } => match self.texts.0.iter_mut().position(|open| open.item == item) {
                Some(0) => Frame::TextDelta { delta: &text, chat_id: &self.chat }.write(out),
                Some(at) => self.texts.0[at].waits.push_str(&text),
                None => {}
            },
            Change::Finished(item) => {
                if let Some(open) = self.texts.0.iter_mut().find(|open| *open.item == *item.id) {
                    open.finished = true;
                    self.close_texts(out);
                }
            }
            _ => {}
        }
    }

    /// Closes the bubble if its text is finished, and shows what waits behind it.
    fn close_texts(&mut self, out: &mut BytesMut) {
        let chat_id = &*self.chat;
        while self.texts.0.front().is_some_and(|text| text.finished) {
            self.texts.0.pop_front();
            Frame::StreamEnd { chat_id }.write(out);
            if let Some(next) = self.texts.0.front_mut() {
                Frame::StreamStart { chat_id }.write(out);
                let waits = std::mem::take(&mut next.waits);
                if !waits.is_empty() {
                    Frame::TextDelta { delta: &waits, chat_id }.write(out);
                }
            }
        }
    }

    fn called(&mut self, ended: &EndedCall, whole: bool, out: &mut BytesMut) {
        let call = &ended.call;
        if !whole {
            self.cut.push(call.id.clone());
            return;
        }
        let Ok(tool_input) = serde_json::from_str::<&RawValue>(ended.object()) else { return };
        let chat_id = &*self.chat;
        Frame::ToolUse { tool_name: call.label(), tool_id: &call.id, tool_input, chat_id }.write(out);
        if ended.is_lost() {
            Frame::ToolResult { tool_id: &call.id, content: Some(UNUSABLE), is_error: true, chat_id }.write(out);
        }
    }

    fn result(&self, result: &ToolResult, out: &mut BytesMut) {
        if !result.last || self.cut.contains(&result.call) {
            return;
        }
        let text = (!result.output.is_null()).then(|| result.text());
        let is_error = result.outcome != ToolOutcome::Ok;
        Frame::ToolResult { tool_id: &result.call, content: text.as_deref(), is_error, chat_id: &self.chat }.write(out);
    }

    fn end(&self, event: &Event, out: &mut BytesMut) {
        let chat_id = &*self.chat;
        let error = |error, out: &mut BytesMut| Frame::Error { error, chat_id: Some(chat_id) }.write(out);
        match event {
            Event::TurnEnd(end) => {
                let success = !matches!(end.finish.reason, FinishReason::Error | FinishReason::ContentFilter);
                let duration = self.began.map_or(0, |began| self.now.saturating_sub(began));
                Frame::Result { success, cost: end.usage.cost, duration, chat_id }.write(out);
            }
            Event::Failed(failure) => error(failure.safe_text(), out),
            Event::Cancelled { by: CancelledBy::Shutdown } => error(FailureKind::Shutdown.safe_text(), out),
            Event::Cancelled { by: CancelledBy::User | CancelledBy::NewerTurn } => {
                Frame::Cancelled { chat_id }.write(out);
            }
            _ => {}
        }
    }
}

impl Encoder for Turn {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        for content in std::mem::take(&mut self.said) {
            Frame::UserMessage { chat_id: &self.chat, content: &content }.write(out);
        }
        let mut changes = std::mem::take(&mut self.changes);
        self.folder.event(event, &mut changes);
        for change in changes.drain(..) {
            self.change(change, out);
        }
        self.changes = changes;
        match event {
            Event::Now { ms } => {
                self.began.get_or_insert(*ms);
                self.now = *ms;
            }
            Event::BlockStart { block, kind: BlockKind::ToolInput(call) } => self.calls.start(*block, call),
            Event::BlockDelta { block, text } => {
                self.calls.push(*block, text);
            }
            Event::BlockEnd { block, whole } => {
                if let Some(ended) = self.calls.end(*block, *whole) {
                    self.called(&ended, *whole, out);
                }
            }
            Event::ToolResult(result) => self.result(result, out),
            event => self.end(event, out),
        }
    }

    fn keep_alive(&mut self, _: &mut BytesMut) {}
}
