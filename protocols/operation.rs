//! What a page asks of conversations that the gateway keeps, in words of no dialect. A dialect reads its own requests
//! into these and writes the answers in its own shape; what is done in between is the same for all.

use crate::chat::ChatRequest;
use crate::cost::Cost;
use crate::event::Text;
use crate::items::{Attachment, Body, Item, Thread, UserMessage};
use crate::protocol::Document;
use serde_json::{Map, Value};
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
        /// The wire that this page speaks, which may not be that of the page whose request began the turn: it goes into
        /// [`ChatRequest::wire`] before the reply is opened.
        wire: &'static str,
        /// What the page gets if no turn runs there, or no such thread is.
        idle: Document,
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
        /// Where it stands: [`Place::replaced`] says whether it takes the place of a kept one.
        place: Place,
    },
    /// Outputs of page-run calls, and what people said to calls that need an approval. The store is believed, not the
    /// page: an output counts only for an open call that a page runs and nobody must allow, an approval only for a call
    /// that waits for it under that id.
    Outputs {
        /// What is said.
        answers: Vec<CallAnswer>,
        /// True if the page says all that it knows of a message: what is said to calls that are closed or unknown is
        /// passed over. If nothing is left then, the turn goes on only where the conversation ends with results that the
        /// model has not seen, as after a failure. False: each must be for an open call.
        lenient: bool,
    },
    /// Another answer.
    Retry {
        /// The user's message to begin behind, or the assistant's message that is to be replaced, by the id that dialects
        /// with messages know it by ([`Origin::message`](crate::items::Origin)). Nothing: the last user's message.
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
    /// Nothing that is kept: the model is told the request's `messages` and no more, and neither they nor the answer are
    /// stored. The turn runs in its thread all the same, so that it can be stopped there.
    Direct,
}

/// Where a user's message stands in a kept conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Behind everything; in the place of the kept one of its id if there is one, for it was edited or is sent again.
    #[default]
    Next,
    /// In the place of the kept one of its id, else of the user's last one: another answer is wanted to it, and it may
    /// have been edited.
    Again,
    /// The page makes no ids but sends its whole conversation: behind the user's messages of these texts, and in the
    /// place of a kept one that stands there. Pages that send only the end of it have other texts there.
    Behind(Vec<String>),
}

impl Place {
    /// The kept message whose place a message takes: the new one keeps its id and time, and all behind it is removed.
    /// Nothing: the message is new.
    pub fn replaced<'a>(&self, id: Option<&str>, message: &UserMessage, items: &'a [Item]) -> Option<&'a Item> {
        let mut kept = items.iter().filter_map(|item| match &item.body {
            Body::User(kept) => Some((item, kept)),
            _ => None,
        });
        if let Some(id) = id
            && let Some((item, _)) = kept.clone().find(|(item, _)| item.id == id)
        {
            return Some(item);
        }
        match self {
            Self::Next => None,
            Self::Again => kept.next_back().map(|(item, _)| item),
            Self::Behind(earlier) => {
                let mut kept: Vec<_> = kept.collect();
                if kept.len() <= earlier.len()
                    || !kept.iter().zip(earlier).all(|((_, kept), text)| kept.text() == *text)
                {
                    return None;
                }
                let alone = kept.len() == 1;
                let (item, there) = kept.swap_remove(earlier.len());
                // A first message may as well be the newest of a page that sends no more than that.
                (!earlier.is_empty() || (alone && there.content == message.content)).then_some(item)
            }
        }
    }
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
        /// The wire in whose form the page wants them.
        wire: &'static str,
    },
    /// All threads, or those with this text in their title or in what was said, by their newest activity.
    Recent {
        /// The text, in any case.
        matching: Option<String>,
    },
    /// An empty thread with an id of ours.
    Create {
        /// What it is called, if the user has said so.
        title: Option<String>,
        /// What is kept beside it; see [`metadata`](crate::items::metadata).
        metadata: Map<String, Value>,
    },
    /// Forget what was said in a thread, and keep the thread.
    Clear {
        /// The thread.
        thread: Text,
    },
    /// A thread in numbers.
    Summary {
        /// The thread.
        thread: Text,
    },
    /// The user's sessions in numbers, the newest first; see [`Sessions`](crate::protocol::Sessions).
    Summaries,
    /// What a thread has cost.
    Usage {
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
    /// The whole of a thread, oldest first.
    Messages {
        /// The thread.
        thread: Text,
        /// Its items, hidden ones too.
        items: Vec<Item>,
        /// The wire that was asked for.
        wire: &'static str,
    },
    /// An item of this thread that was changed, if one was.
    Updated(Text, Option<Box<Item>>),
    /// A file; the address where its bytes are to be sent, while they are missing.
    Attachment(Attachment, Option<Upload>),
    /// What was spoken.
    Transcript(String),
    /// It is done. The flag says whether there was anything to do.
    Done(bool),
    /// Whether there was a turn to stop.
    Stopped(bool),
    /// There is no turn to show.
    NothingRuns,
    /// A thread was made.
    Created(Thread),
    /// A thread was emptied.
    Cleared(Text),
    /// A thread is gone.
    Deleted {
        /// The thread.
        thread: Text,
        /// Whether it was there.
        found: bool,
    },
    /// A thread in numbers.
    Summary(Box<Summary>),
    /// The user's sessions in numbers.
    Summaries(Vec<Summary>),
    /// What a thread has cost, by the models' names.
    Usage(Text, Vec<ModelUsage>),
    /// The gateway serves.
    Health {
        /// Its version.
        version: &'static str,
        /// The sessions that it keeps, of all users.
        sessions: u64,
    },
}

/// A thread in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// The thread.
    pub thread: Thread,
    /// How many messages of the user and texts of the assistant are in it.
    pub messages: u64,
    /// What it has cost, by the models' names.
    pub usage: Vec<ModelUsage>,
}

/// What all calls of one model cost in tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelUsage {
    /// The model, by its name in the gateway.
    pub model: String,
    /// How many calls.
    pub calls: u64,
    /// Input tokens, as far as reported.
    pub input: u64,
    /// Of those, read from a cache.
    pub cached_input: u64,
    /// Output tokens, as far as reported.
    pub output: u64,
    /// Of those, reasoning.
    pub reasoning: u64,
    /// What that is in money, if it is known of every call.
    pub cost: Option<Cost>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::Said;

    fn said(text: &str) -> UserMessage {
        UserMessage { content: vec![Said::Text { text: text.to_owned() }], ..UserMessage::default() }
    }

    fn kept(texts: &[&str]) -> Vec<Item> {
        let item = |(at, text): (usize, &&str)| Item {
            id: format!("u{}", at + 1).into(),
            created: 0,
            hidden: false,
            origin: None,
            body: Body::User(said(text)),
        };
        let mut items: Vec<Item> = texts.iter().enumerate().map(item).collect();
        items.push(Item { id: "e".into(), created: 0, hidden: false, origin: None, body: Body::EndOfTurn });
        items
    }

    fn replaced(place: &Place, id: Option<&str>, text: &str, items: &[&str]) -> Option<String> {
        place.replaced(id, &said(text), &kept(items)).map(|item| item.id.to_string())
    }

    #[test]
    fn an_id_that_is_kept_is_replaced_and_any_other_is_new() {
        assert_eq!(replaced(&Place::Next, Some("u1"), "x", &["a", "b"]).as_deref(), Some("u1"));
        for id in [None, Some("u3"), Some("e")] {
            assert_eq!(replaced(&Place::Next, id, "a", &["a", "b"]), None, "{id:?}");
        }
    }

    #[test]
    fn another_answer_is_to_the_last_message_if_its_id_says_nothing() {
        assert_eq!(replaced(&Place::Again, Some("u1"), "x", &["a", "b"]).as_deref(), Some("u1"));
        assert_eq!(replaced(&Place::Again, Some("?"), "b", &["a", "b"]).as_deref(), Some("u2"));
        assert_eq!(replaced(&Place::Again, None, "b", &[]), None);
    }

    #[test]
    fn without_ids_what_stands_before_tells() {
        let behind = |texts: &[&str]| Place::Behind(texts.iter().map(|text| (*text).to_owned()).collect());
        for (earlier, text, items, expected) in [
            // The next message, and the same or another text in the place of one.
            (&["a"][..], "b", &["a"][..], None),
            (&["a"], "b", &["a", "b"], Some("u2")),
            (&["a"], "c", &["a", "b", "c"], Some("u2")),
            // The end of a longer conversation.
            (&["b"], "c", &["a", "b"], None),
            (&["b", "c"], "d", &["a", "b", "c", "e"], None),
            // One alone: another answer to the first message, or the newest alone.
            (&[], "a", &["a"], Some("u1")),
            (&[], "a", &["a", "b"], None),
            (&[], "b", &["a"], None),
            (&[], "a", &[], None),
        ] {
            assert_eq!(
                replaced(&behind(earlier), None, text, items).as_deref(),
                expected,
                "{earlier:?} {text} {items:?}"
            );
        }
    }
}
