//! The listener and its limits.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::{Resolver, items, value};
use crate::config::file::{self, List, Optional};
use crate::config::plan::{Server, Tls, WebSocket};
use crate::config::read::At;
use crate::config::report::Problem;
use crate::config::values::{Deadline, Switch, Whole};

impl Resolver<'_> {
    pub fn server(&mut self, file: &Optional<file::Server>) -> Server {
        let usual = Server::default();
        let Some(file) = value(file) else { return usual };
        let time = |deadline: &Optional<Deadline>, usual: Duration| value(deadline).map_or(usual, |time| time.0);
        Server {
            listen: value(&file.listen).map_or(usual.listen, |listen| listen.0),
            max_body: value(&file.max_body).map_or(usual.max_body, |size| size.0),
            max_head: value(&file.max_head).map_or(usual.max_head, |size| size.0),
            head_timeout: time(&file.head_timeout, usual.head_timeout),
            body_timeout: time(&file.body_timeout, usual.body_timeout),
            min_body_rate: match value(&file.min_body_rate) {
                None => usual.min_body_rate,
                Some(Switch::Off) => None,
                Some(Switch::On(rate)) => Some(rate.0),
            },
            idle_timeout: time(&file.idle_timeout, usual.idle_timeout),
            write_timeout: time(&file.write_timeout, usual.write_timeout),
            drain: value(&file.drain).map_or(usual.drain, |time| time.0),
            threads: value(&file.threads).map_or(usual.threads, count),
            max_connections: value(&file.max_connections).map_or(usual.max_connections, count),
            max_connections_per_address: value(&file.max_connections_per_address).map(count),
            max_turns: (value(&file.max_turns).or(value(&file.max_connections)))
                .map_or(usual.max_turns, |number| u32::try_from(number.0).unwrap_or(u32::MAX)),
            watch: value(&file.watch).is_none_or(|watch| *watch),
            hosts: self.hosts(&file.hosts),
            trusted_proxies: items(&file.trusted_proxies).iter().filter_map(|text| self.network(text)).collect(),
            client_header: value(&file.client_header).map(|word| word.0).unwrap_or_default(),
            tls: value(&file.tls).and_then(|tls| self.tls(tls)),
            websocket: value(&file.websocket).map(websocket).unwrap_or_default(),
        }
    }

    fn hosts(&mut self, hosts: &List<String>) -> Option<Vec<String>> {
        hosts.as_ref()?;
        for host in items(hosts) {
            let text = host.value.as_str();
            let whole = text.parse::<http::uri::Authority>().is_ok_and(|authority| authority.host() == text);
            if !whole && text != "*" {
                let problem = Problem::new(host.span.clone(), "not the name of a host");
                self.problem(problem.help("write it without scheme, port and path, as in \"chat.example.com\""));
            }
        }
        Some(items(hosts).iter().map(|host| host.value.clone()).collect())
    }

    fn network(&mut self, text: &At<String>) -> Option<IpNet> {
        let address = text.value.parse::<IpAddr>().map(IpNet::from);
        let Ok(network) = address.or_else(|_| text.value.parse::<IpNet>()) else {
            let problem = Problem::new(text.span.clone(), "neither an address nor a network");
            self.problem(problem.help("write one such as \"192.0.2.7\" or \"10.0.0.0/8\""));
            return None;
        };
        if network.trunc() != network {
            let problem = Problem::new(text.span.clone(), "an address inside a network");
            self.problem(problem.help(format!("the network is \"{}\"", network.trunc())));
            return None;
        }
        Some(network)
    }

    fn tls(&mut self, file: &file::Tls) -> Option<Tls> {
        let folder = self.surroundings.folder;
        let path = |name: &At<String>| folder.join(&name.value);
        Some(Tls { cert: file.cert.0.as_ref().map(path)?, key: file.key.0.as_ref().map(path)? })
    }
}

fn count<const MIN: u64, const MAX: u64>(number: &Whole<MIN, MAX>) -> usize {
    usize::try_from(number.0).unwrap_or(usize::MAX)
}

fn websocket(file: &file::WebSocket) -> WebSocket {
    let usual = WebSocket::default();
    WebSocket {
        max_message: value(&file.max_message).map_or(usual.max_message, |size| size.0),
        ping: value(&file.ping).map_or(usual.ping, |time| time.0),
        max_rate: value(&file.max_rate).map_or(usual.max_rate, |number| u32::try_from(number.0).unwrap_or(u32::MAX)),
        max_subscriptions: value(&file.max_subscriptions).map_or(usual.max_subscriptions, count),
        max_turns: value(&file.max_turns).map_or(usual.max_turns, count),
    }
}
