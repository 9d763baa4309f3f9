//! OpenAI Responses.

use crate::protocol::Protocol;

/// OpenAI Responses
pub static PROTOCOL: Protocol = Protocol {
    name: "openai-responses",
    aliases: &["responses"],
    about: "OpenAI Responses",
    frontend: None,
    upstream: None,
};
