//! Who asks when there are proxies between.
//!
//! Each proxy adds behind what is there already from whom it got the request. So the list is read from its end, for as
//! long as the address before is that of a proxy that is trusted: what stands further left a client could have written.

use std::net::{IpAddr, SocketAddr};

use http::request::Parts;
use http::{HeaderMap, HeaderName};

use crate::access::{Encrypted, Peer};
use crate::config::plan::{ClientHeader, Server};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// True if this address is that of a proxy that is believed.
pub fn is_trusted(server: &Server, address: IpAddr) -> bool {
    server.trusted_proxies.iter().any(|network| network.contains(&address))
}

/// Puts to a request who asks, over a connection from this address.
pub fn mark(server: &Server, head: &mut Parts, from: IpAddr, encrypted: bool) {
    let from = from.to_canonical();
    let (peer, encrypted) = match is_trusted(server, from) {
        false => (from, encrypted),
        true => (client(server, &head.headers, from), is_encrypted(server, &head.headers).unwrap_or(encrypted)),
    };
    head.extensions.insert(Peer(peer));
    head.extensions.insert(Encrypted(encrypted));
}

fn client(server: &Server, headers: &HeaderMap, from: IpAddr) -> IpAddr {
    let mut client = from;
    for entry in entries(headers, &place(server)).into_iter().rev() {
        let address = match server.client_header {
            ClientHeader::XForwardedFor => address(entry),
            ClientHeader::Forwarded => parameter(entry, "for").and_then(address),
        };
        // What cannot be read hides who asked: it is the last proxy that is known.
        let Some(address) = address else { break };
        client = address;
        if !is_trusted(server, client) {
            break;
        }
    }
    client
}

fn is_encrypted(server: &Server, headers: &HeaderMap) -> Option<bool> {
    let said = match server.client_header {
        ClientHeader::XForwardedFor => entries(headers, &X_FORWARDED_PROTO).pop(),
        ClientHeader::Forwarded => entries(headers, &place(server)).pop().and_then(|entry| parameter(entry, "proto")),
    };
    said.map(|scheme| scheme.eq_ignore_ascii_case("https"))
}

fn place(server: &Server) -> HeaderName {
    match server.client_header {
        ClientHeader::XForwardedFor => X_FORWARDED_FOR,
        ClientHeader::Forwarded => http::header::FORWARDED,
    }
}

/// The entries of a list that may stand in several headers. One that is no text is an empty one.
fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a str> {
    let lists = headers.get_all(name).iter().map(|list| list.to_str().unwrap_or_default());
    lists.flat_map(|list| list.split(',')).map(str::trim).collect()
}

/// A parameter of an entry of `Forwarded`. Quotes hold no commas here: an address has none.
fn parameter<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = entry.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn marked(header: ClientHeader, from: &str, headers: &[(&str, &str)]) -> (String, bool) {
        let trusted_proxies = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let server = Server { trusted_proxies, client_header: header, ..Server::default() };
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut head = request.body(()).unwrap().into_parts().0;
        mark(&server, &mut head, from.parse().unwrap(), false);
        (Peer::of(&head).0.to_string(), Encrypted::of(&head).0)
    }

    #[test]
    fn a_client_is_the_last_address_that_no_trusted_proxy_has() {
        for (from, said, client) in [
            ("203.0.113.9", &["192.0.2.1"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1, 10.9.9.9"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
            ("10.0.0.1", &["192.0.2.1", "10.9.9.9"], "192.0.2.1"),
            ("10.0.0.1", &["10.1.1.1, 10.9.9.9"], "10.1.1.1"),
            ("::ffff:10.0.0.1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &["192.0.2.1:5555"], "192.0.2.1"),
            ("10.0.0.1", &["[2001:db8::7]:5555"], "2001:db8::7"),
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, junk, 10.9.9.9"], "10.9.9.9"),
            ("10.0.0.1", &["192.0.2.1,"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1\u{e9}"], "10.0.0.1"),
        ] {
            let headers: Vec<_> = said.iter().map(|said| ("x-forwarded-for", *said)).collect();
            assert_eq!(marked(ClientHeader::XForwardedFor, from, &headers).0, client, "{from} {said:?}");
        }
    }

    #[test]
    fn only_the_header_that_the_proxies_write_is_read() {
        for (said, client) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
            ("for=192.0.2.1, for=\"[2001:db8::7]:80\"", "2001:db8::7"),
            ("for=192.0.2.1, for=10.2.2.2", "192.0.2.1"),
            ("for=_hidden", "10.0.0.1"),
            ("by=10.0.0.1", "10.0.0.1"),
        ] {
            let headers = [("forwarded", said), ("x-forwarded-for", "6.6.6.6")];
            assert_eq!(marked(ClientHeader::Forwarded, "10.0.0.1", &headers).0, client, "{said}");
            assert_eq!(marked(ClientHeader::XForwardedFor, "10.0.0.1", &headers).0, "6.6.6.6");
        }
    }

    #[test]
    fn only_trusted_proxies_say_whether_it_is_encrypted() {
        for (header, from, name, said, encrypted) in [
            (ClientHeader::XForwardedFor, "10.0.0.1", "x-forwarded-proto", "https", true),
            (ClientHeader::XForwardedFor, "10.0.0.1", "x-forwarded-proto", "http, HTTPS", true),
            (ClientHeader::XForwardedFor, "10.0.0.1", "x-forwarded-proto", "https, http", false),
            (ClientHeader::XForwardedFor, "10.0.0.1", "x-forwarded-proto", "javascript", false),
            (ClientHeader::XForwardedFor, "192.0.2.1", "x-forwarded-proto", "https", false),
            (ClientHeader::Forwarded, "10.0.0.1", "forwarded", "for=192.0.2.1;proto=https", true),
            (ClientHeader::Forwarded, "10.0.0.1", "x-forwarded-proto", "https", false),
        ] {
            assert_eq!(marked(header, from, &[(name, said)]).1, encrypted, "{from} {name} {said}");
        }
    }
}
