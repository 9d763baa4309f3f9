//! SQLite's file: what it refuses, and what it keeps.

use chatwire::store::{Sqlite, Store as _, StoreError, Write};
use rusqlite::Connection;

use crate::{Folder, add, item, make, owner, place};

#[tokio::test]
async fn what_was_stored_is_there_after_opening_again() {
    let (folder, me) = (Folder::new(), owner("me"));
    for round in 1..=3 {
        let store = Sqlite::open(&folder.file()).unwrap();
        make(&store, &me, "t").await.unwrap();
        add(&store, &me, "t", item(&round.to_string())).await.unwrap();
        assert_eq!(place(&store, &me, "t", &round.to_string()).await, Some(round));
    }
}

#[test]
fn a_newer_file_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    drop(Sqlite::open(&folder.file()).unwrap());
    let connection = Connection::open(folder.file()).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    let error = Sqlite::open(&folder.file()).unwrap_err();
    assert_eq!(error, StoreError::Newer { found: 7, known: 5 });
    let message = error.to_string();
    assert!(["newer Chatwire", "version 7", "up to 5"].iter().all(|part| message.contains(part)), "{message}");
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 7);
}

#[test]
fn a_file_of_somebody_else_is_refused_and_left_as_it_is() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "not a database, but longer than any header of one: ".repeat(40)).unwrap();
    assert_eq!(Sqlite::open(&folder.file()).unwrap_err(), StoreError::Foreign);
    std::fs::remove_file(folder.file()).unwrap();

    let connection = Connection::open(folder.file()).unwrap();
    connection.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
    let before = std::fs::read(folder.file()).unwrap();
    assert_eq!(Sqlite::open(&folder.file()).unwrap_err(), StoreError::Foreign);
    assert_eq!(std::fs::read(folder.file()).unwrap(), before);
}

#[test]
fn a_file_that_cannot_be_made_is_said() {
    let missing = Folder::new().0.join("missing/test.db");
    assert!(matches!(Sqlite::open(&missing), Err(StoreError::Open(_))));
}

#[tokio::test]
async fn two_processes_may_open_a_new_file_at_the_same_time() {
    let folder = Folder::new();
    let path = folder.file();
    let opened: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || Sqlite::open(&path).unwrap())
        })
        .collect();
    let stores: Vec<Sqlite> = opened.into_iter().map(|thread| thread.join().unwrap()).collect();
    let me = owner("me");
    make(&stores[0], &me, "t").await.unwrap();
    for (at, store) in (1..).zip(&stores) {
        add(store, &me, "t", item(&at.to_string())).await.unwrap();
        assert_eq!(place(store, &me, "t", &at.to_string()).await, Some(at));
    }
}

#[tokio::test]
async fn readers_go_on_and_writers_are_told_while_somebody_holds_the_file() {
    let folder = Folder::new();
    let store = Sqlite::open(&folder.file()).unwrap();
    let me = owner("me");
    make(&store, &me, "t").await.unwrap();
    let holder = Connection::open(folder.file()).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let write = add(&store, &me, "t", item("a"));
    assert!(store.thread(&me, "t").await.unwrap().is_some());
    assert_eq!(write.await, Err(StoreError::Busy));
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(add(&store, &me, "t", item("a")).await, Ok(()));
    assert_eq!(place(&store, &me, "t", "a").await, Some(1));
}

#[tokio::test]
async fn the_last_word_about_an_item_is_the_one_that_is_kept() {
    let (folder, me) = (Folder::new(), owner("me"));
    let store = Sqlite::open(&folder.file()).unwrap();
    make(&store, &me, "t").await.unwrap();
    let say = |positive, created| Write::Feedback { item: "a".into(), positive, created };
    store.apply(&me, "t", vec![Write::Add(item("a")), say(true, 5), say(false, 6)]).await.unwrap();
    let rows = || {
        let sql = "SELECT owner || thread || item || positive || created_at FROM feedback";
        let connection = Connection::open(folder.file()).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<String>, _>>().unwrap()
    };
    assert_eq!(rows(), ["meta06"]);
    let (before, behind) = (Write::Put(item("b")), Write::Feedback { item: "b".into(), positive: true, created: 7 });
    store.apply(&me, "t", vec![before, behind, Write::RemoveAfter("a".into())]).await.unwrap();
    assert_eq!(rows(), ["meta06"], "what is said of an item goes with it");
    store.delete_thread(&me, "t").await.unwrap();
    assert_eq!(rows(), Vec::<String>::new());
}
