//! The handshake (RFC 6455, 4.2), and which pages may open a socket.

use bytes::Bytes;
use chatwire_protocols::error::CallerError;
use http::header::{
    CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::access::SUBPROTOCOL;
use crate::config::plan::{Cors, Origins};
use crate::server::body::Body;

/// The only version there is.
const VERSION: &str = "13";

/// How long a key is: sixteen bytes in base64.
const KEY: usize = 24;

/// True if a request asks for a WebSocket, however it is made otherwise.
pub fn is_asked(headers: &HeaderMap) -> bool {
    names(headers, &UPGRADE, "websocket")
}

/// Checks a request and gives its answer.
///
/// # Errors
/// 400 where it is no handshake, 426 where it is one of another version.
pub fn check(head: &Parts) -> Result<Response<Body>, CallerError> {
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
    Ok(response)
}

/// Browsers let any page open a socket anywhere, and send the user's cookies along. So only pages of this host and of
/// the route's origins may; what sends no origin is no browser.
///
/// # Errors
/// 403.
pub fn check_origin(cors: &Cors, headers: &HeaderMap) -> Result<(), CallerError> {
    if !headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let origin = only(headers, &ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    let listed = match &cors.origins {
        Origins::None => false,
        Origins::Any => true,
        Origins::List(list) => list.iter().any(|known| known == origin),
    };
    let host = only(headers, &HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").is_some_and(|(_, authority)| {
        !authority.is_empty() && host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
    });
    if listed || own {
        return Ok(());
    }
    Err(CallerError::new(403, "origin_refused", "pages of this origin may not open a socket here"))
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
    let lists = headers.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| item.trim().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn pages_of_this_host_and_listed_ones_may_and_no_others() {
        let list = Cors { origins: Origins::List(vec!["https://a.example".to_owned()]), ..Cors::default() };
        let none = Cors::default();
        let any = Cors { origins: Origins::Any, ..Cors::default() };
        for (cors, origin, allowed) in [
            (&none, "http://gate.example:8000", true),
            (&none, "https://GATE.example:8000", true),
            (&none, "http://gate.example", false),
            (&none, "http://gate.example:8000.evil.example", false),
            (&none, "null", false),
            (&none, "", false),
            (&none, "https://a.example", false),
            (&list, "https://a.example", true),
            (&list, "https://b.example", false),
            (&list, "null", false),
            (&any, "https://b.example", true),
        ] {
            let headers = headers(&[("host", "gate.example:8000"), ("origin", origin)]);
            assert_eq!(check_origin(cors, &headers).is_ok(), allowed, "{origin} {:?}", cors.origins);
        }
        assert!(check_origin(&none, &headers(&[("host", "h")])).is_ok());
        let mut two = headers(&[("host", "h"), ("origin", "http://h")]);
        two.append(ORIGIN, HeaderValue::from_static("http://h"));
        assert!(check_origin(&none, &two).is_err());
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
            check(&head).map_err(|error| error.status)
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
