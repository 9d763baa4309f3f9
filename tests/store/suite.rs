//! What every engine must do. A new engine adds itself to `engines!`.

use std::sync::Arc;

use chatwire::store::{
    Direction, Fact, FactStatus, Item, ItemKind, MOST_FACTS, ModelUsage, Page, PageQuery, Sqlite, Store, StoreError,
    UsageRow,
};
use serde_json::json;

use crate::{Folder, item, owner, thread};

/// Runs each test on every engine.
macro_rules! engines {
    ($($test:ident,)*) => {
        mod sqlite_file {
            $(#[tokio::test] async fn $test() {
                let folder = super::Folder::new();
                super::$test(super::Arc::new(super::Sqlite::open(&folder.file()).unwrap())).await;
            })*
        }
        mod sqlite_memory {
            $(#[tokio::test] async fn $test() {
                super::$test(super::Arc::new(super::Sqlite::in_memory().unwrap())).await;
            })*
        }
    };
}

engines! {
    a_fact_keeps_its_words_and_changes_its_status,
    facts_come_in_the_order_they_were_told,
    the_oldest_discarded_fact_makes_room_and_no_other,
    what_belongs_to_somebody_else_is_unknown,
    a_thread_is_made_changed_and_deleted_with_its_items,
    threads_come_in_pages,
    items_are_numbered_within_their_thread,
    an_item_that_is_put_again_keeps_its_place,
    an_item_needs_a_thread_and_an_id_of_its_own,
    a_page_stays_where_it_is_when_others_add_and_delete,
    hidden_items_do_not_count_in_a_page_without_them,
    every_kind_of_item_comes_back_as_it_was,
    usage_adds_up_by_model_and_counts_no_call_twice,
    parallel_appends_have_places_of_their_own,
}

const ALL: PageQuery = PageQuery { after: None, limit: 100, direction: Direction::OldestFirst };

fn fact(id: &str) -> Fact {
    Fact { id: id.to_owned(), text: format!("fact {id}"), status: FactStatus::Saved, created: 7 }
}

async fn saved(store: &dyn Store, name: &str) -> Vec<String> {
    let facts = store.facts(&owner(name), FactStatus::Saved, Direction::OldestFirst, 5000).await.unwrap();
    facts.into_iter().map(|fact| fact.id).collect()
}

fn ids(page: &Page<Item>) -> Vec<&str> {
    page.rows.iter().map(|(_, item)| item.id.as_str()).collect()
}

async fn a_fact_keeps_its_words_and_changes_its_status(store: Arc<dyn Store>) {
    let me = owner("me");
    let told = Fact { text: "Likes „tea“ \u{0} 🍵\n".to_owned(), ..fact("f1") };
    store.add_fact(&me, told.clone()).await.unwrap();
    assert_eq!(store.add_fact(&me, told.clone()).await, Err(StoreError::Exists));
    for status in [FactStatus::Discarded, FactStatus::Saved, FactStatus::Pending] {
        let changed = store.set_fact_status(&me, "f1", status).await.unwrap();
        assert_eq!(changed, Some(Fact { status, ..told.clone() }));
        assert_eq!(store.facts(&me, status, Direction::OldestFirst, 9).await.unwrap(), [changed.unwrap()]);
    }
    assert_eq!(saved(&*store, "me").await, Vec::<String>::new());
    assert_eq!(store.set_fact_status(&me, "f2", FactStatus::Saved).await, Ok(None));
}

async fn facts_come_in_the_order_they_were_told(store: Arc<dyn Store>) {
    let me = owner("me");
    for id in ["c", "a", "b"] {
        store.add_fact(&me, fact(id)).await.unwrap();
    }
    assert_eq!(saved(&*store, "me").await, ["c", "a", "b"]);
    let newest = store.facts(&me, FactStatus::Saved, Direction::NewestFirst, 2).await.unwrap();
    assert_eq!(newest.iter().map(|fact| fact.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
}

async fn the_oldest_discarded_fact_makes_room_and_no_other(store: Arc<dyn Store>) {
    let me = owner("me");
    let adding: Vec<_> = (0..MOST_FACTS).map(|number| store.add_fact(&me, fact(&number.to_string()))).collect();
    for added in adding {
        added.await.unwrap();
    }
    assert_eq!(store.add_fact(&me, fact("more")).await, Err(StoreError::TooMany("facts")));
    store.add_fact(&owner("other"), fact("more")).await.unwrap();
    for id in ["8", "5"] {
        store.set_fact_status(&me, id, FactStatus::Discarded).await.unwrap();
    }
    store.add_fact(&me, fact("more")).await.unwrap();
    assert_eq!(store.set_fact_status(&me, "5", FactStatus::Saved).await, Ok(None), "the oldest is gone");
    assert!(store.set_fact_status(&me, "8", FactStatus::Saved).await.unwrap().is_some());
    assert_eq!(saved(&*store, "me").await.len(), MOST_FACTS as usize);
}

async fn what_belongs_to_somebody_else_is_unknown(store: Arc<dyn Store>) {
    let (me, other) = (owner("me"), owner("other"));
    store.add_fact(&me, fact("f")).await.unwrap();
    store.put_thread(&me, thread("t")).await.unwrap();
    store.append_item(&me, "t", item("i")).await.unwrap();
    store.add_usage(&me, UsageRow { turn: "t".into(), model: "m".into(), ..UsageRow::default() }).await.unwrap();

    assert_eq!(store.set_fact_status(&other, "f", FactStatus::Discarded).await, Ok(None));
    assert_eq!(saved(&*store, "other").await, Vec::<String>::new());
    assert_eq!(store.thread(&other, "t").await, Ok(None));
    assert_eq!(store.threads(&other, ALL).await.unwrap().rows, []);
    assert_eq!(store.delete_thread(&other, "t").await, Ok(false));
    assert_eq!(store.append_item(&other, "t", item("j")).await, Err(StoreError::NoThread));
    assert_eq!(store.put_item(&other, "t", item("i")).await, Err(StoreError::NoThread));
    assert_eq!(store.item(&other, "t", "i").await, Ok(None));
    assert_eq!(store.items(&other, "t", ALL, true).await.unwrap().rows, []);
    assert_eq!(store.delete_item(&other, "t", "i").await, Ok(false));
    assert_eq!(store.usage(&other, 0).await, Ok(vec![]));

    // The same ids are free for everybody, and nothing of the first owner has changed.
    store.add_fact(&other, fact("f")).await.unwrap();
    store.put_thread(&other, thread("t")).await.unwrap();
    assert_eq!(store.items(&other, "t", ALL, true).await.unwrap().rows, []);
    assert_eq!(saved(&*store, "me").await, ["f"]);
    assert_eq!(store.items(&me, "t", ALL, true).await.unwrap().rows, [(1, item("i"))]);
}

async fn a_thread_is_made_changed_and_deleted_with_its_items(store: Arc<dyn Store>) {
    let me = owner("me");
    let mut mine = thread("t");
    store.put_thread(&me, mine.clone()).await.unwrap();
    store.append_item(&me, "t", item("i")).await.unwrap();
    (mine.title, mine.updated) = (Some("Tea".to_owned()), 9);
    mine.metadata.insert("colour".to_owned(), json!({"of": ["tea"]}));
    store.put_thread(&me, chatwire::store::Thread { created: 8, ..mine.clone() }).await.unwrap();
    assert_eq!(store.thread(&me, "t").await, Ok(Some(mine)), "the time it began stays");
    assert_eq!(store.items(&me, "t", ALL, true).await.unwrap().rows.len(), 1);
    assert_eq!(store.delete_thread(&me, "t").await, Ok(true));
    assert_eq!(store.delete_thread(&me, "t").await, Ok(false));
    store.put_thread(&me, thread("t")).await.unwrap();
    assert_eq!(store.items(&me, "t", ALL, true).await.unwrap().rows, []);
}

async fn threads_come_in_pages(store: Arc<dyn Store>) {
    let me = owner("me");
    for id in ["c", "a", "b"] {
        store.put_thread(&me, thread(id)).await.unwrap();
        store.put_thread(&owner("other"), thread(id)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut query = PageQuery { after: None, limit: 1, direction: Direction::NewestFirst };
    loop {
        let page = store.threads(&me, query).await.unwrap();
        seen.extend(page.rows.iter().map(|(_, thread)| thread.id.clone()));
        query.after = page.rows.last().map(|(place, _)| *place);
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, ["b", "a", "c"]);
}

async fn items_are_numbered_within_their_thread(store: Arc<dyn Store>) {
    let me = owner("me");
    for id in ["s", "t"] {
        store.put_thread(&me, thread(id)).await.unwrap();
        for place in 1..=3 {
            assert_eq!(store.append_item(&me, id, item(&format!("i{place}"))).await, Ok(place));
        }
    }
    assert_eq!(store.delete_item(&me, "t", "i3").await, Ok(true));
    assert_eq!(store.delete_item(&me, "t", "i3").await, Ok(false));
    assert_eq!(store.append_item(&me, "t", item("i4")).await, Ok(4), "a place is never given twice");
    assert_eq!(ids(&store.items(&me, "t", ALL, false).await.unwrap()), ["i1", "i2", "i4"]);
    assert_eq!(ids(&store.items(&me, "s", ALL, false).await.unwrap()), ["i1", "i2", "i3"]);
}

async fn an_item_that_is_put_again_keeps_its_place(store: Arc<dyn Store>) {
    let me = owner("me");
    store.put_thread(&me, thread("t")).await.unwrap();
    assert_eq!(store.put_item(&me, "t", item("a")).await, Ok(1));
    assert_eq!(store.put_item(&me, "t", item("b")).await, Ok(2));
    let again = Item { body: json!("new"), kind: ItemKind::Widget, created: 99, ..item("a") };
    assert_eq!(store.put_item(&me, "t", again.clone()).await, Ok(1));
    let kept = Item { created: 2, ..again };
    assert_eq!(store.item(&me, "t", "a").await, Ok(Some((1, kept.clone()))));
    assert_eq!(store.items(&me, "t", ALL, false).await.unwrap().rows, [(1, kept), (2, item("b"))]);
}

async fn an_item_needs_a_thread_and_an_id_of_its_own(store: Arc<dyn Store>) {
    let me = owner("me");
    assert_eq!(store.append_item(&me, "t", item("a")).await, Err(StoreError::NoThread));
    assert_eq!(store.put_item(&me, "t", item("a")).await, Err(StoreError::NoThread));
    store.put_thread(&me, thread("t")).await.unwrap();
    store.append_item(&me, "t", item("a")).await.unwrap();
    assert_eq!(store.append_item(&me, "t", item("a")).await, Err(StoreError::Exists));
    assert_eq!(store.append_item(&me, "t", item("b")).await, Ok(2), "what failed took no place");
}

async fn a_page_stays_where_it_is_when_others_add_and_delete(store: Arc<dyn Store>) {
    let me = owner("me");
    store.put_thread(&me, thread("t")).await.unwrap();
    for id in ["a", "b", "c", "d", "e"] {
        store.append_item(&me, "t", item(id)).await.unwrap();
    }
    for direction in [Direction::OldestFirst, Direction::NewestFirst] {
        let query = PageQuery { after: None, limit: 2, direction };
        let first = store.items(&me, "t", query, false).await.unwrap();
        let (after, last) = first.rows.last().cloned().unwrap();
        // Even the one that the page ended with.
        store.delete_item(&me, "t", &last.id).await.unwrap();
        store.append_item(&me, "t", item(&format!("behind {}", last.id))).await.unwrap();
        let second = store.items(&me, "t", PageQuery { after: Some(after), ..query }, false).await.unwrap();
        let expected = if direction == Direction::OldestFirst { ["c", "d"] } else { ["d", "c"] };
        assert_eq!((ids(&first).len(), ids(&second)), (2, expected.to_vec()));
    }
    let end = PageQuery { after: Some(u64::MAX), ..ALL };
    assert_eq!(store.items(&me, "t", end, false).await, Ok(Page { rows: vec![], more: false }));
}

async fn hidden_items_do_not_count_in_a_page_without_them(store: Arc<dyn Store>) {
    let me = owner("me");
    store.put_thread(&me, thread("t")).await.unwrap();
    for (at, id) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let kind = if at % 2 == 1 { ItemKind::Hidden } else { ItemKind::Message };
        store.append_item(&me, "t", Item { kind, ..item(id) }).await.unwrap();
    }
    let query = PageQuery { limit: 2, ..ALL };
    let page = store.items(&me, "t", query, false).await.unwrap();
    assert_eq!((ids(&page), page.more), (vec!["a", "c"], true));
    let rest = store.items(&me, "t", PageQuery { after: Some(page.rows[1].0), ..query }, false).await.unwrap();
    assert_eq!((ids(&rest), rest.more), (vec!["e"], false));
    assert_eq!(ids(&store.items(&me, "t", query, true).await.unwrap()), ["a", "b"]);
}

async fn every_kind_of_item_comes_back_as_it_was(store: Arc<dyn Store>) {
    let me = owner("me");
    store.put_thread(&me, thread("t")).await.unwrap();
    let body = json!({"z": 1, "a": ["\u{2028}", null, 1.5, {"深": "い"}]});
    for kind in ItemKind::ALL {
        let stored = Item { kind, body: body.clone(), ..item(kind.name()) };
        store.append_item(&me, "t", stored.clone()).await.unwrap();
        let found = store.item(&me, "t", kind.name()).await.unwrap().unwrap().1;
        assert_eq!((found.body.to_string(), &found), (body.to_string(), &stored), "also the order of members");
    }
    assert_eq!(store.items(&me, "t", ALL, true).await.unwrap().rows.len(), ItemKind::ALL.len());
}

async fn usage_adds_up_by_model_and_counts_no_call_twice(store: Arc<dyn Store>) {
    let me = owner("me");
    let call = |turn: &str, step, model: &str, created| UsageRow {
        turn: turn.to_owned(),
        step,
        model: model.to_owned(),
        input: Some(10),
        output: Some(3),
        created,
        ..UsageRow::default()
    };
    let calls = [call("t1", 0, "b", 5), call("t1", 1, "b", 6), call("t2", 0, "a", 7), call("t1", 0, "b", 9)];
    for usage in calls {
        store.add_usage(&me, usage).await.unwrap();
    }
    let sum = |model: &str, calls| ModelUsage {
        model: model.to_owned(),
        calls,
        input: 10 * calls,
        output: 3 * calls,
        ..ModelUsage::default()
    };
    assert_eq!(store.usage(&me, 0).await, Ok(vec![sum("a", 1), sum("b", 2)]));
    assert_eq!(store.usage(&me, 6).await, Ok(vec![sum("a", 1), sum("b", 1)]));
}

async fn parallel_appends_have_places_of_their_own(store: Arc<dyn Store>) {
    let me = owner("me");
    store.put_thread(&me, thread("t")).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (store, me) = (Arc::clone(&store), me.clone());
            tokio::spawn(async move {
                for number in 0..20 {
                    store.append_item(&me, "t", item(&format!("{task}-{number}"))).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let page = store.items(&me, "t", PageQuery { limit: 1000, ..ALL }, false).await.unwrap();
    let places: Vec<u64> = page.rows.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, (1..=160).collect::<Vec<_>>());
}
