//! Files for kept conversations, as one page finds them.

use std::sync::Arc;

use chatwire_protocols::event::File;
use chatwire_protocols::operation::Upload;

use super::{Announced, Base, Uploads};
use crate::store::{Attachment, Owner};
use crate::threads::{Files, Serving, ThreadError};

/// The files, with the address at which a page has found the gateway.
#[derive(Debug)]
pub struct Found {
    /// The files.
    pub uploads: Arc<Uploads>,
    /// Where the page finds them.
    pub base: Base,
}

impl Files for Found {
    fn create(
        &self,
        owner: &Owner,
        name: String,
        size: u64,
        media_type: String,
    ) -> Serving<Result<(Attachment, Option<Upload>), ThreadError>> {
        let (uploads, base, owner) = (Arc::clone(&self.uploads), self.base.clone(), owner.clone());
        Box::pin(async move {
            let (attachment, upload) = uploads.create(&owner, Announced { name, size, media_type }, &base).await?;
            Ok((attachment, Some(upload)))
        })
    }

    fn delete(&self, owner: &Owner, attachment: &str) -> Serving<Result<bool, ThreadError>> {
        let (uploads, owner, id) = (Arc::clone(&self.uploads), owner.clone(), attachment.to_owned());
        Box::pin(async move { Ok(uploads.delete(&owner, &id).await?) })
    }

    fn bytes(&self, owner: &Owner, attachment: &Attachment) -> Serving<Option<File>> {
        let (uploads, owner, attachment) = (Arc::clone(&self.uploads), owner.clone(), attachment.clone());
        Box::pin(async move {
            uploads.bytes(&owner, &attachment).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "a file could not be read for the model");
                None
            })
        })
    }

    fn show(&self, _: &Owner, attachment: &mut Attachment) {
        *attachment = self.uploads.with_preview(attachment.clone(), &self.base);
    }
}
