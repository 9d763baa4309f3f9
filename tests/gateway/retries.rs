//! A target fails before it has said anything: it is asked again, or another one is, as its failure allows. Virtual time.

use std::sync::Arc;
use std::time::Duration;

use chatwire::config::plan::RetryPlan;
use chatwire_protocols::error::FailureKind;
use proptest::prelude::*;

use crate::support::scripted::{Bench, Does, GOOD, Scripted};

const SECOND: Duration = Duration::from_secs(1);

fn alone(provider: &Arc<Scripted>) -> Bench {
    Bench::new(std::slice::from_ref(provider), |_| {})
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_refuses_then_fails_then_works_answers() {
    let wait = Does::FailsFor(FailureKind::RateLimit, SECOND);
    let provider = Scripted::new([wait, Does::Fails(FailureKind::Server)], GOOD);
    let outcome = alone(&provider).turn().await;
    assert_eq!((outcome.text.as_str(), outcome.failure), ("good", None));
    assert_eq!(outcome.tried, "p0/model-0=rate_limit, p0/model-0=server, p0/model-0=ok");
    let pauses = provider.pauses();
    assert!(pauses[0] >= SECOND && pauses[0] < 2 * SECOND, "{pauses:?}");
    assert!(pauses[1] >= Duration::from_millis(200) && pauses[1] < SECOND, "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_is_asked_three_times_and_not_more() {
    let provider = Scripted::always(Does::Fails(FailureKind::Server));
    let outcome = alone(&provider).turn().await;
    assert_eq!((outcome.kind(), provider.times()), (Some(FailureKind::Server), 3));
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_does_not_fit_is_passed_on_at_once() {
    for (wait, turn) in [(3600, 600), (4, 3)] {
        let wait = wait * SECOND;
        let provider = Scripted::always(Does::FailsFor(FailureKind::RateLimit, wait));
        let mut bench = alone(&provider);
        bench.timeout = turn * SECOND;
        let outcome = bench.turn().await;
        let failure = outcome.failure.unwrap();
        assert_eq!((failure.kind, failure.retry_after), (FailureKind::RateLimit, Some(wait)));
        assert_eq!((provider.times(), outcome.took), (1, Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn another_target_is_asked_at_once_and_the_first_one_again_only_when_none_is_left() {
    let first = Scripted::new([Does::Fails(FailureKind::Overloaded)], GOOD);
    let second = Scripted::always(Does::Fails(FailureKind::Connect));
    let outcome = Bench::new(&[Arc::clone(&first), Arc::clone(&second)], |_| {}).turn().await;
    assert_eq!(outcome.tried, "p0/model-0=overloaded, p1/model-1=connect, p0/model-0=ok");
    assert!(outcome.took >= Duration::from_millis(100) && outcome.took < SECOND, "{:?}", outcome.took);
}

#[tokio::test(start_paused = true)]
async fn what_the_page_asked_wrongly_is_asked_once_and_what_a_provider_lacks_is_asked_of_the_next() {
    for (kind, asked) in [
        (FailureKind::BadRequest, 0),
        (FailureKind::ContentFilter, 0),
        (FailureKind::ContextLength, 1),
        (FailureKind::NotFound, 1),
        (FailureKind::Auth, 1),
        (FailureKind::Quota, 1),
        (FailureKind::Malformed, 1),
        (FailureKind::Timeout, 1),
    ] {
        let (first, second) = (Scripted::always(Does::Fails(kind)), Scripted::good());
        let outcome = Bench::new(&[Arc::clone(&first), Arc::clone(&second)], |_| {}).turn().await;
        assert_eq!((first.times(), second.times()), (1, asked), "{kind:?}");
        assert_eq!(outcome.kind(), Some(kind).filter(|_| asked == 0));
        let outcome = alone(&Scripted::always(Does::Fails(kind))).turn().await;
        assert_eq!((outcome.kind(), outcome.took), (Some(kind), Duration::ZERO));
    }
}

#[tokio::test(start_paused = true)]
async fn a_conversation_that_is_too_long_is_called_so_also_if_the_next_target_is_down() {
    let first = Scripted::always(Does::Fails(FailureKind::ContextLength));
    let second = Scripted::always(Does::Fails(FailureKind::Connect));
    let outcome = Bench::new(&[first, second], |_| {}).turn().await;
    assert_eq!(outcome.kind(), Some(FailureKind::ContextLength));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_again_once_text_has_come() {
    for said in ["text one\n", "text one\nfail x\n", "open one\n"] {
        let (first, second) = (Scripted::always(Does::Says(said)), Scripted::good());
        let outcome = Bench::new(&[Arc::clone(&first), Arc::clone(&second)], |_| {}).turn().await;
        assert_eq!((outcome.text.as_str(), first.times(), second.times()), ("one", 1, 0), "{said}");
        assert!(outcome.failure.is_some() && outcome.tried.starts_with("p0/model-0=") && !outcome.tried.contains("ok"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_before_it_says_anything_is_asked_again() {
    let provider = Scripted::new([Does::Says("begun\nfail x\n"), Does::Says("")], GOOD);
    assert_eq!(alone(&provider).turn().await.text, "good");
    assert_eq!(provider.times(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_asked_to_be_left_alone_comes_last_for_the_next_calls() {
    let first = Scripted::always(Does::FailsFor(FailureKind::RateLimit, 30 * SECOND));
    let second = Scripted::good();
    let bench = Bench::new(&[Arc::clone(&first), Arc::clone(&second)], |_| {});
    for _ in 0..5 {
        assert_eq!(bench.turn().await.text, "good");
    }
    assert_eq!((first.times(), second.times()), (1, 5));
    first.becomes(GOOD);
    tokio::time::advance(31 * SECOND).await;
    assert_eq!(bench.turn().await.tried, "p0/model-0=ok");
}

#[tokio::test(start_paused = true)]
async fn retries_are_a_tenth_of_the_calls_when_all_of_them_fail() {
    let provider = Scripted::always(Does::Fails(FailureKind::Server));
    let bench = alone(&provider);
    let failed = futures_util::future::join_all((0..1000).map(|_| bench.turn())).await;
    assert!(failed.iter().all(|outcome| outcome.kind() == Some(FailureKind::Server)));
    assert!(provider.times() > 1000 && provider.times() <= 1115, "{}", provider.times());
}

#[tokio::test(start_paused = true)]
async fn weights_share_the_calls_and_the_rest_takes_over_what_fails() {
    let providers = [Scripted::good(), Scripted::good(), Scripted::always(Does::Fails(FailureKind::Connect))];
    let bench = Bench::new(&providers, |setup| setup.weights = vec![6, 3, 1]);
    for _ in 0..1000 {
        assert_eq!(bench.turn().await.text, "good");
    }
    let times: Vec<_> = providers.iter().map(|provider| provider.times()).collect();
    for (times, share) in times.iter().zip([667, 333, 100]) {
        assert!(times.abs_diff(share) < 60, "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn comments_are_no_progress_and_a_whole_answer_has_its_time() {
    const ALIVE: &[&str] = &[": alive\n"; 100];
    let drips = |setup: &mut crate::support::Setup| {
        setup.retry = RetryPlan::NONE;
        setup.timeouts.progress = 10 * SECOND;
        setup.timeouts.idle = 5 * SECOND;
    };
    let outcome = Bench::new(&[Scripted::always(Does::Drips(ALIVE, SECOND))], drips).turn().await;
    assert_eq!((outcome.kind(), outcome.took), (Some(FailureKind::Timeout), 10 * SECOND));
    let talks = Scripted::always(Does::Drips(&["text a\n"; 100], SECOND));
    let outcome = Bench::new(&[talks], |setup| setup.timeouts.total = Some(7 * SECOND)).turn().await;
    assert_eq!((outcome.kind(), outcome.took), (Some(FailureKind::Timeout), 7 * SECOND));
    assert!(outcome.text.len() >= 6);
    let late: &[&str] = &[": alive\n", ": alive\n", "text a\nfinish stop\n"];
    let outcome = Bench::new(&[Scripted::always(Does::Drips(late, 3 * SECOND))], drips).turn().await;
    assert_eq!(outcome.text, "a");
}

const KINDS: [FailureKind; 14] = [
    FailureKind::Auth,
    FailureKind::BadRequest,
    FailureKind::Connect,
    FailureKind::ContentFilter,
    FailureKind::ContextLength,
    FailureKind::Cut,
    FailureKind::Empty,
    FailureKind::Malformed,
    FailureKind::NotFound,
    FailureKind::Overloaded,
    FailureKind::Quota,
    FailureKind::RateLimit,
    FailureKind::Server,
    FailureKind::Timeout,
];

fn does() -> impl Strategy<Value = Does> {
    let kind = proptest::sample::select(&KINDS[..]);
    let simple = prop_oneof![
        4 => kind.clone().prop_map(Does::Fails),
        2 => (kind, 0_u64..8000).prop_map(|(kind, wait)| Does::FailsFor(kind, Duration::from_millis(wait))),
        2 => Just(GOOD),
        1 => Just(Does::Nothing),
        1 => Just(Does::Says("text half\n")),
        1 => Just(Does::Says("begun\nfail x\n")),
    ];
    (simple, 0_u64..3000).prop_map(|(does, late)| match late {
        0..1500 => does,
        late => Does::Later(Duration::from_millis(late), Box::new(does)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever targets do: there is one end; no target is asked more often than allowed or earlier than it asked for;
    /// nothing follows text but its own end; and nothing stays open.
    #[test]
    fn no_script_of_failures_breaks_a_law(
        scripts in proptest::collection::vec(proptest::collection::vec(does(), 0..4), 1..4),
        more in 0_u32..4,
        hedge in proptest::option::of(100_u64..2000),
        weighted in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let providers: Vec<_> = scripts.iter().map(|script| Scripted::new(script.clone(), GOOD)).collect();
            let bench = Bench::new(&providers, |setup| {
                setup.retry = RetryPlan { more, ..RetryPlan::default() };
                setup.hedge = hedge.map(Duration::from_millis);
                setup.weights = if weighted { vec![3, 0, 1] } else { Vec::new() };
            });
            let outcome = bench.turn().await;
            let asked: usize = providers.iter().map(|provider| provider.times()).sum();
            prop_assert!(asked >= 1 && asked <= providers.len() + more as usize, "{asked} requests: {}", outcome.tried);
            match &outcome.failure {
                None => prop_assert_eq!(&outcome.text, "good"),
                Some(_) => prop_assert!(["", "half"].contains(&outcome.text.as_str()), "{}", outcome.text),
            }
            for (provider, script) in providers.iter().zip(&scripts) {
                prop_assert_eq!(provider.open(), 0);
                for (pause, does) in provider.pauses().iter().zip(script) {
                    let (late, does) = match does {
                        Does::Later(time, does) => (*time, &**does),
                        does => (Duration::ZERO, does),
                    };
                    prop_assert!(!matches!(does, Does::Says("text half\n") | Does::Nothing), "{}", outcome.tried);
                    if let Does::FailsFor(_, wait) = does {
                        prop_assert!(*pause >= late + *wait, "{pause:?} after {does:?}");
                    }
                }
            }
            Ok(())
        })?;
    }
}
