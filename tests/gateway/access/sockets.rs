//! Credentials of WebSockets.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chatwire::access::{ApiKey, KEY_SUBPROTOCOL, KeyHash, SUBPROTOCOL};

use super::{ANN, BOB, NARROW, OLD, keys, plan, start};
use crate::support::Gateway;
use crate::support::page::Page;

/// The head of the answer to a handshake.
async fn open(gateway: &Gateway, path: &str, headers: &str) -> String {
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    let mut page = Page::raw(gateway.addr, &request).await;
    page.until("\r\n\r\n").await.to_owned()
}

fn subprotocol(key: &str) -> String {
    let key = URL_SAFE_NO_PAD.encode(key);
    format!("sec-websocket-protocol: {SUBPROTOCOL}, {KEY_SUBPROTOCOL}{key}\r\n")
}

#[tokio::test]
async fn a_socket_opens_with_a_credential_only() {
    let gateway = start(plan(&[], &keys())).await;
    for path in ["/agent-chat/ws/chat", "/api/memory", "/api/memory/ws"] {
        for (headers, status) in [
            (String::new(), 401),
            (subprotocol("wrong"), 401),
            (subprotocol(OLD), 401),
            (subprotocol(NARROW), 403),
            (format!("sec-websocket-protocol: {SUBPROTOCOL}\r\n"), 401),
            (format!("sec-websocket-protocol: {SUBPROTOCOL}, {ANN}\r\n"), 401),
            (format!("{}x-api-key: {BOB}\r\n", subprotocol(ANN)), 401),
            (format!("{}origin: https://evil.example\r\n", subprotocol(ANN)), 403),
            (subprotocol(ANN), 101),
            (format!("x-api-key: {ANN}\r\n"), 101),
            (format!("authorization: Bearer {ANN}\r\n"), 101),
        ] {
            let head = open(&gateway, path, &headers).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {headers}: {head}");
            let answered = head.lines().any(|line| line == format!("sec-websocket-protocol: {SUBPROTOCOL}"));
            assert_eq!(answered, status == 101 && headers.contains(SUBPROTOCOL), "{head}");
            assert!(!head.contains(&URL_SAFE_NO_PAD.encode(ANN)), "the secret is not answered");
        }
        let in_address = format!("{path}?key={ANN}&authorization=Bearer%20{ANN}");
        assert!(open(&gateway, &in_address, "").await.starts_with("HTTP/1.1 401 "), "{path}");
    }
}

/// A gateway with a key that ends so soon.
async fn with_brief_key(lifetime: Duration) -> Gateway {
    let end = (SystemTime::now() + lifetime).duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mut key = ApiKey::new("brief", vec![KeyHash::of(b"brief")]);
    key.expires = Some(u64::try_from(end).unwrap());
    let mut plan = plan(&[], &keys());
    plan.auth.as_mut().unwrap().keys.push(Arc::new(key));
    start(plan).await
}

#[tokio::test]
async fn a_socket_ends_with_its_credential() {
    let mut lifetime = Duration::from_secs(1);
    loop {
        let gateway = with_brief_key(lifetime).await;
        let request = "GET /agent-chat/ws/chat HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
            sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-api-key: brief\r\n\r\n";
        let mut page = Page::raw(gateway.addr, request).await;
        if page.until("\r\n\r\n").await.starts_with("HTTP/1.1 401") {
            // This machine was too busy to get here in time.
            lifetime *= 4;
            continue;
        }
        page.until("the credential has expired").await;
        return;
    }
}
