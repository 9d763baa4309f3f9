//! A provider's answer: any cut gives the same events, in legal order and with one end, and every dialect can write them.

use bytes::BytesMut;
use chatwire_protocols::event::{BlockKind, Event};
use chatwire_protocols::order::SingleStep;
use chatwire_protocols::protocol::{DecodeContext, Limits, Progress, Upstream};
use chatwire_protocols::transcode;

use crate::{Input, cuts};

/// No input is as long as these, so they cut nothing off.
const WIDE: Limits = Limits { line: 1 << 20, arguments: 1 << 20, blocks: 4096 };

/// Every input can break these.
const NARROW: Limits = Limits { line: 200, arguments: 100, blocks: 4 };

/// Checks one input.
///
/// # Panics
/// Something does not hold.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let upstream = input.upstream();
    let (seed, frontend) = (input.byte(), input.frontend());
    let body = input.0;

    let whole = decode(&*upstream, [body], WIDE);
    let cut = decode(&*upstream, cuts(body, seed), WIDE);
    assert_eq!(joined(whole.clone()), joined(cut), "a cut changes the answer");
    let turn = admitted(whole);
    let mut encoder = transcode::encoder(&*frontend);
    let mut out = BytesMut::new();
    for event in &turn {
        encoder.event(event, &mut out);
        encoder.keep_alive(&mut out);
    }
    assert!(std::str::from_utf8(&out).is_ok(), "a dialect writes what is no UTF-8");

    admitted(decode(&*upstream, cuts(body, seed), NARROW));
}

fn decode<'a>(upstream: &dyn Upstream, pieces: impl IntoIterator<Item = &'a [u8]>, limits: Limits) -> Vec<Event> {
    let mut decoder = upstream.decoder(DecodeContext { limits, ..DecodeContext::default() });
    let (mut events, mut read) = (Vec::new(), 0);
    for piece in pieces {
        read += piece.len();
        decoder.feed(piece, &mut events);
        assert!(events.len() <= read + 64, "{} events of {read} bytes", events.len());
    }
    decoder.finish(&mut events);
    assert_eq!(decoder.progress(), Progress::Ended, "no end");
    let count = events.len();
    decoder.feed(b"data: {}\n\n{}\n", &mut events);
    decoder.finish(&mut events);
    assert_eq!(events.len(), count, "events behind the end");
    events
}

/// The events as a turn, which must not have broken the order by more than results of calls of another answer.
fn admitted(given: Vec<Event>) -> Vec<Event> {
    let (mut calls, mut stray) = (Vec::new(), 0);
    for event in &given {
        match event {
            Event::BlockStart { kind: BlockKind::ToolInput(call), .. } => calls.push(call.id.clone()),
            Event::ToolResult(result) if !calls.contains(&result.call) => stray += 1,
            _ => {}
        }
    }
    let (mut step, mut turn) = (SingleStep::default(), Vec::new());
    step.admit(given, &mut turn);
    step.finish(&mut turn);
    assert!(step.breaches() as usize <= stray, "events against the order");
    assert_eq!(turn.iter().filter(|event| event.is_terminal()).count(), 1, "not one end");
    assert!(turn.last().is_some_and(Event::is_terminal), "something behind the end");
    turn
}

/// Neighbouring deltas of a block as one: where a text is split is the decoder's own choice. A failure's words are for the
/// log, and show what has come until then.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut out: Vec<Event> = Vec::new();
    for mut event in events {
        if let Event::Failed(failure) = &mut event {
            failure.message.clear();
        }
        match (event, out.last_mut()) {
            (Event::BlockDelta { block, text }, Some(Event::BlockDelta { block: last, text: held }))
                if block == *last =>
            {
                held.push_str(&text);
            }
            (event, _) => out.push(event),
        }
    }
    out
}
