//! What several protocols share below the level of events: framing and JSON text.

pub mod address;
pub(crate) mod alike;
pub mod base64;
pub mod body;
pub mod json;
pub mod merge;
pub(crate) mod names;
pub mod ndjson;
pub mod plain;
pub mod request;
pub mod sse;
pub mod think;
pub mod time;
