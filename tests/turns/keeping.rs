//! What is stored of a turn, and when.

use std::sync::Arc;

use chatwire::config::plan::ToolKind;
use chatwire::store::{Direction, Item, PageQuery, Store, StoreError, Write};
use chatwire::turn::Leaving;
use chatwire_protocols::chat::{Approval, CallPart, Message, Part, Role};
use chatwire_protocols::cost::{Cost, Price};
use chatwire_protocols::error::FailureKind;
use chatwire_protocols::event::{Data, Event, Runs, ToolKind as Kind, ToolOutcome};
use chatwire_protocols::items::{Body, KeptCall};
use serde_json::json;
use tokio::sync::oneshot;

use crate::bench::{Bench, Page, THREAD};
use crate::support::double::Broken;
use crate::support::fake::Fake;
use crate::support::{fixed, model_at, summaries, tool};

#[tokio::test]
async fn nothing_is_told_to_be_finished_before_it_is_stored() {
    let bench = Bench::new().await;
    let gate = bench.store.hold();
    let mut page = Page::of(bench.turns.start(bench.kept(Leaving::Cancel, Vec::new()).await));
    let mut asked = bench.fake.asked().await;
    asked.begin().await;
    asked.send("text one\nfinish stop\n").await;
    page.until(|event| matches!(event, Event::BlockDelta { .. })).await;
    page.read_ready().await;
    assert!(!page.seen.iter().any(|event| matches!(event, Event::StepEnd(_))), "{:?}", page.seen);
    assert!(bench.items().await.is_empty());
    gate.add_permits(100);
    page.until(Event::is_terminal).await;
    assert_eq!(bench.items().await, ["assistant one"]);
    asked.end().await;
    bench.check_empty().await;
}

#[tokio::test]
async fn a_store_that_fails_fails_the_turn_and_nothing_looks_finished() {
    let bench = Bench::new().await;
    let (page, mut asked) = bench.begun(Leaving::Finish, "open one\n").await;
    bench.store.breaks(Broken::Refuses);
    asked.send("finish stop\n").await;
    let events = page.all().await;
    let Some(Event::Failed(failure)) = events.last() else { panic!("{events:?}") };
    assert_eq!(failure.kind, FailureKind::Internal);
    assert!(!events.iter().any(|event| matches!(event, Event::StepEnd(_) | Event::BlockEnd { whole: true, .. })));
    assert!(events.iter().any(|event| matches!(event, Event::BlockEnd { whole: false, .. })), "it is closed");
    drop(asked);
    bench.check_empty().await;
    assert!(bench.items().await.is_empty());
}

#[tokio::test]
async fn a_store_that_fails_in_the_middle_ends_the_provider_s_stream() {
    let bench = Bench::new().await;
    let (page, mut asked) = bench.begun(Leaving::Finish, "text one\n").await;
    bench.store.breaks(Broken::Refuses);
    asked.send("call c missing {}\ntext two\n").await;
    let events = page.all().await;
    let Some(Event::Failed(failure)) = events.last() else { panic!("{events:?}") };
    assert_eq!(failure.kind, FailureKind::Internal);
    assert!(!events.iter().any(|event| matches!(event, Event::ToolResult(_))), "{events:?}");
    asked.closed().await;
    bench.check_empty().await;
}

#[tokio::test]
async fn a_store_that_hangs_fails_the_turn() {
    let bench = Bench::new().await;
    let _never = bench.store.hold();
    let (mut page, mut asked) = bench.begun(Leaving::Finish, "open one\n").await;
    asked.send("finish stop\n").await;
    asked.end().await;
    // From here on nothing comes from outside, so time may jump to what is waited for.
    page.until(|event| matches!(event, Event::BlockDelta { .. })).await;
    tokio::task::yield_now().await;
    tokio::time::pause();
    while !page.follower.ended() {
        std::future::poll_fn(|cx| page.follower.poll(cx, &mut page.seen)).await;
    }
    let Some(Event::Failed(failure)) = page.seen.last() else { panic!("{:?}", page.seen) };
    assert_eq!(failure.kind, FailureKind::Internal);
}

#[tokio::test]
async fn a_thread_that_is_gone_fails_its_turn() {
    let bench = Bench::new().await;
    let (page, mut asked) = bench.begun(Leaving::Finish, "text one\n").await;
    assert!(bench.store.delete_thread(&bench.owner, THREAD).await.unwrap());
    asked.send("finish stop\n").await;
    assert!(matches!(page.all().await.last(), Some(Event::Failed(_))));
    drop(asked);
    bench.check_empty().await;
}

#[tokio::test]
async fn a_failed_answer_is_kept_as_far_as_it_went() {
    let bench = Bench::new().await;
    let (page, mut asked) = bench.begun(Leaving::Finish, "open one\n").await;
    asked.send("fail on purpose\n").await;
    assert!(matches!(page.all().await.last(), Some(Event::Failed(_))));
    assert_eq!(bench.items().await, ["assistant one (cut)"]);
    bench.check_empty().await;
}

#[tokio::test]
async fn calls_and_what_each_model_call_cost_are_kept_and_the_title_stays() {
    let bench = Bench::new().await;
    let mut kept = bench.kept(Leaving::Finish, vec![fixed("f", json!(7))]).await;
    let rate = |text: &str| text.parse().unwrap();
    let price = Price { input: rate("1"), output: rate("2"), cached_input: None, cache_write: None };
    let mut model = model_at(bench.fake.addr, "m");
    let target = &mut Arc::get_mut(&mut model).unwrap().targets[0];
    Arc::get_mut(&mut target.provider).unwrap().prices.add("m", price);
    kept.parts.model = model;
    let page = Page::of(bench.turns.start(kept));
    bench.fake.asked().await.answer("call c f {}\nfinish tool_calls\n").await;
    bench.fake.asked().await.answer("text done\nfinish stop\n").await;
    page.all().await;
    bench.check_empty().await;
    assert_eq!(bench.items().await, ["*tool_call c Ok 7", "assistant done"]);
    let usage = bench.store.usage(&bench.owner, 0).await.unwrap();
    assert_eq!((usage.len(), usage[0].model.as_str(), usage[0].calls, usage[0].input), (1, "m", 2, 6));
    assert_eq!(usage[0].cost, Some(Cost(14_000_000)));
    let thread = bench.thread().await;
    assert_eq!(thread.title.as_deref(), Some("a title"));
    assert!(thread.updated > 1);
}

#[tokio::test]
async fn the_whole_of_a_summarised_result_is_kept_beside_what_the_model_reads() {
    let (bench, writer) = (Bench::new().await, Fake::start().await);
    let long = "0123456789".repeat(9);
    let mut kept = bench.kept(Leaving::Finish, vec![fixed("f", json!(long))]).await;
    kept.parts.summaries = Some(summaries(writer.addr));
    let page = Page::of(bench.turns.start(kept));
    bench.fake.asked().await.answer("call c f {}\nfinish tool_calls\n").await;
    writer.asked().await.answer("text digits\nfinish stop\n").await;
    let asked = bench.fake.asked().await;
    assert!(asked.body["messages"].to_string().contains("[This is a summary."), "{}", asked.body);
    asked.answer("text done\nfinish stop\n").await;
    let events = page.all().await;
    let full = events.iter().find_map(|event| match event {
        Event::ToolResult(result) => Some(result.full.clone()),
        _ => None,
    });
    assert_eq!(full, Some(None), "pages are given the summary alone");
    let query = PageQuery { after: None, limit: 9, direction: Direction::OldestFirst };
    let items = bench.store.items(&bench.owner, THREAD, query, true).await.unwrap().rows;
    let call = items.iter().find_map(|(_, item)| match &item.body {
        Body::ToolCall(call) => Some(call.clone()),
        _ => None,
    });
    let call = call.unwrap();
    assert_eq!(
        call.full.as_deref(),
        Some(&json!(format!("{}\n[Cut: the first 80 of 90 bytes are shown.]", &long[..80])))
    );
    assert!(call.result.unwrap().output.as_str().unwrap().starts_with("digits"));
    bench.check_empty().await;
}

#[tokio::test]
async fn an_approved_call_of_an_earlier_turn_gets_its_result_where_it_is_kept() {
    let bench = Bench::new().await;
    let mut call = CallPart {
        id: "c".into(),
        name: "f".into(),
        arguments: "{}".to_owned(),
        kind: Kind::Function,
        runs: Runs::Gateway,
        approval: Some(Approval { id: "a".into(), approved: Some(true), reason: None }),
        marks: Vec::new(),
    };
    let body = Body::ToolCall(KeptCall { call: call.clone(), result: None, full: None });
    let item = Item { id: "call_0".into(), created: 1, hidden: true, origin: None, body };
    let fill = |number: u32| {
        let body = Body::ToolCall(KeptCall {
            call: CallPart { id: format!("n{number}").into(), ..call.clone() },
            result: None,
            full: None,
        });
        Write::Add(Item { id: format!("call_n{number}").into(), created: 1, hidden: true, origin: None, body })
    };
    let behind: Vec<Write> = (0..150).map(fill).collect();
    bench.store.apply(&bench.owner, THREAD, vec![Write::Add(item)]).await.unwrap();
    bench.store.apply(&bench.owner, THREAD, behind).await.unwrap();
    call.approval = Some(Approval { id: "a".into(), approved: Some(true), reason: None });
    let mut kept = bench.kept(Leaving::Finish, vec![fixed("f", json!(7))]).await;
    kept.parts.chat.messages.push(Message::new(Role::Assistant, vec![Part::ToolCall(call)]));
    let page = Page::of(bench.turns.start(kept));
    bench.fake.asked().await.answer("text done\nfinish stop\n").await;
    let events = page.all().await;
    let results =
        events.iter().filter(|event| matches!(event, Event::ToolResult(result) if result.outcome == ToolOutcome::Ok));
    assert_eq!(results.count(), 1, "{events:?}");
    let (_, item) = bench.store.item(&bench.owner, THREAD, "call_0").await.unwrap().unwrap();
    let Body::ToolCall(kept) = item.body else { panic!("{item:?}") };
    assert_eq!(kept.result.map(|result| result.output), Some(json!(7)));
    bench.check_empty().await;
}

fn title() -> Data {
    Data { name: "thread-title".into(), id: None, value: json!({"title": "t"}), keep: false, ask: None }
}

#[tokio::test]
async fn what_is_made_beside_a_turn_comes_before_its_end() {
    let bench = Bench::new().await;
    let (ready, waits) = oneshot::channel::<()>();
    let mut kept = bench.kept(Leaving::Finish, Vec::new()).await;
    kept.beside = Some(Box::pin(async move { waits.await.ok().map(|()| title()) }));
    let mut page = Page::of(bench.turns.start(kept));
    let mut asked = bench.fake.asked().await;
    asked.begin().await;
    asked.send("text one\n").await;
    page.until(|event| matches!(event, Event::BlockDelta { .. })).await;
    ready.send(()).unwrap();
    page.until(|event| matches!(event, Event::Data(_))).await;
    asked.send("finish stop\n").await;
    asked.end().await;
    assert!(matches!(page.all().await.last(), Some(Event::TurnEnd(_))));
    bench.check_empty().await;
}

#[tokio::test]
async fn what_is_made_beside_a_turn_may_take_longer_and_does_not_hold_the_thread() {
    let bench = Bench::new().await;
    let (ready, waits) = oneshot::channel::<()>();
    let (done, was_done) = oneshot::channel::<()>();
    let mut kept = bench.kept(Leaving::Finish, Vec::new()).await;
    kept.beside = Some(Box::pin(async move {
        waits.await.ok()?;
        done.send(()).ok()?;
        Some(title())
    }));
    let page = Page::of(bench.turns.start(kept));
    bench.fake.asked().await.answer("text one\nfinish stop\n").await;
    let events = page.all().await;
    assert!(!events.iter().any(|event| matches!(event, Event::Data(_))));
    drop(bench.try_claim(THREAD).await.expect("the thread is free"));
    ready.send(()).unwrap();
    was_done.await.unwrap();
    bench.check_empty().await;
}

#[tokio::test]
async fn what_panics_beside_a_turn_does_not_touch_it() {
    let bench = Bench::new().await;
    let mut kept = bench.kept(Leaving::Finish, Vec::new()).await;
    kept.beside = Some(Box::pin(async { panic!("on purpose") }));
    let page = Page::of(bench.turns.start(kept));
    bench.fake.asked().await.answer("text one\nfinish stop\n").await;
    assert!(matches!(page.all().await.last(), Some(Event::TurnEnd(_))));
    bench.check_empty().await;
}

#[tokio::test]
async fn a_call_that_runs_when_the_turn_is_stopped_is_kept_as_interrupted() {
    let bench = Bench::new().await;
    let never = tool("never", ToolKind::Code(Arc::new(Never)));
    let mut page = Page::of(bench.turns.start(bench.kept(Leaving::Finish, vec![never]).await));
    bench.fake.asked().await.answer("call c never {}\nfinish tool_calls\n").await;
    page.until(|event| matches!(event, Event::ToolStart { .. })).await;
    assert!(bench.turns.stop(&bench.owner, THREAD, chatwire_protocols::event::CancelledBy::User).await);
    let items = bench.items().await;
    assert!(items[0].starts_with("*tool_call c Interrupted"), "{items:?}");
    assert_eq!(items[1..], ["*note"]);
    bench.check_empty().await;
}

/// A tool that never ends by itself.
#[derive(Debug)]
struct Never;

impl chatwire::tools::Tool for Never {
    fn run(&self, _: chatwire::tools::ToolInput, _: chatwire::tools::Speaker) -> chatwire::tools::ToolFuture {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn when_a_thread_was_changed_never_moves_back_and_nothing_else_of_it_changes() {
    let bench = Bench::new().await;
    let before = bench.thread().await;
    for updated in [30, 20] {
        bench.store.apply(&bench.owner, THREAD, vec![Write::Touch { updated }]).await.unwrap();
        assert_eq!(bench.thread().await, chatwire::store::Thread { updated: 30, ..before.clone() });
    }
    let unknown = bench.store.apply(&bench.owner, "unknown", vec![Write::Touch { updated: 1 }]).await;
    assert_eq!(unknown, Err(StoreError::NoThread));
}

#[tokio::test]
async fn a_turn_begins_behind_its_message_though_its_page_has_left() {
    let bench = Bench::new().await;
    let kept = bench.kept(Leaving::Finish, Vec::new()).await;
    let gate = bench.store.hold();
    let stored = bench.store.apply(&bench.owner, THREAD, vec![Write::Touch { updated: 2 }]);
    let mut start = Box::pin(bench.turns.start_behind(stored, kept));
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(start.as_mut().poll(cx).is_pending())).await);
    drop(start);
    gate.add_permits(100);
    bench.fake.asked().await.answer("text one\nfinish stop\n").await;
    bench.check_empty().await;
    assert_eq!(bench.items().await[0], "assistant one");
}

#[tokio::test]
async fn a_turn_that_its_page_aborts_while_it_begins_is_cancelled_and_no_other() {
    for (aborted, answered) in [("other", true), ("turn_1", false)] {
        let bench = Bench::new().await;
        let kept = bench.kept(Leaving::Finish, Vec::new()).await;
        let gate = bench.store.hold();
        let stored = bench.store.apply(&bench.owner, THREAD, vec![Write::Touch { updated: 2 }]);
        let mut start = Box::pin(bench.turns.start_behind(stored, kept));
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(start.as_mut().poll(cx).is_pending())).await);
        drop(start);
        bench.turns.cancel(&bench.owner, THREAD, aborted, chatwire_protocols::event::CancelledBy::User);
        gate.add_permits(100);
        if answered {
            bench.fake.asked().await.answer("text one\nfinish stop\n").await;
        }
        // Nobody answers the other one.
        bench.check_empty().await;
        assert_eq!(bench.items().await.iter().any(|item| item == "assistant one"), answered);
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_has_no_turn() {
    let bench = Bench::new().await;
    let kept = bench.kept(Leaving::Finish, Vec::new()).await;
    let stored = Box::pin(std::future::ready(Err(StoreError::NoRoom)));
    assert_eq!(bench.turns.start_behind(stored, kept).await.err(), Some(StoreError::NoRoom));
    assert!(bench.try_claim(THREAD).await.is_some(), "it is free at once");
    bench.check_empty().await;
}
