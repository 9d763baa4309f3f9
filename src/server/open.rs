//! Opening the reply to a turn. The head is held back until the turn says something, or has been silent for the
//! keep-alive time: a failure until then is a plain error with its own status.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use chatwire_protocols::error::{CallerError, Failure, Refusal};
use chatwire_protocols::event::Event;
use chatwire_protocols::protocol::{Keeps, Reply, ReplyContext};
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::allowance;
use super::body::{Body, TurnBody};
use super::exchange::{Asked, refused};
use super::gateway::Gateway;
use super::pump::Pumped;
use super::source::Source;
use crate::clock::now_ms;
use crate::config::plan::Route;
use crate::limits::Admission;
use crate::telemetry::Record;
use crate::threads::new_id;
use crate::turn::{Driver, Parts, parts};
use crate::upstream::Tried;

/// Whether an answer was known without asking a provider.
const CACHE: HeaderName = HeaderName::from_static("x-chatwire-cache");

/// Who notices that a page does not read its answer.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// The connection: it carries this answer alone.
    OfConnection,
    /// Nobody but us: the connection carries other streams as well. A page may take so long for each piece.
    OfStream(Duration),
}

/// Runs a turn and gives the reply to it.
pub async fn reply(
    gateway: &Gateway,
    route: &Arc<Route>,
    asked: Asked,
    admission: Admission,
    mut record: Record,
    pace: Pace,
) -> Response<Body> {
    let Asked { chat, model, owner } = asked;
    let standing = admission.standing;
    record.model(&model.name);
    let turn = new_id("turn");
    let context = ReplyContext {
        turn: turn.clone(),
        message: chat.continues.clone().unwrap_or_else(|| new_id("msg")),
        model: model.name.as_str().into(),
        created: now_ms() / 1000,
        kept: None,
    };
    let reply = route.frontend.open(&chat, &context);
    let parts = parts(gateway.threads.means(), route, Some(&owner), turn, chat, model).await;
    let driver = Driver::new(Parts { admission, ..parts });
    let mut response = send(route, reply, Source::Own(Box::new(driver)), record, pace).await;
    allowance::tell(response.headers_mut(), standing);
    response
}

/// Gives the reply to a turn, wherever its events come from.
pub async fn send(route: &Route, reply: Reply, source: Source, record: Record, pace: Pace) -> Response<Body> {
    if reply.whole {
        whole(route, reply, source, record).await
    } else {
        stream(route, reply, source, record, pace).await
    }
}

async fn stream(route: &Route, reply: Reply, mut source: Source, record: Record, pace: Pace) -> Response<Body> {
    let mut events = Vec::new();
    // A page that holds nothing itself must be told what has been stored for it, also when the turn fails.
    let held = source.is_own() || keeps(route) != Keeps::Always;
    let opening = async {
        while held && !opens(&events) && !source.ended() {
            std::future::poll_fn(|cx| source.poll(cx, &mut events)).await;
        }
    };
    match route.keep_alive {
        // Silent for so long: the page gets its head and a keep-alive, and a failure from now on is a frame.
        Some(silence) => drop(tokio::time::timeout(silence, opening).await),
        None => opening.await,
    }
    if held
        && !opens(&events)
        && let Some(Event::Failed(failure)) = events.last()
    {
        return refused_turn(route, record, &source, failure);
    }
    let (head, cached, tried) = ((reply.status, reply.headers), source.cached(), source.tried());
    let body = Box::new(TurnBody::new(source, reply.encoder, events, route.keep_alive, record));
    let body = match pace {
        Pace::OfConnection => Body::Turn(body),
        Pace::OfStream(patience) => Body::Pumped(Pumped::new(body, patience)),
    };
    let mut response = with_head(head, body);
    tell_cached(&mut response, cached);
    // Nothing between us and the page may wait for more before it passes a piece on.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    show_attempts(route, &tried, &mut response);
    response
}

/// Says what was tried until now, where the route wants it.
fn show_attempts(route: &Route, tried: &Tried, response: &mut Response<Body>) {
    let shown = tried.to_string();
    if route.attempts_header
        && !shown.is_empty()
        && let Ok(value) = HeaderValue::from_str(&shown)
    {
        response.headers_mut().insert(HeaderName::from_static("x-chatwire-attempts"), value);
    }
}

fn keeps(route: &Route) -> Keeps {
    route.protocol.frontend.as_ref().map_or(Keeps::Never, |frontend| frontend.keeps)
}

/// True if the events say something to the page: the head must go out.
fn opens(events: &[Event]) -> bool {
    let silent = |event: &Event| {
        matches!(
            event,
            Event::TurnStart { .. } | Event::Now { .. } | Event::StepStart(_) | Event::Warning(_) | Event::Failed(_)
        )
    };
    !events.iter().all(silent)
}

/// A reply that is one document: it is sent when it is complete.
async fn whole(route: &Route, mut reply: Reply, mut source: Source, mut record: Record) -> Response<Body> {
    let mut events = Vec::new();
    let mut out = BytesMut::new();
    while !source.ended() {
        std::future::poll_fn(|cx| source.poll(cx, &mut events)).await;
        for event in events.drain(..) {
            if let Event::Failed(failure) = &event {
                return refused_turn(route, record, &source, failure);
            }
            record.event(&event, || (source.target(), source.tried()));
            reply.encoder.event(&event, &mut out);
        }
    }
    record.cached(source.cached());
    if reply.encoder.abort() {
        let error = CallerError::new(503, "stopped", "the answer was stopped before it was complete");
        return refused(record, Some(route), &Refusal::Caller(&error));
    }
    let mut response = with_head((reply.status, reply.headers), Body::from(out.freeze()));
    tell_cached(&mut response, source.cached());
    show_attempts(route, &source.tried(), &mut response);
    response
}

fn refused_turn(route: &Route, mut record: Record, source: &Source, failure: &Failure) -> Response<Body> {
    record.target((source.target(), source.tried()));
    let mut response = match source.mistake() {
        Some(error) => refused(record, Some(route), &Refusal::Caller(&error)),
        None => refused(record, Some(route), &Refusal::Failure(failure)),
    };
    show_attempts(route, &source.tried(), &mut response);
    response
}

/// Tells whether the answer was known without asking a provider, as far as that is known when the head goes out.
fn tell_cached(response: &mut Response<Body>, cached: Option<bool>) {
    if let Some(hit) = cached {
        response.headers_mut().insert(CACHE, HeaderValue::from_static(if hit { "hit" } else { "miss" }));
    }
}

fn with_head((status, headers): (u16, Vec<(&'static str, String)>), body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
