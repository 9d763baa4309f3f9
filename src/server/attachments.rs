//! Requests for files: sending them, announced or not, and reading them.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use chatwire_protocols::error::{CallerError, Refusal};
use chatwire_protocols::items::Attachment;
use futures_core::Stream;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response};
use http_body_util::{BodyDataStream, BodyExt as _};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::arrival::Arrival;
use super::body::Body;
use super::{cors, refuse};
use crate::access::Caller;
use crate::config::plan;
use crate::store::Owner;
use crate::telemetry::Record;
use crate::uploads::{BodyStream, Cut, Purpose, UploadError, Uploads, is_id, media};

const OF_ALL: &str = "POST, OPTIONS";
const OF_ONE: &str = "GET, HEAD, POST, PUT, OPTIONS";

/// A browser shows nothing but the picture itself, and runs nothing.
const NOTHING_ELSE: &str = "default-src 'none'; sandbox";

/// The methods at a path `below` that of the mount; nothing if there is nothing.
pub fn methods(below: &str) -> Option<&'static str> {
    match below.strip_prefix('/') {
        None => Some(OF_ALL),
        Some(id) if is_id(id) => Some(OF_ONE),
        Some(_) => None,
    }
}

/// Whether a request brings its own proof: the query of a signed address, which says whose the file is.
pub fn is_signed(below: &str, head: &Parts) -> bool {
    below.starts_with('/') && head.uri.query().is_some_and(|query| !query.is_empty())
}

/// Answers a request with a signed address at a path `below` that of the mount.
pub async fn signed(
    (server, uploads): (&plan::Server, &Uploads),
    (mount, below): (&plan::Attachments, &str),
    head: &Parts,
    body: Incoming,
    record: Record,
) -> Response<Body> {
    let page = Page { server, uploads, mount, head };
    let Some(id) = id_of(below) else { return refused(record, head, &UploadError::NotFound) };
    let answer = match head.method {
        Method::GET | Method::HEAD => page.read_signed(id).await,
        _ => page.send(id, page.stream(body)).await,
    };
    told(answer, head, record)
}

/// Answers a request at a path `below` that of the mount.
pub async fn reply(
    (server, uploads): (&plan::Server, &Uploads),
    (mount, below): (&plan::Attachments, &str),
    head: &Parts,
    body: Incoming,
    caller: &Caller,
    record: Record,
) -> Response<Body> {
    let page = Page { server, uploads, mount, head };
    let answer = match (id_of(below), &head.method) {
        (None, _) if !below.is_empty() => Err(UploadError::NotFound),
        (None, _) => page.send_new(&caller.owner, page.stream(body)).await,
        (Some(id), &Method::GET | &Method::HEAD) => page.read(&caller.owner, id).await,
        // The bytes of an announced file come to its signed address only.
        (Some(id), _) => page.send(id, page.stream(body)).await,
    };
    told(answer, head, record)
}

fn id_of(below: &str) -> Option<&str> {
    below.strip_prefix('/').filter(|id| is_id(id))
}

fn told(answer: Result<Response<Body>, UploadError>, head: &Parts, mut record: Record) -> Response<Body> {
    match answer {
        Ok(response) => {
            record.answered(response.status().as_u16());
            response
        }
        Err(error) => refused(record, head, &error),
    }
}

struct Page<'a> {
    server: &'a plan::Server,
    uploads: &'a Uploads,
    mount: &'a plan::Attachments,
    head: &'a Parts,
}

impl Page<'_> {
    /// A file, by a signed address.
    async fn read_signed(&self, id: &str) -> Result<Response<Body>, UploadError> {
        let query = self.head.uri.query().unwrap_or_default();
        let owner = self.uploads.signed(Purpose::Read, id, query).await?;
        self.read(&owner, id).await
    }

    /// A file for its owner.
    async fn read(&self, owner: &Owner, id: &str) -> Result<Response<Body>, UploadError> {
        let (attachment, file) = self.uploads.read(owner, id).await?;
        let body =
            if self.head.method == Method::HEAD { Body::from(Bytes::new()) } else { Body::file(file, attachment.size) };
        Ok(shown(&attachment, body))
    }

    /// The bytes of an announced file.
    async fn send(&self, id: &str, bytes: BodyStream) -> Result<Response<Body>, UploadError> {
        let query = self.head.uri.query().unwrap_or_default();
        let owner = self.uploads.signed(Purpose::Upload, id, query).await?;
        let attachment = self.uploads.receive(&owner, id, &self.head.headers, bytes).await?;
        Ok(self.taken(attachment))
    }

    /// A file that was not announced.
    async fn send_new(&self, owner: &Owner, bytes: BodyStream) -> Result<Response<Body>, UploadError> {
        // A form needs no preflight: without this, any page that the user visits could send files in their name.
        if !cors::permits(&self.mount.cors, self.head) {
            return Err(UploadError::Foreign);
        }
        let attachment = self.uploads.receive_new(owner, &self.head.headers, bytes).await?;
        Ok(self.taken(attachment))
    }

    fn stream(&self, body: Incoming) -> BodyStream {
        let arrival = Arrival::new(self.server, self.mount.timeout);
        let late = Box::pin(tokio::time::sleep_until(arrival.deadline()));
        Box::pin(Received { body: body.into_data_stream(), arrival, late })
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
