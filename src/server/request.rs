//! The request as it comes in: its head checked, its body read within its bounds.

use bytes::{Bytes, BytesMut};
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::CallerError;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout_at;
use uuid::Uuid;

use super::arrival::Arrival;
use super::hosts;
use crate::config::plan::Server;

/// Carries a request's id, in and out.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Most messages of a request.
const MESSAGES: usize = 10_000;

/// Room for a body before its first byte: bodies grow from here, whatever length they promise.
const FIRST_ROOM: usize = 64 << 10;

/// The caller's own id for the request if it is a sane one, else a new one.
pub fn id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        (1..=128).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    headers.get(REQUEST_ID).filter(sane).cloned().unwrap_or_else(|| {
        let id = Uuid::now_v7().to_string();
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

/// Checks what the HTTP library lets through: a request must say once which host it is for, and may not be framed in
/// a way that another server between could read differently.
///
/// # Errors
/// 400, or 501 for a transfer coding that we do not speak.
pub fn check_head(head: &Parts) -> Result<(), CallerError> {
    hosts::check_one(head)?;
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(CallerError::new(501, "bad_transfer_encoding", "the only transfer coding is chunked")),
    }
}

/// Checks that the body is JSON as it is. A page of another origin can send JSON only after a preflight.
///
/// # Errors
/// 415.
pub fn check_media(headers: &HeaderMap) -> Result<(), CallerError> {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(CallerError::new(415, "unsupported_media_type", "the content-type must be application/json"));
    }
    check_encoding(headers)
}

/// Checks that the body comes as it is. What is packed may be of any size.
///
/// # Errors
/// 415.
pub fn check_encoding(headers: &HeaderMap) -> Result<(), CallerError> {
    if headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding == "identity") {
        return Ok(());
    }
    Err(CallerError::new(415, "unsupported_encoding", "the body must not be compressed"))
}

/// Reads the whole body.
///
/// # Errors
/// 413 beyond the most bytes, before reading where the length is announced; 408 if it comes too slowly; 400 if it is cut.
pub async fn read_body(head: &Parts, body: Incoming, server: &Server) -> Result<Bytes, CallerError> {
    let most = server.max_body;
    let announced = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let announced = announced.unwrap_or_else(|| body.size_hint().lower());
    if announced > most as u64 {
        return Err(too_large(most));
    }
    let room = usize::try_from(announced).unwrap_or(most).min(FIRST_ROOM);
    collect(body, room, most, Arrival::new(server, server.body_timeout)).await
}

async fn collect(mut body: Incoming, room: usize, most: usize, mut arrival: Arrival) -> Result<Bytes, CallerError> {
    let mut whole = BytesMut::with_capacity(room);
    let late = |_| CallerError::new(408, "body_timeout", "the body did not arrive in time");
    while let Some(frame) = timeout_at(arrival.deadline(), body.frame()).await.map_err(late)? {
        let frame = frame.map_err(|_| CallerError::new(400, "body_cut", "the body could not be read to its end"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        if whole.len() + bytes.len() > most {
            return Err(too_large(most));
        }
        arrival.got(bytes.len());
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.freeze())
}

/// Checks that there are not so many parts that each of them costs far more than its bytes.
///
/// # Errors
/// 400.
pub fn check_counts(chat: &ChatRequest) -> Result<(), CallerError> {
    if chat.messages.len() > MESSAGES {
        let message = format!("a request may have at most {MESSAGES} messages");
        return Err(CallerError::new(400, "too_many_messages", message));
    }
    Ok(())
}

fn too_large(most: usize) -> CallerError {
    CallerError::new(413, "body_too_large", format!("the body may have at most {most} bytes"))
}
