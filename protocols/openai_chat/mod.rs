//! OpenAI Chat Completions and everything that calls itself compatible.

use crate::protocol::Protocol;

/// OpenAI Chat Completions, and every server compatible with it
pub static PROTOCOL: Protocol = Protocol {
    name: "openai-chat",
    aliases: &["openai-compatible"],
    about: "OpenAI Chat Completions, and every server compatible with it",
    frontend: None,
    upstream: None,
};
