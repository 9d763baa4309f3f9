//! An answer as one JSON document.

use bytes::{BufMut, BytesMut};
use serde_json::json;

use super::tally::Tally;
use crate::event::Event;
use crate::protocol::{Encoder, ReplyContext};

pub(super) struct Whole {
    tally: Tally,
    stopped: bool,
}

impl Whole {
    pub(super) fn new(context: &ReplyContext) -> Self {
        Self { tally: Tally::new(context), stopped: false }
    }
}

impl Encoder for Whole {
    fn event(&mut self, event: &Event, out: &mut BytesMut) {
        self.tally.event(event);
        match event {
            Event::TurnEnd(_) => {
                let Tally { session, usage, .. } = &self.tally;
                let body = json!({ "session_id": session, "response": self.tally.answer(), "usage": usage.value() });
                out.put_slice(body.to_string().as_bytes());
            }
            Event::Cancelled { .. } => self.stopped = true,
            _ => {}
        }
    }

    fn keep_alive(&mut self, _out: &mut BytesMut) {}

    /// Half an answer must not look like a whole one.
    fn abort(&self) -> bool {
        self.stopped
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::event::CancelledBy;
    use crate::sample_turns as sample;

    #[test]
    fn the_answer_is_that_of_the_last_step_that_said_something() {
        for (events, expected) in [
            (sample::gateway_tool(), "It is 7 °C."),
            (sample::page_tool(), ""),
            (sample::empty(), ""),
            (sample::refusal(), "I cannot."),
        ] {
            let body: Value = serde_json::from_str(&sample::encoded(Whole::new(&sample::context()), &events)).unwrap();
            assert_eq!((&body["response"], &body["session_id"]), (&json!(expected), &json!("thr_0")));
        }
    }

    #[test]
    fn the_cost_is_that_of_all_steps() {
        let body = sample::encoded(Whole::new(&sample::context()), &sample::gateway_tool());
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (&body["usage"]["total_tokens"], &body["usage"]["by_model"]["chat-model"]["invocations"]),
            (&json!(38), &json!(2))
        );
    }

    #[test]
    fn a_stopped_answer_is_none() {
        let mut whole = Whole::new(&sample::context());
        let mut out = BytesMut::new();
        sample::cancelled_in_text(CancelledBy::User).iter().for_each(|event| whole.event(event, &mut out));
        assert_eq!((out.is_empty(), whole.abort()), (true, true));
    }
}
