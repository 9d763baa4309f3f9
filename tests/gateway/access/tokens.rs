//! Tokens, checked with keys that a server of the test gives.

use std::net::SocketAddr;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::Ed25519KeyPair;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{ANN, keys, plan, send, send_with, start};
use crate::support::Gateway;

/// Gives this answer to everybody.
async fn serve(answer: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = socket.read(&mut head).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    addr
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

struct Issuer(EncodingKey);

impl Issuer {
    fn new() -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).unwrap();
        Self(EncodingKey::from_ed_der(pair.as_ref()))
    }

    fn set(&self) -> String {
        let keys = vec![Jwk::from_encoding_key(&self.0, Algorithm::EdDSA).unwrap()];
        serde_json::to_string(&JwkSet { keys }).unwrap()
    }

    fn token(&self, user: &str) -> String {
        let claims = json!({"sub": user, "iss": "i", "aud": "chat", "exp": 4_000_000_000_u64});
        encode(&Header::new(Algorithm::EdDSA), &claims, &self.0).unwrap()
    }
}

/// A gateway that takes keys and tokens, and whose proxy names users in a header.
async fn gateway(jwks: SocketAddr) -> Gateway {
    let jwt = format!(
        "{}[auth.jwt]\njwks = {{ url = \"http://{jwks}/keys\" }}\nissuer = \"i\"\naudience = \"chat\"\n",
        keys()
    );
    let header = [("# [owner]\n# header = \"x-user-id\"", "[owner]\nheader = \"x-user-id\"")];
    start(plan(&header, &jwt)).await
}

#[tokio::test]
async fn a_token_names_the_user_and_no_header_does() {
    let issuer = Issuer::new();
    let gateway = gateway(serve(ok(&issuer.set())).await).await;
    let body = json!({"messages": [{"role": "user", "content": "My name is Kaz"}]}).to_string();
    assert_eq!(send(&gateway, "POST", "/ai/v4", &issuer.token("kaz"), &body).await.status, 200);
    for (user, header, expected) in [("kaz", "", 1), ("kaz", "mia", 1), ("mia", "", 0), ("mia", "kaz", 0)] {
        let header = if header.is_empty() { String::new() } else { format!("x-user-id: {header}\r\n") };
        let headers = format!("authorization: Bearer {}\r\n{header}", issuer.token(user));
        let answer = send_with(&gateway, "GET", "/facts", &headers, "").await;
        assert_eq!(answer.json()["facts"].as_array().unwrap().len(), expected, "{user} {header}");
    }
    let mut forged = issuer.token("kaz");
    forged.truncate(forged.len() - 2);
    for token in [forged, Issuer::new().token("kaz"), issuer.token("key:ann"), "a.b.c".to_owned()] {
        let answer = send(&gateway, "GET", "/facts", &token, "").await;
        assert_eq!(answer.status, 401, "{token}: {}", answer.body);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"chatwire\", error=\"invalid_token\""));
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_no_fault_of_the_caller() {
    let set = Issuer::new().set();
    for answer in [
        "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        "HTTP/1.1 302 Found\r\nlocation: /else\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
        ok("<html>"),
        ok(&format!("{set}{}", " ".repeat(300 << 10))),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\nconnection: close\r\n\r\n{set}"),
    ] {
        let gateway = gateway(serve(answer.clone()).await).await;
        let token = Issuer::new().token("kaz");
        let refused = send(&gateway, "GET", "/facts", &token, "").await;
        assert_eq!(refused.status, 503, "{}: {}", &answer[..60], refused.body);
        assert!(!refused.body.contains("127.0.0.1"), "{}", refused.body);
        let with_key = send_with(&gateway, "GET", "/facts", &format!("x-api-key: {ANN}\r\nx-user-id: u\r\n"), "").await;
        assert_eq!(with_key.status, 200, "keys do not need them");
    }
}
