//! Writes what a turn says into the store, before the page is told that it is finished.

use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::event::{Event, Text, ToolResult, Usage};
use chatwire_protocols::items::{Body, Change, Folder, Item};
use tokio::time::timeout;

use super::feed::Feed;
use crate::clock::now_ms;
use crate::store::{Direction, Owner, PageQuery, Pending, Store, StoreError, UsageRow, Write};

/// How long the store may take for what a turn says at a time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Items that are read at a time, and how often, to find a call of an earlier turn.
const PAGE: u32 = 100;
const PAGES: usize = 10;

/// Keeps a turn.
pub(super) struct Keeper {
    pub store: Arc<dyn Store>,
    pub owner: Owner,
    pub thread: String,
    /// False if nothing is stored but the cost.
    keeps: bool,
    /// The turn's id.
    pub turn: Text,
    /// The model's name in the gateway.
    pub model: String,
    folder: Folder,
    changes: Vec<Change>,
    /// What is not stored yet.
    writes: Vec<Write>,
    usage: Vec<UsageRow>,
    /// Results of calls that earlier turns made.
    results: Vec<ToolResult>,
    steps: u32,
    now: u64,
}

impl Keeper {
    /// A keeper for a turn of this thread.
    pub fn new(store: Arc<dyn Store>, owner: Owner, thread: &str, turn: Text, model: &str, folder: Folder) -> Self {
        Self {
            store,
            owner,
            thread: thread.to_owned(),
            keeps: true,
            turn,
            model: model.to_owned(),
            folder,
            changes: Vec::new(),
            writes: Vec::new(),
            usage: Vec::new(),
            results: Vec::new(),
            steps: 0,
            now: 0,
        }
    }

    /// The same; without `keeps`, nothing is stored but what the turn costs.
    pub fn keeping(self, keeps: bool) -> Self {
        Self { keeps, ..self }
    }

    /// Takes the next events. What rests on nothing that must be stored is said at once; what is left in `events` may
    /// be said when this has ended well.
    pub async fn keep(&mut self, events: &mut Vec<Event>, feed: &Feed) -> Result<(), StoreError> {
        self.tell_time(events);
        let mut free = events.len();
        for (at, event) in events.iter_mut().enumerate() {
            self.take(event);
            if let Event::ToolResult(result) = event {
                // It is among what is stored now, and no page is given it.
                result.full = None;
            }
            if free > at && !(self.writes.is_empty() && self.results.is_empty()) {
                free = at;
            }
        }
        if free > 0 {
            feed.append(events.drain(..free));
        }
        self.store().await
    }

    /// Takes the end of a turn that could not be stored, if it has none yet, and tries once more to store what there
    /// is.
    pub async fn give_up(&mut self, end: Option<&Event>) {
        end.into_iter().for_each(|end| self.take(end));
        if let Err(error) = self.store().await {
            tracing::error!(%error, turn = %self.turn, "what a turn said is lost");
        }
    }

    /// Puts the time in front, but for the turn's own start.
    fn tell_time(&mut self, events: &mut Vec<Event>) {
        let now = now_ms();
        // A clock that is set back does not change the order of items.
        if now > self.now && !events.is_empty() {
            self.now = now;
            let at = usize::from(matches!(events.first(), Some(Event::TurnStart { .. })));
            events.insert(at, Event::Now { ms: now });
        }
    }

    fn take(&mut self, event: &Event) {
        self.folder.event(event, &mut self.changes);
        for change in self.changes.drain(..) {
            match change {
                Change::Finished(item) | Change::Replaced(item) => self.writes.push(Write::Put(*item)),
                Change::CallAnswered(result) => self.results.push(*result),
                _ => {}
            }
        }
        match event {
            Event::StepEnd(end) => self.count(None, &end.usage),
            Event::Spent(spent) => self.count(Some(&spent.model), &spent.usage),
            Event::Failed(failure) => {
                if let Some(step) = &failure.step {
                    self.count(None, &step.usage);
                }
            }
            _ => {}
        }
        if event.is_terminal() {
            self.writes.push(Write::Touch { updated: self.now });
        }
    }

    /// Counts a call of the turn's model, or of another one.
    fn count(&mut self, model: Option<&str>, usage: &Usage) {
        let thread = self.keeps.then(|| self.thread.clone());
        let model = model.unwrap_or(&self.model);
        self.usage.push(UsageRow { step: self.steps, ..UsageRow::of(&self.turn, thread, model, usage, self.now) });
        self.steps += 1;
    }

    /// Stores what there is to store. What could not be stored is still there.
    async fn store(&mut self) -> Result<(), StoreError> {
        if !self.keeps {
            self.writes.clear();
            self.results.clear();
        }
        while let Some(result) = self.results.first() {
            match self.answer(result).await? {
                Some(item) => self.writes.push(Write::Put(item)),
                None => tracing::warn!(turn = %self.turn, call = %result.call, "a result has no call"),
            }
            self.results.remove(0);
        }
        // Both are asked before either is waited for, so that they share one flush of the disk.
        let usage: Vec<_> = self.usage.drain(..).map(|row| self.store.add_usage(&self.owner, row)).collect();
        let stored =
            (!self.writes.is_empty()).then(|| self.store.apply(&self.owner, &self.thread, self.writes.clone()));
        for counted in usage {
            if let Err(error) = within(counted).await {
                tracing::error!(%error, turn = %self.turn, "the usage of a model call is not counted");
            }
        }
        if let Some(stored) = stored {
            within(stored).await?;
            self.writes.clear();
        }
        Ok(())
    }

    /// The call of an earlier turn with its result.
    async fn answer(&self, result: &ToolResult) -> Result<Option<Item>, StoreError> {
        let mut after = None;
        for _ in 0..PAGES {
            let query = PageQuery { after, limit: PAGE, direction: Direction::NewestFirst };
            let page = within(self.store.items(&self.owner, &self.thread, query, true)).await?;
            after = page.rows.last().map(|(place, _)| *place);
            for (_, mut item) in page.rows {
                if let Body::ToolCall(kept) = &mut item.body
                    && kept.call.id == result.call
                {
                    kept.answer(result);
                    return Ok(Some(item));
                }
            }
            if !page.more {
                break;
            }
        }
        Ok(None)
    }
}

/// A store that never answers is as busy as one can be.
pub(super) async fn within<T>(pending: Pending<T>) -> Result<T, StoreError> {
    timeout(PATIENCE, pending).await.unwrap_or(Err(StoreError::Busy))
}
