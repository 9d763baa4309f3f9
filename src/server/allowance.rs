//! Asks the limits whether a page may have a turn, and tells it what is left.

use std::sync::Arc;

use chatwire_protocols::error::Refusal;
use chatwire_protocols::operation::{Ask, Operation};
use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderMap, Response};

use super::body::Body;
use super::exchange::refused;
use super::gateway::Gateway;
use crate::access::Caller;
use crate::clock::whole_seconds;
use crate::config::plan::Route;
use crate::limits::{Admission, Over, Refused, Standing, Who};
use crate::telemetry::Record;
use crate::threads::ThreadError;

/// The names that most servers use and most clients read, those of the IETF's drafts before they became one field.
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Asks for a turn.
///
/// # Errors
/// A limit is reached.
pub async fn admit(gateway: &Gateway, route: &Route, caller: &Caller) -> Result<Admission, Refused> {
    let who = Who { peer: caller.peer, key: caller.key.as_deref(), owner: &caller.owner, route };
    gateway.limits.admit(&who, &gateway.plan.limits).await
}

/// Asks for what a page of a kept conversation wants. Only what a model works for counts.
///
/// # Errors
/// A limit is reached.
pub async fn admit_ask(gateway: &Gateway, route: &Route, caller: &Caller, ask: &Ask) -> Result<Admission, Refused> {
    match ask {
        Ask::Turn(_) | Ask::Operation(Operation::Transcribe { .. }) => admit(gateway, route, caller).await,
        Ask::Resume { .. } | Ask::Operation(_) => Ok(Admission::default()),
    }
}

/// The answer to somebody who may not.
pub fn refuse(record: Record, route: &Arc<Route>, why: &Refused) -> Response<Body> {
    let over = match why {
        Refused::Over(over) => over,
        Refused::Failed(failure) => return refused(record, Some(route), &Refusal::Failure(failure)),
    };
    let mut response = refused(record, Some(route), &Refusal::Caller(&over.error));
    mark(response.headers_mut(), over);
    response
}

/// Says when asking again may help.
pub fn mark(headers: &mut HeaderMap, over: &Over) {
    headers.insert(RETRY_AFTER, whole_seconds(over.retry_after).max(1).into());
    tell(headers, over.standing);
}

/// Tells how much is left.
pub fn tell(headers: &mut HeaderMap, standing: Option<Standing>) {
    if let Some(standing) = standing {
        headers.insert(LIMIT, standing.limit.into());
        headers.insert(REMAINING, standing.remaining.into());
        headers.insert(RESET, whole_seconds(standing.reset).into());
    }
}

impl From<Refused> for ThreadError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Over(over) => Self::Caller(over.error),
            Refused::Failed(failure) => Self::Failed(failure),
        }
    }
}
