//! The request to a provider and the head of its answer.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::protocol::{AnswerHead, Auth, UpstreamRequest};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Request, Url};

use super::answer::AnswerBody;
use super::failure;
use crate::config::plan::Provider;
use crate::tools::fence::{Fence, FenceError};

/// Most bytes of an error answer that are read, and how long that may take.
const ERROR_BODY: usize = 64 << 10;
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// Most connections to one server that are kept for the next request.
pub const KEPT: usize = 64;

/// What requests are sent with.
#[derive(Clone)]
pub struct Clients {
    /// Keeps connections for the next request.
    pooled: Client,
    /// Makes a new connection for every request.
    fresh: Client,
}

impl Clients {
    /// Clients whose connections are made within `connect`.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(connect: Duration) -> reqwest::Result<Self> {
        Ok(Self { pooled: client(connect, KEPT)?, fresh: client(connect, 0)? })
    }
}

/// The way to a provider.
pub enum Via {
    /// To a configured one, on a connection that was kept if there is one.
    Pooled(Clients),
    /// The same on a new connection: where one that was kept is dead, the others often are too.
    Fresh(Clients),
    /// The first, and the second where a connection is lost before an answer begins.
    Either(Clients),
    /// To one that a request brings.
    Fence(Fence),
}

impl Via {
    async fn execute(&self, request: Request) -> Result<reqwest::Response, Box<Failure>> {
        let sent = match self {
            Self::Pooled(clients) => clients.pooled.execute(request).await,
            Self::Fresh(clients) => clients.fresh.execute(request).await,
            Self::Either(clients) => match (request.try_clone(), clients.pooled.execute(request).await) {
                (Some(again), Err(error)) if failure::was_lost(&error) => clients.fresh.execute(again).await,
                (_, sent) => sent,
            },
            Self::Fence(fence) => {
                let closed = |error: FenceError| Failure::boxed(FailureKind::Connect, error.to_string());
                let url = fence.check(request.url().as_str()).map_err(closed)?;
                fence.client(&url).map_err(closed)?.execute(request).await
            }
        };
        sent.map_err(|error| failure::of_request(&error))
    }
}

/// A client whose connections are made within `connect`, and which keeps so many to one server.
///
/// # Errors
/// TLS cannot be set up.
pub fn client(connect: Duration, kept: usize) -> reqwest::Result<Client> {
    // A provider installed before, by a program around the gateway, is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("chatwire/", env!("CARGO_PKG_VERSION")))
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
    let request = http_request(&provider, key, request)?;
    let response = via.execute(request).await?;
    let (head, body) = http::Response::<reqwest::Body>::from(response).into_parts();
    if head.status.is_redirection() {
        let message = format!("the provider redirects (status {}), which is not followed", head.status.as_u16());
        return Err(Failure::boxed(FailureKind::Malformed, message));
    }
    if !head.status.is_success() {
        let body = error_body(body).await;
        let answer = AnswerHead {
            status: head.status.as_u16(),
            content_type: head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()),
            retry_after: failure::retry_after(&head.headers, SystemTime::now()),
        };
        return Err(Box::new(provider.upstream.failure(&answer, &body)));
    }
    let encoding = head.headers.get(CONTENT_ENCODING).filter(|encoding| *encoding != "identity");
    if let Some(encoding) = encoding {
        let message = format!("the answer is encoded ({encoding:?}) although it was asked not to be");
        return Err(Failure::boxed(FailureKind::Malformed, message));
    }
    Ok(AnswerBody::Http(Box::new(body)))
}

fn http_request(provider: &Provider, key: Option<usize>, request: UpstreamRequest) -> Result<Request, Box<Failure>> {
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
    let mut sent = Request::new(Method::POST, url);
    *sent.headers_mut() = headers;
    *sent.body_mut() = Some(request.body.into());
    Ok(sent)
}

async fn error_body(mut body: reqwest::Body) -> Vec<u8> {
    let mut read = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let bytes: Bytes = frame.into_data().unwrap_or_default();
            let room = ERROR_BODY - read.len();
            read.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
            if read.len() == ERROR_BODY {
                break;
            }
        }
    };
    // What has come until then is still worth reading.
    let _ = tokio::time::timeout(ERROR_BODY_TIME, reading).await;
    read
}
