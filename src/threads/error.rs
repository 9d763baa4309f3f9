//! Why a page does not get what it asks for.

use chatwire_protocols::error::{CallerError, Failure, FailureKind};

use crate::store::StoreError;
use crate::uploads::UploadError;
use crate::upstream::Unheard;

/// Why a page does not get what it asks for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ThreadError {
    /// It asks for something that is not there, not allowed, or no sense.
    #[error(transparent)]
    Caller(#[from] CallerError),
    /// We failed, or a service behind us.
    #[error(transparent)]
    Failed(Box<Failure>),
}

impl From<StoreError> for ThreadError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoThread => no_thread(),
            StoreError::NoFile => conflict("attachment_taken", "an attachment is gone, or belongs to another thread"),
            StoreError::NoPlace => no_place(),
            StoreError::NoRoom => no_room(),
            error => {
                let kind = if error.is_passing() { FailureKind::Overloaded } else { FailureKind::Internal };
                Self::Failed(Failure::boxed(kind, format!("store: {error}")))
            }
        }
    }
}

impl From<Unheard> for ThreadError {
    fn from(unheard: Unheard) -> Self {
        match unheard {
            Unheard::Caller(error) => Self::Caller(error),
            Unheard::Failure(failure) => Self::Failed(failure),
        }
    }
}

impl From<UploadError> for ThreadError {
    fn from(error: UploadError) -> Self {
        error.mistake().map_or_else(|| Self::Failed(Box::new(error.failure())), Self::Caller)
    }
}

/// There is no such thread, or it is somebody else's.
pub fn no_thread() -> ThreadError {
    CallerError::new(404, "unknown_thread", "there is no such thread").into()
}

/// There are as many sessions as the route may have.
fn no_place() -> ThreadError {
    let message = "there are as many sessions as this server keeps; delete one, or try again later";
    CallerError::new(503, "too_many_sessions", message).into()
}

/// The disk is full. It is nothing that the page did, and nothing that it can do without us.
fn no_room() -> ThreadError {
    tracing::error!("there is no room left for the store");
    CallerError::new(507, "no_room", "there is no room left to keep this").into()
}

/// There is no such item in the thread.
pub fn no_item() -> ThreadError {
    CallerError::new(404, "unknown_item", "there is no such item in this thread").into()
}

/// There is no such file, or it is somebody else's.
pub fn no_attachment() -> ThreadError {
    CallerError::new(404, "unknown_attachment", "there is no such attachment").into()
}

/// Nobody waits for what the page says to a call.
pub fn no_pending_call() -> ThreadError {
    CallerError::new(409, "no_pending_call", "no call waits for this").into()
}

/// Something is not as it must be for this.
pub fn conflict(code: &'static str, message: &str) -> ThreadError {
    CallerError::new(409, code, message).into()
}

/// A wrong value.
pub fn invalid(path: &str, message: impl Into<String>) -> ThreadError {
    CallerError::invalid(path, message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_to_be_one() {
        let ThreadError::Caller(error) = ThreadError::from(StoreError::NoRoom) else { panic!("a failure") };
        assert_eq!((error.status, error.code), (507, "no_room"));
        let ThreadError::Failed(busy) = ThreadError::from(StoreError::Busy) else { panic!("a mistake") };
        assert_eq!(busy.kind.status(), 503);
    }
}
