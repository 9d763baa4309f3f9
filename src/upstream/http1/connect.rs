//! New connections.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower_service::Service as _;

/// A server, as far as connections to it can be used for each other's requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    pub encrypted: bool,
    /// With the brackets of an IPv6 address.
    pub host: String,
    pub port: u16,
}

/// An open connection.
#[derive(Debug)]
pub enum Socket {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// Makes connections.
#[derive(Clone)]
pub struct Connector {
    tcp: HttpConnector,
    /// Made when it is first needed: it reads the certificates of the system.
    tls: Arc<OnceLock<TlsConnector>>,
    timeout: Duration,
}

impl Origin {
    /// The server of an address.
    pub fn of(url: &Url) -> Option<Self> {
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        Some(Self { encrypted, host: url.host_str()?.to_owned(), port: url.port_or_known_default()? })
    }
}

impl Connector {
    /// Connections that are there within `timeout`.
    pub fn new(timeout: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(timeout));
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_secs(15)));
        Self { tcp, tls: Arc::default(), timeout }
    }

    /// A new connection.
    ///
    /// # Errors
    /// There is none, or none in time; its certificate is not good.
    pub async fn connect(&self, origin: &Origin) -> io::Result<Socket> {
        let connecting = async {
            let address = Uri::builder().scheme("http").authority(format!("{}:{}", origin.host, origin.port));
            let address = address.path_and_query("/").build().map_err(io::Error::other)?;
            let stream = self.tcp.clone().call(address).await.map_err(io::Error::other)?.into_inner();
            if !origin.encrypted {
                return Ok(Socket::Plain(stream));
            }
            let name = origin.host.trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(name).map_err(io::Error::other)?;
            Ok(Socket::Encrypted(Box::new(self.tls()?.connect(name, stream).await?)))
        };
        let timed_out = || io::Error::new(io::ErrorKind::TimedOut, "no connection in time");
        tokio::time::timeout(self.timeout, connecting).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// What encrypts connections.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn tls(&self) -> io::Result<&TlsConnector> {
        if let Some(tls) = self.tls.get() {
            return Ok(tls);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_platform_verifier())
            .map_err(io::Error::other)?;
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(self.tls.get_or_init(|| TlsConnector::from(Arc::new(config))))
    }
}

impl Socket {
    pub fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }

    pub fn poll_write(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Encrypted(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
        }
    }
}
