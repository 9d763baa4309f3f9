//! The simplified Next.js dialect: lines like those of the AI SDK, with a type in every payload (AI SDK wire notes 5;
//! house dialects 4).
//!
//! No page of the SDK itself can read it; its pages have a reader of their own, which looks at the code in front of
//! the colon or at `type`. There are five lines: `0` for text, `9` for a call, once and whole, `a` for its result,
//! then either `3` or `d`. Reasoning, sources, files and data have no line. A page that asks for no stream gets one
//! JSON document ([`document`]).

mod document;
mod request;

use bytes::{BufMut, BytesMut};

use super::data_stream::{finish_name, result_value};
use crate::calls::{EndedCall, OpenBlocks, UNUSABLE};
use crate::chat::ChatRequest;
use crate::error::FailureKind;
use crate::event::{BlockId, CancelledBy, Event, FinishReason, ToolResult};
use crate::protocol::{Encoder, Reply, ReplyContext};
use crate::wire::json::{write_escaping_separators, write_string, write_value};

pub(super) use document::Document;
pub(super) use request::parse;

/// The reply: lines, or one JSON document where the page asked for no stream.
pub(super) fn open(chat: &ChatRequest, context: &ReplyContext) -> Reply {
    if chat.stream {
        Reply { status: 200, headers: headers(), encoder: Box::new(TypedLines::new()), whole: false }
    } else {
        let encoder = Box::new(Document::new(context));
        Reply { status: 200, headers: document::headers(), encoder, whole: true }
    }
}

/// The headers of an answer that is lines. The old backend's media type is not known; a route may name another.
pub(super) fn headers() -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "text/plain; charset=utf-8".to_owned()),
        ("cache-control", "no-cache, no-transform".to_owned()),
        ("x-accel-buffering", "no".to_owned()),
    ]
}

/// Writes the lines of one answer.
#[derive(Default)]
pub(super) struct TypedLines {
    open: OpenBlocks,
    /// Calls without a result: their results repeat name and arguments.
    waiting: Vec<EndedCall>,
}

impl TypedLines {
    /// An encoder for one answer.
    pub(super) fn new() -> Self {
        Self::default()
    }
}

impl Encoder for TypedLines {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::BlockDelta { block, text } => self.delta(*block, text, out),
            Event::BlockStart { block, kind } => self.open.start(*block, kind),
            Event::BlockEnd { block, whole } => {
                if let Some(ended) = self.open.end(*block, *whole) {
                    self.call(ended, out);
                }
            }
            Event::ToolResult(result) if result.last => self.result(result, out),
            Event::TurnEnd(end) => finish_line(end.finish.reason, out),
            Event::Failed(failure) => error_line(failure.safe_text(), out),
            Event::Cancelled { by: CancelledBy::Shutdown } => error_line(FailureKind::Shutdown.safe_text(), out),
            Event::Cancelled { .. } => finish_line(FinishReason::Other, out),
            _ => {}
        }
    }

    /// An empty line: a reader that splits at line ends meets one at the end of every piece anyway.
    fn keep_alive(&mut self, out: &mut BytesMut) {
        out.put_u8(b'\n');
    }
}

impl TypedLines {
    fn delta(&mut self, block: BlockId, text: &str, out: &mut BytesMut) {
        if self.open.push(block, text) {
            out.put_slice(b"0:{\"type\":\"text-delta\",\"textDelta\":");
            write_string(out, text);
            out.put_slice(b"}\n");
        }
    }

    /// Tools never run on this dialect's pages, so a call may be shown whose arguments cannot be used.
    fn call(&mut self, ended: EndedCall, out: &mut BytesMut) {
        out.put_slice(b"9:{\"type\":\"tool-call\",");
        call_members(&ended, out);
        out.put_slice(b"}\n");
        if ended.is_lost() {
            result_line(&ended, &serde_json::json!({ "error": UNUSABLE }), out);
        } else {
            self.waiting.push(ended);
        }
    }

    fn result(&mut self, result: &ToolResult, out: &mut BytesMut) {
        let at = self.waiting.iter().position(|ended| ended.call.id == result.call);
        if let Some(at) = at {
            result_line(&self.waiting.swap_remove(at), &result_value(result), out);
        }
    }
}

fn call_members(ended: &EndedCall, out: &mut BytesMut) {
    out.put_slice(b"\"toolCallId\":");
    write_string(out, &ended.call.id);
    out.put_slice(b",\"toolName\":");
    write_string(out, ended.call.label());
    out.put_slice(b",\"args\":");
    write_escaping_separators(out, ended.object());
}

fn result_line(ended: &EndedCall, value: &serde_json::Value, out: &mut BytesMut) {
    out.put_slice(b"a:{\"type\":\"tool-result\",");
    call_members(ended, out);
    out.put_slice(b",\"result\":");
    write_value(out, value);
    out.put_slice(b"}\n");
}

fn error_line(text: &str, out: &mut BytesMut) {
    out.put_slice(b"3:{\"type\":\"error\",\"error\":");
    write_string(out, text);
    out.put_slice(b"}\n");
}

fn finish_line(reason: FinishReason, out: &mut BytesMut) {
    out.put_slice(b"d:{\"type\":\"finish\",\"finishReason\":");
    write_string(out, finish_name(reason));
    out.put_slice(b"}\n");
}

#[cfg(test)]
mod tests;
