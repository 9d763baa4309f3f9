//! Decoders under test: the same bytes cut at every place must come to the same answer.

use crate::event::Event;
use crate::fold::Answer;
use crate::order::SingleStep;
use crate::protocol::{Decoder, Progress};

/// Feeds `bytes` whole, byte by byte, and in two parts cut at every place. Gives the answer and the events of the
/// whole bytes, after checking that they begin and end as they must and need no repair.
pub(crate) fn every_cut(make: &dyn Fn() -> Box<dyn Decoder>, bytes: &[u8]) -> (Answer, Vec<Event>) {
    let (expected, events) = decoded(make, &[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(decoded(make, &single).0, expected, "byte by byte");
    for at in 1..bytes.len() {
        assert_eq!(decoded(make, &[&bytes[..at], &bytes[at..]]).0, expected, "cut at {at}");
    }
    (expected, events)
}

fn decoded(make: &dyn Fn() -> Box<dyn Decoder>, chunks: &[&[u8]]) -> (Answer, Vec<Event>) {
    let mut decoder = make();
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk, &mut events);
    }
    decoder.finish(&mut events);
    assert_eq!(decoder.progress(), Progress::Ended);
    decoder.feed(b"{}\n", &mut events);
    decoder.finish(&mut events);
    assert!(matches!(events.first(), Some(Event::StepStart(_))), "{events:?}");
    assert!(matches!(events.last(), Some(Event::StepEnd(_) | Event::Failed(_))), "{events:?}");
    let (mut step, mut turn) = (SingleStep::default(), Vec::new());
    step.admit(events.iter().cloned(), &mut turn);
    assert_eq!(step.breaches(), 0, "{events:?}");
    (Answer::of(&turn), events)
}
