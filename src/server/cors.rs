//! Which pages of other origins may call a route and read its answers.

use chatwire_protocols::error::CallerError;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};

use super::body::Body;
use crate::config::plan::{Cors, Origins};

/// True for a browser's question before the request itself.
pub fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS && headers.contains_key(ORIGIN) && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Adds to the answer of a preflight what the page may do: these methods.
pub fn preflight(cors: &Cors, methods: &'static str, request: &HeaderMap, response: &mut Response<Body>) {
    if allowed(cors, request).is_none() {
        return;
    }
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    let names = std::iter::once("content-type").chain(cors.headers.iter().map(String::as_str));
    insert_list(headers, ACCESS_CONTROL_ALLOW_HEADERS, names);
    headers.insert(ACCESS_CONTROL_MAX_AGE, cors.max_age.as_secs().into());
}

/// Adds to any answer of a route, errors too, whether the page may read it.
pub fn apply(cors: &Cors, request: &HeaderMap, response: &mut Response<Body>) {
    if matches!(cors.origins, Origins::List(_)) {
        response.headers_mut().append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(origin) = allowed(cors, request) else { return };
    let credentials = cors.credentials && matches!(cors.origins, Origins::List(_));
    let marks: Vec<String> = response
        .headers()
        .keys()
        .map(|name| name.as_str().to_owned())
        .filter(|name| (name.starts_with("x-") || name.starts_with("ratelimit-")) && name != "x-accel-buffering")
        .collect();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let exposed = marks.iter().chain(&cors.exposed).map(String::as_str).chain(["x-request-id", "retry-after"]);
    insert_list(headers, ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
}

/// Whether the page of a request may do what needs no preflight, such as opening a WebSocket: a page of this gateway's
/// own host, a listed one, or no page at all.
pub fn permits(cors: &Cors, head: &Parts) -> bool {
    !head.headers.contains_key(ORIGIN) || allowed(cors, &head.headers).is_some() || is_own(head)
}

/// True if the page comes from the host that it asks. Whether over TLS is not known behind a proxy, so that the scheme
/// says only which port is meant where none stands.
fn is_own(head: &Parts) -> bool {
    let origin = only(&head.headers, &ORIGIN).and_then(|origin| origin.to_str().ok());
    // A request that names its host in its line means that one (RFC 9112, 3.2.2).
    let asked = match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => only(&head.headers, &HOST).and_then(|host| host.to_str().ok()),
    };
    let (Some(origin), Some(asked)) = (origin, asked) else { return false };
    let (default, authority) = match origin.split_once("://") {
        Some(("http", authority)) => (80, authority),
        Some(("https", authority)) => (443, authority),
        _ => return false,
    };
    let (Some((page, from)), Some((host, to))) = (host_and_port(authority), host_and_port(asked)) else { return false };
    page.eq_ignore_ascii_case(host) && from.unwrap_or(default) == to.unwrap_or(default)
}

/// The parts of `host:port`, and nothing else than that.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let sane = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(name),
    };
    sane.then_some((host, port))
}

/// A header's value if it is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Refuses what [`permits`] does not permit.
///
/// # Errors
/// 403.
pub fn check(cors: &Cors, head: &Parts) -> Result<(), CallerError> {
    if permits(cors, head) {
        return Ok(());
    }
    Err(CallerError::new(403, "foreign_origin", "pages of this origin may not do this"))
}

/// What to answer as the allowed origin.
fn allowed(cors: &Cors, request: &HeaderMap) -> Option<HeaderValue> {
    let origin = only(request, &ORIGIN)?;
    match &cors.origins {
        Origins::None => None,
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::List(list) => list.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone()),
    }
}

fn insert_list<'a>(headers: &mut HeaderMap, name: HeaderName, values: impl Iterator<Item = &'a str>) {
    let list = values.collect::<Vec<_>>().join(", ");
    if let Ok(list) = HeaderValue::from_str(&list) {
        headers.insert(name, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(HeaderName, &'static str)], uri: &'static str) -> Parts {
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.uri = http::Uri::from_static(uri);
        for (name, value) in headers {
            head.headers.append(name, HeaderValue::from_static(value));
        }
        head
    }

    #[test]
    fn pages_of_this_host_and_listed_ones_may_and_no_others() {
        let list = Cors { origins: Origins::List(vec!["https://a.example".to_owned()]), ..Cors::default() };
        let none = Cors::default();
        let any = Cors { origins: Origins::Any, ..Cors::default() };
        for (cors, host, origin, permitted) in [
            (&none, "gate.example:8000", "http://gate.example:8000", true),
            (&none, "gate.example:8000", "https://GATE.example:8000", true),
            (&none, "GATE.example:8000", "http://gate.example:8000", true),
            (&none, "gate.example:8000", "http://gate.example", false),
            (&none, "gate.example:8000", "http://gate.example:8000.evil.example", false),
            (&none, "gate.example:8000", "http://gate.example:8000/", false),
            (&none, "gate.example:8000", "http://user@gate.example:8000", false),
            (&none, "gate.example:8000", "ws://gate.example:8000", false),
            (&none, "gate.example:8000", "HTTP://gate.example:8000", false),
            (&none, "gate.example:8000", "http://gate.example.:8000", false),
            (&none, "gate.example:8000", "http://gate.example:+8000", false),
            (&none, "gate.example:8000", "://gate.example:8000", false),
            (&none, "gate.example:8000", "gate.example:8000", false),
            (&none, "gate.example:8000", "null", false),
            (&none, "gate.example:8000", "", false),
            (&none, "gate.example:8000", "https://a.example", false),
            // The port of the scheme, said or not.
            (&none, "gate.example", "http://gate.example", true),
            (&none, "gate.example", "https://gate.example", true),
            (&none, "gate.example", "https://gate.example:443", true),
            (&none, "gate.example:443", "https://gate.example", true),
            (&none, "gate.example:80", "http://gate.example", true),
            (&none, "gate.example:443", "http://gate.example", false),
            (&none, "gate.example", "http://gate.example:443", false),
            (&none, "gate.example", "http://gate.example:", false),
            (&none, "gate.example:65616", "http://gate.example", false),
            (&none, "[::1]:8000", "http://[::1]:8000", true),
            (&none, "[::1]", "http://[::1]", true),
            (&none, "[::1]", "http://[::1", false),
            (&none, "::1", "http://::1", false),
            (&none, "", "http://", false),
            (&list, "gate.example", "https://a.example", true),
            (&list, "gate.example", "HTTPS://A.example", false),
            (&list, "gate.example", "https://a.example:443", false),
            (&list, "gate.example", "https://b.example", false),
            (&list, "gate.example", "null", false),
            (&list, "gate.example", "https://gate.example", true),
            (&any, "gate.example", "https://b.example", true),
            (&any, "gate.example", "null", true),
        ] {
            let head = head(&[(HOST, host), (ORIGIN, origin)], "/");
            assert_eq!(permits(cors, &head), permitted, "{origin} at {host}: {:?}", cors.origins);
        }
    }

    #[test]
    fn what_is_said_twice_is_not_believed() {
        let any = Cors { origins: Origins::Any, ..Cors::default() };
        let own = "http://h";
        for (cors, headers, uri, permitted) in [
            (Cors::default(), &[(HOST, "h")][..], "/", true),
            (Cors::default(), &[(ORIGIN, own)], "/", false),
            (Cors::default(), &[(ORIGIN, own), (ORIGIN, own), (HOST, "h")], "/", false),
            (any, &[(ORIGIN, own), (ORIGIN, own), (HOST, "h")], "/", false),
            (Cors::default(), &[(ORIGIN, own), (HOST, "h"), (HOST, "h")], "/", false),
            // As HTTP/2 says it, and what wins over the header.
            (Cors::default(), &[(ORIGIN, own)], "http://h/chat", true),
            (Cors::default(), &[(ORIGIN, own), (HOST, "h")], "http://other/chat", false),
        ] {
            assert_eq!(permits(&cors, &head(headers, uri)), permitted, "{headers:?} {uri}");
        }
    }
}
