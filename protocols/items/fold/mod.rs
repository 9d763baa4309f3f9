//! Events of a turn to items.

mod calls;
mod data;
#[cfg(test)]
mod tests;
mod texts;
mod workflows;

use std::sync::Arc;

use serde_json::Value;

use self::calls::Calls;
use self::data::DataItems;
use self::texts::Texts;
use self::workflows::Workflows;
use super::{Body, Item, MadeFile, Note, Origin, Task};
use crate::event::{BlockId, BlockKind, CancelledBy, Citation, Event, Runs, Text, ToolResult};

/// What a dialect wants of its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// True if page-run calls, and what tools ask of pages, become [`PageCall`](super::Body::PageCall) items, shown one
    /// at a time. Others show the [`ToolCall`](super::Body::ToolCall) items.
    pub page_calls: bool,
}

/// The id of an item that is not finished, cheap to copy for every piece of it.
pub type ItemId = Arc<str>;

/// How an item comes into being.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A text of the assistant begins. It stays open until it is finished.
    TextOpened {
        /// The item.
        item: ItemId,
        /// When, in milliseconds since 1970.
        created: u64,
    },
    /// More of an open text.
    TextGrew {
        /// The item.
        item: ItemId,
        /// The piece.
        text: Text,
    },
    /// An open text rests on a source.
    TextCited {
        /// The item.
        item: ItemId,
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
        item: ItemId,
        /// When, in milliseconds since 1970.
        created: u64,
    },
    /// An open workflow has another task.
    TaskAdded {
        /// The item.
        item: ItemId,
        /// Which task it is, from 0: of those that have something to show ([`Task::is_shown`]).
        index: u32,
        /// The task.
        task: Task,
    },
    /// A thought of an open workflow has grown by this.
    TaskGrew {
        /// The item.
        item: ItemId,
        /// Which task it is.
        index: u32,
        /// The piece.
        text: Text,
    },
    /// A call of an open workflow has its arguments, or its result.
    TaskChanged {
        /// The item.
        item: ItemId,
        /// Which task it is.
        index: u32,
        /// The task as it is now.
        task: Task,
    },
    /// A widget that will change begins.
    WidgetOpened {
        /// The item.
        item: ItemId,
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
        item: ItemId,
        /// Its tree as it was.
        from: Value,
        /// Its tree as it is.
        to: Value,
    },
    /// An item is as it will stay: it is stored before this goes on. It may not have been opened.
    Finished(Box<Item>),
    /// A finished item has been replaced, and is stored so.
    Replaced(Box<Item>),
    /// A call of an earlier turn has its result: the item that keeps the call is stored with it
    /// ([`KeptCall::answer`](super::KeptCall::answer)).
    CallAnswered(Box<ToolResult>),
}

/// Turns the events of one turn into items. Whoever folds the same events gets the same items with the same ids,
/// wherever texts are cut: ids are made of the turn's id and a count of what has begun; times come from
/// [`Event::Now`].
///
/// Text blocks that follow each other directly are one item, for providers that cite cut a paragraph at every source.
/// What is blank never becomes an item.
#[derive(Debug)]
pub struct Folder {
    maker: Maker,
    texts: Texts,
    workflows: Workflows,
    calls: Calls,
    data: DataItems,
}

impl Folder {
    /// A folder for a turn whose items belong to the assistant's `message`.
    pub fn new(message: Text, style: Style) -> Self {
        Self {
            maker: Maker::new(message),
            texts: Texts::default(),
            workflows: Workflows::default(),
            calls: Calls::new(style),
            data: DataItems::new(style),
        }
    }

    /// Takes the next event and appends what it changes.
    pub fn event(&mut self, event: &Event, out: &mut Vec<Change>) {
        match event {
            Event::Now { ms } => self.maker.now = *ms,
            Event::TurnStart { turn } => self.maker.turn(turn),
            Event::StepStart(start) => {
                self.settle(out);
                self.maker.step = start.step;
            }
            Event::BlockStart { block, kind } => self.start(*block, kind, out),
            Event::BlockDelta { block, text } => self.delta(*block, text, out),
            Event::BlockMark { block, mark } => {
                if !self.texts.mark(*block, mark, &mut self.maker, out)
                    && !self.workflows.mark(*block, mark, &mut self.maker)
                {
                    self.calls.mark(*block, mark);
                }
            }
            Event::BlockEnd { block, whole } => {
                if !self.texts.end(*block, *whole, out) && !self.workflows.end(*block, *whole, out) {
                    self.calls.end(*block, *whole);
                }
            }
            Event::ToolStart { call } => {
                if self.calls.knows(call) {
                    self.settle(out);
                }
            }
            Event::ToolAwait(wait) => {
                self.settle(out);
                self.calls.wait(wait, &mut self.maker);
            }
            Event::ToolResult(result) => {
                if !self.workflows.result(result, out) && result.last {
                    self.settle(out);
                    self.calls.result(result, out);
                    self.files(result, out);
                }
            }
            Event::Data(data) => {
                if self.data.shows(data) {
                    self.settle(out);
                }
                self.data.take(data, &mut self.maker, out);
                self.calls.ask(data, &mut self.maker);
            }
            Event::StepEnd(_) => {
                self.settle(out);
                self.data.settle(out);
            }
            Event::TurnEnd(_) => self.end(true, out),
            Event::Failed(_) => self.end(false, out),
            Event::Cancelled { by } => {
                self.end(false, out);
                let note = Body::Note(Note { text: note_of(*by).to_owned() });
                out.push(Change::Finished(Box::new(self.maker.begin("msg").item(true, note))));
            }
            Event::ToolDelta(_) | Event::ToolProgress(_) | Event::Spent(_) | Event::Warning(_) => {}
        }
    }

    fn start(&mut self, block: BlockId, kind: &BlockKind, out: &mut Vec<Change>) {
        match kind {
            BlockKind::Text | BlockKind::Refusal => {
                self.texts.start(block, matches!(kind, BlockKind::Refusal), &mut self.maker, out);
            }
            BlockKind::Reasoning { summary } => {
                self.texts.settle(out);
                self.workflows.start_thought(block, *summary);
            }
            BlockKind::ToolInput(call) if call.runs == Runs::Provider => {
                self.texts.settle(out);
                self.workflows.start_call(block, call, &mut self.maker, out);
            }
            BlockKind::ToolInput(call) => {
                self.settle(out);
                self.calls.start(block, call, &mut self.maker);
            }
            BlockKind::File(file) => {
                self.settle(out);
                let made = Body::File(MadeFile { file: (**file).clone(), call: None });
                out.push(Change::Finished(Box::new(self.maker.begin("msg").item(false, made))));
            }
        }
    }

    /// What a tool has made, for whoever shows no results.
    fn files(&mut self, result: &ToolResult, out: &mut Vec<Change>) {
        for file in &result.files {
            let made = Body::File(MadeFile { file: file.clone(), call: Some(result.call.clone()) });
            out.push(Change::Finished(Box::new(self.maker.begin("msg").item(false, made))));
        }
    }

    fn delta(&mut self, block: BlockId, piece: &Text, out: &mut Vec<Change>) {
        if self.texts.would_open(block, piece) {
            self.workflows.settle(&self.maker, out);
        }
        if !self.texts.delta(block, piece, self.maker.now, out)
            && !self.workflows.delta(block, piece, &mut self.maker, out)
        {
            self.calls.delta(block, piece);
        }
    }

    /// Finishes what cannot go on because something else happens.
    fn settle(&mut self, out: &mut Vec<Change>) {
        self.texts.settle(out);
        self.workflows.settle(&self.maker, out);
    }

    fn end(&mut self, whole: bool, out: &mut Vec<Change>) {
        self.settle(out);
        self.data.settle(out);
        self.calls.settle(whole, &mut self.maker, out);
    }
}

/// What the model reads of an answer that somebody stopped.
pub const fn note_of(by: CancelledBy) -> &'static str {
    match by {
        CancelledBy::User => {
            "The user stopped this answer before it was complete. Do not go on with it unless the user asks for that."
        }
        CancelledBy::NewerTurn => {
            "The user sent another message before this answer was complete. Do not go on with it unless asked."
        }
        CancelledBy::Shutdown => "This answer was interrupted before it was complete. The user did not ask for that.",
    }
}

/// Makes ids and says when and by whom items are made.
#[derive(Debug)]
struct Maker {
    turn: Text,
    message: Text,
    step: u32,
    now: u64,
    begun: u32,
}

impl Maker {
    const fn new(message: Text) -> Self {
        Self { turn: Text::const_new(""), message, step: 0, now: 0, begun: 0 }
    }

    fn turn(&mut self, turn: &Text) {
        self.turn = turn.clone();
    }

    /// Something begins.
    fn begin(&mut self, prefix: &str) -> Begun {
        let id = self.id(prefix);
        let origin = Origin { turn: self.turn.clone(), message: self.message.clone(), step: self.step };
        Begun { id, created: self.now, origin }
    }

    fn id(&mut self, prefix: &str) -> ItemId {
        let number = self.begun;
        self.begun += 1;
        let turn = self.turn.strip_prefix("turn_").unwrap_or(&self.turn);
        format!("{prefix}_{turn}_{number}").into()
    }
}

/// Where something stands among all that its turn began, as its id has it.
pub(super) fn place(id: &str) -> Option<u32> {
    id.rsplit_once('_')?.1.parse().ok()
}

/// Something that has begun.
#[derive(Clone, Debug)]
struct Begun {
    id: ItemId,
    created: u64,
    origin: Origin,
}

impl Begun {
    fn item(self, hidden: bool, body: Body) -> Item {
        Item { id: Text::from(&*self.id), created: self.created, hidden, origin: Some(self.origin), body }
    }
}
