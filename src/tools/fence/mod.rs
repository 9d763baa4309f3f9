//! The fence around requests to addresses that a page or a model can influence: the public internet, and origins that
//! the operator lists. Names are checked where they are looked up for the very connection that is made, so there is no
//! time between the check and its use; redirects are followed by hand through the same check; nothing of the
//! operator's goes along.

mod address;
mod lookup;

use address::is_never;
pub use address::is_public;
pub use lookup::Lookup;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LOCATION};
use http_body_util::BodyExt as _;
use reqwest::{Client, Method, Request, Url};

use self::lookup::Guarded;
use crate::causes::causes;

/// Longest address.
const LONGEST: usize = 4096;

/// Most redirects that are followed.
const REDIRECTS: usize = 5;

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Where requests under the influence of others may go.
#[derive(Clone, Default)]
pub struct Fence {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    allowed: Vec<String>,
    lookup: Lookup,
    /// For origins that the operator lists: any address.
    listed: OnceLock<Client>,
    /// For all others: public addresses.
    guarded: OnceLock<Client>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// The address behind all redirects.
    pub url: String,
    /// The status.
    pub status: u16,
    /// The media type, without its parameters, in lower case.
    pub media_type: String,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// Why there is no answer. The words are for the model and the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FenceError {
    /// No address.
    #[error("This is not the address of a web page: it begins with http:// or https:// and has a host.")]
    NoAddress,
    /// A name and a password in the address.
    #[error("An address must not have a name or a password in it.")]
    Credentials,
    /// Behind the fence.
    #[error("This address is not of the public internet. It is not fetched.")]
    Closed,
    /// No connection, or it broke.
    #[error("The server cannot be reached.")]
    Unreachable,
    /// Redirects without an end, or to nowhere.
    #[error("The server sends from one address to the next, or to none.")]
    Redirects,
    /// Larger than it may be.
    #[error("The answer is larger than {0} bytes.")]
    TooLarge(usize),
    /// An answer in an encoding that was not asked for.
    #[error("The answer cannot be read.")]
    Unreadable,
}

impl Fence {
    /// A fence with gates: origins such as `https://wiki.example.com`, which may be at any address.
    pub fn new(allowed: Vec<String>) -> Self {
        Self::with_lookup(allowed, Lookup::default())
    }

    /// A fence that looks names up otherwise.
    pub fn with_lookup(allowed: Vec<String>, lookup: Lookup) -> Self {
        let inner = Inner { allowed, lookup, listed: OnceLock::new(), guarded: OnceLock::new() };
        Self { inner: Arc::new(inner) }
    }

    /// Reads an address, if it may be requested as far as can be told before its name is looked up.
    ///
    /// # Errors
    /// It may not, or is none.
    pub fn check(&self, url: &str) -> Result<Url, FenceError> {
        if url.len() > LONGEST {
            return Err(FenceError::NoAddress);
        }
        let url = Url::parse(url).map_err(|_| FenceError::NoAddress)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FenceError::NoAddress);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(FenceError::Credentials);
        }
        // The parser has made addresses of all ways to write one: decimal, octal, with fewer dots.
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(FenceError::NoAddress)?;
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        let closed = if self.is_listed(&url) { is_never } else { |address| !is_public(address) };
        if literal.is_some_and(closed) {
            return Err(FenceError::Closed);
        }
        Ok(url)
    }

    /// The client for an address that was checked. It follows no redirects, uses no proxy and sends no credentials.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn client(&self, url: &Url) -> Result<&Client, FenceError> {
        let listed = self.is_listed(url);
        let slot = if listed { &self.inner.listed } else { &self.inner.guarded };
        if slot.get().is_none() {
            let made = client(Guarded { lookup: self.inner.lookup.clone(), any: listed }).map_err(|error| {
                tracing::error!(%error, "the fence has no client");
                FenceError::Unreachable
            })?;
            // Another call may have been quicker.
            let _ = slot.set(made);
        }
        slot.get().ok_or(FenceError::Unreachable)
    }

    /// Fetches a page of so many bytes at most. The caller limits the time.
    ///
    /// # Errors
    /// There is no answer, or none that can be used.
    pub async fn get(&self, url: &str, largest: usize) -> Result<Fetched, FenceError> {
        let mut url = self.check(url)?;
        for _ in 0..=REDIRECTS {
            let mut request = Request::new(Method::GET, url.clone());
            let accept = "text/html, text/*;q=0.9, application/json;q=0.9, */*;q=0.1";
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static(accept));
            request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            let response = self.client(&url)?.execute(request).await.map_err(|error| of_request(&error))?;
            let (head, body) = http::Response::<reqwest::Body>::from(response).into_parts();
            if !head.status.is_redirection() || !head.headers.contains_key(LOCATION) {
                return read(url, head, body, largest).await;
            }
            let next = head.headers.get(LOCATION).and_then(|next| next.to_str().ok());
            let next = next.and_then(|next| url.join(next).ok()).ok_or(FenceError::Redirects)?;
            url = self.check(next.as_str())?;
        }
        Err(FenceError::Redirects)
    }

    fn is_listed(&self, url: &Url) -> bool {
        let origin = url.origin().ascii_serialization();
        self.inner.allowed.contains(&origin)
    }
}

impl fmt::Debug for Fence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.inner.allowed).finish()
    }
}

fn client(resolver: Guarded) -> reqwest::Result<Client> {
    // A provider installed before, by a program around the gateway, is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("chatwire/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .redirect(reqwest::redirect::Policy::none())
        // A proxy would look names up itself, behind our back.
        .no_proxy()
        .referer(false)
        .dns_resolver(Arc::new(resolver))
        // A kept connection was checked when it was made; a name that has moved since is looked up again.
        .pool_max_idle_per_host(0)
        .build()
}

fn of_request(error: &reqwest::Error) -> FenceError {
    let closed = causes(error).any(|cause| cause.is::<lookup::Closed>());
    if closed { FenceError::Closed } else { FenceError::Unreachable }
}

async fn read(
    url: Url,
    head: http::response::Parts,
    mut body: reqwest::Body,
    largest: usize,
) -> Result<Fetched, FenceError> {
    if head.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(FenceError::Unreadable);
    }
    let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let bytes = frame.map_err(|_| FenceError::Unreachable)?.into_data().unwrap_or_default();
        if bytes.len() > largest - read.len() {
            return Err(FenceError::TooLarge(largest));
        }
        read.extend_from_slice(&bytes);
    }
    Ok(Fetched { url: url.into(), status: head.status.as_u16(), media_type, body: read })
}

#[cfg(test)]
mod tests;
