//! What a running turn has said before a page began to follow its chat.

use serde_json::value::RawValue;

use super::frame::{Frame, Streaming};
use super::view;
use crate::event::{Event, Text};
use crate::items::{Change, Folder, Item, ItemId, Style};
use crate::operation::Answer;
use crate::socket::Running;

/// Appends all that a page is told when it begins to follow a chat.
///
/// What the running turn has made is taken from its events alone: some of it may be stored, and that which is would
/// come a second time with the rest of the turn.
pub(super) fn write(chat: &str, messages: &Answer, running: Option<Running<'_>>, out: &mut Vec<u8>) {
    let Answer::Messages { items, .. } = messages else { return };
    let mut past = Past::default();
    if let Some(running) = running {
        past.fold(&running);
        let calls = past.open_calls();
        let text: &str = past.open.first().map(|(_, text)| text.as_str()).unwrap_or_default();
        let streaming_state = Streaming { is_streaming: !past.open.is_empty(), text, tool_uses: &calls };
        Frame::ProcessingState { chat_id: chat, is_processing: true, streaming_state }.write(out);
    }
    let kept =
        |item: &&Item| item.origin.as_ref().is_none_or(|origin| origin.turn != past.turn || past.turn.is_empty());
    let shown = || items.iter().filter(kept).chain(&past.finished);
    Frame::History { chat_id: chat, messages: view::messages(shown(), chat) }.write(out);
    let tool_uses = view::tool_uses(shown());
    if !tool_uses.is_empty() {
        Frame::ToolHistory { chat_id: chat, tool_uses }.write(out);
    }
}

#[derive(Default)]
struct Past {
    turn: Text,
    finished: Vec<Item>,
    open: Vec<(ItemId, String)>,
    calls: Vec<(Text, String)>,
}

impl Past {
    fn fold(&mut self, running: &Running<'_>) {
        self.turn.clone_from(&running.context.turn);
        let mut folder = Folder::new(running.context.message.clone(), Style::default());
        let mut changes = Vec::new();
        let mut calls = crate::calls::OpenCalls::default();
        for event in running.past {
            folder.event(event, &mut changes);
            for change in changes.drain(..) {
                self.change(change);
            }
            match event {
                Event::BlockStart { block, kind: crate::event::BlockKind::ToolInput(call) } => {
                    calls.start(*block, call)
                }
                Event::BlockDelta { block, text } => {
                    calls.push(*block, text);
                }
                Event::BlockEnd { block, whole } => {
                    if let Some(ended) = calls.end(*block, *whole).filter(|_| *whole) {
                        let json = serde_json::json!({ "id": ended.call.id, "tool_name": ended.call.label() });
                        // The input keeps the model's own text.
                        let head = json.to_string();
                        let head = head.strip_suffix('}').unwrap_or(&head);
                        self.calls.push((ended.call.id.clone(), format!("{head},\"tool_input\":{}}}", ended.object())));
                    }
                }
                Event::ToolResult(result) if result.last => self.calls.retain(|(id, _)| *id != result.call),
                _ => {}
            }
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::TextOpened { item, .. } => self.open.push((item, String::new())),
            Change::TextGrew { item, text } => {
                if let Some((_, open)) = self.open.iter_mut().find(|(id, _)| *id == item) {
                    open.push_str(&text);
                }
            }
            Change::Finished(item) => {
                self.open.retain(|(id, _)| **id != *item.id);
                self.finished.push(*item);
            }
            _ => {}
        }
    }

    fn open_calls(&self) -> Vec<Box<RawValue>> {
        self.calls.iter().filter_map(|(_, json)| RawValue::from_string(json.clone()).ok()).collect()
    }
}
