//! Which pages of other origins may call a route and read its answers.

use chatwire_protocols::error::CallerError;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response};

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

/// Whether the page of a request may send something that needs no preflight: a page of this gateway's own host, a
/// listed one, or no page at all.
pub fn permits(cors: &Cors, head: &Parts) -> bool {
    let Some(origin) = head.headers.get(ORIGIN) else { return true };
    let host = head.headers.get(HOST).map(HeaderValue::as_bytes);
    let host = host.or_else(|| head.uri.authority().map(|authority| authority.as_str().as_bytes()));
    let of_origin =
        origin.as_bytes().windows(3).position(|window| window == b"://").map(|at| &origin.as_bytes()[at + 3..]);
    allowed(cors, &head.headers).is_some() || (host.is_some() && host == of_origin)
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
    let mut origins = request.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return None };
    match &cors.origins {
        Origins::None => None,
        Origins::Any => Some(HeaderValue::from_static("*")),
        Origins::List(list) => list.iter().any(|known| known.as_bytes() == origin.as_bytes()).then(|| origin.clone()),
    }
}

fn insert_list<'a>(headers: &mut HeaderMap, name: http::HeaderName, values: impl Iterator<Item = &'a str>) {
    let list = values.collect::<Vec<_>>().join(", ");
    if let Ok(list) = HeaderValue::from_str(&list) {
        headers.insert(name, list);
    }
}
