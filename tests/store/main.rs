//! The store: what every engine must do (`suite`), what SQLite's file must do, and a process that is killed.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod file;
mod killed;
mod suite;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chatwire::store::{Item, ItemKind, Owner, Thread};
use serde_json::{Map, json};

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
    Thread { id: id.to_owned(), title: None, metadata: Map::new(), created: 1, updated: 1 }
}

fn item(id: &str) -> Item {
    Item { id: id.to_owned(), kind: ItemKind::Message, body: json!({"text": id}), created: 2 }
}
