//! The store: what every engine must do (`suite`), what SQLite's file must do, and a process that is killed.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod bodies;
mod file;
mod killed;
mod killed_uploads;
mod suite;
mod upgrade;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chatwire::store::{Item, Owner, Pending, Store, Thread, ThreadStatus, Write};
use chatwire_protocols::items::{Body, Note, Said, UserMessage};
use serde_json::Map;

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("chatwire-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("test.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn owner(name: &str) -> Owner {
    Owner::new(name).unwrap()
}

fn thread(id: &str) -> Thread {
    let (status, metadata) = (ThreadStatus::Active, Map::new());
    Thread { id: id.to_owned(), title: None, status, metadata, created: 1, updated: 1 }
}

fn item(id: &str) -> Item {
    let content = vec![Said::Text { text: id.to_owned() }];
    let body = Body::User(UserMessage { content, ..UserMessage::default() });
    Item { id: id.into(), created: 2, hidden: false, origin: None, body }
}

fn note(id: &str) -> Item {
    Item { hidden: true, body: Body::Note(Note { text: id.to_owned() }), ..item(id) }
}

/// Makes a thread.
fn make(store: &dyn Store, owner: &Owner, id: &str) -> Pending<()> {
    store.apply(owner, id, vec![Write::Thread(thread(id))])
}

/// Adds an item.
fn add(store: &dyn Store, owner: &Owner, thread: &str, item: Item) -> Pending<()> {
    store.apply(owner, thread, vec![Write::Add(item)])
}

/// The place of an item.
async fn place(store: &dyn Store, owner: &Owner, thread: &str, id: &str) -> Option<u64> {
    store.item(owner, thread, id).await.unwrap().map(|(place, _)| place)
}
