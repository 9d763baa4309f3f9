//! Anthropic Messages.

use crate::protocol::Protocol;

/// Anthropic Messages
pub static PROTOCOL: Protocol =
    Protocol { name: "anthropic", aliases: &["claude"], about: "Anthropic Messages", frontend: None, upstream: None };
