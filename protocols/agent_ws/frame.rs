//! The messages of the socket, each a line.

use bytes::BufMut;
use serde::Serialize;
use serde_json::value::RawValue;

use super::view::{Message, ToolUse};
use crate::cost::Cost;

/// What a page is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Frame<'a> {
    Connected,
    ProcessingState {
        chat_id: &'a str,
        is_processing: bool,
        streaming_state: Streaming<'a>,
    },
    History {
        chat_id: &'a str,
        messages: Vec<Message<'a>>,
    },
    ToolHistory {
        chat_id: &'a str,
        tool_uses: Vec<ToolUse<'a>>,
    },
    UserMessage {
        chat_id: &'a str,
        content: &'a str,
    },
    StreamStart {
        chat_id: &'a str,
    },
    TextDelta {
        delta: &'a str,
        chat_id: &'a str,
    },
    StreamEnd {
        chat_id: &'a str,
    },
    ToolUse {
        tool_name: &'a str,
        tool_id: &'a str,
        tool_input: &'a RawValue,
        chat_id: &'a str,
    },
    ToolResult {
        tool_id: &'a str,
        content: Option<&'a str>,
        is_error: bool,
        chat_id: &'a str,
    },
    Result {
        success: bool,
        cost: Option<Cost>,
        duration: u64,
        chat_id: &'a str,
    },
    Cancelled {
        chat_id: &'a str,
    },
    HistoryCleared {
        chat_id: &'a str,
    },
    Error {
        error: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        chat_id: Option<&'a str>,
    },
}

/// What a running turn has said so far and the history does not have.
#[derive(Debug, Default, Serialize)]
pub(super) struct Streaming<'a> {
    /// True if a block of text is open: what follows belongs to it.
    pub is_streaming: bool,
    /// What it says so far.
    pub text: &'a str,
    /// The calls that have no result.
    pub tool_uses: &'a [Box<RawValue>],
}

impl Frame<'_> {
    /// Appends it.
    pub(super) fn write(&self, out: &mut impl BufMut) {
        // Strings, numbers and JSON texts: nothing that could fail.
        if serde_json::to_writer(out.writer(), self).is_ok() {
            out.put_u8(b'\n');
        }
    }
}
