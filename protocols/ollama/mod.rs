//! Ollama /api/chat.

use crate::protocol::Protocol;

/// Ollama /api/chat
pub static PROTOCOL: Protocol =
    Protocol { name: "ollama", aliases: &[], about: "Ollama /api/chat", frontend: None, upstream: None };
