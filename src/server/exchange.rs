//! One request and its reply.

use std::sync::Arc;

use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{CallerError, Refusal};
use chatwire_protocols::protocol::RequestHead;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::body::Body;
use super::gateway::Gateway;
use super::open::Pace;
use super::socket::Handover;
use super::{attachments, cors, facts, health, hosts, inspect, kept, open, parsing, refuse, request, socket};
use crate::access;
use crate::config::plan::{Model, Route};
use crate::path::RoutePath;
use crate::store::Owner;
use crate::telemetry::Record;
use crate::turn::answering;

const METHODS: &str = "POST, OPTIONS";

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
    } else if let Some(route) = gateway.route(path) {
        let mut response = on_path(gateway, route, "", head, body, record, handover).await;
        cors::apply(&route.cors, &head.headers, &mut response);
        response
    } else if let Some((mount, below)) = gateway.facts(path) {
        let mut response = facts::reply(gateway, mount, below, head, record).await;
        cors::apply(&mount.cors, &head.headers, &mut response);
        response
    } else if let Some((mount, below)) = gateway.inspect(path) {
        let mut response = inspect::reply(gateway, mount, below, head, record);
        cors::apply(&mount.cors, &head.headers, &mut response);
        response
    } else if let Some((uploads, mount, below)) = gateway.attachments(path) {
        let mut response = attachments::reply(gateway, uploads, (mount, below), head, body, record).await;
        cors::apply(&mount.cors, &head.headers, &mut response);
        response
    } else if let Some((route, below)) = gateway.route_above(path) {
        let mut response = on_path(gateway, route, below, head, body, record, handover).await;
        cors::apply(&route.cors, &head.headers, &mut response);
        response
    } else {
        let error = CallerError::new(404, "not_found", "there is nothing at this path");
        refused(record, None, &Refusal::Caller(&error))
    }
}

/// Answers a request at a route's path, or `below` it.
async fn on_path(
    gateway: &Arc<Gateway>,
    route: &Arc<Route>,
    below: &str,
    head: &mut Parts,
    body: Incoming,
    mut record: Record,
    handover: &Handover,
) -> Response<Body> {
    record.route(&route.path, route.protocol.name);
    let methods = if route.memory.is_some() { kept::METHODS } else { METHODS };
    if head.method == Method::OPTIONS {
        record.quiet();
        let mut response = refuse::empty(StatusCode::NO_CONTENT);
        refuse::allow(&mut response, methods);
        if cors::is_preflight(&head.method, &head.headers) {
            cors::preflight(&route.cors, methods, &head.headers, &mut response);
        }
        return response;
    }
    if socket::is_asked(head) {
        match socket::reply(gateway, route, below, head, record, handover) {
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
            Ok((owner, ask)) => {
                let files = gateway.files(head);
                return kept::reply(gateway, route, (memory, &owner, &*files), ask, record, pace).await;
            }
            Err(error) => error,
        },
        None => match read(gateway, route, head, body).await {
            Ok(asked) => return open::reply(gateway, route, asked, record, pace).await,
            Err(error) => error,
        },
    };
    let mut response = refused(record, Some(route), &Refusal::Caller(&error));
    match error.status {
        405 => refuse::allow(&mut response, methods),
        // The body, or the rest of it, still stands on the connection.
        408 | 413 => refuse::close(&mut response, head.version),
        _ => {}
    }
    response
}

/// What a page asks for.
pub struct Asked {
    pub chat: ChatRequest,
    pub model: Arc<Model>,
    /// Whose request it is; a route without layers and a workspace does not ask.
    pub owner: Option<Owner>,
}

async fn read(gateway: &Gateway, route: &Arc<Route>, head: &Parts, body: Incoming) -> Result<Asked, CallerError> {
    if head.method != Method::POST {
        return Err(CallerError::new(405, "method_not_allowed", "use POST"));
    }
    request::check_media(&head.headers)?;
    let owner = if route.needs_owner() { Some(access::identify(&gateway.plan, head)?.owner) } else { None };
    let body = request::read_body(head, body, &gateway.plan.server).await?;
    let parse = |route: &Route, page: &RequestHead<'_>, body: &[u8]| {
        let chat = route.frontend.parse(page, body)?;
        request::check_counts(&chat)?;
        Ok(chat)
    };
    let mut chat = parsing::parse(route, (head, ""), body, parse).await?;
    let model = answering(route, chat.model.as_deref(), chat.own_provider.take())?;
    Ok(Asked { chat, model, owner })
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
