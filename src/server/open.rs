//! Opening the reply to a turn. The head is held back until the turn says something, or has been silent for the
//! keep-alive time: a failure until then is a plain error with its own status.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::error::{Failure, Refusal};
use chatwire_protocols::event::{Event, Text};
use chatwire_protocols::protocol::{Reply, ReplyContext};
use compact_str::format_compact;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use uuid::Uuid;

use super::body::{Body, TurnBody};
use super::exchange::{Asked, refused};
use super::gateway::Gateway;
use super::pump::Pumped;
use crate::config::plan::{Route, ToolPlan};
use crate::layers::Prepared;
use crate::store::Owner;
use crate::telemetry::Record;
use crate::tools::Toolbox;
use crate::turn::{Driver, Parts};

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
    mut record: Record,
    pace: Pace,
) -> Response<Body> {
    let Asked { mut chat, model, owner } = asked;
    record.model(&model.name);
    let turn = new_id("turn");
    let context = ReplyContext {
        turn: turn.clone(),
        message: chat.continues.clone().unwrap_or_else(|| new_id("msg")),
        model: model.name.as_str().into(),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        kept: None,
    };
    let reply = route.frontend.open(&chat, &context);
    let tools = prepare(gateway, route, owner.as_ref(), &mut chat).await;
    let toolbox = Toolbox::new(&tools, &mut chat.tools);
    let driver = Driver::new(Parts {
        turn,
        chat,
        toolbox,
        model,
        max_steps: route.max_steps,
        timeout: route.turn_timeout,
        upstreams: Arc::clone(&gateway.upstreams),
        stop: gateway.stop.clone(),
    });
    if reply.whole {
        whole(route, reply, driver, record).await
    } else {
        stream(route, reply, driver, record, pace).await
    }
}

/// Applies the route's layers and gives the tools of the turn: those of MCP servers as they are now.
async fn prepare(
    gateway: &Gateway,
    route: &Route,
    owner: Option<&Owner>,
    chat: &mut ChatRequest,
) -> Vec<Arc<ToolPlan>> {
    let mut tools = route.tools.clone();
    if !route.mcp.is_empty() {
        gateway.servers.add(&route.mcp, &mut tools).await;
    }
    if let Some(owner) = owner {
        let mut prepared = Prepared { owner, store: &gateway.store, chat, tools: &mut tools };
        for layer in &route.layers {
            layer.prepare(&mut prepared).await;
        }
    }
    tools
}

async fn stream(route: &Route, reply: Reply, mut driver: Driver, record: Record, pace: Pace) -> Response<Body> {
    let mut events = Vec::new();
    let opening = async {
        while !opens(&events) && !driver.ended() {
            std::future::poll_fn(|cx| driver.poll(cx, &mut events)).await;
        }
    };
    match route.keep_alive {
        // Silent for so long: the page gets its head and a keep-alive, and a failure from now on is a frame.
        Some(silence) => drop(tokio::time::timeout(silence, opening).await),
        None => opening.await,
    }
    if !opens(&events)
        && let Some(Event::Failed(failure)) = events.last()
    {
        return refused_turn(route, record, &driver, failure);
    }
    let head = (reply.status, reply.headers);
    let body = Box::new(TurnBody::new(driver, reply.encoder, events, route.keep_alive, record));
    let body = match pace {
        Pace::OfConnection => Body::Turn(body),
        Pace::OfStream(patience) => Body::Pumped(Pumped::new(body, patience)),
    };
    let mut response = with_head(head, body);
    // Nothing between us and the page may wait for more before it passes a piece on.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    response
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
async fn whole(route: &Route, mut reply: Reply, mut driver: Driver, mut record: Record) -> Response<Body> {
    let mut events = Vec::new();
    let mut out = BytesMut::new();
    while !driver.ended() {
        std::future::poll_fn(|cx| driver.poll(cx, &mut events)).await;
        for event in events.drain(..) {
            if let Event::Failed(failure) = &event {
                return refused_turn(route, record, &driver, failure);
            }
            record.event(&event, &driver);
            reply.encoder.event(&event, &mut out);
        }
    }
    with_head((reply.status, reply.headers), Body::from(out.freeze()))
}

fn refused_turn(route: &Route, mut record: Record, driver: &Driver, failure: &Failure) -> Response<Body> {
    record.target(driver);
    match driver.mistake() {
        Some(error) => refused(record, Some(route), &Refusal::Caller(error)),
        None => refused(record, Some(route), &Refusal::Failure(failure)),
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

fn new_id(kind: &str) -> Text {
    format_compact!("{kind}_{}", Uuid::now_v7().simple())
}
