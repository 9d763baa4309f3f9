//! Where requests go: each path but those for health belongs to one of these. What is asked of callers is asked once, for
//! all of them.

use std::sync::Arc;

use chatwire_protocols::error::{CallerError, Refusal};
use http::{Method, Response};

use super::body::Body;
use super::exchange::refused;
use super::gateway::Gateway;
use super::{attachments, facts, inspect, kept};
use crate::access::Mount;
use crate::config::plan::{self, Cors, FactsMount, InspectMount, Route};
use crate::telemetry::Record;
use crate::uploads::Uploads;

/// What a path belongs to, and the part of the path below it.
#[derive(Clone, Copy)]
pub enum Endpoint<'a> {
    Route(&'a Arc<Route>, &'a str),
    Facts(&'a FactsMount, &'a str),
    Inspect(&'a InspectMount, &'a str),
    Attachments(&'a Uploads, &'a plan::Attachments, &'a str),
}

impl<'a> Endpoint<'a> {
    /// What is at this path: a route of exactly this one comes first, then what has paths below its own.
    pub fn of(gateway: &'a Gateway, path: &'a str) -> Option<Self> {
        let route = gateway.route(path).map(|route| Self::Route(route, ""));
        let facts = || gateway.facts(path).map(|(mount, below)| Self::Facts(mount, below));
        let inspect = || gateway.inspect(path).map(|(mount, below)| Self::Inspect(mount, below));
        let files =
            || gateway.attachments(path).map(|(uploads, mount, below)| Self::Attachments(uploads, mount, below));
        let above = || gateway.route_above(path).map(|(route, below)| Self::Route(route, below));
        route.or_else(facts).or_else(inspect).or_else(files).or_else(above)
    }

    /// What the configuration asks of callers here.
    pub fn mount(self) -> Mount<'a> {
        match self {
            Self::Route(route, _) => route.mount(),
            Self::Facts(mount, _) => mount.mount(),
            Self::Inspect(mount, _) => mount.mount(),
            Self::Attachments(_, mount, _) => mount.mount(),
        }
    }

    pub fn cors(self) -> &'a Cors {
        match self {
            Self::Route(route, _) => &route.cors,
            Self::Facts(mount, _) => &mount.cors,
            Self::Inspect(mount, _) => &mount.cors,
            Self::Attachments(_, mount, _) => &mount.cors,
        }
    }

    /// What it is called in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Route(route, _) => route.protocol.name,
            Self::Facts(..) => "facts",
            Self::Inspect(..) => "inspect",
            Self::Attachments(..) => "attachments",
        }
    }

    /// The methods at this path; nothing if there is nothing.
    pub fn methods(self) -> Option<&'static str> {
        match self {
            Self::Route(route, _) => Some(if route.memory.is_some() { kept::METHODS } else { "POST, OPTIONS" }),
            Self::Facts(_, below) => facts::methods(below),
            Self::Inspect(..) => Some(inspect::METHODS),
            Self::Attachments(_, _, below) => attachments::methods(below),
        }
    }

    /// Answers that nothing will be done, in the form of what is here.
    pub fn refuse(self, mut record: Record, error: &CallerError) -> Response<Body> {
        match self {
            Self::Route(route, _) => refused(record, Some(route), &Refusal::Caller(error)),
            Self::Facts(..) => facts::refused(record, error.status, error.code, &error.message),
            Self::Inspect(..) | Self::Attachments(..) => {
                record.refused(&Refusal::Caller(error));
                super::refuse::plain(error)
            }
        }
    }

    /// Whether a method sends a body, which stands on the connection still when it is not read.
    pub fn sends(method: &Method) -> bool {
        [Method::POST, Method::PUT, Method::PATCH].contains(method)
    }
}
