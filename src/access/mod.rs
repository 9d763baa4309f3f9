//! Who asks, and what they may: known before anything of a request is read but its head.
//!
//! ```text
//! head ─▶ credential ─▶ key (hash in the file) ┐
//!                    └▶ token (JWT, key set)   ┴▶ Gate::identify ─▶ Caller ─▶ every handler
//! ```
//!
//! Only this module makes a [`Caller`], and no handler can be called without one. So a path that forgets to ask who
//! comes does not compile.

mod auth;
mod credential;
mod gate;
mod jwt;
mod key;
mod owner;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::request::Parts;

pub use auth::{Auth, Mount};
pub use credential::{KEY_SUBPROTOCOL, SUBPROTOCOL};
pub use gate::Gate;
pub use jwt::{ALGORITHMS, Jwks, Jwt, KeySet, Keys, algorithm};
pub use key::{ApiKey, KeyHash, Patterns, new_key};

use crate::store::Owner;

/// The address that a request comes from, as far as the trusted proxies tell: the edge puts it to every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// What is given to one customer: an address of IPv4, or the /64 network of one of IPv6.
    pub fn network(self) -> IpAddr {
        match self.0.to_canonical() {
            address @ IpAddr::V4(_) => address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        }
    }

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

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where the request comes from.
    pub peer: Peer,
    /// The key it came with, if it came with one.
    pub key: Option<Arc<ApiKey>>,
    /// The user it is for.
    pub owner: Owner,
    /// Until when this is so, in milliseconds since 1970: connections that last longer end then.
    pub until: Option<u64>,
    _identified: Identified,
}

/// Keeps callers from being made anywhere else.
#[derive(Clone, Copy, Debug)]
struct Identified;

impl Caller {
    fn new(peer: Peer, key: Option<Arc<ApiKey>>, owner: Owner, until: Option<u64>) -> Self {
        Self { peer, key, owner, until, _identified: Identified }
    }

    /// Somebody, for tests of what callers are needed for.
    #[cfg(test)]
    pub fn of_test(peer: Peer, key: Option<Arc<ApiKey>>, owner: Owner) -> Self {
        Self::new(peer, key, owner, None)
    }
}
