//! Plain text: what pages with `streamProtocol: "text"`, `TextStreamChatTransport` and `useObject` read (AI SDK wire
//! notes 2).
//!
//! Every byte of the body is a byte of the answer, so there is nothing to keep the connection alive with and no way
//! to say that the answer failed: only a broken connection does, see [`Encoder::abort`].

use bytes::{BufMut, BytesMut};

use crate::event::{BlockId, BlockKind, Event};
use crate::protocol::Encoder;

/// The answer's headers.
pub(super) fn headers() -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "text/plain; charset=utf-8".to_owned()),
        ("cache-control", "no-cache, no-transform".to_owned()),
        ("x-accel-buffering", "no".to_owned()),
    ]
}

/// Writes the text of one answer.
#[derive(Default)]
pub(super) struct TextStream {
    /// The open blocks that hold text.
    open: Vec<BlockId>,
    broken: bool,
}

impl TextStream {
    /// An encoder for one answer.
    pub(super) fn new() -> Self {
        Self::default()
    }
}

impl Encoder for TextStream {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        match event {
            Event::BlockDelta { block, text } if self.open.contains(block) => out.put_slice(text.as_bytes()),
            Event::BlockStart { block, kind: BlockKind::Text | BlockKind::Refusal } => self.open.push(*block),
            Event::BlockEnd { block, .. } => self.open.retain(|open| open != block),
            Event::Failed(_) | Event::Cancelled { .. } => self.broken = true,
            _ => {}
        }
    }

    fn keep_alive(&mut self, _out: &mut BytesMut) {}

    /// An answer that was stopped counts as broken too: a page that reads it as one JSON document must not take it
    /// for whole.
    fn abort(&self) -> bool {
        self.broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, FailureKind};
    use crate::event::{CancelledBy, Runs, ToolCall, ToolKind};
    use crate::order::{SingleStep, first_step};

    fn start(block: u32, kind: BlockKind) -> Event {
        Event::BlockStart { block: BlockId(block), kind }
    }

    fn delta(block: u32, text: &str) -> Event {
        Event::BlockDelta { block: BlockId(block), text: text.into() }
    }

    fn encoded(events: Vec<Event>) -> (String, bool) {
        let (mut step, mut turn) = (SingleStep::default(), Vec::new());
        step.admit(events, &mut turn);
        step.finish(&mut turn);
        let (mut encoder, mut out) = (TextStream::new(), BytesMut::new());
        for event in &turn {
            assert!(!encoder.abort());
            encoder.event(event, &mut out);
            encoder.keep_alive(&mut out);
        }
        (String::from_utf8(out.to_vec()).unwrap(), encoder.abort())
    }

    #[test]
    fn only_text_and_refusals_reach_the_page_byte_for_byte() {
        let call =
            ToolCall { id: "c".into(), name: "f".into(), kind: ToolKind::Function, runs: Runs::Gateway, index: 0 };
        let events = vec![
            first_step(None, None),
            start(0, BlockKind::Reasoning { summary: false }),
            delta(0, "hm"),
            start(1, BlockKind::Text),
            delta(1, "Grüße \u{2028}👋🏽\r\n"),
            start(2, BlockKind::ToolInput(Box::new(call))),
            delta(2, "{}"),
            delta(1, " \"x\""),
            start(3, BlockKind::Refusal),
            delta(3, "No."),
            Event::StepEnd(Box::default()),
        ];
        assert_eq!(encoded(events), ("Grüße \u{2028}👋🏽\r\n \"x\"No.".to_owned(), false));
    }

    #[test]
    fn an_empty_turn_is_an_empty_body_and_no_failure() {
        assert_eq!(encoded(vec![first_step(None, None), Event::StepEnd(Box::default())]), (String::new(), false));
    }

    #[test]
    fn failed_and_stopped_answers_break_the_connection() {
        let failed = Event::Failed(Failure::boxed(FailureKind::Cut, "secret"));
        assert_eq!(encoded(vec![failed.clone()]), (String::new(), true));
        let begun = [first_step(None, None), start(0, BlockKind::Text), delta(0, "{\"a\":")];
        for end in [failed, Event::Cancelled { by: CancelledBy::User }] {
            let events = begun.iter().cloned().chain([end]).collect();
            assert_eq!(encoded(events), ("{\"a\":".to_owned(), true));
        }
    }

    #[test]
    fn no_header_promises_a_data_stream() {
        assert!(headers().iter().all(|(name, _)| !name.starts_with("x-vercel")));
    }
}
