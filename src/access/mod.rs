//! Who asks, and what they may: known before anything of a request is read but its head.

mod owner;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use chatwire_protocols::error::CallerError;
use http::request::Parts;

use crate::config::plan::Plan;
use crate::limits::Limits;
use crate::store::Owner;

/// The address that a request comes from, as far as the trusted proxies tell: the edge puts it to every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// The address of a request's peer; where the edge did not say, an address that is nobody's.
    pub fn of(head: &Parts) -> Self {
        head.extensions.get().copied().unwrap_or(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }
}

/// Whether the client's own connection is encrypted, as far as the trusted proxies tell: the edge puts it to every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encrypted(pub bool);

impl Encrypted {
    /// That of a request.
    pub fn of(head: &Parts) -> Self {
        head.extensions.get().copied().unwrap_or(Self(false))
    }
}

/// An API key of the configuration, without the key itself.
#[derive(Debug)]
pub struct ApiKey {
    /// Its name in the file: for logs, metrics and limits.
    pub name: String,
    /// What holds for all requests with it.
    pub limits: Option<Limits>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where the request comes from.
    pub peer: Peer,
    /// The key it came with, if keys are asked for.
    pub key: Option<Arc<ApiKey>>,
    /// The user it is for.
    pub owner: Owner,
}

/// Finds out who asks.
///
/// # Errors
/// 401 if that must be known and is not.
pub fn identify(plan: &Plan, head: &Parts) -> Result<Caller, CallerError> {
    let owner = owner::of(plan.owner.as_deref(), &head.headers)?;
    Ok(Caller { peer: Peer::of(head), key: None, owner })
}
