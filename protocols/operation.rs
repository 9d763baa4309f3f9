//! What a page asks of conversations that the gateway keeps, in words of no dialect. A dialect reads its own requests
//! into these and writes the answers in its own shape; what is done in between is the same for all.

use crate::chat::ChatRequest;
use crate::event::Text;
use crate::items::{Attachment, Item, Thread, UserMessage};
use serde_json::Value;
use std::collections::BTreeMap;

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Answer something: the reply is a turn.
    Turn(Box<TurnAsk>),
    /// Show the turn that runs in this thread, from its start.
    Resume {
        /// The thread.
        thread: Text,
    },
    /// Anything else: the reply is an [`Answer`].
    Operation(Operation),
}

/// A request for a turn.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnAsk {
    /// The thread; nothing for a new one with an id of ours.
    pub thread: Option<Text>,
    /// True if a thread with an unknown id is made: the page makes the ids.
    pub make: bool,
    /// What the turn begins with.
    pub begin: Begin,
    /// Settings, tools, model, wire: all but the conversation. Its `messages` hold only what the page wants said to the
    /// model beside the kept conversation (system messages).
    pub chat: ChatRequest,
}

/// What a turn begins with.
#[derive(Clone, Debug, PartialEq)]
pub enum Begin {
    /// A message of the user.
    Message {
        /// The page's id of it, where pages make ids.
        id: Option<Text>,
        /// The message. Its attachments have ids only.
        message: UserMessage,
    },
    /// Outputs of page-run calls, and what people said to calls that need an approval.
    Outputs(Vec<CallAnswer>),
    /// Another answer.
    Retry {
        /// The item to begin behind: a user's message, or something of the answer to it that is to be replaced.
        /// Nothing: the last user's message.
        after: Option<Text>,
    },
    /// The answers to a form.
    Form {
        /// The form's item.
        item: Text,
        /// The answers by question, or nothing if the whole form was skipped.
        answers: Option<BTreeMap<String, Vec<String>>>,
    },
    /// The user did something with a widget.
    Action(Act),
}

/// What somebody outside says to a call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallAnswer {
    /// The call; nothing for the one that is pending.
    pub call: Option<Text>,
    /// What is said.
    pub said: CallSaid,
}

/// What somebody outside says to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum CallSaid {
    /// The page ran it; any JSON.
    Output(Value),
    /// The page could not run it.
    Error(String),
    /// A person allows it, or does not.
    Approval {
        /// The approval's id, as it was asked under.
        id: Text,
        /// Yes or no.
        approved: bool,
        /// In the person's words.
        reason: Option<String>,
    },
}

/// What a user did with a widget.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// The widget's item, if the action names one.
    pub item: Option<Text>,
    /// The action's name.
    pub name: String,
    /// What comes with it: untrusted.
    pub payload: Value,
}

/// Anything but a turn.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A thread with the first page of its items.
    Thread {
        /// The thread.
        thread: Text,
    },
    /// A page of the threads.
    Threads(List),
    /// A page of a thread's items.
    Items {
        /// The thread.
        thread: Text,
        /// Which of them.
        list: List,
    },
    /// All of a thread, hidden items too: for dialects that show messages.
    Messages {
        /// The thread.
        thread: Text,
    },
    /// A new name for a thread.
    Rename {
        /// The thread.
        thread: Text,
        /// The name.
        title: String,
    },
    /// Delete a thread with all in it.
    Delete {
        /// The thread.
        thread: Text,
    },
    /// What the user thinks of some items.
    Feedback {
        /// The thread.
        thread: Text,
        /// The items.
        items: Vec<Text>,
        /// Good or bad.
        positive: bool,
    },
    /// Announce a file.
    CreateAttachment {
        /// Its name.
        name: String,
        /// How many bytes it will have.
        size: u64,
        /// Its media type.
        media_type: String,
    },
    /// Delete a file.
    DeleteAttachment {
        /// The file.
        attachment: Text,
    },
    /// Write down what was spoken.
    Transcribe {
        /// The sound.
        audio: Vec<u8>,
        /// Its media type, with parameters.
        media_type: String,
    },
    /// The user did something with a widget, and the page waits for nothing but the widget's new state.
    Act {
        /// The thread.
        thread: Text,
        /// What was done.
        act: Act,
    },
    /// Stop the turn that runs in this thread.
    Stop {
        /// The thread.
        thread: Text,
    },
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Most that are wanted; `None` for what is usual.
    pub limit: Option<u32>,
    /// True for the oldest first.
    pub oldest_first: bool,
    /// The id of the last one seen.
    pub after: Option<Text>,
}

/// The answer to an [`Operation`].
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A thread with a page of its items: the first one, or an empty one where items do not matter.
    Thread(Thread, Page<Item>),
    /// Threads.
    Threads(Page<Thread>),
    /// Items of this thread.
    Items(Text, Page<Item>),
    /// The whole of a thread.
    Messages(Vec<Item>),
    /// An item of this thread that was changed, if one was.
    Updated(Text, Option<Item>),
    /// A file; the address where its bytes are to be sent, while they are missing.
    Attachment(Attachment, Option<Upload>),
    /// What was spoken.
    Transcript(String),
    /// It is done. The flag says whether there was anything to do.
    Done(bool),
    /// There is no turn to resume.
    NothingRuns,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What stands there.
    pub rows: Vec<T>,
    /// True if there is more behind it.
    pub more: bool,
}

/// Where the bytes of an announced file are to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The address.
    pub url: String,
    /// The method.
    pub method: &'static str,
    /// Headers to send.
    pub headers: Vec<(String, String)>,
}
