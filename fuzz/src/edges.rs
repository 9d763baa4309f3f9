//! The head of a request, before anything of it is believed: its path, the host that it is for, the proxies that it came
//! through, and what it shows for itself. And the public keys that a server gives.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use chatwire::access::{Encrypted, Gate, KeySet, Mount, Peer};
use chatwire::config::plan::{ClientHeader, Server};
use chatwire::path::RoutePath;
use chatwire::server::head::{check_known, check_one, mark};
use http::header::{FORWARDED, HOST};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request};
use jsonwebtoken::Algorithm;
use url::{Host, Url};

use crate::Input;

/// A gateway that takes a key and tokens that are signed with a secret.
const CONFIG: &str = "[auth.keys.k]\nenv = \"KEY\"\n\
    [auth.jwt]\nsecret = { env = \"KEY\" }\nissuer = \"i\"\naudience = \"chat\"\n\
    [providers.p]\nprotocol = \"openai-chat\"\nreplay = {}\n[models.m]\ntargets = [\"p/m\"]\n\
    [[routes]]\npath = \"/chat\"\nprotocol = \"vercel-text\"\nmodel = \"m\"\n";

/// No input has this.
const KEY: &str = "cw_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";

/// A proxy that is believed, and the one behind it.
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let plan = chatwire::config::parse("gateway.toml", CONFIG, &|_| Some(KEY.to_owned()));
    Gate::new(&plan.unwrap_or_else(|report| panic!("{report}")), None).unwrap_or_else(|error| panic!("{error}"))
});

/// Checks one input: some bits, the path, then a header on each line.
///
/// # Panics
/// Something does not hold.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let bits = input.byte();
    keys(input.0);
    path(input.line());
    let mut head = Request::new(()).into_parts().0;
    while !input.0.is_empty() {
        let Some((name, value)) = input.line().split_once(": ") else { continue };
        let name = name.parse::<HeaderName>().ok();
        if let Some((name, value)) = name.zip(HeaderValue::from_bytes(value.as_bytes()).ok()) {
            head.headers.append(name, value);
        }
    }
    host(&head);
    credential(&head, bits & 1 == 1);
    proxies(head, if bits & 2 == 2 { ClientHeader::Forwarded } else { ClientHeader::XForwardedFor });
}

/// A key that is published is never one that tokens could be signed with.
fn keys(text: &[u8]) {
    if let Ok(set) = KeySet::parse(text) {
        assert!(set.find(None, Algorithm::HS256).is_none(), "a secret is taken for a public key");
        assert!(!format!("{set:?}").is_empty());
    }
}

/// A path has one spelling: others read the same.
fn path(text: &str) {
    let Some(path) = RoutePath::new(text) else { return };
    assert_eq!(path.as_str(), text);
    let read = Url::parse(&format!("http://a{text}")).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!((read.path(), read.query(), read.fragment()), (text, None, None), "others read another path");
}

/// On loopback a gateway is only called by names that lead there.
fn host(head: &Parts) {
    let server = Server::default();
    let asked = head.headers.get(HOST).and_then(|host| host.to_str().ok());
    if let (Ok(()), Ok(()), Some(asked)) = (check_one(head), check_known(&server, head), asked) {
        let url = Url::parse(&format!("http://{asked}/")).unwrap_or_else(|error| panic!("{asked}: {error}"));
        let own = match url.host() {
            Some(Host::Domain(name)) => ["localhost", "localhost."].contains(&name),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        assert!(own, "{asked} leads elsewhere");
    }
}

/// Whoever shows something that is wrong is refused; who shows nothing comes in where that is allowed.
fn credential(head: &Parts, anonymous: bool) {
    let mount = Mount { path: "/chat", anonymous, needs_owner: false };
    let mut identified = pin!(GATE.identify(&mount, head));
    let Poll::Ready(caller) = identified.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nobody else is asked");
    };
    match caller {
        Ok(caller) => assert!(anonymous && caller.key.is_none() && caller.until.is_none(), "{caller:?}"),
        Err(error) => {
            assert_eq!(error.status, 401, "{error:?}");
            assert!(!format!("{error:?}").contains(KEY), "a refusal shows a secret");
        }
    }
}

/// Who is no trusted proxy changes nothing, and nothing in front of a client is believed.
fn proxies(mut head: Parts, client_header: ClientHeader) {
    let server = Server { trusted_proxies: vec![PROXY.into()], client_header, ..Server::default() };
    let outside = IpAddr::from([192, 0, 2, 1]);
    mark(&server, &mut head, outside, false);
    assert_eq!((Peer::of(&head).0, Encrypted::of(&head).0), (outside, false), "a header of a client is believed");

    mark(&server, &mut head, PROXY, false);
    let client = Peer::of(&head).0;
    let (name, earlier) = match client_header {
        ClientHeader::XForwardedFor => (HeaderName::from_static("x-forwarded-for"), "198.51.100.7"),
        ClientHeader::Forwarded => (FORWARDED, "for=198.51.100.7"),
    };
    let values: Vec<_> = head.headers.get_all(&name).iter().cloned().collect();
    if client == PROXY && values.is_empty() {
        return;
    }
    head.headers.insert(&name, HeaderValue::from_static(earlier));
    for value in values {
        head.headers.append(&name, value);
    }
    mark(&server, &mut head, PROXY, false);
    let claimed = IpAddr::from([198, 51, 100, 7]);
    // If all behind it are proxies, it is the client.
    let behind = client == PROXY && Peer::of(&head).0 == claimed;
    assert!(Peer::of(&head).0 == client || behind, "what stands in front of a client is believed");
}
