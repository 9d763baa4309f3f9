//! Requests of tools to servers: one client for all tools of a plan, bounded answers, and failures in words that name
//! no address.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt as _;
use reqwest::{Client, Request};

use crate::upstream::{KEPT, client};

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Where tools call servers from. The client is made with the first call.
#[derive(Clone, Default)]
pub struct Net {
    client: Arc<OnceLock<Client>>,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The media type, without its parameters, in lower case.
    pub media_type: String,
    /// The body, whole.
    pub body: Vec<u8>,
}

/// Why there is no answer. The words are for the model and the page: they hold no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// No connection, or it broke.
    #[error("The service cannot be reached.")]
    Unreachable,
    /// An answer that says no.
    #[error("{}", refusal(*.0))]
    Refused(u16),
    /// The answer is larger than it may be.
    #[error("The service's answer is larger than {0} bytes.")]
    TooLarge(usize),
    /// The answer cannot be read.
    #[error("The service's answer cannot be read.")]
    Unreadable,
}

impl Net {
    /// Sends a request and reads the whole answer, of so many bytes at most, if its status is a good one.
    ///
    /// # Errors
    /// There is no answer, or none that can be used.
    pub async fn fetch(
        &self,
        request: Request,
        largest: usize,
        is_good: impl Fn(u16) -> bool,
    ) -> Result<Answer, NetError> {
        let response = self.client()?.execute(request).await.map_err(|_| NetError::Unreachable)?;
        let (head, mut body) = http::Response::<reqwest::Body>::from(response).into_parts();
        if !is_good(head.status.as_u16()) {
            return Err(NetError::Refused(head.status.as_u16()));
        }
        if head.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(NetError::Unreadable);
        }
        let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut read = Vec::new();
        while let Some(frame) = body.frame().await {
            let bytes = frame.map_err(|_| NetError::Unreachable)?.into_data().unwrap_or_default();
            if bytes.len() > largest - read.len() {
                return Err(NetError::TooLarge(largest));
            }
            read.extend_from_slice(&bytes);
        }
        Ok(Answer { media_type, body: read })
    }

    fn client(&self) -> Result<&Client, NetError> {
        if self.client.get().is_none() {
            let made = client(CONNECT, KEPT).map_err(|error| {
                tracing::error!(%error, "tools have no client");
                NetError::Unreachable
            })?;
            // Another call may have been quicker.
            let _ = self.client.set(made);
        }
        self.client.get().ok_or(NetError::Unreachable)
    }
}

impl fmt::Debug for Net {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Net")
    }
}

fn refusal(status: u16) -> String {
    let known = StatusCode::from_u16(status).ok();
    if known.is_some_and(|status| status.is_redirection()) {
        return format!("The service sends elsewhere (status {status}), which is not followed.");
    }
    match known.and_then(|status| status.canonical_reason()) {
        Some(reason) => format!("The service answered with status {status} ({reason})."),
        None => format!("The service answered with status {status}."),
    }
}
