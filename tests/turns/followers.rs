//! Pages that come, follow and leave.

use chatwire::turn::Leaving;
use chatwire_protocols::event::{CancelledBy, Event, FinishReason};

use crate::bench::{Bench, Page, THREAD};

fn text(events: &[Event]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        Event::BlockDelta { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn finish(events: &[Event]) -> Option<FinishReason> {
    match events.last() {
        Some(Event::TurnEnd(end)) => Some(end.finish.reason),
        _ => None,
    }
}

#[tokio::test]
async fn two_pages_and_a_late_one_see_the_same() {
    let bench = Bench::new().await;
    let (first, mut asked) = bench.begun(Leaving::Cancel, "text one\n").await;
    let second = Page::of(bench.turns.follow(&bench.owner, THREAD).unwrap());
    asked.send("text two\n").await;
    let mut third = Page::of(bench.turns.follow(&bench.owner, THREAD).unwrap());
    third.until(|event| matches!(event, Event::BlockDelta { text, .. } if text == "two")).await;
    asked.send("finish stop\n").await;
    asked.end().await;
    let (first, second, third) = (first.all().await, second.all().await, third.all().await);
    assert_eq!((text(&first).as_str(), finish(&first)), ("onetwo", Some(FinishReason::Stop)));
    assert_eq!((&first, &first), (&second, &third));
    assert!(matches!(first[..2], [Event::TurnStart { .. }, Event::Now { .. }]), "{first:?}");
    bench.check_empty().await;
}

#[tokio::test]
async fn a_page_that_has_begun_reads_to_the_end_when_nobody_can_begin_any_more() {
    let bench = Bench::new().await;
    let (first, asked) = bench.begun(Leaving::Cancel, "text one\nfinish stop\n").await;
    asked.end().await;
    bench.check_empty().await;
    assert_eq!(text(&first.all().await), "one");
}

#[tokio::test]
async fn the_last_page_to_leave_cancels_and_the_provider_is_left_at_once() {
    let bench = Bench::new().await;
    let (first, asked) = bench.begun(Leaving::Cancel, "open half a sen\n").await;
    let mut second = Page::of(bench.turns.follow(&bench.owner, THREAD).unwrap());
    drop(first);
    second.until(|event| matches!(event, Event::BlockDelta { .. })).await;
    assert!(!second.follower.ended());
    drop(second);
    asked.closed().await;
    bench.check_empty().await;
    assert_eq!(bench.items().await, ["assistant half a sen (cut)", "*note"]);
}

#[tokio::test]
async fn a_turn_whose_page_leaves_at_once_has_a_start_and_an_end() {
    let bench = Bench::new().await;
    drop(bench.turns.start(bench.kept(Leaving::Cancel, Vec::new()).await));
    bench.check_empty().await;
    assert_eq!(bench.items().await, ["*note"]);
    let (_, note) = bench.item(0).await;
    assert_eq!(note.origin.map(|origin| (origin.turn, origin.message)), Some(("turn_1".into(), "msg_1".into())));
}

#[tokio::test]
async fn a_turn_that_is_thrown_away_tells_its_pages() {
    let bench = Bench::new().await;
    let (page, asked) = bench.begun(Leaving::Finish, "open one\n").await;
    bench.turns.close(std::time::Duration::ZERO).await;
    assert!(matches!(page.all().await.last(), Some(Event::Failed(_))));
    asked.closed().await;
    bench.check_empty().await;
}

#[tokio::test]
async fn a_turn_that_finishes_alone_is_stored_whole() {
    let bench = Bench::new().await;
    let (page, mut asked) = bench.begun(Leaving::Finish, "open one\n").await;
    drop(page);
    asked.send("text two\nfinish stop\n").await;
    asked.end().await;
    bench.check_empty().await;
    let items = bench.items().await;
    assert!(items.iter().all(|item| !item.contains("note")), "{items:?}");
    assert!(items.iter().any(|item| item.contains("two")), "{items:?}");
}

#[tokio::test]
async fn a_page_may_come_back_to_a_turn_that_finishes_alone() {
    let bench = Bench::new().await;
    let (page, mut asked) = bench.begun(Leaving::Finish, "text one\n").await;
    drop(page);
    let again = Page::of(bench.turns.follow(&bench.owner, THREAD).unwrap());
    asked.send("text two\nfinish stop\n").await;
    asked.end().await;
    assert_eq!(text(&again.all().await), "onetwo");
    bench.check_empty().await;
}

#[tokio::test]
async fn stopping_keeps_what_was_said_and_waits_until_it_is_stored() {
    for leaving in [Leaving::Cancel, Leaving::Finish] {
        let bench = Bench::new().await;
        let (page, asked) = bench.begun(leaving, "open half a sen\n").await;
        assert!(bench.turns.stop(&bench.owner, THREAD, CancelledBy::User).await);
        assert_eq!(bench.items().await, ["assistant half a sen (cut)", "*note"]);
        assert!(!bench.turns.stop(&bench.owner, THREAD, CancelledBy::User).await, "nothing runs any more");
        asked.closed().await;
        let events = page.all().await;
        assert_eq!(events.last(), Some(&Event::Cancelled { by: CancelledBy::User }));
        assert!(events.iter().any(|event| matches!(event, Event::BlockEnd { whole: false, .. })), "{events:?}");
        bench.check_empty().await;
    }
}

#[tokio::test]
async fn the_thread_is_free_when_a_page_is_told_the_end() {
    let bench = Bench::new().await;
    for _ in 0..20 {
        let (mut page, asked) = bench.begun(Leaving::Cancel, "text one\nfinish stop\n").await;
        page.until(Event::is_terminal).await;
        assert!(bench.try_claim(THREAD).await.is_some());
        asked.end().await;
    }
}

#[tokio::test]
async fn turns_of_others_cannot_be_seen_or_stopped() {
    let bench = Bench::new().await;
    let (page, asked) = bench.begun(Leaving::Cancel, "text one\n").await;
    let other = chatwire::store::Owner::new("other").unwrap();
    assert!(bench.turns.follow(&other, THREAD).is_none());
    assert!(!bench.turns.stop(&other, THREAD, CancelledBy::User).await);
    assert!(bench.turns.claim(&other, THREAD, std::time::Duration::ZERO).await.is_ok());
    drop(page);
    asked.closed().await;
    bench.check_empty().await;
}

#[tokio::test]
async fn what_the_caller_did_wrong_and_who_was_asked_is_told() {
    let bench = Bench::new().await;
    let mut kept = bench.kept(Leaving::Cancel, Vec::new()).await;
    kept.parts.chat.messages =
        vec![chatwire_protocols::chat::Message::text(chatwire_protocols::chat::Role::User, "unsayable")];
    let mut page = Page::of(bench.turns.start(kept));
    page.until(Event::is_terminal).await;
    assert_eq!(page.follower.mistake().unwrap().message, "cannot be said");
    assert_eq!(page.follower.target(), "p0/model-0");
    bench.check_empty().await;
}
