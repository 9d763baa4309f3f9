//! Uploaded files, as the engine needs them.

use std::fmt;
use std::pin::Pin;

use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::File;
use chatwire_protocols::items::Attachment;
use chatwire_protocols::operation::Upload;

use super::ThreadError;
use crate::store::Owner;

/// An answer that is waited for.
pub type Serving<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Uploaded files.
pub trait Files: fmt::Debug + Send + Sync {
    /// Announces a file; gives the address where its bytes are to be sent.
    fn create(
        &self,
        owner: &Owner,
        name: String,
        size: u64,
        media_type: String,
    ) -> Serving<Result<(Attachment, Option<Upload>), ThreadError>>;

    /// Deletes a file with its bytes. False if the owner has no such file.
    fn delete(&self, owner: &Owner, attachment: &str) -> Serving<Result<bool, ThreadError>>;

    /// A file for the model; nothing if its bytes are gone.
    fn bytes(&self, owner: &Owner, attachment: &Attachment) -> Serving<Option<File>>;

    /// Says where the page finds a file's picture.
    fn show(&self, owner: &Owner, attachment: &mut Attachment);
}

/// No files: none can be announced, and there are none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn create(
        &self,
        _: &Owner,
        _: String,
        _: u64,
        _: String,
    ) -> Serving<Result<(Attachment, Option<Upload>), ThreadError>> {
        let error = CallerError::new(404, "no_attachments", "this gateway takes no attachments");
        Box::pin(std::future::ready(Err(error.into())))
    }

    fn delete(&self, _: &Owner, _: &str) -> Serving<Result<bool, ThreadError>> {
        Box::pin(std::future::ready(Ok(false)))
    }

    fn bytes(&self, _: &Owner, _: &Attachment) -> Serving<Option<File>> {
        Box::pin(std::future::ready(None))
    }

    fn show(&self, _: &Owner, _: &mut Attachment) {}
}
