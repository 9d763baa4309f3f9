//! Reading what bodies say. A large one takes the time of many small requests, so it is read beside the threads that
//! serve all connections, and not by as many threads as there are processors.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use chatwire_protocols::error::CallerError;
use chatwire_protocols::protocol::RequestHead;
use http::request::Parts;
use http::{Method, Uri};
use tokio::task::spawn_blocking;

use crate::config::plan::{ConcurrencyPlan, Route};
use crate::slots::{self, Asked, Slots, Taken};

/// Bodies above this size are large.
const LARGE: usize = 64 << 10;

/// How many large bodies are read at a time, by all requests of the process; how many wait for that, and how long.
const AT_ONCE: ConcurrencyPlan = ConcurrencyPlan { most: 1, queue: 128, wait: Duration::from_secs(10) };

static SLOTS: LazyLock<[Arc<Slots>; 1]> = LazyLock::new(|| [Arc::new(Slots::new(AT_ONCE))]);

/// Has a body read that was sent to a path `below` that of its route.
///
/// # Errors
/// What the reading says, or that too many large bodies are being read.
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
    let slot = slot(&*SLOTS).await?;
    let read = move || {
        // Whoever gives up leaves a reading behind that goes on: it keeps its slot.
        let _slot = slot;
        read(&route, &page(&method, &uri, &below), &body)
    };
    spawn_blocking(read).await.map_err(|_| CallerError::new(500, "internal", "the request could not be read"))?
}

/// A slot among the bodies that are read.
async fn slot(slots: &[Arc<Slots>]) -> Result<Taken, CallerError> {
    let slot = match slots::ask(slots) {
        Asked::Taken(slot) => Some(slot),
        Asked::Queued(waiting) => waiting.await,
        Asked::Full => None,
    };
    slot.ok_or_else(|| {
        CallerError::new(503, "too_many_bodies", "too many large requests are being read; try again in a moment")
    })
}

fn page<'a>(method: &'a Method, uri: &'a Uri, below: &'a str) -> RequestHead<'a> {
    RequestHead { method: method.as_str(), path: uri.path(), below, query: uri.query().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_large_body_waits_so_long_behind_others_and_no_longer() {
        let slots = [Arc::new(Slots::new(ConcurrencyPlan { queue: 1, ..AT_ONCE }))];
        let reading = slot(&slots).await.unwrap();
        let begin = Instant::now();
        let (waited, refused) = tokio::join!(
            async {
                let waited = slot(&slots).await;
                (waited.map(drop).map_err(|error| error.status), begin.elapsed())
            },
            async {
                let refused = slot(&slots).await;
                (refused.map(drop).map_err(|error| error.status), begin.elapsed())
            }
        );
        assert_eq!(waited, (Err(503), AT_ONCE.wait));
        assert_eq!(refused, (Err(503), Duration::ZERO), "one more does not wait at all");
        let next = async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(reading);
        };
        let (slot, ()) = tokio::join!(slot(&slots), next);
        assert!(slot.is_ok(), "whose slot comes in time is read");
    }
}
