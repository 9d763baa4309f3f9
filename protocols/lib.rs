//! Chat wire protocols without IO.
//!
//! A provider's bytes go into a [`Decoder`](protocol::Decoder) and come out as [`Event`](event::Event)s; events go into an
//! [`Encoder`](protocol::Encoder) and come out as a page's bytes. Requests go the other way: a
//! [`Frontend`](protocol::Frontend) reads a page's body into a [`ChatRequest`](chat::ChatRequest), an
//! [`Upstream`](protocol::Upstream) writes it as a provider's request. Nothing here does IO, reads a clock or draws a
//! random number, so all of it can be tested on bytes alone, fuzzed, measured, and used in other programs.
//!
//! Every protocol has a folder of its own and one line in [`PROTOCOLS`]. `README.md` beside this file says how to
//! add one.

pub mod agent_sse;
pub mod agent_ws;
pub mod anthropic;
pub mod blocks;
pub mod callback_sse;
pub mod calls;
pub mod chat;
pub mod chatkit;
pub mod cost;
#[cfg(test)]
mod cuts;
pub mod error;
pub mod event;
pub mod failure;
pub mod fold;
pub mod history;
pub mod items;
pub mod ollama;
pub mod openai_chat;
pub mod openai_responses;
pub mod operation;
pub mod options;
pub mod order;
pub mod protocol;
#[cfg(test)]
mod sample_turns;
pub mod socket;
pub mod transcode;
pub mod vercel;
pub mod wire;

use protocol::Protocol;

/// Every protocol there is.
pub static PROTOCOLS: &[&Protocol] = &[
    &openai_chat::PROTOCOL,
    &openai_responses::PROTOCOL,
    &anthropic::PROTOCOL,
    &ollama::PROTOCOL,
    &vercel::AUTO,
    &vercel::DATA_STREAM,
    &vercel::UI_STREAM,
    &vercel::TEXT,
    &vercel::TYPED_LINES,
    &callback_sse::PROTOCOL,
    &agent_sse::PROTOCOL,
    &chatkit::PROTOCOL,
    &agent_ws::PROTOCOL,
];

/// The protocol of this name or alias.
pub fn find(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().copied().find(|protocol| protocol.name == name || protocol.aliases.contains(&name))
}

/// Reads a protocol's name out of something stored, as the registry has it.
fn read_name<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<&'static str, D::Error> {
    let name = <event::Text as serde::Deserialize>::deserialize(reader)?;
    let found = find(&name).map(|protocol| protocol.name);
    found.ok_or_else(|| serde::de::Error::custom(format_args!("there is no protocol {name:?}")))
}

/// The guide's examples are tests.
#[cfg(doctest)]
#[doc = include_str!("README.md")]
struct Readme;
