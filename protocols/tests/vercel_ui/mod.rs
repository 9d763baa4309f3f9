//! What the tests of the UI message stream share.

pub mod scenarios;

use std::sync::Arc;

use bytes::BytesMut;
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::event::Event;
use chatwire_protocols::options::Options;
use chatwire_protocols::order::Order;
use chatwire_protocols::protocol::{Encoder, Frontend, ReplyContext};
use serde_json::{Value, json};

/// The frontend of a route with these options.
pub fn frontend(options: &Value) -> Arc<dyn Frontend> {
    let spec = chatwire_protocols::find("vercel-ui-stream").unwrap().frontend.as_ref().unwrap();
    (spec.make)(&Options::read(spec.options, options.as_object().unwrap()).unwrap())
}

pub fn encoder(options: &Value, chat: &ChatRequest) -> Box<dyn Encoder> {
    let context =
        ReplyContext { turn: "turn".into(), message: "msg-1".into(), model: "m".into(), created: 0, kept: None };
    frontend(options).open(chat, &context).encoder
}

/// A turn's events as the order lets them through. The calls of `expected` are of an earlier turn.
pub fn ordered(events: Vec<Event>, expected: &[&str]) -> Vec<Event> {
    let mut order = Order::default();
    let mut out = Vec::new();
    expected.iter().for_each(|call| order.expect_result(&(*call).into()));
    events.into_iter().for_each(|event| order.admit(event, &mut out));
    assert!(order.ended(), "the turn has an end");
    assert_eq!(order.breaches(), 0, "the turn is legal");
    out
}

/// The whole answer to a page that continues nothing.
pub fn encode(name: &str, options: &Value) -> String {
    let mut encoder = encoder(options, &ChatRequest::default());
    let mut out = BytesMut::new();
    let expected: &[&str] = if ["approved", "denied"].contains(&name) { &["p1"] } else { &[] };
    for event in ordered(scenarios::turn(name).events, expected) {
        encoder.event(&event, &mut out);
    }
    let written = String::from_utf8(out.to_vec()).unwrap();
    encoder.event(&Event::TurnEnd(Box::default()), &mut out);
    encoder.keep_alive(&mut out);
    assert_eq!(out.len(), written.len(), "{name}: nothing follows the end");
    written
}

pub fn level(level: &str) -> Value {
    json!({"ui_level": level})
}

/// The turns that begin an answer.
pub const TURNS: &[&str] = &[
    "text",
    "reasoning",
    "redacted",
    "refusal",
    "empty",
    "length",
    "tool",
    "parallel",
    "tool-fails",
    "provider-tool",
    "custom-tool",
    "progress",
    "client-tool",
    "bad-arguments",
    "cut-call",
    "approval",
    "sources",
    "file",
    "data",
    "failed",
    "failed-early",
    "failed-between",
    "cancelled",
    "shutdown",
];
