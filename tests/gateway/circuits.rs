//! A target that fails again and again is left alone until it works; a provider gets as many calls as it may; a silent
//! target gets company. Virtual time.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use chatwire::config::plan::{BreakerPlan, ConcurrencyPlan, RetryPlan};
use chatwire_protocols::error::FailureKind;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::support::Setup;
use crate::support::scripted::{Bench, Does, GOOD, Scripted, plan};

const SECOND: Duration = Duration::from_secs(1);
const DOWN: Does = Does::Fails(FailureKind::Connect);

fn guarded(setup: &mut Setup) {
    setup.breaker = Some(BreakerPlan::default());
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_is_left_alone_and_found_again_when_it_is_back() {
    let provider = Scripted::always(DOWN);
    let bench = Bench::new(std::slice::from_ref(&provider), guarded);
    let (begin, mut calls) = (Instant::now(), 0);
    while begin.elapsed() < 20 * SECOND {
        let outcome = bench.turn().await;
        assert!(matches!(outcome.kind(), Some(FailureKind::Connect | FailureKind::Overloaded)), "{outcome:?}");
        if outcome.kind() == Some(FailureKind::Overloaded) {
            assert_eq!((outcome.tried.as_str(), outcome.took), ("p0/model-0=open", Duration::ZERO));
            assert!(outcome.failure.unwrap().retry_after.is_some());
        }
        calls += 1;
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    assert!(calls > 1000 && provider.times() < 40, "{} of {calls}", provider.times());
    provider.becomes(GOOD);
    let back = Instant::now();
    while bench.turn().await.text != "good" {
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    assert!(back.elapsed() <= SECOND, "{:?}", back.elapsed());
    let all = join_all((0..100).map(|_| bench.turn())).await;
    assert!(all.iter().all(|outcome| outcome.text == "good"));
}

#[tokio::test(start_paused = true)]
async fn with_a_second_target_nobody_notices() {
    let (first, second) = (Scripted::always(DOWN), Scripted::good());
    let bench = Bench::new(&[Arc::clone(&first), Arc::clone(&second)], guarded);
    for _ in 0..1000 {
        let outcome = bench.turn().await;
        assert_eq!((outcome.text.as_str(), outcome.took), ("good", Duration::ZERO));
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    assert!(first.times() < 30, "{}", first.times());
    let outcome = bench.turn().await;
    assert!(outcome.tried.ends_with("p1/model-1=ok"), "{}", outcome.tried);
}

#[tokio::test(start_paused = true)]
async fn one_probe_goes_while_it_is_silent_and_a_dropped_one_makes_room() {
    let provider = Scripted::new(vec![DOWN; 5], Does::Nothing);
    let bench = Bench::new(std::slice::from_ref(&provider), |setup| {
        guarded(setup);
        setup.retry = RetryPlan::NONE;
    });
    for _ in 0..5 {
        bench.turn().await;
    }
    tokio::time::advance(Duration::from_millis(100)).await;
    let mut probe = Box::pin(bench.turn());
    assert!(futures_util::poll!(&mut probe).is_pending());
    assert_eq!(bench.turn().await.kind(), Some(FailureKind::Overloaded));
    assert_eq!(provider.times(), 6);
    drop(probe);
    provider.becomes(GOOD);
    assert_eq!(bench.turn().await.text, "good");
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_a_target_outlives_a_reload() {
    let provider = Scripted::always(DOWN);
    let bench = Bench::new(std::slice::from_ref(&provider), guarded);
    while bench.turn().await.kind() != Some(FailureKind::Overloaded) {}
    let asked = provider.times();
    let reloaded = bench.reloaded(&plan(std::slice::from_ref(&provider), guarded));
    assert_eq!(reloaded.turn().await.kind(), Some(FailureKind::Overloaded));
    assert_eq!(provider.times(), asked);
}

fn places(most: usize, queue: usize) -> impl Fn(&mut Setup) {
    move |setup| setup.concurrency = ConcurrencyPlan { most, queue, wait: 5 * SECOND }
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_their_place_and_too_many_are_refused_at_once() {
    let provider = Scripted::always(Does::Later(SECOND, Box::new(GOOD)));
    let bench = Bench::new(std::slice::from_ref(&provider), places(2, 3));
    let outcomes = join_all((0..8).map(|_| bench.turn())).await;
    let took: Vec<_> = outcomes.iter().filter(|outcome| outcome.text == "good").map(|outcome| outcome.took).collect();
    assert_eq!(took, [SECOND, SECOND, 2 * SECOND, 2 * SECOND, 3 * SECOND]);
    let refused: Vec<_> = outcomes.iter().filter(|outcome| outcome.text.is_empty()).collect();
    assert_eq!((refused.len(), provider.times()), (3, 5));
    for outcome in refused {
        assert_eq!((outcome.kind(), outcome.took), (Some(FailureKind::Overloaded), Duration::ZERO));
        assert_eq!(outcome.tried, "p0/model-0=busy");
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_has_places_of_its_own_beside_those_of_its_provider() {
    let bound = |most, queue, wait| ConcurrencyPlan { most, queue, wait: Duration::from_millis(wait) };
    for (of_target, of_provider, expected) in [
        // Both hold: of two at the target, one gets through to the provider.
        (bound(2, 9, 9000), bound(1, 9, 9000), [Some(1), Some(2), Some(3), Some(4)]),
        (bound(1, 9, 9000), bound(2, 9, 9000), [Some(1), Some(2), Some(3), Some(4)]),
        (bound(1, 1, 9000), bound(9, 9, 9000), [Some(1), Some(2), None, None]),
        (bound(1, 9, 1500), bound(9, 9, 9000), [Some(1), Some(2), None, None]),
        (bound(9, 9, 9000), bound(1, 1, 9000), [Some(1), Some(2), None, None]),
    ] {
        let provider = Scripted::always(Does::Later(SECOND, Box::new(GOOD)));
        let bench = Bench::new(std::slice::from_ref(&provider), |setup| {
            (setup.concurrency, setup.target_concurrency) = (of_provider, Some(of_target));
        });
        let outcomes = join_all((0..4).map(|_| bench.turn())).await;
        let took = outcomes.iter().map(|outcome| (outcome.text == "good").then_some(outcome.took.as_secs()));
        assert_eq!(took.collect::<Vec<_>>(), expected, "{of_target:?} {of_provider:?}");
        let answered = expected.iter().flatten().count();
        assert_eq!(provider.times(), answered);
        assert!(outcomes[answered..].iter().all(|outcome| outcome.tried == "p0/model-0=busy"));
    }
}

#[tokio::test(start_paused = true)]
async fn places_of_a_target_outlive_a_reload_that_leaves_them_as_they_are() {
    let own = |most| {
        move |setup: &mut Setup| {
            setup.target_concurrency = Some(ConcurrencyPlan { most, queue: 0, wait: SECOND });
        }
    };
    let provider = Scripted::always(Does::Later(SECOND, Box::new(GOOD)));
    let bench = Bench::new(std::slice::from_ref(&provider), own(1));
    assert_eq!(bench.turn().await.text, "good");
    let (same, more) = (plan(std::slice::from_ref(&provider), own(1)), plan(std::slice::from_ref(&provider), own(2)));
    let (same, more) = (bench.reloaded(&same), bench.reloaded(&more));
    let (first, second, third) = tokio::join!(bench.turn(), same.turn(), more.turn());
    let texts = [first.text, second.text, third.text];
    assert_eq!(texts, ["good", "", "good"]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_asks_the_next_target() {
    let (slow, other) = (Scripted::always(Does::Later(8 * SECOND, Box::new(GOOD))), Scripted::good());
    let bench = Bench::new(&[Arc::clone(&slow), other], places(1, 1));
    let outcomes = join_all((0..3).map(|_| bench.turn())).await;
    let seen: Vec<_> = outcomes.iter().map(|outcome| (outcome.took.as_secs(), outcome.tried.as_str())).collect();
    let expected = [(8, "p0/model-0=ok"), (5, "p0/model-0=busy, p1/model-1=ok"), (0, "p0/model-0=busy, p1/model-1=ok")];
    assert_eq!((seen, slow.times()), (expected.to_vec(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_gives_its_place_back() {
    let provider = Scripted::new([Does::Nothing], GOOD);
    let bench = Bench::new(std::slice::from_ref(&provider), places(1, 1));
    let mut first = Box::pin(bench.turn());
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = pin!(bench.turn());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await.took, Duration::ZERO);
}

fn hedged(setup: &mut Setup) {
    setup.hedge = Some(Duration::from_millis(800));
}

#[tokio::test(start_paused = true)]
async fn a_silent_target_gets_company_and_who_speaks_first_answers() {
    for (first, second, tried, took) in [
        (9000, 100, "p1/model-1=ok, p0/model-0=slower", 900),
        (1000, 9000, "p0/model-0=ok, p1/model-1=slower", 1000),
        (700, 100, "p0/model-0=ok", 700),
    ] {
        let late = |time| Scripted::always(Does::Later(Duration::from_millis(time), Box::new(GOOD)));
        let (first, second) = (late(first), late(second));
        let outcome = Bench::new(&[Arc::clone(&first), Arc::clone(&second)], hedged).turn().await;
        assert_eq!((outcome.text.as_str(), outcome.tried.as_str()), ("good", tried));
        assert_eq!(outcome.took.as_millis(), took);
        assert_eq!((first.open(), second.open()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn the_loser_is_dropped_at_once_and_so_are_both_with_the_call() {
    let slow = Scripted::always(Does::Drips(&["begun\n"], SECOND));
    let quick = Scripted::always(Does::Drips(&["text one\n"], SECOND / 10));
    let bench = Bench::new(&[Arc::clone(&slow), Arc::clone(&quick)], hedged);
    let mut driver = bench.driver();
    let mut events = Vec::new();
    let mut speaks = pin!(async {
        while !events.iter().any(|event| matches!(event, chatwire_protocols::event::Event::BlockDelta { .. })) {
            std::future::poll_fn(|cx| driver.poll(cx, &mut events)).await;
        }
    });
    tokio::time::timeout(Duration::from_millis(850), &mut speaks).await.unwrap_err();
    assert_eq!((slow.open(), quick.open()), (1, 1));
    speaks.await;
    assert_eq!((slow.open(), quick.open()), (0, 1));
    drop(driver);
    assert_eq!(quick.open(), 0);
    let mut turn = Box::pin(bench.turn());
    let both = async {
        std::future::poll_fn(|cx| {
            let _ = turn.as_mut().poll(cx);
            if (slow.open(), quick.open()) == (1, 1) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    };
    both.await;
    drop(turn);
    assert_eq!((slow.open(), quick.open()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn company_answers_where_the_first_fails_after_it_came() {
    let first = Scripted::always(Does::Later(SECOND, Box::new(DOWN)));
    let second = Scripted::always(Does::Later(SECOND, Box::new(GOOD)));
    let outcome = Bench::new(&[first, second], hedged).turn().await;
    assert_eq!((outcome.text.as_str(), outcome.took.as_millis()), ("good", 1800));
    assert_eq!(outcome.tried, "p0/model-0=connect, p1/model-1=ok");
    let first = Scripted::always(Does::Later(2 * SECOND, Box::new(GOOD)));
    let outcome = Bench::new(&[first, Scripted::always(DOWN)], hedged).turn().await;
    assert_eq!((outcome.text.as_str(), outcome.tried.as_str()), ("good", "p1/model-1=connect, p0/model-0=ok"));
}

#[tokio::test(start_paused = true)]
async fn company_is_bounded_like_retries() {
    let slow = Scripted::always(Does::Later(SECOND, Box::new(GOOD)));
    let second = Scripted::always(Does::Later(SECOND, Box::new(GOOD)));
    let bench = Bench::new(&[Arc::clone(&slow), Arc::clone(&second)], hedged);
    join_all((0..500).map(|_| bench.turn())).await;
    assert!(second.times() > 0 && second.times() <= 65, "{}", second.times());
}
