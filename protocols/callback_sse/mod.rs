//! The typed-callback SSE dialect.

use crate::protocol::Protocol;

/// Typed SSE frames for a page with one callback per type
pub static PROTOCOL: Protocol = Protocol {
    name: "callback-sse",
    aliases: &[],
    about: "Typed SSE frames for a page with one callback per type",
    frontend: None,
    upstream: None,
};
