//! A store that fails: what cannot be stored whole is not stored at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chatwire::server::Stop;
use chatwire::store::{
    Attachment, Direction, Fact, FactStatus, Item, ModelUsage, Owner, Page, PageQuery, Pending, Room, Sequence, Sqlite,
    Store, Summary, Thread, UsageRow, Write,
};
use chatwire::threads::{Asker, NoFiles, Reply, ThreadError, Threads};
use chatwire::turn::{Means, Turns};
use chatwire::upstream::Upstreams;
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::items::{Said, ThreadStatus, UserMessage};
use chatwire_protocols::operation::{Ask, Begin, Place, TurnAsk};

use crate::support::kept::named;
use crate::support::{Setup, memory, nobody};

/// A store that stops writing when it is told to.
#[derive(Debug)]
struct Frail {
    inner: Sqlite,
    broken: AtomicBool,
}

impl Store for Frail {
    fn add_fact(&self, owner: &Owner, fact: Fact) -> Pending<()> {
        self.inner.add_fact(owner, fact)
    }
    fn set_fact_status(&self, owner: &Owner, id: &str, status: FactStatus) -> Pending<Option<Fact>> {
        self.inner.set_fact_status(owner, id, status)
    }
    fn facts(&self, owner: &Owner, status: FactStatus, direction: Direction, limit: u32) -> Pending<Vec<Fact>> {
        self.inner.facts(owner, status, direction, limit)
    }
    fn apply(&self, owner: &Owner, thread: &str, mut writes: Vec<Write>) -> Pending<()> {
        if self.broken.load(Ordering::Relaxed) {
            // All but the last would go well.
            let taken = Write::Add(
                writes
                    .iter()
                    .find_map(|write| match write {
                        Write::Add(item) => Some(item.clone()),
                        _ => None,
                    })
                    .unwrap(),
            );
            writes.push(taken);
        }
        self.inner.apply(owner, thread, writes)
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

fn say(thread: Option<&str>, attachments: Vec<Attachment>) -> Ask {
    let content = vec![Said::Text { text: "hi".to_owned() }];
    let message = UserMessage { content, attachments, ..UserMessage::default() };
    Ask::Turn(Box::new(TurnAsk {
        thread: thread.map(Into::into),
        make: false,
        begin: Begin::Message { id: None, message, place: Place::Next },
        chat: ChatRequest::default(),
    }))
}

const ALL: PageQuery = PageQuery { after: None, limit: 100, direction: Direction::OldestFirst };

/// Tries to say something to a store that holds this file and this thread.
async fn tried(
    broken: bool,
    status: ThreadStatus,
    attachment: Option<Attachment>,
    ask: Ask,
) -> (Result<Reply, ThreadError>, Arc<Frail>) {
    let mut setup = Setup::new(&[nobody().await]);
    setup.memory = Some(memory());
    let plan = setup.plan();
    let store = Arc::new(Frail { inner: Sqlite::in_memory().unwrap(), broken: AtomicBool::new(false) });
    let owner = Owner::local();
    if let Some(attachment) = attachment {
        store.put_attachment(&owner, attachment).await.unwrap();
    }
    let thread = Thread {
        id: "t".to_owned(),
        title: Some("t".to_owned()),
        status,
        metadata: serde_json::Map::new(),
        created: 1,
        updated: 1,
    };
    store.apply(&owner, "t", vec![Write::Thread(thread)]).await.unwrap();
    store.broken.store(broken, Ordering::Relaxed);
    let upstreams = Arc::new(Upstreams::new(&plan, None).unwrap());
    let means =
        Means { store: Arc::clone(&store) as Arc<dyn Store>, upstreams, stop: Stop::never(), servers: Arc::default() };
    let threads = Arc::new(Threads::new(means, Turns::new(8)));
    let route = &plan.routes[0];
    let asker = Asker { owner: &owner, route, memory: route.memory.as_ref().unwrap(), files: &NoFiles };
    let reply = threads.ask(asker, ask).await;
    assert!(reply.is_ok() || threads.turns().is_empty(), "a refused request leaves no claim");
    (reply, store)
}

fn uploaded(thread: Option<&str>, uploaded: bool) -> Attachment {
    Attachment { name: "a.png".to_owned(), uploaded, thread: thread.map(Into::into), ..named("atc_1") }
}

#[tokio::test]
async fn a_create_that_cannot_be_stored_leaves_no_thread() {
    let (reply, store) = tried(true, ThreadStatus::Active, None, say(None, Vec::new())).await;
    assert!(matches!(reply, Err(ThreadError::Failed(_))));
    let threads = store.threads(&Owner::local(), ALL).await.unwrap();
    assert_eq!(threads.rows.len(), 1, "only the one that was there");
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_leaves_nothing_of_itself() {
    let file = uploaded(None, true);
    let (reply, store) = tried(true, ThreadStatus::Active, Some(file), say(Some("t"), vec![named("atc_1")])).await;
    assert!(matches!(reply, Err(ThreadError::Failed(_))));
    assert!(store.items(&Owner::local(), "t", ALL, true).await.unwrap().rows.is_empty());
    assert_eq!(store.attachment(&Owner::local(), "atc_1").await.unwrap().unwrap().thread, None);
}

#[tokio::test]
async fn files_belong_to_the_thread_of_their_message_or_it_is_refused() {
    for (file, code) in
        [(uploaded(None, false), "attachment_not_uploaded"), (uploaded(Some("other"), true), "attachment_taken")]
    {
        let (reply, store) =
            tried(false, ThreadStatus::Active, Some(file.clone()), say(Some("t"), vec![named("atc_1")])).await;
        let Err(ThreadError::Caller(error)) = reply else { panic!("{code}: not refused") };
        assert_eq!(error.code, code);
        assert_eq!(store.attachment(&Owner::local(), "atc_1").await.unwrap(), Some(file));
    }
    let file = uploaded(None, true);
    let (reply, store) =
        tried(false, ThreadStatus::Active, Some(file), say(Some("t"), vec![named("atc_1"), named("atc_1")])).await;
    let Ok(Reply::Turn(follower, _)) = reply else { panic!("no turn") };
    let added = follower.opening().1.kept.unwrap().added;
    let chatwire_protocols::items::Body::User(message) = &added[0].body else { panic!("no message") };
    assert_eq!((message.attachments.len(), message.attachments[0].name.as_str()), (1, "a.png"));
    assert_eq!(store.attachment(&Owner::local(), "atc_1").await.unwrap().unwrap().thread.as_deref(), Some("t"));
}

#[tokio::test]
async fn a_locked_or_closed_thread_takes_nothing() {
    let locked = ThreadStatus::Locked(Some("for review".to_owned()));
    for (status, code) in [(locked, "thread_locked"), (ThreadStatus::Closed(None), "thread_closed")] {
        let (reply, store) = tried(false, status, None, say(Some("t"), Vec::new())).await;
        let Err(ThreadError::Caller(error)) = reply else { panic!("{code}: not refused") };
        assert_eq!((error.status, error.code), (409, code));
        assert!(store.items(&Owner::local(), "t", ALL, true).await.unwrap().rows.is_empty());
    }
}
