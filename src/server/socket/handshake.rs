//! The handshake (RFC 6455, 4.2).

use bytes::Bytes;
use chatwire_protocols::error::CallerError;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::access::SUBPROTOCOL;
use crate::server::body::Body;

/// The only version there is.
const VERSION: &str = "13";

/// How long a key is: sixteen bytes in base64.
const KEY: usize = 24;

/// True if a request asks for a WebSocket, however it is made otherwise.
pub fn is_asked(headers: &HeaderMap) -> bool {
    names(headers, &UPGRADE, "websocket")
}

/// Checks a request and gives its answer, in one of these subprotocols if it asks for one.
///
/// # Errors
/// 400 where it is no handshake, 426 where it is one of another version.
pub fn check(head: &Parts, subprotocols: &[&'static str]) -> Result<Response<Body>, CallerError> {
    let headers = &head.headers;
    if head.version != Version::HTTP_11 {
        return Err(not_here());
    }
    if !names(headers, &CONNECTION, "upgrade") {
        return Err(wrong("the Connection header must name the upgrade"));
    }
    if only(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
        let message = format!("the only version of WebSockets here is {VERSION}");
        return Err(CallerError::new(426, "bad_websocket_version", message));
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let Some(key) = key.filter(|key| key.len() == KEY && key.ends_with(b"==")) else {
        return Err(wrong("the Sec-WebSocket-Key header must be there once and hold sixteen bytes"));
    };
    let accept = HeaderValue::from_str(&derive_accept_key(key)).map_err(|_| wrong("the key cannot be accepted"))?;
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(spoken) = subprotocol(headers, subprotocols) {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, spoken);
    }
    Ok(response)
}

/// The subprotocol that is spoken, if a page asks for exactly one of those that are known here; else none is, which a
/// page may take for a refusal (RFC 6455, 4.2.2). What else stands in the list is no subprotocol of ours: pages that can
/// send no headers put their key there.
pub fn subprotocol(headers: &HeaderMap, known: &[&'static str]) -> Option<HeaderValue> {
    let mut asked = items(headers, &SEC_WEBSOCKET_PROTOCOL).filter_map(|item| known.iter().find(|name| **name == item));
    let one = asked.next()?;
    asked.next().is_none().then(|| HeaderValue::from_static(one))
}

/// Says which version is spoken here.
pub fn say_version(response: &mut Response<Body>) {
    response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Answers the subprotocol beside which browsers send a credential: without an answer they close the connection.
pub fn say_subprotocol(headers: &HeaderMap, response: &mut Response<Body>) {
    if names(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
}

/// The connection cannot be upgraded.
pub fn not_here() -> CallerError {
    wrong("a WebSocket is asked for over HTTP/1.1")
}

fn wrong(message: &str) -> CallerError {
    CallerError::new(400, "bad_websocket_handshake", message)
}

/// A header's value if it is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// True if a list of words in a header has this one.
fn names(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(word))
}

/// The items of a list, which may be in several headers.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lists = headers.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn one_known_subprotocol_is_spoken_and_no_other() {
        let known = ["agent-ws", "other"];
        for (asked, spoken) in [
            (&["agent-ws"][..], Some("agent-ws")),
            (&["key.secret, agent-ws"], Some("agent-ws")),
            (&["key.secret", " agent-ws"], Some("agent-ws")),
            (&["agent-ws, other"], None),
            (&["agent-ws, agent-ws"], None),
            (&["Agent-WS"], None),
            (&["key.secret"], None),
            (&[""], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for list in asked {
                headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(list));
            }
            let answer = subprotocol(&headers, &known);
            assert_eq!(answer.as_ref().map(|answer| answer.to_str().unwrap()), spoken, "{asked:?}");
        }
    }

    #[test]
    fn a_handshake_is_checked_whole() {
        let good = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        let answer = |pairs: &[(&'static str, &'static str)], version| {
            let (mut head, ()) = http::Request::new(()).into_parts();
            (head.headers, head.version) = (headers(pairs), version);
            check(&head, &["agent-ws"]).map_err(|error| error.status)
        };
        let accepted = answer(&good, Version::HTTP_11).unwrap();
        // The example of the standard.
        assert_eq!(accepted.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(accepted.status(), 101);
        assert_eq!(answer(&good, Version::HTTP_2).err(), Some(400));
        for (at, other, status) in
            [(1, "close", 400), (2, "8", 426), (3, "c2hvcnQ=", 400), (3, "dGhlIHNhbXBsZSBub25jZQxx", 400)]
        {
            let mut pairs = good;
            pairs[at].1 = other;
            assert_eq!(answer(&pairs, Version::HTTP_11).err(), Some(status), "{other}");
        }
    }
}
