//! Requests for facts.

use chatwire_protocols::error::{CallerError, Failure, FailureKind, Refusal};
use http::Response;
use http::request::Parts;
use serde_json::json;

use super::body::Body;
use super::gateway::Gateway;
use super::{cors, refuse};
use crate::access::Caller;
use crate::config::plan::FactsMount;
use crate::frontends::facts::{Operation, answer};
use crate::store::StoreError;
use crate::telemetry::Record;

/// The methods at a path `below` that of the list; nothing if there is nothing.
pub fn methods(below: &str) -> Option<&'static str> {
    Some(if Operation::at(below)?.writes() { "POST, OPTIONS" } else { "GET, HEAD, OPTIONS" })
}

/// Answers a request at a path `below` that of the list.
pub async fn reply(
    gateway: &Gateway,
    mount: &FactsMount,
    below: &str,
    head: &Parts,
    caller: &Caller,
    mut record: Record,
) -> Response<Body> {
    let Some(operation) = Operation::at(below) else { return refused(record, 404, "not_found", "Not Found") };
    if operation.writes()
        && let Err(error) = cors::check(&mount.cors, head)
    {
        // There is no body, and so no preflight.
        return refused(record, error.status, error.code, &error.message);
    }
    match answer(&*gateway.store, &caller.owner, operation).await {
        Ok(Some(body)) => {
            record.answered(200);
            refuse::json(200, &body)
        }
        Ok(None) => refused(record, 404, "not_found", "Fact not found"),
        Err(error) => failed(record, &error),
    }
}

/// The caller's mistake, in the form of the facts app.
pub fn refused(mut record: Record, status: u16, code: &'static str, detail: &str) -> Response<Body> {
    record.refused(&Refusal::Caller(&CallerError::new(status, code, detail)));
    refuse::json(status, &json!({ "detail": detail }))
}

fn failed(mut record: Record, error: &StoreError) -> Response<Body> {
    if *error == StoreError::NoRoom {
        tracing::error!(%error, "a fact could not be kept");
        return refused(record, 507, "no_room", "There is no room left.");
    }
    let kind = if error.is_passing() { FailureKind::Overloaded } else { FailureKind::Internal };
    record.refused(&Refusal::Failure(&Failure::new(kind, error.to_string())));
    let detail = if error.is_passing() { "Busy. Please try again in a moment." } else { "Facts cannot be reached." };
    refuse::json(kind.status(), &json!({ "detail": detail }))
}
