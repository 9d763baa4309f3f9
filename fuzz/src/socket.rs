//! Messages of a page over its socket: every answer is a line of JSON.

use bytes::BytesMut;
use chatwire_protocols::error::{CallerError, Refusal};
use chatwire_protocols::event::{BlockId, BlockKind, Event};
use chatwire_protocols::operation::Answer;
use chatwire_protocols::protocol::{ReplyContext, RequestHead};
use chatwire_protocols::socket::SocketAsk;
use serde_json::Value;

use crate::Input;

/// Checks one input.
///
/// # Panics
/// Something does not hold.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let frontend = input.frontend();
    let below = input.line();
    let head = RequestHead { method: "GET", path: below, below, query: "" };
    let Ok(Some(mut socket)) = frontend.socket(&head) else { return };
    let mut out = Vec::new();
    socket.opened(&mut out);
    for (number, message) in input.0.split(|byte| *byte == b'\n').enumerate() {
        let Ok(message) = std::str::from_utf8(message) else { continue };
        let Ok(heard) = socket.message(message, &mut out) else { break };
        let Some(heard) = heard else { continue };
        if let (SocketAsk::Turn(turn), 0) = (&heard.ask, number % 3) {
            let mut encoder = socket.turn(&heard.key, &turn.chat, &ReplyContext::default());
            let mut said = BytesMut::new();
            for event in turn_of(number) {
                encoder.event(&event, &mut said);
                encoder.keep_alive(&mut said);
            }
            out.extend_from_slice(&said);
        } else if number % 3 == 1 {
            socket.answer(&heard.key, &Answer::NothingRuns, &mut out);
        } else {
            let error = CallerError::new(404, "not_found", "nothing");
            socket.refuse(&heard.key, &Refusal::Caller(&error), &mut out);
        }
        socket.cut(&heard.key, &mut out);
    }
    let out = String::from_utf8(out).expect("messages are text");
    for line in out.lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "a message that is no JSON: {line}");
    }
}

/// A short turn; every other one is not ended.
fn turn_of(number: usize) -> Vec<Event> {
    let block = BlockId(0);
    let mut events = vec![
        Event::TurnStart { turn: "t".into() },
        Event::StepStart(Box::default()),
        Event::BlockStart { block, kind: BlockKind::Text },
        Event::BlockDelta { block, text: "a \"b\"\n".into() },
    ];
    if number % 2 == 0 {
        events.push(Event::BlockEnd { block, whole: true });
        events.push(Event::StepEnd(Box::default()));
        events.push(Event::TurnEnd(Box::default()));
    }
    events
}
