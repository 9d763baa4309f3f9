//! What several protocols share below the level of events: framing and JSON text.

pub(crate) mod alike;
pub mod base64;
pub mod body;
pub mod json;
pub mod merge;
pub mod ndjson;
pub mod sse;
pub mod think;
