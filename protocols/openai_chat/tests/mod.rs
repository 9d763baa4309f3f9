//! Hand-made streams for every deviation of the upstream notes and the corner cases, and the requests.

mod calls;
mod ends;
mod errors;
mod requests;
mod speech;

use serde_json::{Map, Value, json};

use super::PROTOCOL;
use crate::event::{Event, Warning};
use crate::fold::Answer;
use crate::options::Options;
use crate::order::SingleStep;
use crate::protocol::{DecodeContext, Limits, Progress, Upstream};

fn upstream(options: Value) -> std::sync::Arc<dyn Upstream> {
    let spec = PROTOCOL.upstream.as_ref().unwrap();
    let options: Map<String, Value> = serde_json::from_value(options).unwrap();
    (spec.make)(&Options::read(spec.options, &options).unwrap())
}

/// The events of a body that comes in these pieces.
fn events(options: &Value, limits: Limits, pieces: &[&[u8]]) -> Vec<Event> {
    let mut decoder =
        upstream(options.clone()).decoder(DecodeContext { seed: "t".into(), limits, ..DecodeContext::default() });
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece, &mut events);
    }
    decoder.finish(&mut events);
    assert_eq!(decoder.progress(), Progress::Ended);
    events
}

fn folded(events: &[Event]) -> (Answer, u32) {
    let (mut step, mut turn) = (SingleStep::default(), Vec::new());
    step.admit(events.iter().cloned(), &mut turn);
    step.finish(&mut turn);
    (Answer::of(&turn), step.breaches())
}

/// Reads a body whole, byte by byte, and in two pieces cut at every place: all must fold to the same answer.
fn read_with(options: &Value, body: &str) -> (Answer, Vec<Event>) {
    let whole = events(options, Limits::default(), &[body.as_bytes()]);
    let (answer, breaches) = folded(&whole);
    assert_eq!(breaches, 0, "events out of order: {whole:#?}");
    let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    assert_eq!(folded(&events(options, Limits::default(), &bytes)).0, answer, "byte by byte");
    for cut in 1..body.len() {
        let (left, right) = body.as_bytes().split_at(cut);
        assert_eq!(folded(&events(options, Limits::default(), &[left, right])).0, answer, "cut at {cut}");
    }
    (answer, whole)
}

fn read(body: &str) -> (Answer, Vec<Event>) {
    read_with(&json!({}), body)
}

/// The answer as its outline in JSON.
fn message(body: &str) -> Value {
    read(body).0.to_json()
}

/// A stream of these payloads.
fn stream<T: ToString>(payloads: impl IntoIterator<Item = T>) -> String {
    payloads.into_iter().map(|payload| format!("data: {}\n\n", payload.to_string())).collect()
}

/// A chunk with this delta.
fn delta(delta: Value) -> Value {
    let mut chunk = json!({"id": "i", "model": "m", "choices": [{"index": 0, "delta": null, "finish_reason": null}]});
    chunk["choices"][0]["delta"] = delta;
    chunk
}

/// A chunk that says why the answer ends.
fn finish(reason: &str) -> Value {
    json!({"id": "i", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// A whole stream: these deltas, a finish reason, `[DONE]`.
fn answer(deltas: impl IntoIterator<Item = Value>, reason: &str) -> String {
    stream(deltas.into_iter().map(delta).chain([finish(reason)])) + "data: [DONE]\n\n"
}

fn warnings(events: &[Event]) -> Vec<&'static str> {
    let code =
        |event: &Event| if let Event::Warning(warning) = event { Some(Warning::clone(warning).code) } else { None };
    events.iter().filter_map(code).collect()
}
