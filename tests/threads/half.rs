//! A store that fails: what cannot be stored whole is not stored at all.

use std::sync::Arc;

use chatwire::cache::Cache;
use chatwire::limits::Admission;
use chatwire::server::Stop;
use chatwire::store::{Attachment, Direction, Owner, PageQuery, Store, Thread, Write};
use chatwire::threads::{Asker, NoFiles, Reply, ThreadError, Threads};
use chatwire::turn::{Means, Turns};
use chatwire::upstream::Upstreams;
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::items::{Said, ThreadStatus, UserMessage};
use chatwire_protocols::operation::{Ask, Begin, Place, TurnAsk};

use crate::support::double::{Broken, Double};
use crate::support::kept::named;
use crate::support::{Setup, memory, nobody};

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
) -> (Result<Reply, ThreadError>, Arc<Double>) {
    let mut setup = Setup::new(&[nobody().await]);
    setup.memory = Some(memory());
    let plan = setup.plan();
    let store = Double::new();
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
    if broken {
        store.breaks(Broken::AtTheEnd);
    }
    let upstreams = Arc::new(Upstreams::new(&plan, None).unwrap());
    let means = Means {
        store: Arc::clone(&store) as Arc<dyn Store>,
        upstreams,
        stop: Stop::never(),
        servers: Arc::default(),
        cache: Arc::new(Cache::new(0)),
    };
    let threads = Arc::new(Threads::new(means, Turns::new(8)));
    let route = &plan.routes[0];
    let admission = Admission::default();
    let asker = Asker {
        owner: &owner,
        key: None,
        route,
        memory: route.memory.as_ref().unwrap(),
        files: &NoFiles,
        admission: &admission,
        turn: None,
    };
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
