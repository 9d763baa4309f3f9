//! Requests of pages whose conversations the gateway keeps.

use std::sync::Arc;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Refusal};
use chatwire_protocols::operation::Ask;
use http::request::Parts;
use http::{Method, Response};
use hyper::body::{Body as _, Incoming};

use super::body::Body;
use super::exchange::refused;
use super::gateway::Gateway;
use super::open::{self, Pace};
use super::source::Source;
use super::{allowance, cors, parsing, refuse, request};
use crate::access::Caller;
use crate::config::plan::{Memory, Route};
use crate::telemetry::Record;
use crate::threads::{Asker, Files, Reply, ThreadError};

/// The methods that a dialect may have a use for. Which of them a path has, it says itself.
pub const METHODS: &str = "GET, POST, PUT, PATCH, DELETE, OPTIONS";

/// Reads what a page asks for, at a path `below` that of its route.
pub async fn read(
    gateway: &Gateway,
    route: &Arc<Route>,
    below: &str,
    head: &Parts,
    body: Incoming,
) -> Result<Ask, CallerError> {
    let writes = [Method::POST, Method::PUT, Method::PATCH].contains(&head.method);
    let sends = writes && !body.is_end_stream();
    if sends {
        request::check_media(&head.headers)?;
    } else if writes && request::check_media(&head.headers).is_err() {
        // It needs no preflight: without this, any page that the user visits could stop their turns.
        cors::check(&route.cors, head)?;
    }
    let body = match sends {
        true => request::read_body(head, body, &gateway.plan.server).await?,
        false => bytes::Bytes::new(),
    };
    parsing::parse(route, (head, below), body, |route, page, body| route.frontend.ask(page, body)).await
}

/// Does what a page asks for and gives the reply.
pub async fn reply(
    gateway: &Gateway,
    route: &Arc<Route>,
    (memory, caller, files): (&Memory, &Caller, &dyn Files),
    ask: Ask,
    mut record: Record,
    pace: Pace,
) -> Response<Body> {
    let admission = match allowance::admit_ask(gateway, route, caller, &ask).await {
        Ok(admission) => admission,
        Err(why) => return allowance::refuse(record, route, &why),
    };
    let standing = admission.standing;
    let asker = Asker {
        owner: &caller.owner,
        key: caller.key.as_deref(),
        route,
        memory,
        files,
        admission: &admission,
        turn: None,
    };
    let asked = gateway.threads.ask(asker, ask).await;
    // The turn has its own by now.
    drop(admission);
    let (source, chat, context) = match asked {
        Ok(Reply::Turn(follower, wire)) => {
            let (chat, context) = follower.opening();
            (Source::Kept(follower), ChatRequest { wire, ..chat }, context)
        }
        Ok(Reply::Idle(document)) => {
            record.answered(document.status);
            return refuse::given(document);
        }
        Ok(Reply::Said(said)) => (Source::Said(said.events), said.chat, said.context),
        Ok(Reply::Answer(answer)) => {
            let document = route.frontend.answer(&answer);
            record.answered(document.status);
            return refuse::given(document);
        }
        Err(ThreadError::Caller(error)) => return refused(record, Some(route), &Refusal::Caller(&error)),
        Err(ThreadError::Failed(failure)) => return refused(record, Some(route), &Refusal::Failure(&failure)),
    };
    record.model(&context.model);
    let reply = route.frontend.open(&chat, &context);
    let mut response = open::send(route, reply, source, record, pace).await;
    allowance::tell(response.headers_mut(), standing);
    response
}
