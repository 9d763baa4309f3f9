//! Encrypted connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chatwire::config::plan::Tls;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::page::Page;
use crate::support::{Gateway, LONG, Setup};

/// A gateway with a certificate of its own, whose files are gone when this is dropped.
struct Encrypted {
    gateway: Gateway,
    made: CertifiedKey<KeyPair>,
    folder: std::path::PathBuf,
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Encrypted {
    async fn start(change: impl FnOnce(&mut Setup)) -> Self {
        let folder = std::env::temp_dir().join(format!("chatwire-tls-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir(&folder).unwrap();
        let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = Tls { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&tls.cert, made.cert.pem()).unwrap();
        std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
        let mut setup = Setup::new(&[]);
        setup.server.tls = Some(tls);
        change(&mut setup);
        Self { gateway: setup.start().await, made, folder }
    }

    async fn connect(&self, protocol: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.made.cert.der().clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.gateway.addr).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
        stream
    }
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn both_protocols_are_spoken() {
    let encrypted = Encrypted::start(|_| {}).await;
    let mut stream = encrypted.connect(b"http/1.1").await;
    stream.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(LONG, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let stream = encrypted.connect(b"h2").await;
    let (mut sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("https://localhost/health").body(Empty::<Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.collect().await.unwrap().to_bytes(), "{\"status\":\"ok\"}");
}

#[tokio::test]
async fn who_does_not_greet_is_closed_and_who_speaks_in_clear_is_not_answered() {
    let encrypted = Encrypted::start(|setup| setup.server.head_timeout = Duration::from_millis(200)).await;
    let addr: SocketAddr = encrypted.gateway.addr;
    assert_eq!(Page::connect(addr).await.closed().await, 0);
    let mut greeted = encrypted.connect(b"http/1.1").await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(LONG, greeted.read_to_end(&mut rest)).await.expect("the head is timed too");
    // At most an alert.
    assert!(Page::raw(addr, HEALTH).await.closed().await <= 7);
}

#[tokio::test]
async fn a_gateway_without_its_certificate_does_not_start() {
    let mut setup = Setup::new(&[]);
    let nothing = std::env::temp_dir().join("chatwire-no-such-file.pem");
    setup.server.tls = Some(Tls { cert: nothing.clone(), key: nothing });
    let Err(error) = setup.try_bind().await else { panic!("it started") };
    assert!(error.to_string().contains("chatwire-no-such-file.pem"), "{error}");
}
