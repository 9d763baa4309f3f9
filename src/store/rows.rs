//! What is stored, in words of no frontend. Times are milliseconds since 1970; a store has no clock.

use chatwire_protocols::cost::Cost;
use chatwire_protocols::event::{Text, Usage};
use chatwire_protocols::items::{Item, Thread};

/// Names a place in a list. Only grows, and is never given twice within its list.
pub type Sequence = u64;

/// Something that a user told about themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its id, unique for its owner.
    pub id: String,
    /// A sentence.
    pub text: String,
    /// What became of it.
    pub status: FactStatus,
    /// When it was told.
    pub created: u64,
}

/// What became of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactStatus {
    /// Nobody has decided yet.
    Pending,
    /// It is to be remembered.
    Saved,
    /// It is to be forgotten.
    Discarded,
}

impl FactStatus {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Saved, Self::Discarded];

    /// The status as one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Saved => "saved",
            Self::Discarded => "discarded",
        }
    }
}

/// In which direction a list is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the first that was added.
    #[default]
    OldestFirst,
    /// From the last that was added.
    NewestFirst,
}

/// A change of a thread. Several together are done wholly or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Makes the thread, or changes title, status, metadata and time of the one with its id.
    Thread(Thread),
    /// Says when the thread was last changed, and nothing else of it. Never moves back.
    Touch {
        /// When.
        updated: u64,
    },
    /// Adds an item at the end. Fails with [`StoreError::Exists`](super::StoreError::Exists) if there is one with its id.
    Add(Item),
    /// Replaces the item with this id, which keeps its place and its time, or adds it at the end.
    Put(Item),
    /// Changes nothing, and lets nothing else be changed if there are that many threads of these sessions already. Fails
    /// with [`StoreError::NoPlace`](super::StoreError::NoPlace) then.
    Room {
        /// Whose sessions: [`metadata::SESSIONS`](chatwire_protocols::items::metadata::SESSIONS) of the threads.
        sessions: String,
        /// How many there may be.
        most: u32,
    },
    /// Deletes all items.
    Clear,
    /// Replaces the item with this id, which keeps its place and its time, if it is there.
    Replace(Item),
    /// Deletes an item, if it is there.
    Remove(Text),
    /// Deletes all items behind this one, if it is there.
    RemoveAfter(Text),
    /// Says that an uploaded file belongs to the thread. Fails with [`StoreError::NoFile`](super::StoreError::NoFile) if
    /// it is gone or another thread has it.
    Attach(Text),
    /// What the user thinks of an item; the last word counts.
    Feedback {
        /// The item.
        item: Text,
        /// Good or bad.
        positive: bool,
        /// When it was said.
        created: u64,
    },
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug)]
pub struct PageQuery {
    /// The place of the last one seen; what comes behind it is wanted.
    pub after: Option<Sequence>,
    /// Most that are wanted.
    pub limit: u32,
    /// From which end.
    pub direction: Direction,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What stands there, each with its place.
    pub rows: Vec<(Sequence, T)>,
    /// True if there is more behind it.
    pub more: bool,
}

/// How many bytes the files may have together. Each counts for [`Room::EACH`] more, so that empty ones have a bound too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Those of one owner.
    pub owner: u64,
    /// Those of all.
    pub all: u64,
}

impl Room {
    /// What a file counts for beside its bytes.
    pub const EACH: u64 = 1024;
}

/// Money that a subject of limits has spent in a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    /// Whose it is: "key:NAME", "owner:NAME" and the like.
    pub subject: String,
    /// The day or month in UTC: "2026-11-21", "2026-11".
    pub period: String,
    /// How much.
    pub cost: Cost,
}

/// What one model call cost in tokens. `None` is "not reported".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// The turn.
    pub turn: String,
    /// The thread that it runs in.
    pub thread: Option<String>,
    /// Which model call of it, from 0.
    pub step: u32,
    /// The model, by its name in the gateway.
    pub model: String,
    /// All input.
    pub input: Option<u64>,
    /// Of that, read from a cache.
    pub cached_input: Option<u64>,
    /// All output.
    pub output: Option<u64>,
    /// Of that, reasoning.
    pub reasoning: Option<u64>,
    /// What that is in money, if it is known.
    pub cost: Option<Cost>,
    /// When it was.
    pub created: u64,
}

impl UsageRow {
    /// The first model call of a turn.
    pub fn of(turn: &str, thread: Option<String>, model: &str, usage: &Usage, created: u64) -> Self {
        Self {
            turn: turn.to_owned(),
            thread,
            step: 0,
            model: model.to_owned(),
            input: usage.input,
            cached_input: usage.cached_input,
            output: usage.output,
            reasoning: usage.reasoning,
            cost: usage.cost,
            created,
        }
    }
}
