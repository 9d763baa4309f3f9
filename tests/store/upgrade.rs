//! A file of the first version, with something in it, is brought up to date.

use chatwire::store::{Direction, FactStatus, PageQuery, Sqlite, Store as _, ThreadStatus};
use rusqlite::Connection;

use crate::{Folder, add, item, owner, place};

const FIRST: &str = include_str!("../../src/store/migrations/0001_start.sql");

#[tokio::test]
async fn a_file_of_the_first_version_keeps_what_is_in_it() {
    let (folder, me) = (Folder::new(), owner("me"));
    let old = Connection::open(folder.file()).unwrap();
    old.execute_batch(FIRST).unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x43485752; PRAGMA user_version = 1;
         INSERT INTO facts (owner, id, text, status, created_at) VALUES ('me', 'f', 'Likes tea', 'saved', 5);
         INSERT INTO threads (owner, id, title, metadata, created_at, updated_at, next_item)
             VALUES ('me', 't', 'Tea', '{}', 6, 7, 3);
         INSERT INTO usage (owner, turn, step, model, input, created_at) VALUES ('me', 'u', 0, 'm', 9, 8);",
    )
    .unwrap();
    drop(old);

    for _ in 0..2 {
        let store = Sqlite::open(&folder.file()).unwrap();
        let facts = store.facts(&me, FactStatus::Saved, Direction::OldestFirst, 9).await.unwrap();
        assert_eq!(facts.iter().map(|fact| fact.text.as_str()).collect::<Vec<_>>(), ["Likes tea"]);
        let (_, thread) = store.thread(&me, "t").await.unwrap().unwrap();
        assert_eq!((thread.title.as_deref(), thread.status), (Some("Tea"), ThreadStatus::Active));
        assert_eq!((thread.created, thread.updated), (6, 7));
        assert_eq!(store.usage(&me, 0).await.unwrap()[0].input, 9);
    }

    let store = Sqlite::open(&folder.file()).unwrap();
    add(&store, &me, "t", item("i")).await.unwrap();
    assert_eq!(place(&store, &me, "t", "i").await, Some(3), "the next place of the old file");
    assert_eq!(store.attachment(&me, "a").await, Ok(None));
    let all = PageQuery { after: None, limit: 9, direction: Direction::OldestFirst };
    assert_eq!(store.items(&me, "t", all, true).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn an_item_with_marks_of_an_unknown_protocol_is_still_read() {
    let (folder, me) = (Folder::new(), owner("me"));
    let store = Sqlite::open(&folder.file()).unwrap();
    crate::make(&store, &me, "t").await.unwrap();
    add(&store, &me, "t", item("i")).await.unwrap();
    let body = r#"{"kind":"assistant","text":"hi","whole":true,"refusal":false,
        "marks":[{"mark":"opaque","protocol":"gone","key":"k","value":{}}]}"#;
    let other = Connection::open(folder.file()).unwrap();
    other.execute("UPDATE items SET kind = 'assistant', body = ?1", [body]).unwrap();
    let (_, item) = store.item(&me, "t", "i").await.unwrap().unwrap();
    let chatwire_protocols::items::Body::Assistant(message) = item.body else { panic!("{item:?}") };
    assert_eq!((message.text.as_str(), message.marks.len()), ("hi", 0));
}
