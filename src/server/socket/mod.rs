//! WebSockets: a page's upgrade is checked here, and each connection then has one task, that of its listener's slot.
//!
//! ```text
//! page ─▶ Link ─▶ Socket::message ─▶ Asks ─▶ Threads::ask ─▶ Shows (followers of turns) ─▶ encoder ─▶ Link ─▶ page
//! ```
//!
//! Nothing is read from a turn while the page has not taken what was read before, so a slow page grows nothing here.

mod asks;
mod handshake;
mod link;
mod metered;
mod pace;
mod shows;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use chatwire_protocols::error::{CallerError, Failure, FailureKind, Refusal};
use chatwire_protocols::protocol::RequestHead;
use chatwire_protocols::socket::Socket;
use http::request::Parts;
use http::{Method, Response};
use hyper::upgrade::OnUpgrade;

use super::body::Body;
use super::cors;
use super::exchange::refused;
use super::gateway::Gateway;
use crate::access::Caller;
use crate::config::plan::Route;
use crate::telemetry::Record;

/// What a connection goes on with once it is no HTTP connection any more.
#[derive(Default)]
pub struct Handover(Mutex<Option<Upgraded>>);

/// Serves a WebSocket to its end.
pub type Upgraded = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Handover {
    /// What was left here.
    pub fn take(&self) -> Option<Upgraded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, upgraded: Upgraded) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgraded);
    }
}

/// True if a request asks for a WebSocket.
pub fn is_asked(head: &Parts) -> bool {
    head.method == Method::GET && handshake::is_asked(&head.headers)
}

/// The answer to an upgrade, if the route's dialect has a socket there.
pub fn reply(
    gateway: &Arc<Gateway>,
    (route, below): (&Arc<Route>, &str),
    head: &mut Parts,
    caller: &Caller,
    record: Record,
    handover: &Handover,
) -> Result<Response<Body>, Box<Record>> {
    let query = head.uri.query().unwrap_or_default();
    let page = RequestHead { method: head.method.as_str(), path: head.uri.path(), below, query };
    let session = match route.frontend.socket(&page) {
        Ok(Some(session)) if route.memory.is_some() => session,
        Ok(_) => return Err(Box::new(record)),
        Err(error) => return Ok(refused(record, Some(route), &Refusal::Caller(&error))),
    };
    Ok(match open(gateway, route, session, head, caller) {
        Ok((response, link, upgrade)) => {
            handover.put(Box::pin(link.serve(upgrade, record)));
            response
        }
        Err(Refused::Caller(error)) => {
            let mut response = refused(record, Some(route), &Refusal::Caller(&error));
            if error.status == 426 {
                handshake::say_version(&mut response);
            }
            response
        }
        Err(Refused::Stopping) => {
            let failure = Failure::new(FailureKind::Shutdown, "the gateway is stopping");
            refused(record, Some(route), &Refusal::Failure(&failure))
        }
    })
}

enum Refused {
    Caller(CallerError),
    Stopping,
}

impl From<CallerError> for Refused {
    fn from(error: CallerError) -> Self {
        Self::Caller(error)
    }
}

fn open(
    gateway: &Arc<Gateway>,
    route: &Arc<Route>,
    session: Box<dyn Socket>,
    head: &mut Parts,
    caller: &Caller,
) -> Result<(Response<Body>, link::Link, OnUpgrade), Refused> {
    let mut response = handshake::check(head, &[route.protocol.name])?;
    handshake::say_subprotocol(&head.headers, &mut response);
    // Browsers let any page open a socket anywhere, and send the user's cookies along.
    cors::check(&route.cors, head)?;
    if gateway.stop.has_begun() {
        return Err(Refused::Stopping);
    }
    let upgrade = head.extensions.remove::<OnUpgrade>().ok_or_else(handshake::not_here)?;
    let id = super::request::id(&head.headers).to_str().unwrap_or_default().to_owned();
    let files = gateway.files(head);
    let page = asks::Page { gateway: Arc::clone(gateway), route: Arc::clone(route), caller: caller.clone(), files };
    Ok((response, link::Link::new(page, session, id), upgrade))
}
