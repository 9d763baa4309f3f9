//! What goes wrong with files of users.

use std::io;

use chatwire_protocols::error::{CallerError, Failure, FailureKind};

use crate::store::StoreError;

/// Why a file was not taken, given or deleted.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The bytes of the file are there already.
    #[error("the file is there already")]
    AlreadyThere,
    /// Somebody else sends this file at this moment.
    #[error("the file is being sent already")]
    Busy,
    /// The body stopped before its end.
    #[error("the body could not be read to its end")]
    Cut,
    /// The bytes are not of the type that was said.
    #[error("the file is not of the type {0:?}")]
    Disguised(String),
    /// The body is compressed.
    #[error("the body must not be compressed")]
    Encoded,
    /// A page of an origin that may not send files.
    #[error("pages of this origin may not send files here")]
    Foreign,
    /// The form is not one.
    #[error("the form cannot be read: {0}")]
    Malformed(String),
    /// The form has no file in it.
    #[error("the form has no field \"file\"")]
    NoFile,
    /// The owner has no file of this id, or there is none.
    #[error("there is no such file")]
    NotFound,
    /// The owner's files are as large as they may be.
    #[error("there is no room left for files of this user")]
    Quota,
    /// The signature is wrong, missing, or too old.
    #[error("the address is not valid, or no longer")]
    Signature,
    /// The body took too long.
    #[error("the file did not arrive in time")]
    Slow,
    /// The file is larger than it may be, or than it was announced.
    #[error("the file may have at most {0} bytes")]
    TooLarge(u64),
    /// The form has several files in it.
    #[error("the form has more than one file")]
    TwoFiles,
    /// The media type is not among those that are taken.
    #[error("files of the type {0:?} are not taken")]
    Type(String),
    /// The folder of the files cannot be used.
    #[error("the folder of the files: {0}")]
    Io(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UploadError {
    /// What the caller did wrong; nothing if it is ours.
    pub fn mistake(&self) -> Option<CallerError> {
        let (status, code) = match self {
            Self::AlreadyThere => (409, "already_uploaded"),
            Self::Busy => (409, "upload_running"),
            Self::Cut => (400, "body_cut"),
            Self::Disguised(_) => (415, "wrong_content"),
            Self::Encoded => (415, "unsupported_encoding"),
            Self::Foreign => (403, "foreign_origin"),
            Self::Malformed(_) => (400, "bad_form"),
            Self::NoFile => (400, "no_file"),
            Self::NotFound => (404, "not_found"),
            Self::Quota => (409, "no_room_for_user"),
            Self::Signature => (403, "bad_signature"),
            Self::Slow => (408, "body_timeout"),
            Self::TooLarge(_) => (413, "body_too_large"),
            Self::TwoFiles => (400, "two_files"),
            Self::Type(_) => (415, "unsupported_media_type"),
            Self::Io(_) | Self::Store(_) => return None,
        };
        Some(CallerError::new(status, code, self.to_string()))
    }

    /// The same as a failure of ours, with the full text for the log.
    pub fn failure(&self) -> Failure {
        let kind = match self {
            Self::Store(error) if error.is_passing() => FailureKind::Overloaded,
            _ => FailureKind::Internal,
        };
        Failure::new(kind, self.to_string())
    }

    /// True if there is no room left on the disk, or in what all files together may have.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Io(error) => {
                matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Store(error) => *error == StoreError::NoRoom,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one_and_neither_is_the_callers_mistake() {
        let full = UploadError::from(io::Error::from(io::ErrorKind::StorageFull));
        let broken = UploadError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        let no_room = UploadError::from(StoreError::NoRoom);
        assert_eq!((full.is_full(), broken.is_full(), no_room.is_full()), (true, false, true));
        assert!([full, broken, no_room].iter().all(|error| error.mistake().is_none()));
    }
}
