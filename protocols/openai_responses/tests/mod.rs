//! Hand-made streams and conversations, one test per behaviour.

mod calls;
mod endings;
mod framing;
mod hosted;
mod items;
mod request;

use serde_json::Value;

use super::PROTOCOL;
use crate::event::{Event, Mark, ToolResult};
use crate::fold::{Answer, End, Piece, ToolPiece};
use crate::options::Options;
use crate::order::SingleStep;
use crate::protocol::{DecodeContext, Decoder, Limits, Progress, Upstream};

const CREATED: &str = r#"{"type":"response.created","response":{"id":"r1","model":"m"}}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"r1","status":"completed","output":[]}}"#;

fn upstream(options: &str) -> std::sync::Arc<dyn Upstream> {
    let spec = PROTOCOL.upstream.as_ref().unwrap();
    (spec.make)(&Options::read(spec.options, &serde_json::from_str(options).unwrap()).unwrap())
}

fn decoder(limits: Limits) -> Box<dyn Decoder> {
    upstream("{}").decoder(DecodeContext { seed: "t".into(), first_block: 0, limits })
}

/// A stream of these payloads.
fn sse(payloads: &[&str]) -> String {
    payloads.iter().map(|payload| format!("data: {payload}\n\n")).collect()
}

/// The payloads between a response's beginning and its good end.
fn stream(payloads: &[&str]) -> String {
    sse(&[&[CREATED], payloads, &[COMPLETED]].concat())
}

fn events(chunks: &[&[u8]]) -> Vec<Event> {
    let mut decoder = decoder(Limits::default());
    let mut out = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk, &mut out);
    }
    decoder.finish(&mut out);
    assert_eq!(decoder.progress(), Progress::Ended);
    out
}

/// Decodes a body: whole, byte by byte, cut at every place, and with every line end. The events must be the same, in
/// legal order.
fn decode(body: &str) -> Decoded {
    let whole = events(&[body.as_bytes()]);
    for ending in ["\n", "\r\n", "\r"] {
        let text = body.replace('\n', ending);
        let bytes = text.as_bytes();
        assert_eq!(events(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte, {ending:?}");
        for at in 0..bytes.len() {
            assert_eq!(events(&[&bytes[..at], &bytes[at..]]), whole, "cut at {at}, {ending:?}");
        }
    }
    let (mut step, mut turn) = (SingleStep::default(), Vec::new());
    step.admit(whole.clone(), &mut turn);
    assert_eq!(step.breaches(), 0, "{whole:#?}");
    Decoded { answer: Answer::of(&turn), events: whole }
}

struct Decoded {
    events: Vec<Event>,
    answer: Answer,
}

impl Decoded {
    fn json(&self) -> Value {
        self.answer.to_json()
    }

    /// How it ended: `complete`, or the label of the failure.
    fn outcome(&self) -> &'static str {
        match &self.answer.end {
            Some(End::Complete) => "complete",
            Some(End::Failed(failure)) => failure.kind.label(),
            _ => "open",
        }
    }

    fn finish(&self) -> (&'static str, Option<&str>) {
        let finish = self.answer.finish.as_ref().unwrap();
        (finish.reason.name(), finish.raw.as_deref())
    }

    fn tools(&self) -> Vec<&ToolPiece> {
        self.answer.tools().collect()
    }

    fn results(&self) -> Vec<&ToolResult> {
        let results = self.events.iter();
        results.filter_map(|event| if let Event::ToolResult(result) = event { Some(&**result) } else { None }).collect()
    }

    /// The reasoning pieces: text, summary, and the item they carry.
    fn reasoning(&self) -> Vec<(&str, bool, Option<&Value>)> {
        let pieces = self.answer.pieces.iter();
        pieces
            .filter_map(|piece| match piece {
                Piece::Reasoning { text, summary, marks } => Some((text.as_str(), *summary, marked(marks, "item"))),
                _ => None,
            })
            .collect()
    }

    /// The text pieces and their marks.
    fn texts(&self) -> Vec<(&str, &[Mark])> {
        let pieces = self.answer.pieces.iter();
        pieces
            .filter_map(
                |piece| if let Piece::Text(text, marks) = piece { Some((text.as_str(), &marks[..])) } else { None },
            )
            .collect()
    }
}

fn marked<'a>(marks: &'a [Mark], key: &str) -> Option<&'a Value> {
    crate::chat::opaque(marks, super::NAME, key)
}

fn text(delta: &str) -> String {
    format!(r#"{{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":{delta}}}"#)
}
