//! What every engine must do. A new engine adds itself to `engines!`.

use std::sync::Arc;

use chatwire::store::{
    Attachment, Direction, Fact, FactStatus, Item, MOST_FACTS, ModelUsage, Page, PageQuery, Room, Spending, Sqlite,
    Store, StoreError, Thread, ThreadStatus, UsageRow, Write,
};
use chatwire_protocols::cost::Cost;
use serde_json::json;

use crate::{Folder, add, bodies, item, make, note, owner, place, thread};

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
    only_an_item_that_is_there_is_replaced,
    an_item_that_is_put_again_keeps_its_place,
    an_item_needs_a_thread_and_an_id_of_its_own,
    a_page_stays_where_it_is_when_others_add_and_delete,
    hidden_items_do_not_count_in_a_page_without_them,
    every_kind_of_item_comes_back_as_it_was,
    what_is_written_together_is_written_wholly_or_not_at_all,
    what_comes_behind_an_item_is_removed_and_its_places_stay_taken,
    what_users_think_of_items_needs_a_thread_and_goes_with_it,
    a_file_is_announced_uploaded_attached_and_forgotten,
    files_have_room_for_each_owner_and_for_all,
    files_that_belong_to_no_thread_are_forgotten_in_time,
    usage_adds_up_by_model_and_counts_no_call_twice,
    spending_adds_up_by_subject_and_period,
    parallel_appends_have_places_of_their_own,
}

const ALL: PageQuery = PageQuery { after: None, limit: 100, direction: Direction::OldestFirst };

fn fact(id: &str) -> Fact {
    Fact { id: id.to_owned(), text: format!("fact {id}"), status: FactStatus::Saved, created: 7 }
}

const ROOM: Room = Room { owner: 1 << 20, all: 1 << 20 };

fn file(id: &str, size: u64) -> Attachment {
    let (name, media_type) = (format!("{id}/../é.txt"), "text/plain".to_owned());
    Attachment { id: id.into(), name, media_type, size, thread: None, uploaded: false, created: 7, preview: None }
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
    make(&*store, &me, "t").await.unwrap();
    add(&*store, &me, "t", item("i")).await.unwrap();
    store.put_attachment(&me, file("a", 9)).await.unwrap();
    store.add_usage(&me, UsageRow { turn: "t".into(), model: "m".into(), ..UsageRow::default() }).await.unwrap();

    assert_eq!(store.set_fact_status(&other, "f", FactStatus::Discarded).await, Ok(None));
    assert_eq!(saved(&*store, "other").await, Vec::<String>::new());
    assert_eq!(store.thread(&other, "t").await, Ok(None));
    assert_eq!(store.threads(&other, ALL).await.unwrap().rows, []);
    assert_eq!(store.delete_thread(&other, "t").await, Ok(false));
    assert_eq!(add(&*store, &other, "t", item("j")).await, Err(StoreError::NoThread));
    assert_eq!(store.apply(&other, "t", vec![Write::Put(item("i"))]).await, Err(StoreError::NoThread));
    assert_eq!(store.item(&other, "t", "i").await, Ok(None));
    assert_eq!(store.items(&other, "t", ALL, true).await.unwrap().rows, []);
    for write in [Write::Remove("i".into()), Write::RemoveAfter("h".into())] {
        assert_eq!(store.apply(&other, "t", vec![write]).await, Ok(()), "nothing of theirs");
    }
    assert_eq!(store.apply(&other, "t", vec![Write::Attach("a".into())]).await, Err(StoreError::NoFile));
    assert_eq!(store.attachment(&other, "a").await, Ok(None));
    assert_eq!(store.finish_attachment(&other, "a", 1).await, Ok(false));
    assert_eq!(store.delete_attachment(&other, "a").await, Ok(false));
    assert_eq!(store.put_attachment(&other, file("a", 1)).await, Err(StoreError::Exists), "an id is one file's");
    assert_eq!(store.usage(&other, 0).await, Ok(vec![]));

    // The same ids are free for everybody, and nothing of the first owner has changed.
    store.add_fact(&other, fact("f")).await.unwrap();
    make(&*store, &other, "t").await.unwrap();
    assert_eq!(store.items(&other, "t", ALL, true).await.unwrap().rows, []);
    assert_eq!(saved(&*store, "me").await, ["f"]);
    assert_eq!(store.items(&me, "t", ALL, true).await.unwrap().rows, [(1, item("i"))]);
    assert_eq!(store.attachment(&me, "a").await, Ok(Some(file("a", 9))));
}

async fn a_thread_is_made_changed_and_deleted_with_its_items(store: Arc<dyn Store>) {
    let me = owner("me");
    let mut mine = thread("t");
    make(&*store, &me, "t").await.unwrap();
    add(&*store, &me, "t", item("i")).await.unwrap();
    (mine.title, mine.updated) = (Some("Tea".to_owned()), 9);
    mine.status = ThreadStatus::Locked(Some("Paid until May.".to_owned()));
    mine.metadata.insert("colour".to_owned(), json!({"of": ["tea"]}));
    let changed = Write::Thread(Thread { created: 8, ..mine.clone() });
    store.apply(&me, "t", vec![changed]).await.unwrap();
    assert_eq!(store.thread(&me, "t").await, Ok(Some((1, mine.clone()))), "its place and the time it began stay");
    mine.status = ThreadStatus::Closed(None);
    store.apply(&me, "t", vec![Write::Thread(mine.clone())]).await.unwrap();
    assert_eq!(store.thread(&me, "t").await.unwrap().unwrap().1, mine);
    assert_eq!(store.items(&me, "t", ALL, true).await.unwrap().rows.len(), 1);
    assert_eq!(store.delete_thread(&me, "t").await, Ok(true));
    assert_eq!(store.delete_thread(&me, "t").await, Ok(false));
    make(&*store, &me, "t").await.unwrap();
    assert_eq!(store.items(&me, "t", ALL, true).await.unwrap().rows, []);
}

async fn threads_come_in_pages(store: Arc<dyn Store>) {
    let me = owner("me");
    for id in ["c", "a", "b"] {
        make(&*store, &me, id).await.unwrap();
        make(&*store, &owner("other"), id).await.unwrap();
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
        make(&*store, &me, id).await.unwrap();
        for at in 1..=3 {
            let name = format!("i{at}");
            add(&*store, &me, id, item(&name)).await.unwrap();
            assert_eq!(place(&*store, &me, id, &name).await, Some(at));
        }
    }
    let removals = vec![Write::Remove("i3".into()), Write::Remove("i3".into())];
    store.apply(&me, "t", removals).await.unwrap();
    add(&*store, &me, "t", item("i4")).await.unwrap();
    assert_eq!(place(&*store, &me, "t", "i4").await, Some(4), "a place is never given twice");
    assert_eq!(ids(&store.items(&me, "t", ALL, false).await.unwrap()), ["i1", "i2", "i4"]);
    assert_eq!(ids(&store.items(&me, "s", ALL, false).await.unwrap()), ["i1", "i2", "i3"]);
}

async fn only_an_item_that_is_there_is_replaced(store: Arc<dyn Store>) {
    let me = owner("me");
    make(&*store, &me, "t").await.unwrap();
    add(&*store, &me, "t", item("a")).await.unwrap();
    let writes = vec![Write::Replace(note("a")), Write::Replace(note("gone"))];
    store.apply(&me, "t", writes).await.unwrap();
    let rows = store.items(&me, "t", ALL, true).await.unwrap();
    assert_eq!(ids(&rows), ["a"]);
    assert_eq!(rows.rows[0].1.body, note("a").body);
}

async fn an_item_that_is_put_again_keeps_its_place(store: Arc<dyn Store>) {
    let me = owner("me");
    make(&*store, &me, "t").await.unwrap();
    store.apply(&me, "t", vec![Write::Put(item("a")), Write::Put(item("b"))]).await.unwrap();
    let again = Item { created: 99, ..note("a") };
    store.apply(&me, "t", vec![Write::Put(again.clone())]).await.unwrap();
    let kept = Item { created: 2, ..again };
    assert_eq!(store.item(&me, "t", "a").await, Ok(Some((1, kept.clone()))));
    assert_eq!(store.items(&me, "t", ALL, true).await.unwrap().rows, [(1, kept), (2, item("b"))]);
    assert_eq!(ids(&store.items(&me, "t", ALL, false).await.unwrap()), ["b"], "it is hidden now");
}

async fn an_item_needs_a_thread_and_an_id_of_its_own(store: Arc<dyn Store>) {
    let me = owner("me");
    assert_eq!(add(&*store, &me, "t", item("a")).await, Err(StoreError::NoThread));
    assert_eq!(store.apply(&me, "t", vec![Write::Put(item("a"))]).await, Err(StoreError::NoThread));
    store.apply(&me, "t", vec![Write::Thread(thread("t")), Write::Add(item("a"))]).await.unwrap();
    assert_eq!(add(&*store, &me, "t", item("a")).await, Err(StoreError::Exists));
    add(&*store, &me, "t", item("b")).await.unwrap();
    assert_eq!(place(&*store, &me, "t", "b").await, Some(2), "what failed took no place");
}

async fn what_is_written_together_is_written_wholly_or_not_at_all(store: Arc<dyn Store>) {
    let me = owner("me");
    store.put_attachment(&me, file("f", 1)).await.unwrap();
    let titled = Thread { title: Some("New".to_owned()), ..thread("t") };
    let failing = |first: Vec<Write>| first.into_iter().chain([Write::Add(item("a")), Write::Add(item("a"))]).collect();
    let made = failing(vec![Write::Thread(thread("t")), Write::Attach("f".into())]);
    assert_eq!(store.apply(&me, "t", made).await, Err(StoreError::Exists));
    assert_eq!(store.thread(&me, "t").await, Ok(None), "no empty thread is left");
    assert_eq!(store.attachment(&me, "f").await.unwrap().unwrap().thread, None);

    let start = [Write::Thread(thread("t")), Write::Add(item("1")), Write::Add(item("2"))];
    store.apply(&me, "t", start.to_vec()).await.unwrap();
    let changes = failing(vec![
        Write::Thread(titled),
        Write::Put(note("1")),
        Write::Remove("2".into()),
        Write::RemoveAfter("1".into()),
        Write::Attach("f".into()),
        Write::Feedback { item: "1".into(), positive: true, created: 3 },
    ]);
    assert_eq!(store.apply(&me, "t", changes).await, Err(StoreError::Exists));
    assert_eq!(store.thread(&me, "t").await.unwrap().unwrap().1, thread("t"));
    assert_eq!(store.items(&me, "t", ALL, true).await.unwrap().rows, [(1, item("1")), (2, item("2"))]);
    assert_eq!(store.attachment(&me, "f").await.unwrap().unwrap().thread, None);
    assert_eq!(store.apply(&me, "t", vec![]).await, Ok(()), "nothing is always done");
}

async fn what_comes_behind_an_item_is_removed_and_its_places_stay_taken(store: Arc<dyn Store>) {
    let me = owner("me");
    for id in ["s", "t"] {
        make(&*store, &me, id).await.unwrap();
        let writes = ["a", "b", "c"].map(|name| Write::Add(item(name)));
        store.apply(&me, id, writes.into_iter().chain([Write::Add(note("d"))]).collect()).await.unwrap();
    }
    store.apply(&me, "t", vec![Write::RemoveAfter("b".into()), Write::Add(item("e"))]).await.unwrap();
    assert_eq!(ids(&store.items(&me, "t", ALL, true).await.unwrap()), ["a", "b", "e"], "hidden ones go too");
    assert_eq!(place(&*store, &me, "t", "e").await, Some(5));
    store.apply(&me, "t", vec![Write::RemoveAfter("unknown".into())]).await.unwrap();
    store.apply(&me, "t", vec![Write::RemoveAfter("e".into())]).await.unwrap();
    assert_eq!(ids(&store.items(&me, "t", ALL, true).await.unwrap()), ["a", "b", "e"]);
    assert_eq!(ids(&store.items(&me, "s", ALL, true).await.unwrap()), ["a", "b", "c", "d"], "another thread");
}

async fn a_page_stays_where_it_is_when_others_add_and_delete(store: Arc<dyn Store>) {
    let me = owner("me");
    make(&*store, &me, "t").await.unwrap();
    for id in ["a", "b", "c", "d", "e"] {
        add(&*store, &me, "t", item(id)).await.unwrap();
    }
    for direction in [Direction::OldestFirst, Direction::NewestFirst] {
        let query = PageQuery { after: None, limit: 2, direction };
        let first = store.items(&me, "t", query, false).await.unwrap();
        let (after, last) = first.rows.last().cloned().unwrap();
        // Even the one that the page ended with.
        let behind = item(&format!("behind {}", last.id));
        store.apply(&me, "t", vec![Write::Remove(last.id), Write::Add(behind)]).await.unwrap();
        let second = store.items(&me, "t", PageQuery { after: Some(after), ..query }, false).await.unwrap();
        let expected = if direction == Direction::OldestFirst { ["c", "d"] } else { ["d", "c"] };
        assert_eq!((ids(&first).len(), ids(&second)), (2, expected.to_vec()));
    }
    let end = PageQuery { after: Some(u64::MAX), ..ALL };
    assert_eq!(store.items(&me, "t", end, false).await, Ok(Page { rows: vec![], more: false }));
}

async fn hidden_items_do_not_count_in_a_page_without_them(store: Arc<dyn Store>) {
    let me = owner("me");
    make(&*store, &me, "t").await.unwrap();
    for (at, id) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        add(&*store, &me, "t", if at % 2 == 1 { note(id) } else { item(id) }).await.unwrap();
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
    make(&*store, &me, "t").await.unwrap();
    let items = bodies::all();
    let writes = items.iter().cloned().map(Write::Add).collect();
    store.apply(&me, "t", writes).await.unwrap();
    for item in &items {
        let found = store.item(&me, "t", &item.id).await.unwrap().unwrap().1;
        assert_eq!((format!("{found:?}"), &found), (format!("{item:?}"), item), "also the order of members");
    }
    let page = store.items(&me, "t", ALL, true).await.unwrap();
    assert_eq!(page.rows.into_iter().map(|(_, item)| item).collect::<Vec<_>>(), items);
    let shown = store.items(&me, "t", ALL, false).await.unwrap().rows.len();
    assert_eq!(shown, items.iter().filter(|item| !item.hidden).count());
}

async fn what_users_think_of_items_needs_a_thread_and_goes_with_it(store: Arc<dyn Store>) {
    let me = owner("me");
    let say = |positive| Write::Feedback { item: "a".into(), positive, created: 5 };
    assert!(store.apply(&me, "t", vec![say(true)]).await.is_err(), "there is no thread");
    make(&*store, &me, "t").await.unwrap();
    store.apply(&me, "t", vec![Write::Add(item("a")), say(true), say(false)]).await.unwrap();
    assert_eq!(store.delete_thread(&me, "t").await, Ok(true));
    assert_eq!(store.thread(&me, "t").await, Ok(None));
}

async fn a_file_is_announced_uploaded_attached_and_forgotten(store: Arc<dyn Store>) {
    let me = owner("me");
    store.add_attachment(&me, file("a", 100), ROOM).await.unwrap();
    assert_eq!(store.add_attachment(&me, file("a", 1), ROOM).await, Err(StoreError::Exists));
    assert_eq!(store.attachment(&me, "a").await, Ok(Some(file("a", 100))));
    assert_eq!(store.attachment_owner("a").await, Ok(Some(me.clone())));
    assert_eq!(store.attachment_owner("b").await, Ok(None));
    assert_eq!(store.finish_attachment(&me, "a", 99).await, Ok(true));
    assert_eq!(store.finish_attachment(&me, "a", 98).await, Ok(false), "its bytes are there");
    assert_eq!(store.finish_attachment(&me, "b", 98).await, Ok(false));
    let uploaded = Attachment { uploaded: true, ..file("a", 99) };
    assert_eq!(store.attachment(&me, "a").await, Ok(Some(uploaded.clone())));
    let attach = |thread: &str, file: &str| {
        store.apply(&me, thread, vec![Write::Thread(self::thread(thread)), Write::Attach(file.into())])
    };
    assert_eq!(attach("t", "unknown").await, Err(StoreError::NoFile));
    attach("t", "a").await.unwrap();
    attach("t", "a").await.unwrap();
    assert_eq!(attach("other", "a").await, Err(StoreError::NoFile), "another thread has it");
    assert_eq!(store.thread(&me, "other").await, Ok(None));
    let attached = Attachment { thread: Some("t".into()), ..uploaded.clone() };
    assert_eq!(store.attachment(&me, "a").await, Ok(Some(attached.clone())));
    store.put_attachment(&me, Attachment { name: "new".to_owned(), ..attached.clone() }).await.unwrap();
    assert_eq!(store.attachment(&me, "a").await.unwrap().unwrap().name, "new");
    store.delete_thread(&me, "t").await.unwrap();
    assert_eq!(store.attachment(&me, "a").await.unwrap().unwrap().thread, None, "its thread is gone");
    assert_eq!(store.delete_attachment(&me, "a").await, Ok(true));
    assert_eq!(store.delete_attachment(&me, "a").await, Ok(false));
    assert_eq!(store.attachment(&me, "a").await, Ok(None));
}

async fn files_have_room_for_each_owner_and_for_all(store: Arc<dyn Store>) {
    let (me, other) = (owner("me"), owner("other"));
    let room = Room { owner: 2 * (Room::EACH + 10), all: 3 * (Room::EACH + 10) };
    for id in ["a", "b"] {
        store.add_attachment(&me, file(id, 10), room).await.unwrap();
    }
    let full = Err(StoreError::TooMany("bytes of files"));
    assert_eq!(store.add_attachment(&me, file("c", 0), room).await, full, "an empty one counts too");
    assert_eq!(store.add_attachment(&other, file("c", 11), room).await, Err(StoreError::NoRoom));
    assert_eq!(store.add_attachment(&other, file("c", u64::MAX >> 1), room).await, full);
    store.add_attachment(&other, file("c", 10), room).await.unwrap();
    store.delete_attachment(&me, "a").await.unwrap();
    store.add_attachment(&me, file("d", 10), room).await.unwrap();
}

async fn files_that_belong_to_no_thread_are_forgotten_in_time(store: Arc<dyn Store>) {
    let (me, other) = (owner("me"), owner("other"));
    let at = |id: &str, created| Attachment { created, ..file(id, 1) };
    for (owner, file) in [(&me, at("old", 5)), (&other, at("older", 4)), (&me, at("new", 7)), (&me, at("kept", 3))] {
        store.add_attachment(owner, file, ROOM).await.unwrap();
    }
    store.finish_attachment(&me, "old", 1).await.unwrap();
    store.apply(&me, "t", vec![Write::Thread(thread("t")), Write::Attach("kept".into())]).await.unwrap();
    assert_eq!(store.forget_attachments(7, 1).await, Ok(vec!["older".into()]), "the oldest first");
    assert_eq!(store.forget_attachments(7, 9).await, Ok(vec!["old".into()]));
    assert_eq!(store.forget_attachments(7, 9).await, Ok(vec![]));
    assert_eq!(store.attachment(&me, "old").await, Ok(None));
    assert!(store.attachment(&me, "kept").await.unwrap().is_some());
    store.delete_thread(&me, "t").await.unwrap();
    assert_eq!(store.forget_attachments(7, 9).await, Ok(vec!["kept".into()]), "with the thread it has no use");
    assert!(store.attachment(&me, "new").await.unwrap().is_some());
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
    let cost =
        |turn: &str, created, cost: Option<u64>| UsageRow { cost: cost.map(Cost), ..call(turn, 0, "c", created) };
    let sum = |model: &str, calls| ModelUsage {
        model: model.to_owned(),
        calls,
        input: 10 * calls,
        output: 3 * calls,
        ..ModelUsage::default()
    };
    assert_eq!(store.usage(&me, 0).await, Ok(vec![sum("a", 1), sum("b", 2)]));
    assert_eq!(store.usage(&me, 6).await, Ok(vec![sum("a", 1), sum("b", 1)]));
    // A cost that is not known of one call is not known of all.
    for (usage, expected) in
        [(cost("t3", 8, Some(7)), Some(7)), (cost("t4", 8, Some(5)), Some(12)), (cost("t5", 8, None), None)]
    {
        store.add_usage(&me, usage).await.unwrap();
        assert_eq!(store.usage(&me, 8).await.unwrap()[0].cost, expected.map(Cost));
    }
}

async fn parallel_appends_have_places_of_their_own(store: Arc<dyn Store>) {
    let me = owner("me");
    make(&*store, &me, "t").await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (store, me) = (Arc::clone(&store), me.clone());
            tokio::spawn(async move {
                for number in 0..20 {
                    add(&*store, &me, "t", item(&format!("{task}-{number}"))).await.unwrap();
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

async fn spending_adds_up_by_subject_and_period(store: Arc<dyn Store>) {
    let row = |subject: &str, period: &str, cost| Spending {
        subject: subject.to_owned(),
        period: period.to_owned(),
        cost: Cost(cost),
    };
    assert_eq!(store.spending("key:a", "2026-11").await, Ok(Cost(0)));
    let adding: Vec<_> =
        (0..50).map(|_| store.add_spending(vec![row("key:a", "2026-11", 2), row("key:b", "2026-11", 3)])).collect();
    for added in adding {
        added.await.unwrap();
    }
    store.add_spending(vec![row("key:a", "2026-11-21", 7)]).await.unwrap();
    for (subject, period, cost) in [("key:a", "2026-11", 100), ("key:b", "2026-11", 150), ("key:a", "2026-11-21", 7)] {
        assert_eq!(store.spending(subject, period).await, Ok(Cost(cost)), "{subject} {period}");
    }
    // A sum that no row can hold stays at the largest that one can.
    for _ in 0..3 {
        store.add_spending(vec![row("key:c", "2026-11", u64::MAX)]).await.unwrap();
    }
    assert_eq!(store.spending("key:c", "2026-11").await, Ok(Cost(i64::MAX as u64)));
}
