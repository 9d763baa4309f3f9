//! Asks the limits whether a page may have a turn, and tells it what is left.

use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::error::{CallerError, Failure, Refusal};
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

/// When asking again may help an address that has too many requests, or a gateway that has too many turns.
const SOON: Duration = Duration::from_secs(1);

/// Asks for a turn, and for a place among those that run: nobody waits for one.
///
/// # Errors
/// There is no place, or a limit is reached.
pub async fn admit(gateway: &Gateway, route: &Route, caller: &Caller) -> Result<Admission, Refused> {
    let Some(permit) = gateway.threads.turns().permit() else {
        return Err(Refused::Failed(Failure::exhausted("as many turns run as may (`max_turns`)")));
    };
    let admission = within_limits(gateway, route, caller).await?;
    Ok(Admission { permit: admission.permit.with(permit), ..admission })
}

async fn within_limits(gateway: &Gateway, route: &Route, caller: &Caller) -> Result<Admission, Refused> {
    let who = Who { peer: caller.peer, key: caller.key.as_deref(), owner: &caller.owner, route };
    gateway.limits.admit(&who, &gateway.plan.limits).await
}

/// Asks for what a page of a kept conversation wants. Only what a model works for counts. A kept turn has its place with
/// its thread.
///
/// # Errors
/// There is no place, or a limit is reached.
pub async fn admit_ask(gateway: &Gateway, route: &Route, caller: &Caller, ask: &Ask) -> Result<Admission, Refused> {
    match ask {
        Ask::Turn(_) => within_limits(gateway, route, caller).await,
        Ask::Operation(Operation::Transcribe { .. }) => admit(gateway, route, caller).await,
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

/// The answer to an address that has as many requests as it may have.
pub fn crowded() -> Over {
    let error = CallerError::new(429, "too_many_requests", "too many requests of this address are being answered");
    Over { error, retry_after: SOON, standing: None }
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
