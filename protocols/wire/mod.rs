//! What several protocols share below the level of events: framing and JSON text.

pub mod body;
pub mod json;
pub mod ndjson;
pub mod sse;
