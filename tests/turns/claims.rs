//! One at a time on a thread.

use std::time::Duration;

use chatwire::turn::{Leaving, Turns, Unclaimed};
use chatwire_protocols::event::{CancelledBy, Event};
use tokio::sync::mpsc;

use crate::bench::{Bench, Page, THREAD};
use crate::support::LONG;

#[tokio::test]
async fn claims_are_given_in_the_order_in_which_they_were_asked_for() {
    let bench = Bench::new().await;
    let held = bench.claim().await;
    let (said, mut order) = mpsc::unbounded_channel();
    let wait = |number: u32| {
        let said = said.clone();
        let claiming = bench.turns.claim(&bench.owner, THREAD, LONG);
        async move {
            let claim = claiming.await;
            said.send(number).unwrap();
            drop(claim);
        }
    };
    let waiting = tokio::time::timeout(LONG, async {
        tokio::join!(wait(0), wait(1), wait(2), wait(3), async {
            tokio::task::yield_now().await;
            drop(held);
        })
    });
    waiting.await.expect("all get their turn");
    for number in 0..4 {
        assert_eq!(order.recv().await, Some(number));
    }
    bench.check_empty().await;
}

#[tokio::test]
async fn a_busy_thread_is_not_waited_for_without_patience_and_others_are_free() {
    let bench = Bench::new().await;
    let held = bench.claim().await;
    assert_eq!(held.thread(), THREAD);
    assert!(bench.try_claim(THREAD).await.is_none());
    assert!(bench.try_claim("other").await.is_some());
    drop(held);
    assert!(bench.try_claim(THREAD).await.is_some());
    bench.check_empty().await;
}

#[tokio::test]
async fn whoever_gives_up_leaves_nothing_behind() {
    let bench = Bench::new().await;
    let held = bench.claim().await;
    for _ in 0..100 {
        assert!(bench.try_claim(THREAD).await.is_none());
        let mut waiting = Box::pin(bench.turns.claim(&bench.owner, THREAD, LONG));
        assert!(once(&mut waiting).await.is_none());
    }
    drop(held);
    bench.check_empty().await;
}

/// Polls once.
async fn once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| match std::pin::Pin::new(&mut *future).poll(cx) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn too_many_do_not_wait() {
    let bench = Bench::new().await;
    let held = bench.claim().await;
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let mut claim = Box::pin(bench.turns.claim(&bench.owner, THREAD, LONG));
        match once(&mut claim).await {
            None => waiting.push(claim),
            Some(refused) => assert_eq!(refused.err(), Some(Unclaimed::Busy)),
        }
    }
    assert_eq!(waiting.len(), 31, "with the one that has it, 32");
    drop((waiting, held));
    bench.check_empty().await;
}

#[tokio::test]
async fn so_many_turns_run_and_no_more() {
    let bench = Bench::with(Turns::new(1)).await;
    let (page, asked) = bench.begun(Leaving::Cancel, "text one\n").await;
    let full = bench.turns.claim(&bench.owner, "other", Duration::ZERO).await;
    assert_eq!(full.err(), Some(Unclaimed::Full), "the thread itself is free");
    assert!(bench.turns.permit().is_none(), "a turn of no thread has no place either");
    drop(page);
    asked.closed().await;
    assert!(bench.turns.claim(&bench.owner, "other", LONG).await.is_ok());
    let place = bench.turns.permit();
    assert!(place.is_some() && bench.try_claim("other").await.is_none());
    drop(place);
    assert!(bench.try_claim("other").await.is_some());
    bench.check_empty().await;
}

#[tokio::test]
async fn a_newer_message_takes_the_place_of_a_running_turn() {
    let bench = Bench::new().await;
    let (page, asked) = bench.begun(Leaving::Cancel, "text one\n").await;
    assert!(bench.try_claim(THREAD).await.is_none());
    assert!(bench.turns.stop(&bench.owner, THREAD, CancelledBy::NewerTurn).await);
    assert!(bench.turns.claim(&bench.owner, THREAD, Duration::ZERO).await.is_ok(), "it is free at once");
    assert_eq!(page.all().await.last(), Some(&Event::Cancelled { by: CancelledBy::NewerTurn }));
    asked.closed().await;
    bench.check_empty().await;
}

#[tokio::test]
async fn a_stop_before_its_turn_has_begun_ends_it_when_it_does_and_no_other() {
    let bench = Bench::new().await;
    assert!(!bench.turns.stop(&bench.owner, THREAD, CancelledBy::User).await, "nobody works there");
    let kept = bench.kept(Leaving::Finish, Vec::new()).await;
    assert!(bench.turns.stop(&bench.owner, THREAD, CancelledBy::User).await);
    let events = Page::of(bench.turns.start(kept)).all().await;
    assert_eq!(events.last(), Some(&Event::Cancelled { by: CancelledBy::User }));
    bench.check_empty().await;

    let held = bench.claim().await;
    assert!(bench.turns.stop(&bench.owner, THREAD, CancelledBy::User).await);
    drop(held);
    let (page, mut asked) = bench.begun(Leaving::Finish, "text one\n").await;
    asked.send("finish stop\n").await;
    asked.end().await;
    assert!(matches!(page.all().await.last(), Some(Event::TurnEnd(_))), "what was stopped was another's");
    bench.check_empty().await;
}
