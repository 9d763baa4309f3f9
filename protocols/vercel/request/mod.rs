//! The requests of every AI SDK page, read into one shape.

use serde_json::{Map, Value};

use crate::chat::ChatRequest;
use crate::error::CallerError;

/// Reads a request.
///
/// # Errors
/// The caller's mistake, with its place.
pub(super) fn parse(body: Map<String, Value>) -> Result<ChatRequest, CallerError> {
    Ok(ChatRequest { stream: true, extra: body, ..ChatRequest::default() })
}
