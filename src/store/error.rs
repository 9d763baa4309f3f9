//! What goes wrong in a store.

/// Why a store did not do what it was asked. Nothing of it was stored then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Too much is waiting already, or somebody else holds the store for too long. Asking again may help.
    #[error("the store is busy")]
    Busy,
    /// The store has stopped.
    #[error("the store has stopped")]
    Closed,
    /// What is stored cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// There is a row of this id already.
    #[error("there is a row of this id already")]
    Exists,
    /// The file is not one of ours.
    #[error("the file is not a store of Chatwire")]
    Foreign,
    /// The file was written by a newer version.
    #[error(
        "the file was written by a newer Chatwire: its schema is version {found}, and this one knows versions up to \
         {known}; start the newer one, or name another file"
    )]
    Newer {
        /// The file's version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The disk is full.
    #[error("there is no room left for the store")]
    NoRoom,
    /// This owner has no such file, or another thread has it.
    #[error("there is no such file, or another thread has it")]
    NoFile,
    /// There are as many threads of these sessions as there may be.
    #[error("there are as many sessions as there may be")]
    NoPlace,
    /// This owner has no such thread.
    #[error("there is no such thread")]
    NoThread,
    /// The file cannot be opened or made.
    #[error("the file cannot be opened: {0}")]
    Open(String),
    /// The file or its folder cannot be written.
    #[error("the store cannot be written")]
    ReadOnly,
    /// This owner has as many of these as one may have.
    #[error("there are as many {0} as one owner may have")]
    TooMany(&'static str),
    /// Anything else.
    #[error("the store failed: {0}")]
    Other(String),
}

impl StoreError {
    /// True if asking again may help.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Busy)
    }
}
