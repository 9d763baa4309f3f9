//! One request and its reply.

use std::sync::Arc;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Refusal};
use chatwire_protocols::protocol::RequestHead;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::addresses::TooMany;
use super::body::Body;
use super::endpoint::Endpoint;
use super::gateway::Gateway;
use super::open::Pace;
use super::socket::Handover;
use super::{
    allowance, attachments, cors, facts, health, hosts, inspect, kept, open, parsing, refuse, request, socket,
};
use crate::access::{Caller, Peer};
use crate::config::plan::{Model, Route};
use crate::path::RoutePath;
use crate::store::Owner;
use crate::telemetry::Record;
use crate::turn::answering;

/// Answers a request.
pub async fn answer(gateway: Arc<Gateway>, request: Request<Incoming>, handover: &Handover) -> Response<Body> {
    let id = request::id(request.headers());
    let record = Record::new(id.to_str().unwrap_or_default());
    let (mut head, body) = request.into_parts();
    let mut response = match check(&head) {
        Ok(path) => at(&gateway, &path, (&mut head, body), record, handover).await,
        Err(error) => {
            let mut response = refused(record, None, &Refusal::Caller(&error));
            refuse::close(&mut response, head.version);
            response
        }
    };
    response.headers_mut().insert(request::REQUEST_ID, id);
    response
}

/// The path of a request that is sound as such.
fn check(head: &Parts) -> Result<RoutePath, CallerError> {
    request::check_head(head)?;
    RoutePath::new(head.uri.path()).ok_or_else(|| {
        CallerError::new(400, "bad_path", "a path has one spelling: without empty or dot segments or needless escapes")
    })
}

/// Answers a request at the one path that it has.
async fn at(
    gateway: &Arc<Gateway>,
    path: &RoutePath,
    (head, body): (&mut Parts, Incoming),
    record: Record,
    handover: &Handover,
) -> Response<Body> {
    if let Some(response) = health::own(gateway, path, head) {
        record.quiet();
        return response;
    }
    if let Err(error) = hosts::check_known(&gateway.plan.server, head) {
        return refused(record, None, &Refusal::Caller(&error));
    }
    if let Some(response) = health::of_route(gateway, path, head).await {
        record.quiet();
        response
    } else if let Some(endpoint) = Endpoint::of(gateway, path) {
        let mut response = at_endpoint(gateway, endpoint, head, body, record, handover).await;
        cors::apply(endpoint.cors(), &head.headers, &mut response);
        response
    } else {
        let error = CallerError::new(404, "not_found", "there is nothing at this path");
        refused(record, None, &Refusal::Caller(&error))
    }
}

/// Answers a request for what is at a path, once it is known who asks.
async fn at_endpoint(
    gateway: &Arc<Gateway>,
    endpoint: Endpoint<'_>,
    head: &mut Parts,
    body: Incoming,
    mut record: Record,
    handover: &Handover,
) -> Response<Body> {
    record.route(endpoint.mount().path, endpoint.name());
    if head.extensions.get::<TooMany>().is_some() {
        let over = allowance::crowded();
        let mut response = endpoint.refuse(record, &over.error);
        allowance::mark(response.headers_mut(), &over);
        if Endpoint::sends(&head.method) {
            refuse::close(&mut response, head.version);
        }
        return response;
    }
    if head.method == Method::OPTIONS {
        return options(endpoint, head, record);
    }
    // What nobody could do here needs no credential.
    if let Some(methods) = endpoint.methods().filter(|methods| !methods.split(", ").any(|name| name == head.method)) {
        let mut response = endpoint.refuse(record, &CallerError::new(405, "method_not_allowed", "Method Not Allowed"));
        refuse::allow(&mut response, methods);
        return response;
    }
    if let Endpoint::Attachments(uploads, mount, below) = endpoint
        && attachments::is_signed(below, head)
    {
        return attachments::signed((&gateway.plan.server, uploads), (mount, below), head, body, record).await;
    }
    let caller = match gateway.gate.identify(&endpoint.mount(), head).await {
        Ok(caller) => caller,
        Err(error) => {
            // Whoever tries credentials must not try many.
            let wrong = error.status == 401 && error.code != "missing_credential";
            let noted = if wrong { gateway.limits.note_refused(Peer::of(head), &gateway.plan.limits) } else { Ok(()) };
            let mut response = endpoint.refuse(record, noted.as_ref().err().map_or(&error, |over| &over.error));
            match noted {
                Ok(()) => refuse::challenge(&mut response, &error),
                Err(over) => allowance::mark(response.headers_mut(), &over),
            }
            if Endpoint::sends(&head.method) {
                refuse::close(&mut response, head.version);
            }
            return response;
        }
    };
    record.key(caller.key.as_deref());
    match endpoint {
        Endpoint::Route(route, below) => on_route(gateway, (route, below), head, body, &caller, record, handover).await,
        Endpoint::Facts(mount, below) => facts::reply(gateway, mount, below, head, &caller, record).await,
        Endpoint::Inspect(_, below) => inspect::reply(gateway, below, &caller, record),
        Endpoint::Attachments(uploads, mount, below) => {
            attachments::reply((&gateway.plan.server, uploads), (mount, below), head, body, &caller, record).await
        }
    }
}

/// Says what may be done at a path. Browsers ask so before a request, and without its credential.
fn options(endpoint: Endpoint<'_>, head: &Parts, record: Record) -> Response<Body> {
    let Some(methods) = endpoint.methods() else {
        return endpoint.refuse(record, &CallerError::new(404, "not_found", "Not Found"));
    };
    record.quiet();
    let mut response = refuse::empty(StatusCode::NO_CONTENT);
    refuse::allow(&mut response, methods);
    if cors::is_preflight(&head.method, &head.headers) {
        cors::preflight(endpoint.cors(), methods, &head.headers, &mut response);
    }
    response
}

/// Answers a request at a route's path, or `below` it.
async fn on_route(
    gateway: &Arc<Gateway>,
    (route, below): (&Arc<Route>, &str),
    head: &mut Parts,
    body: Incoming,
    caller: &Caller,
    mut record: Record,
    handover: &Handover,
) -> Response<Body> {
    if socket::is_asked(head) {
        match socket::reply(gateway, (route, below), head, caller, record, handover) {
            Ok(response) => return response,
            Err(unused) => record = *unused,
        }
    }
    let pace = match head.version {
        Version::HTTP_2 => Pace::OfStream(gateway.plan.server.write_timeout),
        _ => Pace::OfConnection,
    };
    let error = match &route.memory {
        Some(memory) => match kept::read(gateway, route, below, head, body).await {
            Ok(ask) => {
                let files = gateway.files(head);
                return kept::reply(gateway, route, (memory, caller, &*files), ask, record, pace).await;
            }
            Err(error) => error,
        },
        None => match read(gateway, route, head, body, caller).await {
            Ok(asked) => {
                return match allowance::admit(gateway, route, caller).await {
                    Ok(admission) => open::reply(gateway, route, asked, admission, record, pace).await,
                    Err(why) => allowance::refuse(record, route, &why),
                };
            }
            Err(error) => error,
        },
    };
    let mut response = refused(record, Some(route), &Refusal::Caller(&error));
    match error.status {
        405 => refuse::allow(&mut response, Endpoint::Route(route, below).methods().unwrap_or_default()),
        // The body, or the rest of it, still stands on the connection.
        408 | 413 => refuse::close(&mut response, head.version),
        503 => refuse::later(&mut response),
        _ => {}
    }
    response
}

/// What a page asks for.
pub struct Asked {
    pub chat: ChatRequest,
    pub model: Arc<Model>,
    /// Whose request it is.
    pub owner: Owner,
}

async fn read(
    gateway: &Gateway,
    route: &Arc<Route>,
    head: &Parts,
    body: Incoming,
    caller: &Caller,
) -> Result<Asked, CallerError> {
    request::check_media(&head.headers)?;
    let body = request::read_body(head, body, &gateway.plan.server).await?;
    let parse = |route: &Route, page: &RequestHead<'_>, body: &[u8]| {
        let chat = route.frontend.parse(page, body)?;
        request::check_counts(&chat)?;
        Ok(chat)
    };
    let mut chat = parsing::parse(route, (head, ""), body, parse).await?;
    let model = answering(route, caller.key.as_deref(), chat.model.as_deref(), chat.own_provider.take())?;
    Ok(Asked { chat, model, owner: caller.owner.clone() })
}

/// Answers that there will be no stream, and logs it.
pub fn refused(mut record: Record, route: Option<&Route>, refusal: &Refusal<'_>) -> Response<Body> {
    record.refused(refusal);
    match (route, refusal) {
        (Some(route), refusal) => refuse::on_route(route, refusal),
        (None, Refusal::Caller(error)) => refuse::plain(error),
        (None, Refusal::Failure(failure)) => {
            refuse::plain(&CallerError::new(failure.kind.status(), failure.kind.label(), failure.safe_text()))
        }
    }
}
