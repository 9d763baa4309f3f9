//! A store that can be broken, or made to wait.

use std::sync::{Arc, Mutex};

use chatwire::store::{
    Attachment, Direction, Fact, FactStatus, Item, ModelUsage, Owner, Page, PageQuery, Pending, Room, Sequence,
    Spending, Sqlite, Store, StoreError, Summary, Thread, UsageRow, Write,
};
use chatwire_protocols::cost::Cost;
use tokio::sync::Semaphore;

/// How it is broken.
#[derive(Clone, Copy, Debug)]
pub enum Broken {
    /// Changes of threads are refused.
    Refuses,
    /// Their last part cannot be made.
    AtTheEnd,
}

#[derive(Debug)]
pub struct Double {
    inner: Arc<Sqlite>,
    broken: Mutex<Option<Broken>>,
    /// A change of a thread takes a permit, unless there is none of this.
    pub gate: Mutex<Option<Arc<Semaphore>>>,
}

impl Double {
    pub fn new() -> Arc<Self> {
        let inner = Arc::new(Sqlite::in_memory().unwrap());
        Arc::new(Self { inner, broken: Mutex::new(None), gate: Mutex::new(None) })
    }

    /// It is broken from now on.
    pub fn breaks(&self, how: Broken) {
        *self.broken.lock().unwrap() = Some(how);
    }

    /// Changes wait for the permits of this from now on.
    pub fn hold(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }
}

impl Store for Double {
    fn apply(&self, owner: &Owner, thread: &str, mut writes: Vec<Write>) -> Pending<()> {
        match *self.broken.lock().unwrap() {
            None => {}
            Some(Broken::Refuses) => return Box::pin(std::future::ready(Err(StoreError::NoRoom))),
            Some(Broken::AtTheEnd) => {
                let added = writes.iter().find(|write| matches!(write, Write::Add(_)));
                writes.push(added.cloned().expect("something is added"));
            }
        }
        let gate = self.gate.lock().unwrap().clone();
        let (inner, owner, thread) = (Arc::clone(&self.inner), owner.clone(), thread.to_owned());
        Box::pin(async move {
            if let Some(gate) = gate {
                gate.acquire().await.unwrap().forget();
            }
            inner.apply(&owner, &thread, writes).await
        })
    }

    fn add_fact(&self, owner: &Owner, fact: Fact) -> Pending<()> {
        self.inner.add_fact(owner, fact)
    }

    fn set_fact_status(&self, owner: &Owner, id: &str, status: FactStatus) -> Pending<Option<Fact>> {
        self.inner.set_fact_status(owner, id, status)
    }

    fn facts(&self, owner: &Owner, status: FactStatus, direction: Direction, limit: u32) -> Pending<Vec<Fact>> {
        self.inner.facts(owner, status, direction, limit)
    }

    fn thread(&self, owner: &Owner, id: &str) -> Pending<Option<(Sequence, Thread)>> {
        self.inner.thread(owner, id)
    }

    fn threads(&self, owner: &Owner, query: PageQuery) -> Pending<Page<Thread>> {
        self.inner.threads(owner, query)
    }

    fn recent_threads(&self, owner: &Owner, matching: Option<&str>, limit: u32) -> Pending<Vec<Thread>> {
        self.inner.recent_threads(owner, matching, limit)
    }

    fn delete_thread(&self, owner: &Owner, id: &str) -> Pending<bool> {
        self.inner.delete_thread(owner, id)
    }

    fn item(&self, owner: &Owner, thread: &str, id: &str) -> Pending<Option<(Sequence, Item)>> {
        self.inner.item(owner, thread, id)
    }

    fn items(&self, owner: &Owner, thread: &str, query: PageQuery, hidden: bool) -> Pending<Page<Item>> {
        self.inner.items(owner, thread, query, hidden)
    }

    fn put_attachment(&self, owner: &Owner, attachment: Attachment) -> Pending<()> {
        self.inner.put_attachment(owner, attachment)
    }

    fn attachment(&self, owner: &Owner, id: &str) -> Pending<Option<Attachment>> {
        self.inner.attachment(owner, id)
    }

    fn delete_attachment(&self, owner: &Owner, id: &str) -> Pending<bool> {
        self.inner.delete_attachment(owner, id)
    }

    fn add_attachment(&self, owner: &Owner, attachment: Attachment, room: Room) -> Pending<()> {
        self.inner.add_attachment(owner, attachment, room)
    }

    fn finish_attachment(&self, owner: &Owner, id: &str, size: u64) -> Pending<bool> {
        self.inner.finish_attachment(owner, id, size)
    }

    fn attachment_owner(&self, id: &str) -> Pending<Option<Owner>> {
        self.inner.attachment_owner(id)
    }

    fn forget_attachments(&self, before: u64, limit: u32) -> Pending<Vec<chatwire_protocols::event::Text>> {
        self.inner.forget_attachments(before, limit)
    }

    fn add_usage(&self, owner: &Owner, usage: UsageRow) -> Pending<()> {
        self.inner.add_usage(owner, usage)
    }

    fn add_spending(&self, rows: Vec<Spending>) -> Pending<()> {
        self.inner.add_spending(rows)
    }

    fn spending(&self, subject: &str, period: &str) -> Pending<Cost> {
        self.inner.spending(subject, period)
    }

    fn usage(&self, owner: &Owner, since: u64) -> Pending<Vec<ModelUsage>> {
        self.inner.usage(owner, since)
    }

    fn thread_usage(&self, owner: &Owner, thread: &str) -> Pending<Vec<ModelUsage>> {
        self.inner.thread_usage(owner, thread)
    }

    fn summary(&self, owner: &Owner, thread: &str) -> Pending<Option<Summary>> {
        self.inner.summary(owner, thread)
    }

    fn summaries(&self, owner: &Owner, sessions: &str, limit: u32) -> Pending<Vec<Summary>> {
        self.inner.summaries(owner, sessions, limit)
    }

    fn count_sessions(&self, sessions: &str) -> Pending<u64> {
        self.inner.count_sessions(sessions)
    }

    fn old_sessions(&self, sessions: &str, before: u64, limit: u32) -> Pending<Vec<(Owner, String)>> {
        self.inner.old_sessions(sessions, before, limit)
    }
}
