//! The request to a provider and the head of its answer.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::protocol::{AnswerHead, Auth, UpstreamRequest};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Url};

use super::answer::AnswerBody;
use super::{failure, http1};
use crate::config::plan::Provider;
use crate::tools::fence::{Fence, FenceError};

/// What we call ourselves.
pub const USER_AGENT: &str = concat!("chatwire/", env!("CARGO_PKG_VERSION"));

/// Most bytes of an error answer that are read, and how long that may take.
const ERROR_BODY: usize = 64 << 10;
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// Most connections to one server that the general client keeps for the next request.
pub const KEPT: usize = 64;

/// What requests are sent with.
#[derive(Clone)]
pub struct Clients {
    http1: http1::Client,
    /// The general clients, for HTTP/2 and for proxies: made when one is needed, for they read many certificates.
    general: Arc<OnceLock<General>>,
    /// How long a connection may take.
    connect: Duration,
    /// The proxies of the environment and the system, which only the general client knows how to ask.
    proxies: Arc<Matcher>,
}

struct General {
    /// Keeps connections for the next request.
    pooled: Client,
    /// Makes a new connection for every request.
    fresh: Client,
}

/// What is sent.
struct Outgoing {
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

struct Answer {
    status: http::StatusCode,
    headers: HeaderMap,
    body: AnswerBody,
}

impl Clients {
    /// Clients whose connections are made within `connect`.
    pub fn new(connect: Duration) -> Self {
        let proxies = Arc::new(Matcher::from_system());
        Self { http1: http1::Client::new(connect), general: Arc::default(), connect, proxies }
    }

    /// Gets ready for encrypted connections.
    ///
    /// # Errors
    /// The system's certificates cannot be read.
    pub fn prepare_tls(&self) -> io::Result<()> {
        self.http1.prepare_tls()
    }

    /// Closes connections that nobody has used for long.
    pub fn sweep(&self) {
        self.http1.sweep();
    }

    async fn post(&self, outgoing: Outgoing, http2: bool, fresh: bool) -> Result<Answer, Box<Failure>> {
        if http2 || self.is_proxied(&outgoing.url) {
            let general = self.general().map_err(|error| failure::of_general(&error))?;
            let client = if fresh { &general.fresh } else { &general.pooled };
            return post(client, outgoing).await;
        }
        let Outgoing { url, headers, body } = outgoing;
        let answer = self.http1.post(&url, &headers, body, fresh).await;
        let (head, body) = answer.map_err(|error| failure::of_http1(&error))?;
        Ok(Answer { status: head.status, headers: head.headers, body: AnswerBody::Http1(Box::new(body)) })
    }

    fn is_proxied(&self, url: &Url) -> bool {
        url.as_str().parse().is_ok_and(|url| self.proxies.intercept(&url).is_some())
    }

    fn general(&self) -> reqwest::Result<&General> {
        if let Some(general) = self.general.get() {
            return Ok(general);
        }
        let general = General { pooled: client(self.connect, KEPT)?, fresh: client(self.connect, 0)? };
        Ok(self.general.get_or_init(|| general))
    }
}

/// The way to a provider.
pub enum Via {
    /// To a configured one, on a connection that was kept if there is one.
    Pooled(Clients),
    /// The same on a new connection: where one that was kept is dead, the others often are too.
    Fresh(Clients),
    /// To one that a request brings.
    Fence(Fence),
}

impl Via {
    async fn post(&self, outgoing: Outgoing, http2: bool) -> Result<Answer, Box<Failure>> {
        match self {
            Self::Pooled(clients) => clients.post(outgoing, http2, false).await,
            Self::Fresh(clients) => clients.post(outgoing, http2, true).await,
            Self::Fence(fence) => {
                let closed = |error: FenceError| Failure::boxed(FailureKind::Connect, error.to_string());
                let url = fence.check(outgoing.url.as_str()).map_err(closed)?;
                post(fence.client(&url).map_err(closed)?, outgoing).await
            }
        }
    }
}

/// Sends a POST by way of a general client.
async fn post(client: &Client, outgoing: Outgoing) -> Result<Answer, Box<Failure>> {
    let mut request = Request::new(Method::POST, outgoing.url);
    *request.headers_mut() = outgoing.headers;
    *request.body_mut() = Some(outgoing.body.into());
    let answer = client.execute(request).await.map_err(|error| failure::of_general(&error))?;
    let (head, body) = http::Response::<reqwest::Body>::from(answer).into_parts();
    Ok(Answer { status: head.status, headers: head.headers, body: AnswerBody::General(Box::new(body)) })
}

/// A client whose connections are made within `connect`, and which keeps so many to one server.
///
/// # Errors
/// TLS cannot be set up.
pub fn client(connect: Duration, kept: usize) -> reqwest::Result<Client> {
    // A provider installed before, by a program around the gateway, is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(connect)
        .redirect(Policy::none())
        .pool_max_idle_per_host(kept)
        .tcp_nodelay(true)
        .http2_adaptive_window(true)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_while_idle(true)
        .build()
}

/// Sends a request, with the key at this place of the provider's list, and reads the answer's head, and the whole of an
/// answer that says no.
///
/// # Errors
/// No answer, a redirect, an encoded body, or an error status: as the provider's protocol reads it.
pub async fn send(
    via: Via,
    provider: Arc<Provider>,
    key: Option<usize>,
    request: UpstreamRequest,
) -> Result<AnswerBody, Box<Failure>> {
    let outgoing = outgoing(&provider, key, request)?;
    let Answer { status, headers, body } = via.post(outgoing, provider.http2).await?;
    if status.is_redirection() {
        let message = format!("the provider redirects (status {}), which is not followed", status.as_u16());
        return Err(Failure::boxed(FailureKind::Malformed, message));
    }
    if !status.is_success() {
        let body = error_body(body).await;
        let answer = AnswerHead {
            status: status.as_u16(),
            content_type: headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()),
            retry_after: failure::retry_after(&headers, SystemTime::now()),
        };
        return Err(Box::new(provider.upstream.failure(&answer, &body)));
    }
    let encoding = headers.get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity");
    if let Some(encoding) = encoding {
        let message = format!("the answer is encoded ({encoding:?}) although it was asked not to be");
        return Err(Failure::boxed(FailureKind::Malformed, message));
    }
    Ok(body)
}

fn outgoing(provider: &Provider, key: Option<usize>, request: UpstreamRequest) -> Result<Outgoing, Box<Failure>> {
    let wrong = |what: &str| Failure::boxed(FailureKind::Internal, format!("provider `{}`: {what}", provider.name));
    let url = Url::parse(&request.url).map_err(|_| wrong("its address is no URL"))?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in request.headers {
        let value = HeaderValue::from_str(&value).map_err(|_| wrong("a header of its request has a wrong value"))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    let mut secret = |name: &str, value: &str| {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("a header has a wrong name"))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong("a header has a wrong value"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok::<(), Box<Failure>>(())
    };
    if let Some(key) = key.and_then(|key| provider.keys.get(key)) {
        match provider.upstream.auth() {
            Auth::Bearer => secret("authorization", &format!("Bearer {}", key.expose()))?,
            Auth::Header(name) => secret(name, key.expose())?,
        }
    }
    for (name, value) in &provider.headers {
        secret(name, value.expose())?;
    }
    Ok(Outgoing { url, headers, body: request.body.into() })
}

async fn error_body(mut body: AnswerBody) -> Vec<u8> {
    let mut read = Vec::new();
    let reading = async {
        let mut take = |bytes: &[u8]| {
            let room = ERROR_BODY - read.len();
            read.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            read.len() < ERROR_BODY
        };
        let mut more = true;
        while more {
            let came = std::future::poll_fn(|cx| body.poll_read(cx, |bytes| more = take(bytes))).await;
            more &= matches!(came, Some(Ok(())));
        }
    };
    // What has come until then is still worth reading.
    let _ = tokio::time::timeout(ERROR_BODY_TIME, reading).await;
    read
}
