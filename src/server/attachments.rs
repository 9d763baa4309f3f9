//! Requests for files: sending them, announced or not, and reading them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use chatwire_protocols::error::{CallerError, Refusal};
use chatwire_protocols::items::Attachment;
use futures_core::Stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::{BodyDataStream, BodyExt as _};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::arrival::Arrival;
use super::body::Body;
use super::gateway::Gateway;
use super::{cors, refuse};
use crate::access;
use crate::config::plan;
use crate::store::Owner;
use crate::telemetry::Record;
use crate::uploads::{BodyStream, Cut, Purpose, UploadError, Uploads, is_id, media};

const OF_ALL: &str = "POST, OPTIONS";
const OF_ONE: &str = "GET, HEAD, POST, PUT, OPTIONS";

/// A browser shows nothing but the picture itself, and runs nothing.
const NOTHING_ELSE: &str = "default-src 'none'; sandbox";

/// Answers a request at a path `below` that of the mount.
pub async fn reply(
    gateway: &Gateway,
    uploads: &Uploads,
    (mount, below): (&plan::Attachments, &str),
    head: &Parts,
    body: Incoming,
    mut record: Record,
) -> Response<Body> {
    record.route(&mount.path, "attachments");
    let id = below.strip_prefix('/');
    if id.is_some_and(|id| !is_id(id)) {
        return refused(record, head, &UploadError::NotFound);
    }
    let methods = if id.is_some() { OF_ONE } else { OF_ALL };
    if head.method == Method::OPTIONS {
        record.quiet();
        let mut response = refuse::empty(StatusCode::NO_CONTENT);
        refuse::allow(&mut response, methods);
        if cors::is_preflight(&head.method, &head.headers) {
            cors::preflight(&mount.cors, methods, &head.headers, &mut response);
        }
        return response;
    }
    let page = Page { gateway, uploads, mount, head };
    let reads = head.method == Method::GET || head.method == Method::HEAD;
    let sends = head.method == Method::POST || (head.method == Method::PUT && id.is_some());
    let answer = match id {
        Some(id) if reads => page.read(id).await,
        Some(id) if sends => page.send(id, page.stream(body)).await,
        None if sends => page.send_new(page.stream(body)).await,
        _ => {
            let error = CallerError::new(405, "method_not_allowed", "this path has no such method");
            record.refused(&Refusal::Caller(&error));
            let mut response = refuse::plain(&error);
            refuse::allow(&mut response, methods);
            return response;
        }
    };
    match answer {
        Ok(response) => {
            record.answered(response.status().as_u16());
            response
        }
        Err(Refused::Upload(error)) => refused(record, head, &error),
        Err(Refused::Caller(error)) => {
            record.refused(&Refusal::Caller(&error));
            refuse::plain(&error)
        }
    }
}

enum Refused {
    Caller(CallerError),
    Upload(UploadError),
}

impl From<UploadError> for Refused {
    fn from(error: UploadError) -> Self {
        Self::Upload(error)
    }
}

struct Page<'a> {
    gateway: &'a Gateway,
    uploads: &'a Uploads,
    mount: &'a plan::Attachments,
    head: &'a Parts,
}

impl Page<'_> {
    /// A file, by a signed address or for its owner.
    async fn read(&self, id: &str) -> Result<Response<Body>, Refused> {
        let query = self.head.uri.query().unwrap_or_default();
        let owner = match query {
            "" => self.owner()?,
            signed => self.uploads.signed(Purpose::Read, id, signed).await?,
        };
        let (attachment, file) = self.uploads.read(&owner, id).await?;
        let body =
            if self.head.method == Method::HEAD { Body::from(Bytes::new()) } else { Body::file(file, attachment.size) };
        Ok(shown(&attachment, body))
    }

    /// The bytes of an announced file.
    async fn send(&self, id: &str, bytes: BodyStream) -> Result<Response<Body>, Refused> {
        let query = self.head.uri.query().unwrap_or_default();
        let owner = self.uploads.signed(Purpose::Upload, id, query).await?;
        let attachment = self.uploads.receive(&owner, id, &self.head.headers, bytes).await?;
        Ok(self.taken(attachment))
    }

    /// A file that was not announced.
    async fn send_new(&self, bytes: BodyStream) -> Result<Response<Body>, Refused> {
        // A form needs no preflight: without this, any page that the user visits could send files in their name.
        if !cors::permits(&self.mount.cors, self.head) {
            return Err(UploadError::Foreign.into());
        }
        let owner = self.owner()?;
        let attachment = self.uploads.receive_new(&owner, &self.head.headers, bytes).await?;
        Ok(self.taken(attachment))
    }

    fn stream(&self, body: Incoming) -> BodyStream {
        let arrival = Arrival::new(&self.gateway.plan.server, self.mount.timeout);
        let late = Box::pin(tokio::time::sleep_until(arrival.deadline()));
        Box::pin(Received { body: body.into_data_stream(), arrival, late })
    }

    fn owner(&self) -> Result<Owner, Refused> {
        access::identify(&self.gateway.plan, self.head).map(|caller| caller.owner).map_err(Refused::Caller)
    }

    fn taken(&self, attachment: Attachment) -> Response<Body> {
        let shown = self.uploads.with_preview(attachment, &self.uploads.base(self.head));
        refuse::json(200, &chatwire_protocols::chatkit::attachment(&shown, None))
    }
}

/// A file as browsers may have it: shown if it is a picture, else kept, and never run.
fn shown(attachment: &Attachment, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    };
    set(CONTENT_TYPE, &attachment.media_type);
    set(CONTENT_LENGTH, &attachment.size.to_string());
    set(CONTENT_DISPOSITION, &media::disposition(&attachment.media_type, &attachment.name));
    set(CACHE_CONTROL, "private, max-age=3600");
    set(HeaderName::from_static("x-content-type-options"), "nosniff");
    set(HeaderName::from_static("content-security-policy"), NOTHING_ELSE);
    set(HeaderName::from_static("referrer-policy"), "no-referrer");
    response
}

fn refused(mut record: Record, head: &Parts, error: &UploadError) -> Response<Body> {
    let mut response = match error.mistake() {
        Some(mistake) => {
            record.refused(&Refusal::Caller(&mistake));
            refuse::plain(&mistake)
        }
        None => {
            let failure = error.failure();
            record.refused(&Refusal::Failure(&failure));
            refuse::plain(&if error.is_full() {
                CallerError::new(507, "no_room", "there is no room left for files")
            } else {
                CallerError::new(failure.kind.status(), failure.kind.label(), failure.safe_text())
            })
        }
    };
    if head.method == Method::POST || head.method == Method::PUT {
        // The body, or the rest of it, still stands on the connection.
        refuse::close(&mut response, head.version);
    }
    response
}

struct Received {
    body: BodyDataStream<Incoming>,
    arrival: Arrival,
    late: Pin<Box<Sleep>>,
}

impl Stream for Received {
    type Item = Result<Bytes, Cut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match Pin::new(&mut self.body).poll_next(cx) {
            Poll::Ready(next) => {
                if let Some(Ok(bytes)) = &next {
                    self.arrival.got(bytes.len());
                }
                Poll::Ready(next.map(|bytes| bytes.map_err(|_| Cut::Lost)))
            }
            Poll::Pending => {
                let deadline = self.arrival.deadline();
                self.late.as_mut().reset(deadline);
                self.late.as_mut().poll(cx).map(|()| Some(Err(Cut::Slow)))
            }
        }
    }
}
