//! Events of a turn to items.

use super::{Citation, Item, Task, Value};
use crate::event::{Event, File, Text};

/// What a dialect wants of its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// True if page-run calls, and what tools ask of pages, become [`PageCall`](super::Body::PageCall) items, shown one
    /// at a time. Others show the [`ToolCall`](super::Body::ToolCall) items.
    pub page_calls: bool,
}

/// How an item comes into being.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A text of the assistant begins. It stays open until it is finished.
    TextOpened {
        /// The item.
        item: Text,
        /// When, in milliseconds since 1970.
        created: u64,
    },
    /// More of an open text.
    TextGrew {
        /// The item.
        item: Text,
        /// The piece.
        text: Text,
    },
    /// An open text rests on a source.
    TextCited {
        /// The item.
        item: Text,
        /// Which citation of the item it is, from 0.
        index: u32,
        /// How many characters of the text stand before it.
        at: u32,
        /// The source.
        citation: Citation,
    },
    /// A workflow begins. It stays open until it is finished, which is before anything else of the answer.
    WorkflowOpened {
        /// The item.
        item: Text,
        /// When, in milliseconds since 1970.
        created: u64,
    },
    /// An open workflow has another task.
    TaskAdded {
        /// The item.
        item: Text,
        /// Which task it is, from 0.
        index: u32,
        /// The task.
        task: Task,
    },
    /// The last thought of an open workflow has grown, or a call of it has its result.
    TaskChanged {
        /// The item.
        item: Text,
        /// Which task it is.
        index: u32,
        /// The task as it is now.
        task: Task,
    },
    /// A file begins to be made: it has no bytes yet.
    FileOpened {
        /// The item.
        item: Text,
        /// When, in milliseconds since 1970.
        created: u64,
    },
    /// The file as far as it is made.
    FileGrew {
        /// The item.
        item: Text,
        /// What there is.
        file: File,
    },
    /// A widget that will change begins.
    WidgetOpened {
        /// The item.
        item: Text,
        /// When, in milliseconds since 1970.
        created: u64,
        /// Its tree.
        root: Value,
        /// The same in words.
        copy_text: Option<String>,
    },
    /// An open widget has changed.
    WidgetChanged {
        /// The item.
        item: Text,
        /// Its tree as it was.
        from: Value,
        /// Its tree as it is.
        to: Value,
    },
    /// An item is as it will stay: it is stored before this goes on. It may not have been opened.
    Finished(Box<Item>),
    /// A finished item has been replaced, and is stored so.
    Replaced(Box<Item>),
}

/// Turns the events of one turn into items. Ids are made of the turn's id and what the item begins with, so everybody
/// who folds the same events gets the same ids; times come from [`Event::Now`].
#[derive(Debug)]
pub struct Folder {
    style: Style,
    message: Text,
}

impl Folder {
    /// A folder for a turn whose items belong to the assistant's `message`.
    pub const fn new(message: Text, style: Style) -> Self {
        Self { style, message }
    }

    /// Takes the next event and appends what it changes.
    pub fn event(&mut self, _event: &Event, _out: &mut Vec<Change>) {
        let _ = (&self.style, &self.message);
    }
}
