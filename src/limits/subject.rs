//! Whom a limit holds for.

use std::net::IpAddr;

use super::{LimitRules, Limits};
use crate::access::{ApiKey, Peer};
use crate::config::plan::Route;
use crate::store::Owner;

/// Who asks, and where.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    /// Where the request comes from.
    pub peer: Peer,
    /// The key it came with, if it came with one.
    pub key: Option<&'a ApiKey>,
    /// The user it is for.
    pub owner: &'a Owner,
    /// The route that is asked.
    pub route: &'a Route,
}

/// Somebody whom a limit holds for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    /// All requests with a key.
    Key(String),
    /// All requests for a user.
    Owner(Owner),
    /// All requests from an address.
    Address(IpAddr),
    /// All requests to a route.
    Route(String),
}

/// A limit and whom it holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub subject: Subject,
    pub limits: Limits,
}

impl Who<'_> {
    /// All limits that hold for a request.
    pub(super) fn rules(&self, rules: &LimitRules) -> Vec<Rule> {
        let key = self.key.map(|key| (Subject::Key(key.name.clone()), key.limits.unwrap_or(rules.key)));
        let owner = Some((Subject::Owner(self.owner.clone()), rules.owner));
        let address = Some((Subject::of(self.peer), rules.address));
        let route = Some((Subject::Route(self.route.path.clone()), self.route.limits));
        let all = [key, owner, address, route].into_iter().flatten();
        all.filter(|(_, limits)| !limits.is_empty()).map(|(subject, limits)| Rule { subject, limits }).collect()
    }
}

impl Subject {
    /// The address of a peer, or the network of one.
    pub fn of(peer: Peer) -> Self {
        Self::Address(peer.network())
    }

    /// Its name in the store.
    pub fn name(&self) -> String {
        match self {
            Self::Key(name) => format!("key:{name}"),
            Self::Owner(owner) => format!("owner:{}", owner.as_str()),
            Self::Address(address) => format!("address:{address}"),
            Self::Route(path) => format!("route:{path}"),
        }
    }

    /// What a refused caller is told of it.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Key(_) => "with this key",
            Self::Owner(_) => "of this user",
            Self::Address(_) => "from this address",
            Self::Route(_) => "on this route",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_stands_for_its_network() {
        let subject = |address: &str| Subject::of(Peer(address.parse().unwrap())).name();
        assert_eq!(subject("2001:db8:1:2:3:4:5:6"), "address:2001:db8:1:2::");
        assert_eq!(subject("2001:db8:1:2:ffff::1"), subject("2001:db8:1:2:3:4:5:6"));
        assert_ne!(subject("2001:db8:1:3::1"), subject("2001:db8:1:2::1"));
        assert_eq!(
            (subject("::ffff:192.0.2.1"), subject("192.0.2.2")),
            (subject("192.0.2.1"), "address:192.0.2.2".into())
        );
    }
}
