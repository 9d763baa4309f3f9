//! A store in memory, in this thread and in virtual time, whose n-th operation may go wrong.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chatwire::store::{
    Attachment, Direction, Fact, FactStatus, Item, ModelUsage, Owner, Page, PageQuery, Pending, Room, Sequence,
    Spending, Store, StoreError, Summary, Thread, UsageRow, Write,
};
use chatwire_protocols::cost::Cost;
use chatwire_protocols::event::Text;
use tokio::time::sleep;

/// How an operation goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is not done, and says so.
    Fails,
    /// It is done, and says that it is not known whether.
    Lost,
    /// It is not done, and never answers: a store says after a while that it is busy.
    Never,
    /// It is done late.
    Late,
    Panics,
    /// From this one on, all fail.
    Broken,
    /// From this one on, none answers.
    Dead,
}

pub const WRONGS: [Wrong; 7] =
    [Wrong::Fails, Wrong::Lost, Wrong::Never, Wrong::Late, Wrong::Panics, Wrong::Broken, Wrong::Dead];

#[derive(Debug, Default)]
pub struct Memory {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    wrong: Option<(usize, Wrong)>,
    /// Operations so far.
    count: usize,
    sequence: Sequence,
    threads: BTreeMap<String, (Sequence, Thread)>,
    items: BTreeMap<String, Vec<(Sequence, Item)>>,
    usage: Vec<UsageRow>,
}

impl Memory {
    /// The n-th operation, counted from 0, goes wrong.
    pub fn with(wrong: Option<(usize, Wrong)>) -> Self {
        Self { rows: Mutex::new(Rows { wrong, ..Rows::default() }) }
    }

    pub fn count(&self) -> usize {
        self.rows().count
    }

    /// True if something has gone wrong.
    pub fn hurt(&self) -> bool {
        let rows = self.rows();
        rows.wrong.is_some_and(|(at, _)| rows.count > at)
    }

    /// All items of all threads.
    pub fn all(&self) -> Vec<Item> {
        self.rows().items.values().flatten().map(|(_, item)| item.clone()).collect()
    }

    pub fn usage_rows(&self) -> Vec<UsageRow> {
        self.rows().usage.clone()
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn operate<T: Send + 'static>(
        &self,
        writes: bool,
        work: impl FnOnce(&mut Rows) -> Result<T, StoreError>,
    ) -> Pending<T> {
        let mut rows = self.rows();
        let at = rows.count;
        rows.count += 1;
        let wrong = match rows.wrong {
            Some((wrong_at, wrong))
                if wrong_at == at || (matches!(wrong, Wrong::Broken | Wrong::Dead) && at > wrong_at) =>
            {
                Some(wrong)
            }
            _ => None,
        };
        let (result, pause) = match wrong {
            None => (Some(work(&mut rows)), Duration::from_millis((at % 3) as u64)),
            Some(Wrong::Fails | Wrong::Broken) => (Some(Err(StoreError::NoRoom)), Duration::ZERO),
            Some(Wrong::Lost) => (Some(work(&mut rows).and(Err(StoreError::Busy))), Duration::from_secs(1)),
            Some(Wrong::Late) => (Some(work(&mut rows)), Duration::from_secs(4)),
            Some(Wrong::Never | Wrong::Dead) if writes => (None, Duration::ZERO),
            Some(Wrong::Never | Wrong::Dead) => (Some(Err(StoreError::Busy)), Duration::from_secs(10)),
            Some(Wrong::Panics) => {
                drop(rows);
                panic!("on purpose");
            }
        };
        drop(rows);
        Box::pin(async move {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            match result {
                Some(result) => result,
                None => std::future::pending().await,
            }
        })
    }

    fn nothing<T: Default + Send + 'static>(&self) -> Pending<T> {
        self.operate(false, |_| Ok(T::default()))
    }
}

impl Rows {
    fn write(&mut self, thread: &str, write: Write) -> Result<(), StoreError> {
        self.sequence += 1;
        let sequence = self.sequence;
        if let Write::Thread(row) = write {
            let place = self.threads.get(thread).map_or(sequence, |(place, _)| *place);
            self.threads.insert(thread.to_owned(), (place, row));
            return Ok(());
        }
        if let Write::Room { .. } = write {
            return Ok(());
        }
        let (_, row) = self.threads.get_mut(thread).ok_or(StoreError::NoThread)?;
        let items = self.items.entry(thread.to_owned()).or_default();
        let place = |items: &[(Sequence, Item)], id: &Text| items.iter().position(|(_, item)| item.id == *id);
        match write {
            Write::Touch { updated } => row.updated = row.updated.max(updated),
            Write::Add(item) if place(items, &item.id).is_some() => return Err(StoreError::Exists),
            Write::Add(item) => items.push((sequence, item)),
            Write::Put(item) => match place(items, &item.id) {
                Some(at) => items[at].1 = Item { created: items[at].1.created, ..item },
                None => items.push((sequence, item)),
            },
            Write::Replace(item) => {
                if let Some(at) = place(items, &item.id) {
                    items[at].1 = Item { created: items[at].1.created, ..item };
                }
            }
            Write::Remove(id) => items.retain(|(_, item)| item.id != id),
            Write::RemoveAfter(id) => {
                if let Some(at) = place(items, &id) {
                    items.truncate(at + 1);
                }
            }
            Write::Clear => items.clear(),
            Write::Attach(_) => return Err(StoreError::NoFile),
            Write::Feedback { .. } | Write::Thread(_) | Write::Room { .. } => {}
        }
        Ok(())
    }
}

fn page<T: Clone>(rows: &[(Sequence, T)], query: PageQuery) -> Page<T> {
    let mut rows: Vec<_> = rows.to_vec();
    if query.direction == Direction::NewestFirst {
        rows.reverse();
    }
    if let Some(after) = query.after {
        let at = rows.iter().position(|(place, _)| *place == after).map_or(0, |at| at + 1);
        rows.drain(..at);
    }
    let more = rows.len() > query.limit as usize;
    rows.truncate(query.limit as usize);
    Page { rows, more }
}

impl Store for Memory {
    fn add_spending(&self, _: Vec<Spending>) -> Pending<()> {
        self.nothing()
    }

    fn spending(&self, _: &str, _: &str) -> Pending<Cost> {
        self.nothing()
    }

    fn apply(&self, _: &Owner, thread: &str, writes: Vec<Write>) -> Pending<()> {
        self.operate(true, |rows| {
            let before = (rows.threads.clone(), rows.items.clone());
            let done = writes.into_iter().try_for_each(|write| rows.write(thread, write));
            if done.is_err() {
                (rows.threads, rows.items) = before;
            }
            done
        })
    }

    fn thread(&self, _: &Owner, id: &str) -> Pending<Option<(Sequence, Thread)>> {
        self.operate(false, |rows| Ok(rows.threads.get(id).cloned()))
    }

    fn item(&self, _: &Owner, thread: &str, id: &str) -> Pending<Option<(Sequence, Item)>> {
        self.operate(false, |rows| {
            let found = rows.items.get(thread).and_then(|items| items.iter().find(|(_, item)| item.id == id));
            Ok(found.cloned())
        })
    }

    fn items(&self, _: &Owner, thread: &str, query: PageQuery, hidden: bool) -> Pending<Page<Item>> {
        self.operate(false, |rows| {
            let items = rows.items.get(thread).cloned().unwrap_or_default();
            let shown: Vec<_> = items.into_iter().filter(|(_, item)| hidden || !item.hidden).collect();
            Ok(page(&shown, query))
        })
    }

    fn add_usage(&self, _: &Owner, usage: UsageRow) -> Pending<()> {
        self.operate(true, |rows| {
            rows.usage.push(usage);
            Ok(())
        })
    }

    fn add_fact(&self, _: &Owner, _: Fact) -> Pending<()> {
        self.nothing()
    }
    fn set_fact_status(&self, _: &Owner, _: &str, _: FactStatus) -> Pending<Option<Fact>> {
        self.nothing()
    }
    fn facts(&self, _: &Owner, _: FactStatus, _: Direction, _: u32) -> Pending<Vec<Fact>> {
        self.nothing()
    }
    fn threads(&self, _: &Owner, query: PageQuery) -> Pending<Page<Thread>> {
        self.operate(false, |rows| Ok(page(&rows.threads.values().cloned().collect::<Vec<_>>(), query)))
    }
    fn recent_threads(&self, _: &Owner, _: Option<&str>, _: u32) -> Pending<Vec<Thread>> {
        self.nothing()
    }
    fn delete_thread(&self, _: &Owner, id: &str) -> Pending<bool> {
        self.operate(false, |rows| {
            rows.items.remove(id);
            Ok(rows.threads.remove(id).is_some())
        })
    }
    fn put_attachment(&self, _: &Owner, _: Attachment) -> Pending<()> {
        self.nothing()
    }
    fn add_attachment(&self, _: &Owner, _: Attachment, _: Room) -> Pending<()> {
        self.nothing()
    }
    fn finish_attachment(&self, _: &Owner, _: &str, _: u64) -> Pending<bool> {
        self.nothing()
    }
    fn attachment(&self, _: &Owner, _: &str) -> Pending<Option<Attachment>> {
        self.nothing()
    }
    fn attachment_owner(&self, _: &str) -> Pending<Option<Owner>> {
        self.nothing()
    }
    fn delete_attachment(&self, _: &Owner, _: &str) -> Pending<bool> {
        self.nothing()
    }
    fn forget_attachments(&self, _: u64, _: u32) -> Pending<Vec<Text>> {
        self.nothing()
    }
    fn usage(&self, _: &Owner, _: u64) -> Pending<Vec<ModelUsage>> {
        self.nothing()
    }
    fn thread_usage(&self, _: &Owner, _: &str) -> Pending<Vec<ModelUsage>> {
        self.nothing()
    }
    fn summary(&self, _: &Owner, _: &str) -> Pending<Option<Summary>> {
        self.nothing()
    }
    fn summaries(&self, _: &Owner, _: &str, _: u32) -> Pending<Vec<Summary>> {
        self.nothing()
    }
    fn count_sessions(&self, _: &str) -> Pending<u64> {
        self.nothing()
    }
    fn old_sessions(&self, _: &str, _: u64, _: u32) -> Pending<Vec<(Owner, String)>> {
        self.nothing()
    }
}
