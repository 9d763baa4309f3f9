//! Reading what bodies say. A large one takes the time of many small requests, so it is read beside the threads that
//! serve all connections, and not by as many threads as there are processors.

use std::sync::Arc;

use bytes::Bytes;
use chatwire_protocols::error::CallerError;
use chatwire_protocols::protocol::RequestHead;
use http::request::Parts;
use http::{Method, Uri};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::config::plan::Route;

/// Bodies above this size are large.
const LARGE: usize = 64 << 10;

/// How many large bodies are read at a time, by all requests of the process.
static PLACES: Semaphore = Semaphore::const_new(1);

/// Has a body read that was sent to a path `below` that of its route.
///
/// # Errors
/// What the reading says.
pub async fn parse<T: Send + 'static>(
    route: &Arc<Route>,
    (head, below): (&Parts, &str),
    body: Bytes,
    read: fn(&Route, &RequestHead<'_>, &[u8]) -> Result<T, CallerError>,
) -> Result<T, CallerError> {
    if body.len() <= LARGE {
        return read(route, &page(&head.method, &head.uri, below), &body);
    }
    let (route, method, uri, below) = (Arc::clone(route), head.method.clone(), head.uri.clone(), below.to_owned());
    let read = move || read(&route, &page(&method, &uri, &below), &body);
    let failed = || CallerError::new(500, "internal", "the request could not be read");
    let _place = PLACES.acquire().await.map_err(|_| failed())?;
    spawn_blocking(read).await.map_err(|_| failed())?
}

fn page<'a>(method: &'a Method, uri: &'a Uri, below: &'a str) -> RequestHead<'a> {
    RequestHead { method: method.as_str(), path: uri.path(), below, query: uri.query().unwrap_or_default() }
}
