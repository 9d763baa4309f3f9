//! The body of an upload: the bytes as they are, or a form with one file in it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use multer::{Field, Multipart};

use super::error::UploadError;

/// The bytes as they come; an error means that they are cut.
pub type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, Cut>> + Send>>;

/// Why a body has no end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum Cut {
    /// The connection was lost.
    #[error("the body is cut")]
    Lost,
    /// It comes too slowly.
    #[error("the body comes too slowly")]
    Slow,
}

/// Most bytes of a form that are not the file's: boundaries, headers, other fields.
pub const AROUND: u64 = 64 << 10;

/// The form's field with the file.
const FIELD: &str = "file";

/// A body that is being read.
pub enum UploadBody {
    /// Nothing but the file.
    Raw(Metered),
    /// A form.
    Form(Box<Form>),
}

/// A form that is being read.
pub struct Form {
    multipart: Multipart<'static>,
    field: Option<Field<'static>>,
    allowance: Arc<AtomicU64>,
}

/// What a form says of its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Its name.
    pub name: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
}

/// The length of a body, where it is announced.
pub fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl UploadBody {
    /// The body of a request with these headers.
    ///
    /// # Errors
    /// The body is compressed, or a form without a boundary.
    pub fn new(headers: &HeaderMap, bytes: BodyStream) -> Result<Self, UploadError> {
        if !headers.get_all(CONTENT_ENCODING).iter().all(|coding| coding == "identity") {
            return Err(UploadError::Encoded);
        }
        let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let allowance = Arc::new(AtomicU64::new(u64::MAX));
        let metered = Metered { bytes, allowance: Arc::clone(&allowance), read: 0, rests: false };
        if !media_type.trim_start().to_ascii_lowercase().starts_with("multipart/") {
            return Ok(Self::Raw(metered));
        }
        let boundary = multer::parse_boundary(media_type).map_err(|error| UploadError::Malformed(error.to_string()))?;
        allowance.store(AROUND, Ordering::Relaxed);
        Ok(Self::Form(Box::new(Form { multipart: Multipart::new(metered, boundary), field: None, allowance })))
    }

    /// True for a form.
    pub const fn is_form(&self) -> bool {
        matches!(self, Self::Form(_))
    }

    /// Goes to the beginning of the file, which may have `most` bytes.
    ///
    /// # Errors
    /// There is no file, or the form cannot be read.
    pub async fn begin(&mut self, most: u64) -> Result<Said, UploadError> {
        let Self::Form(form) = self else { return Ok(Said::default()) };
        loop {
            let field = form.multipart.next_field().await.map_err(|error| of_form(&error, most))?;
            let Some(field) = field else { return Err(UploadError::NoFile) };
            if field.name() != Some(FIELD) {
                continue;
            }
            let said = Said {
                name: field.file_name().map(str::to_owned),
                media_type: field.content_type().map(|media_type| media_type.essence_str().to_owned()),
            };
            form.allowance.store(most.saturating_add(2 * AROUND), Ordering::Relaxed);
            form.field = Some(field);
            return Ok(said);
        }
    }

    /// The next bytes of the file; nothing at its end.
    ///
    /// # Errors
    /// The body is cut, or the form cannot be read.
    pub async fn chunk(&mut self, most: u64) -> Result<Option<Bytes>, UploadError> {
        match self {
            Self::Raw(bytes) => {
                let next = std::future::poll_fn(|cx| Pin::new(&mut *bytes).poll_next(cx)).await;
                next.transpose().map_err(|broken| of_broken(broken, most))
            }
            Self::Form(form) => {
                let Some(field) = &mut form.field else { return Ok(None) };
                field.chunk().await.map_err(|error| of_form(&error, most))
            }
        }
    }

    /// Reads what stands behind the file.
    ///
    /// # Errors
    /// There is another file, or the form does not end.
    pub async fn end(self, most: u64) -> Result<(), UploadError> {
        let Self::Form(mut form) = self else { return Ok(()) };
        form.field = None;
        while let Some(field) = form.multipart.next_field().await.map_err(|error| of_form(&error, most))? {
            if field.name() == Some(FIELD) {
                return Err(UploadError::TwoFiles);
            }
        }
        Ok(())
    }
}

fn of_form(error: &multer::Error, most: u64) -> UploadError {
    match error {
        multer::Error::StreamReadFailed(cause) => {
            of_broken(cause.downcast_ref().copied().unwrap_or(Broken::Cut(Cut::Lost)), most)
        }
        multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteFieldData { .. } => UploadError::Cut,
        other => UploadError::Malformed(other.to_string()),
    }
}

const fn of_broken(broken: Broken, most: u64) -> UploadError {
    match broken {
        Broken::Cut(Cut::Lost) => UploadError::Cut,
        Broken::Cut(Cut::Slow) => UploadError::Slow,
        Broken::TooMuch => UploadError::TooLarge(most),
    }
}

/// Bytes with a bound that moves: what a form's reader holds until it has found a file stays small. One piece at a
/// time, for that reader takes all that is ready.
pub struct Metered {
    bytes: BodyStream,
    allowance: Arc<AtomicU64>,
    read: u64,
    rests: bool,
}

/// Why no more bytes come.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum Broken {
    /// The connection was lost.
    #[error(transparent)]
    Cut(#[from] Cut),
    /// More than is allowed.
    #[error("too many bytes")]
    TooMuch,
}

impl Stream for Metered {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.read > self.allowance.load(Ordering::Relaxed) {
            return Poll::Ready(Some(Err(Broken::TooMuch)));
        }
        let next = ready!(self.bytes.as_mut().poll_next(cx));
        if let Some(Ok(bytes)) = &next {
            self.read += bytes.len() as u64;
            self.rests = true;
        }
        Poll::Ready(next.map(|bytes| bytes.map_err(Broken::from)))
    }
}
