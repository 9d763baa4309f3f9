//! By which names the gateway is called.
//!
//! A page of any site can have its own name lead to this machine, and then calls a gateway on loopback as if it were of
//! the same origin. It cannot call it by another name than its own.

use std::net::IpAddr;

use chatwire_protocols::error::CallerError;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Version};

use crate::config::plan::Server;

/// Stands for every name.
const ANY: &str = "*";

/// Checks that a request says once, and well, which host it is for.
///
/// # Errors
/// 400.
pub fn check_one(head: &Parts) -> Result<(), CallerError> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let fits = match (hosts.next(), hosts.next(), head.uri.authority()) {
        (Some(host), None, None) => is_host(host),
        (Some(host), None, Some(asked)) => {
            is_host(host) && host.as_bytes().eq_ignore_ascii_case(asked.as_str().as_bytes())
        }
        // HTTP/1.0 has no such header, and what watches the gateway's health often speaks it.
        (None, None, None) => head.version == Version::HTTP_10,
        (None, None, Some(asked)) => head.version == Version::HTTP_2 && name_of(asked.as_str()).is_some(),
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err(CallerError::new(400, "bad_host", "a request must say exactly once which host it is for"))
    }
}

/// Checks that the gateway may be called by the name that a request calls it by.
///
/// # Errors
/// 421.
pub fn check_known(server: &Server, head: &Parts) -> Result<(), CallerError> {
    let listed = match &server.hosts {
        Some(hosts) => hosts.as_slice(),
        None if server.listen.ip().is_loopback() => &[],
        None => return Ok(()),
    };
    let host = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    // No browser leaves it out.
    let Some(host) = host.or_else(|| head.uri.authority().map(Authority::as_str)) else { return Ok(()) };
    let name = name_of(host).unwrap_or_default();
    if is_own(name) || listed.iter().any(|known| known == ANY || known.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    let message = "this gateway is not called so; its names stand in the configuration as `hosts` of `[server]`";
    Err(CallerError::new(421, "unknown_host", message))
}

fn is_host(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|host| name_of(host).is_some())
}

/// The name of a host without its port and the dot at its end.
fn name_of(host: &str) -> Option<&str> {
    let end = if host.starts_with('[') { host.find(']')? + 1 } else { host.find(':').unwrap_or(host.len()) };
    let (name, port) = host.split_at(end);
    let port = match port.strip_prefix(':') {
        Some(port) => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    let fits = match name.strip_prefix('[') {
        Some(address) => address.strip_suffix(']')?.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (fits && port && !name.is_empty()).then_some(name)
}

/// True for the names that lead to this machine everywhere.
fn is_own(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(host: &str) -> Parts {
        Request::get("/").header(HOST, host).body(()).unwrap().into_parts().0
    }

    fn known(listen: &str, hosts: Option<&[&str]>, host: &str) -> bool {
        let hosts = hosts.map(|hosts| hosts.iter().map(|host| (*host).to_owned()).collect());
        check_known(&Server { listen: listen.parse().unwrap(), hosts, ..Server::default() }, &head(host)).is_ok()
    }

    #[test]
    fn a_host_is_one_name_and_a_port() {
        for host in ["a", "a:1", "A.example", "a_b.example:65535", "a.", "127.0.0.1:80", "[::1]", "[::1]:8000"] {
            assert!(check_one(&head(host)).is_ok(), "{host}");
        }
        for host in [
            "",
            " ",
            ".",
            ":80",
            "a:",
            "a:b",
            "a:65536",
            "a:+1",
            "a b",
            "a,b",
            "a@b",
            "a#b",
            "a/b",
            "a?b",
            "[::1",
            "[::1]80",
            "::1",
            "[a]",
            "[127.0.0.1]",
            "a%62",
            "a\\b",
        ] {
            assert!(check_one(&head(host)).is_err(), "{host}");
        }
    }

    #[test]
    fn a_target_with_a_host_names_the_same() {
        for (target, version, host, fits) in [
            ("http://a:1/", Version::HTTP_11, Some("A:1"), true),
            ("http://a:1/", Version::HTTP_11, Some("b"), false),
            ("http://a:1/", Version::HTTP_11, None, false),
            ("http://a:1/", Version::HTTP_2, None, true),
            ("http://a:1/", Version::HTTP_2, Some("a:1"), true),
            ("http://a:1/", Version::HTTP_2, Some("b"), false),
            ("/", Version::HTTP_2, None, false),
            ("/", Version::HTTP_10, None, true),
        ] {
            let mut request = Request::get(target).version(version);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let head = request.body(()).unwrap().into_parts().0;
            assert_eq!(check_one(&head).is_ok(), fits, "{target} {version:?} {host:?}");
        }
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_and_listed_ones_are_known() {
        for host in ["localhost", "LOCALHOST:3000", "localhost.", "127.0.0.1", "127.1.2.3:1", "[::1]:8000"] {
            assert!(known("127.0.0.1:8000", None, host), "{host}");
            assert!(known("[::1]:8000", Some(&["a.example"]), host), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "169.254.169.254",
            "0.0.0.0",
            "[::ffff:6.6.6.6]",
            "[::]",
            "a.example.evil.example",
            "xa.example",
        ] {
            assert!(!known("127.0.0.1:8000", None, host), "{host}");
            assert!(!known("0.0.0.0:8000", Some(&["a.example"]), host), "{host}");
            assert!(known("0.0.0.0:8000", None, host), "{host}");
            assert!(known("127.0.0.1:8000", Some(&["*"]), host), "{host}");
        }
        assert!(known("127.0.0.1:8000", Some(&["a.example"]), "A.example:8443"));
    }
}
