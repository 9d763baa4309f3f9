//! Answers that are no stream: errors in the dialect's form where a route is known, and our own few documents.

use bytes::Bytes;
use chatwire_protocols::error::{CallerError, Refusal};
use chatwire_protocols::protocol::Document;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode, Version};
use serde_json::json;

use super::body::Body;
use crate::clock::whole_seconds;
use crate::config::plan::Route;

/// An answer of this status with a JSON body.
pub fn json(status: u16, body: &serde_json::Value) -> Response<Body> {
    document(status, "application/json", body.to_string().into())
}

/// A caller's mistake where no route is known.
pub fn plain(error: &CallerError) -> Response<Body> {
    json(error.status, &json!({"error": {"message": error.to_string(), "code": error.code}}))
}

/// A refusal in the dialect of its route.
pub fn on_route(route: &Route, refusal: &Refusal<'_>) -> Response<Body> {
    let reply = route.frontend.refuse(refusal);
    let mut response = document(reply.status, reply.content_type, reply.body.into());
    if let Refusal::Failure(failure) = refusal
        && let Some(wait) = failure.retry_after
    {
        response.headers_mut().insert(RETRY_AFTER, whole_seconds(wait).into());
    }
    response
}

/// Says that asking again in a moment may help.
pub fn later(response: &mut Response<Body>) {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
}

/// An answer that a dialect has written.
pub fn given(answer: Document) -> Response<Body> {
    if answer.status == StatusCode::NO_CONTENT.as_u16() {
        return empty(StatusCode::NO_CONTENT);
    }
    document(answer.status, answer.content_type, answer.body.into())
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// Says which methods a path has.
pub fn allow(response: &mut Response<Body>, methods: &'static str) {
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
}

/// Says to whoever is not known what they should show, and to whoever is that this is not for them (RFC 6750).
pub fn challenge(response: &mut Response<Body>, error: &CallerError) {
    let challenge = match (error.status, error.code) {
        (401, "invalid_credential") => "Bearer realm=\"chatwire\", error=\"invalid_token\"",
        (401, _) => "Bearer realm=\"chatwire\"",
        (403, _) => "Bearer realm=\"chatwire\", error=\"insufficient_scope\"",
        _ => return,
    };
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
}

/// Closes the connection behind the answer: what stands on it may be anything. HTTP/2 has no such header and no such
/// need.
pub fn close(response: &mut Response<Body>, version: Version) {
    if version <= Version::HTTP_11 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

fn document(status: u16, media: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
