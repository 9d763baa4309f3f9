//! A thread as a request will leave it: its newest items in memory, the writes that make the stored ones the same, and
//! what the reply begins with. Nothing is stored before all of it is known to be right.

use std::borrow::Cow;

use chatwire_protocols::chat::Role;
use chatwire_protocols::event::{Event, Finish, FinishReason, Runs, Text, ToolOutcome, ToolResult, TurnEnd, Usage};
use chatwire_protocols::items::{Body, Form, FormState, Item, KeptCall, PageRun, PageRunState, Pasted, messages};
use serde_json::Value;

use super::listing::MOST;
use super::{Asker, ThreadError, Threads, new_id};
use crate::clock::now_ms;
use crate::store::{Direction, PageQuery, Sequence, Write};

/// How far back open calls are looked for, however short the history is that the model is told.
const LOOK_BACK: u32 = 100;

/// The thread that a request works on, and for whom.
#[derive(Clone, Copy)]
pub struct ThreadHandle<'a> {
    pub threads: &'a Threads,
    pub asker: Asker<'a>,
    pub thread: &'a str,
    /// True if the thread is not stored yet.
    pub made: bool,
}

/// A thread as a request will leave it.
#[derive(Debug, Default)]
pub struct Draft {
    /// The newest items, oldest first.
    pub items: Vec<Item>,
    /// True if there are older ones.
    pub more: bool,
    pub writes: Vec<Write>,
    pub added: Vec<Item>,
    pub replaced: Vec<Item>,
    pub shown: Vec<Item>,
    /// The assistant's message that the turn continues.
    pub continues: Option<Text>,
    /// True if an answer is asked for again.
    pub regenerate: bool,
    pub next: Next,
}

/// What comes behind the writes.
#[derive(Debug, Default)]
pub enum Next {
    /// A turn of the model.
    #[default]
    Model,
    /// Nothing but these words.
    Said(Vec<Event>),
}

impl ThreadHandle<'_> {
    /// The thread as it is, up to and with the item at this place, or to its end.
    pub async fn draft(&self, last: Option<Sequence>) -> Result<Draft, ThreadError> {
        if self.made {
            return Ok(Draft::default());
        }
        let limit = self.asker.memory.history.max(LOOK_BACK);
        let query = PageQuery { after: last.map(|last| last + 1), limit, direction: Direction::NewestFirst };
        let page = self.threads.store().items(self.asker.owner, self.thread, query, true).await?;
        let items = page.rows.into_iter().rev().map(|(_, item)| item).collect();
        Ok(Draft { items, more: page.more, ..Draft::default() })
    }

    /// All of the thread, as far as one answer would hold it.
    pub async fn all(&self) -> Result<Vec<(Sequence, Item)>, ThreadError> {
        if self.made {
            return Ok(Vec::new());
        }
        let query = PageQuery { after: None, limit: MOST, direction: Direction::OldestFirst };
        Ok(self.threads.store().items(self.asker.owner, self.thread, query, true).await?.rows)
    }

    /// An item of the thread.
    pub async fn item(&self, id: &str) -> Result<Option<(Sequence, Item)>, ThreadError> {
        if self.made {
            return Ok(None);
        }
        Ok(self.threads.store().item(self.asker.owner, self.thread, id).await?)
    }
}

impl Draft {
    /// Adds an item at the end.
    pub fn add(&mut self, item: Item) {
        self.writes.push(Write::Add(item.clone()));
        self.items.push(item);
    }

    /// Replaces an item. One that another request deletes meanwhile stays deleted.
    pub fn put(&mut self, item: Item) {
        self.writes.push(Write::Replace(item.clone()));
        match self.items.iter_mut().find(|stored| stored.id == item.id) {
            Some(stored) => *stored = item,
            None => self.items.push(item),
        }
    }

    /// Deletes all behind an item.
    pub fn cut_behind(&mut self, id: &Text) {
        self.writes.push(Write::RemoveAfter(id.clone()));
        if let Some(at) = self.items.iter().position(|item| item.id == *id) {
            self.items.truncate(at + 1);
        }
    }

    /// Gives a call its result. False if it is not here, or has one.
    pub fn settle(&mut self, call: &str, outcome: ToolOutcome, output: Value) -> bool {
        let open = self.items.iter().rev().find(|item| kept_call(item).is_some_and(|kept| kept.call.id == call));
        let Some(mut item) = open.cloned() else { return false };
        let Body::ToolCall(kept) = &mut item.body else { return false };
        if kept.result.is_some() {
            return false;
        }
        self.answer_form(call, &output);
        kept.answer(&ToolResult { outcome, ..ToolResult::ok(call, output) });
        self.put(item);
        true
    }

    /// A form whose call was answered in another dialect waits for nobody any more.
    fn answer_form(&mut self, call: &str, output: &Value) {
        let waits = |item: &&Item| matches!(&item.body, Body::Form(form) if form.waits_for(call));
        if let Some(mut item) = self.items.iter().rev().find(waits).cloned()
            && let Body::Form(form) = &mut item.body
        {
            form.take_output(output);
            self.put(item);
        }
    }

    /// Ends all that waits for somebody: the conversation goes on without it.
    pub fn abandon_all(&mut self) {
        let waiting: Vec<Item> = self.items.iter().filter(|item| waits(item)).cloned().collect();
        for mut item in waiting {
            match &mut item.body {
                Body::ToolCall(kept) => {
                    let why = "The conversation went on before this call had a result.";
                    kept.answer(&ToolResult::failed(kept.call.id.clone(), ToolOutcome::Interrupted, why));
                }
                Body::PageCall(run) => {
                    run.state = PageRunState::Abandoned;
                    item.hidden = true;
                }
                Body::Form(form) => {
                    skip(form);
                    self.replaced.push(item.clone());
                }
                _ => continue,
            }
            self.put(item);
        }
    }

    /// Goes on behind an answer of the page's: the next call is shown, or others are waited for, or the model goes on.
    pub fn go_on(&mut self) {
        if !self.items.iter().any(|item| run_state(item) == Some(PageRunState::Pending))
            && let Some(mut item) =
                self.items.iter().find(|item| run_state(item) == Some(PageRunState::Queued)).cloned()
            && let Body::PageCall(run) = &mut item.body
        {
            run.state = PageRunState::Pending;
            item.hidden = false;
            self.shown.push(item.clone());
            self.put(item);
        }
        if self.items.iter().any(is_awaited) {
            self.next = Next::Said(said(Vec::new(), FinishReason::ToolCalls));
            return;
        }
        // Nobody will give these a result any more.
        let lost: Vec<Text> = self.items.iter().filter_map(kept_call).filter(|kept| is_lost(kept)).map(id).collect();
        for call in lost {
            self.settle(&call, ToolOutcome::Interrupted, Value::from("This call was interrupted."));
        }
        self.next = Next::Model;
    }

    /// True if the conversation ends with results that the model has not read.
    pub fn ends_with_results(&self) -> bool {
        messages(&self.items, &Pasted::new()).last().is_some_and(|message| message.role == Role::Tool)
    }

    /// What the model is told: the newest so many items, from a message of the user on.
    pub fn told(&self, most: u32) -> Cow<'_, [Item]> {
        let from = self.items.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
        let (older, newest) = self.items.split_at(from);
        if older.is_empty() && !self.more {
            return Cow::Borrowed(newest);
        }
        if let Some(at) = newest.iter().position(is_user) {
            return Cow::Borrowed(newest.split_at(at).1);
        }
        // The answer is longer than the history: the model must know all the same what it answers.
        let asked = older.iter().rev().find(|item| is_user(item));
        Cow::Owned(asked.into_iter().chain(newest).cloned().collect())
    }
}

/// A turn in which no model is called.
pub fn said(data: Vec<Event>, reason: FinishReason) -> Vec<Event> {
    let mut events = vec![Event::TurnStart { turn: new_id("turn") }, Event::Now { ms: now_ms() }];
    events.extend(data);
    let finish = Finish { reason, raw: None };
    events.push(Event::TurnEnd(Box::new(TurnEnd { finish, usage: Usage::default() })));
    events
}

/// Leaves all questions of a form unanswered.
pub fn skip(form: &mut Form) {
    form.state = FormState::Skipped;
    form.questions.iter_mut().for_each(|question| question.answer = Some(Vec::new()));
}

pub const fn is_user(item: &Item) -> bool {
    matches!(item.body, Body::User(_))
}

pub const fn kept_call(item: &Item) -> Option<&KeptCall> {
    match &item.body {
        Body::ToolCall(kept) => Some(kept),
        _ => None,
    }
}

pub const fn page_run(item: &Item) -> Option<&PageRun> {
    match &item.body {
        Body::PageCall(run) => Some(run),
        _ => None,
    }
}

fn run_state(item: &Item) -> Option<PageRunState> {
    page_run(item).map(|run| run.state)
}

fn id(kept: &KeptCall) -> Text {
    kept.call.id.clone()
}

/// True if it has not come to its end.
fn waits(item: &Item) -> bool {
    match &item.body {
        Body::ToolCall(kept) => kept.result.is_none(),
        Body::PageCall(run) => matches!(run.state, PageRunState::Queued | PageRunState::Pending),
        Body::Form(form) => form.state == FormState::Pending,
        _ => false,
    }
}

/// True if somebody outside is waited for.
fn is_awaited(item: &Item) -> bool {
    match &item.body {
        Body::ToolCall(kept) if kept.result.is_none() => match &kept.call.approval {
            Some(approval) => approval.approved.is_none(),
            None => kept.call.runs == Runs::Page,
        },
        Body::ToolCall(_) => false,
        _ => waits(item),
    }
}

/// True for a call of the gateway's that was running when its turn ended.
const fn is_lost(kept: &KeptCall) -> bool {
    kept.result.is_none() && kept.call.approval.is_none()
}
