//! What lasts: facts, conversations with their items, and usage. One trait in our words, one schema for all frontends.
//!
//! Every method asks whose rows are meant, and what belongs to somebody else is as unknown as what does not exist. A
//! write that has been answered has reached the disk.

mod content;
mod error;
mod owner;
mod rows;
mod sqlite;

use std::fmt;
use std::pin::Pin;

use chatwire_protocols::cost::Cost;
use chatwire_protocols::event::Text;
pub use chatwire_protocols::items::{Attachment, Item, Thread, ThreadStatus};
pub use chatwire_protocols::operation::{ModelUsage, Summary};
pub use error::StoreError;
pub use owner::{NoOwner, Owner};
pub use rows::{Direction, Fact, FactStatus, Page, PageQuery, Room, Sequence, Spending, UsageRow, Write};
pub use sqlite::Sqlite;

/// An answer of a store. A write goes on when its answer is no longer waited for.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send>>;

/// Most facts of one owner.
pub const MOST_FACTS: u32 = 1000;

/// Keeps what lasts.
///
/// All methods fail with [`StoreError::Busy`] rather than wait long, and with what is said at each.
pub trait Store: fmt::Debug + Send + Sync {
    /// Adds a fact. Where the owner has [`MOST_FACTS`] already, the oldest discarded one makes room.
    ///
    /// Fails with [`StoreError::Exists`], or [`StoreError::TooMany`] if none is discarded.
    fn add_fact(&self, owner: &Owner, fact: Fact) -> Pending<()>;

    /// Decides about a fact and gives it as it is then; nothing if the owner has no such fact.
    fn set_fact_status(&self, owner: &Owner, id: &str, status: FactStatus) -> Pending<Option<Fact>>;

    /// At most `limit` facts of this status, by when they were added.
    fn facts(&self, owner: &Owner, status: FactStatus, direction: Direction, limit: u32) -> Pending<Vec<Fact>>;

    /// Changes a thread: all of it, or nothing. What changes items wants the thread to be there or made first.
    ///
    /// Fails with [`StoreError::NoThread`], or as said at [`Write`].
    fn apply(&self, owner: &Owner, thread: &str, writes: Vec<Write>) -> Pending<()>;

    /// A thread and its place among the owner's.
    fn thread(&self, owner: &Owner, id: &str) -> Pending<Option<(Sequence, Thread)>>;

    /// A page of the threads, by when they were made.
    fn threads(&self, owner: &Owner, query: PageQuery) -> Pending<Page<Thread>>;

    /// At most `limit` threads by their newest activity; with `matching`, only those with this text in their title or in
    /// what the user or the assistant said, in any case.
    fn recent_threads(&self, owner: &Owner, matching: Option<&str>, limit: u32) -> Pending<Vec<Thread>>;

    /// Deletes a thread with all its items; its files belong to no thread then. False if there was none.
    fn delete_thread(&self, owner: &Owner, id: &str) -> Pending<bool>;

    /// An item and its place.
    fn item(&self, owner: &Owner, thread: &str, id: &str) -> Pending<Option<(Sequence, Item)>>;

    /// A page of a thread's items; the hidden ones only if `hidden`. Empty for an unknown thread.
    fn items(&self, owner: &Owner, thread: &str, query: PageQuery, hidden: bool) -> Pending<Page<Item>>;

    /// Announces a file, or changes what is known of it.
    ///
    /// Fails with [`StoreError::Exists`] if its id is somebody else's.
    fn put_attachment(&self, owner: &Owner, attachment: Attachment) -> Pending<()>;

    /// Announces a file if there is room for it.
    ///
    /// Fails with [`StoreError::TooMany`], or [`StoreError::Exists`] if its id is taken.
    fn add_attachment(&self, owner: &Owner, attachment: Attachment, room: Room) -> Pending<()>;

    /// Says that so many bytes of a file have come. False if it is not announced, or they were there before.
    fn finish_attachment(&self, owner: &Owner, id: &str, size: u64) -> Pending<bool>;

    /// What is known of a file.
    fn attachment(&self, owner: &Owner, id: &str) -> Pending<Option<Attachment>>;

    /// Whose a file is: for signed addresses, which name no user. Never tells an owner about another one's file.
    fn attachment_owner(&self, id: &str) -> Pending<Option<Owner>>;

    /// Forgets a file. False if there was none.
    fn delete_attachment(&self, owner: &Owner, id: &str) -> Pending<bool>;

    /// Forgets the files of all owners that were announced before this time and belong to no thread: at most `limit`,
    /// the oldest first. Gives their ids.
    fn forget_attachments(&self, before: u64, limit: u32) -> Pending<Vec<Text>>;

    /// Counts a model call. One that has been counted is not counted again.
    fn add_usage(&self, owner: &Owner, usage: UsageRow) -> Pending<()>;

    /// Adds to what subjects have spent: all of it, or nothing.
    fn add_spending(&self, rows: Vec<Spending>) -> Pending<()>;

    /// What a subject has spent in a period.
    fn spending(&self, subject: &str, period: &str) -> Pending<Cost>;

    /// What each model cost from a time on, by the models' names.
    fn usage(&self, owner: &Owner, since: u64) -> Pending<Vec<ModelUsage>>;

    /// What each model cost in a thread, by the models' names. A thread that is deleted takes its name from its calls, so
    /// that another one of its id begins at nothing.
    fn thread_usage(&self, owner: &Owner, thread: &str) -> Pending<Vec<ModelUsage>>;

    /// A thread in numbers.
    fn summary(&self, owner: &Owner, thread: &str) -> Pending<Option<Summary>>;

    /// At most `limit` of the owner's threads of these sessions in numbers, the newest first.
    fn summaries(&self, owner: &Owner, sessions: &str, limit: u32) -> Pending<Vec<Summary>>;

    /// How many threads of these sessions there are, of all owners.
    fn count_sessions(&self, sessions: &str) -> Pending<u64>;

    /// At most `limit` threads of these sessions that were last changed before a time, of all owners, and whose they are:
    /// the oldest first.
    fn old_sessions(&self, sessions: &str, before: u64, limit: u32) -> Pending<Vec<(Owner, String)>>;
}
