use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::error::FailureKind;
use crate::event::{Data, Mark, PageCall, TurnEnd};
use crate::items::{AssistantMessage, PageRunState, REQUEST_APPROVAL};
use crate::sample_turns::{self as sample, Turn, tool};

const PAGE: Style = Style { page_calls: true };
const PARTS: Style = Style { page_calls: false };

/// What a folder makes of a turn that begins at 1000 and whose every event takes a millisecond.
fn folded(style: Style, events: &[Event]) -> Vec<Change> {
    let mut folder = Folder::new("msg-1".into(), style);
    let mut out = Vec::new();
    folder.event(&Event::TurnStart { turn: "turn_ab".into() }, &mut out);
    for (at, event) in events.iter().enumerate() {
        folder.event(&Event::Now { ms: 1000 + at as u64 }, &mut out);
        folder.event(event, &mut out);
    }
    out
}

fn finished(changes: &[Change]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for change in changes {
        match change {
            Change::Finished(item) => items.push((**item).clone()),
            Change::Replaced(item) => {
                let held = items.iter_mut().find(|held| held.id == item.id).expect("replaces what is finished");
                *held = (**item).clone();
            }
            _ => {}
        }
    }
    items
}

fn item_of(change: &Change) -> Option<&str> {
    match change {
        Change::TextOpened { item, .. }
        | Change::TextGrew { item, .. }
        | Change::TextCited { item, .. }
        | Change::WorkflowOpened { item, .. }
        | Change::TaskAdded { item, .. }
        | Change::TaskGrew { item, .. }
        | Change::TaskChanged { item, .. }
        | Change::WidgetOpened { item, .. }
        | Change::WidgetChanged { item, .. } => Some(item),
        Change::Finished(item) | Change::Replaced(item) => Some(&item.id),
        Change::CallAnswered(_) => None,
    }
}

/// Every item is opened at most once, changed only while it is open, finished exactly once, and replaced only behind
/// that. While a workflow is open, nothing else begins to be shown.
fn check(changes: &[Change]) {
    let (mut open, mut done): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
    let mut workflow = false;
    for change in changes {
        let Some(id) = item_of(change) else { continue };
        match change {
            Change::TextOpened { .. } | Change::WorkflowOpened { .. } | Change::WidgetOpened { .. } => {
                assert!(!open.contains(&id) && !done.contains(&id), "opened twice: {change:?}");
                assert!(!workflow, "a workflow is open: {change:?}");
                workflow = matches!(change, Change::WorkflowOpened { .. });
                open.push(id);
            }
            Change::Finished(item) => {
                assert!(!done.contains(&id), "finished twice: {change:?}");
                let opened = open.iter().position(|open| *open == id).map(|at| open.remove(at));
                if matches!(item.body, Body::Workflow(_)) {
                    assert_eq!(opened.is_none(), item.hidden, "{change:?}");
                    workflow = false;
                } else {
                    assert!(!workflow || item.hidden || opened.is_some(), "a workflow is open: {change:?}");
                }
                done.push(id);
            }
            Change::Replaced(_) => assert!(done.contains(&id), "replaced and not finished: {change:?}"),
            _ => assert!(open.contains(&id), "not open: {change:?}"),
        }
    }
    assert!(open.is_empty(), "never finished: {open:?}");
}

fn shown(items: &[Item]) -> Vec<&Item> {
    items.iter().filter(|item| !item.hidden).collect()
}

fn text_of(item: &Item) -> &AssistantMessage {
    match &item.body {
        Body::Assistant(message) => message,
        other => panic!("{other:?}"),
    }
}

fn data(name: &str, id: Option<&str>, value: Value) -> Event {
    Event::Data(Box::new(Data { name: name.into(), id: id.map(Text::from), value, keep: true, ask: None }))
}

#[test]
fn every_sample_turn_keeps_the_rules_of_changes() {
    for style in [PAGE, PARTS] {
        for (name, events) in sample::all() {
            let changes = folded(style, &events);
            check(&changes);
            let ids: Vec<Text> = finished(&changes).into_iter().map(|item| item.id).collect();
            let unique: std::collections::BTreeSet<_> = ids.iter().collect();
            assert_eq!(unique.len(), ids.len(), "{name}");
        }
    }
}

#[test]
fn a_text_opens_with_its_first_word_and_is_told_once_when() {
    let changes = folded(PARTS, &Turn::default().step().text(&["\n ", "Hi", " you"]).done_plainly());
    let item = ItemId::from("msg_ab_0");
    assert_eq!(
        changes[..3],
        [
            Change::TextOpened { item: item.clone(), created: 1003 },
            Change::TextGrew { item: item.clone(), text: "\n Hi".into() },
            Change::TextGrew { item, text: " you".into() },
        ]
    );
    let Change::Finished(done) = &changes[3] else { panic!("{changes:?}") };
    assert_eq!((done.created, done.hidden), (1003, false));
    let origin = Origin { turn: "turn_ab".into(), message: "msg-1".into(), step: 0 };
    assert_eq!(done.origin, Some(origin));
    let message = text_of(done);
    assert_eq!((message.text.as_str(), message.whole, message.refusal), ("\n Hi you", true, false));
}

#[test]
fn what_is_blank_is_no_item() {
    let events = Turn::default().step().text(&[" \n"]).call("c", "f", Runs::Gateway, &["{}"]).result("c", json!(1));
    let items = finished(&folded(PARTS, &events.text(&[]).done_plainly()));
    assert_eq!(items.iter().map(|item| item.body.kind()).collect::<Vec<_>>(), ["tool_call"]);
    let cancelled = Turn::default().step().start(BlockKind::Text).delta(0, "  ").cancelled(CancelledBy::User);
    let items = finished(&folded(PARTS, &cancelled));
    assert_eq!(items.iter().map(|item| item.body.kind()).collect::<Vec<_>>(), ["note"]);
}

#[test]
fn a_paragraph_that_is_cut_at_its_sources_stays_one() {
    let cite = |url: &str, end| Mark::Citation(Citation { url: Some(url.to_owned()), end, ..Citation::default() });
    let own = || Mark::Opaque { protocol: "anthropic", key: "citation".into(), value: json!(1) };
    let events = Turn::default()
        .step()
        .text(&["Bern: "])
        .start(BlockKind::Text)
        .mark(cite("a", None))
        .mark(own())
        .delta(1, "ten")
        .end(1, true)
        .text(&[" "])
        .start(BlockKind::Text)
        .delta(3, "degrees.")
        .mark(cite("b", Some(3)))
        .mark(cite("c", Some(99)))
        .end(3, true)
        .done_plainly();
    let changes = folded(PARTS, &events);
    let cited: Vec<(u32, u32, Option<&str>)> = changes
        .iter()
        .filter_map(|change| match change {
            Change::TextCited { index, at, citation, .. } => Some((*index, *at, citation.url.as_deref())),
            _ => None,
        })
        .collect();
    assert_eq!(cited, [(0, 9, Some("a")), (1, 13, Some("b")), (2, 18, Some("c"))]);
    let items = finished(&changes);
    assert_eq!(items.len(), 1);
    assert_eq!(text_of(&items[0]).text, "Bern: ten degrees.");
    let ends: Vec<_> = crate::chat::citations(&text_of(&items[0]).marks).map(|citation| citation.end).collect();
    assert_eq!(ends, [Some(9), Some(13), Some(18)]);
}

#[test]
fn messages_that_the_provider_tells_apart_stay_apart() {
    let id = |id: &str| Mark::Opaque { protocol: "openai-responses", key: "id".into(), value: json!(id) };
    let message =
        |turn: Turn, at: u32, name: &str| turn.start(BlockKind::Text).mark(id(name)).delta(at, name).end(at, true);
    let events = message(message(Turn::default().step(), 0, "one"), 1, "two").done_plainly();
    let items = finished(&folded(PARTS, &events));
    let texts: Vec<(&str, usize)> =
        items.iter().map(text_of).map(|text| (text.text.as_str(), text.marks.len())).collect();
    assert_eq!(texts, [("one", 1), ("two", 1)]);
}

#[test]
fn thoughts_and_searches_are_one_workflow_that_ends_before_the_answer() {
    let changes = folded(PAGE, &sample::reasoning());
    let items = finished(&changes);
    let [workflow, answer] = &items[..] else { panic!("{items:?}") };
    let Body::Workflow(done) = &workflow.body else { panic!("{workflow:?}") };
    let tasks: Vec<(&str, usize)> = done
        .tasks
        .iter()
        .map(|task| match task {
            Task::Thought { text, marks, .. } => (text.as_str(), marks.len()),
            Task::Call(_) => panic!(),
        })
        .collect();
    assert_eq!(tasks, [("let me think", 1), ("again", 0), ("", 1), ("", 1)]);
    assert!(!workflow.hidden && done.duration > 0);
    assert_eq!(text_of(answer).text, "42");
    assert_eq!((&*workflow.id, &*answer.id), ("wf_ab_0", "msg_ab_1"));

    let changes = folded(PAGE, &sample::provider_and_custom_tools());
    let tasks = changes.iter().filter(|change| matches!(change, Change::TaskAdded { .. })).count();
    let told = changes.iter().filter(|change| matches!(change, Change::TaskChanged { .. })).count();
    assert_eq!((tasks, told), (1, 3));
    let Body::Workflow(done) = &finished(&changes)[0].body else { panic!() };
    let Task::Call(search) = &done.tasks[0] else { panic!() };
    assert_eq!(search.result.as_ref().unwrap().output, json!(["a", "b"]));
}

#[test]
fn thoughts_that_nobody_sees_are_kept_for_the_provider() {
    let events = Turn::default()
        .step()
        .start(BlockKind::Reasoning { summary: false })
        .mark(Mark::Redacted { data: "xyz".into() })
        .end(0, true)
        .text(&["Hi"])
        .done_plainly();
    let changes = folded(PAGE, &events);
    check(&changes);
    let items = finished(&changes);
    assert_eq!(
        items.iter().map(|item| (item.body.kind(), item.hidden)).collect::<Vec<_>>(),
        [("workflow", true), ("assistant", false)]
    );
}

#[test]
fn what_a_thought_says_behind_the_answers_start_is_another_workflow() {
    let events = Turn::default()
        .step()
        .start(BlockKind::Reasoning { summary: false })
        .delta(0, "a")
        .start(tool("s", "search", Runs::Provider))
        .start(BlockKind::Text)
        .delta(2, "x")
        .delta(0, "b")
        .delta(1, "{}")
        .end(0, true)
        .end(1, true)
        .end(2, true)
        .result("s", json!(1))
        .done_plainly();
    let changes = folded(PAGE, &events);
    check(&changes);
    let items = finished(&changes);
    assert_eq!(items.iter().map(|item| item.body.kind()).collect::<Vec<_>>(), ["workflow", "assistant", "workflow"]);
    let Body::Workflow(first) = &items[0].body else { panic!() };
    let Task::Call(call) = &first.tasks[1] else { panic!() };
    assert_eq!((call.call.arguments.as_str(), call.result.is_some()), ("{}", true));
}

#[test]
fn a_search_that_is_cut_is_shown_and_not_read_again() {
    let events =
        Turn::default().step().start(tool("s", "search", Runs::Provider)).delta(0, "{\"q").failed(FailureKind::Cut);
    let changes = folded(PAGE, &events);
    check(&changes);
    let items = finished(&changes);
    let [Item { body: Body::Workflow(workflow), hidden: false, .. }] = &items[..] else { panic!("{items:?}") };
    let Task::Call(kept) = &workflow.tasks[0] else { panic!() };
    assert!(kept.is_cut());
    assert_eq!(crate::items::messages(&items, &crate::items::Pasted::new()), []);
}

#[test]
fn calls_are_kept_once_with_their_results() {
    let items = finished(&folded(PARTS, &sample::parallel_tools()));
    let calls: Vec<(&str, bool)> = items
        .iter()
        .filter_map(|item| match &item.body {
            Body::ToolCall(kept) => Some((kept.call.id.as_str(), kept.result.is_some() && item.hidden)),
            _ => None,
        })
        .collect();
    assert_eq!(calls, [("a2", true), ("a1", true)]);
    assert_eq!(items[0].id, "call_ab_1");
    let items = finished(&folded(PARTS, &sample::cut_page_tool()));
    assert_eq!(items.iter().filter(|item| matches!(item.body, Body::ToolCall(_))).count(), 1, "a cut call is not kept");
    let items = finished(&folded(PARTS, &sample::failed_between_steps()));
    let Body::ToolCall(kept) = &items[0].body else { panic!() };
    assert_eq!(kept.result.as_ref().unwrap().outcome, crate::event::ToolOutcome::Interrupted);
}

#[test]
fn a_page_is_asked_one_thing_at_a_time_behind_everything_else() {
    let ask = |name: &str| {
        let ask = Some(Box::new(PageCall { name: name.into(), arguments: json!({"n": name}) }));
        Event::Data(Box::new(Data { name: "fact".into(), id: None, value: json!({}), keep: true, ask }))
    };
    let events = Turn::default()
        .step()
        .call("c1", "save_fact", Runs::Gateway, &["{}"])
        .event(ask("record_fact"))
        .event(ask("record_fact"))
        .result("c1", json!(1))
        .call("c2", "askColor", Runs::Page, &["{\"q\":1}"])
        .done_plainly();
    let changes = folded(PAGE, &events);
    let items = finished(&changes);
    let runs: Vec<(&str, &str, PageRunState, bool, bool)> = items
        .iter()
        .filter_map(|item| match &item.body {
            Body::PageCall(run) => Some((&*item.id, &*run.call, run.state, run.by_model, item.hidden)),
            _ => None,
        })
        .collect();
    assert_eq!(
        runs,
        [
            ("tc_ab_2", "ask_ab_2", PageRunState::Pending, false, false),
            ("tc_ab_4", "ask_ab_4", PageRunState::Queued, false, true),
            ("tc_ab_6", "c2", PageRunState::Queued, true, true),
        ]
    );
    let last_shown = changes.iter().rev().find_map(|change| match change {
        Change::Finished(item) if !item.hidden => Some(item.body.kind()),
        _ => None,
    });
    assert_eq!(last_shown, Some("page_call"));
    let kinds: Vec<&str> = items.iter().filter(|item| item.hidden).map(|item| item.body.kind()).collect();
    assert_eq!(kinds, ["data", "data", "tool_call", "tool_call", "page_call", "page_call"]);

    let items = finished(&folded(PARTS, &events));
    assert!(!items.iter().any(|item| matches!(item.body, Body::PageCall(_))));
    assert_eq!(shown(&items).len(), 2, "data are shown where no page is asked");
}

#[test]
fn an_approval_is_asked_of_the_page_and_nothing_is_asked_after_a_failure() {
    let mut events = sample::approval();
    let ended = [events.clone(), vec![Event::TurnEnd(Box::<TurnEnd>::default())]].concat();
    let items = finished(&folded(PAGE, &ended));
    let [call, asked] = &items[..] else { panic!("{items:?}") };
    let Body::ToolCall(kept) = &call.body else { panic!() };
    assert_eq!((kept.call.approval.as_ref().unwrap().approved, &kept.result), (None, &None));
    let Body::PageCall(run) = &asked.body else { panic!() };
    assert_eq!((&*run.name, &*run.call, run.by_model), (REQUEST_APPROVAL, "ap-1", false));
    assert_eq!(run.arguments["arguments"], json!({"eur": 5}));

    events.push(Event::Cancelled { by: CancelledBy::User });
    let items = finished(&folded(PAGE, &events));
    assert_eq!(items.last().map(|item| (item.body.kind(), item.hidden)), Some(("note", true)));
    assert!(!items.iter().any(|item| matches!(item.body, Body::PageCall(_))));
}

#[test]
fn a_result_of_an_earlier_turns_call_is_told() {
    let result = ToolResult::ok("old", json!(1));
    let changes = folded(PAGE, &[Event::ToolResult(Box::new(result.clone()))]);
    assert_eq!(changes, [Change::CallAnswered(Box::new(result))]);
}

#[test]
fn widgets_open_change_and_stay() {
    let card = |value: &str, streaming: bool| {
        let card = json!({"type": "Card", "size": null, "children": [null, {"type": "Text", "value": value}]});
        data("weather", Some("w"), json!({"widget": card, "copy_text": value, "streaming": streaming, "t": null}))
    };
    let clean = |value: &str| json!({"type": "Card", "children": [{"type": "Text", "value": value}]});
    let events = Turn::default()
        .step()
        .event(card("a", true))
        .event(card("ab", true))
        .event(card("ab", true))
        .event(card("abc", false))
        .event(card("abcd", false))
        .event(data("note", None, json!({"widget": 5})))
        .done_plainly();
    let changes = folded(PAGE, &events);
    check(&changes);
    let item = ItemId::from("msg_ab_0");
    let opened =
        Change::WidgetOpened { item: item.clone(), created: 1001, root: clean("a"), copy_text: Some("a".into()) };
    assert_eq!(changes[0], opened);
    assert_eq!(changes[1], Change::WidgetChanged { item: item.clone(), from: clean("a"), to: clean("ab") });
    assert_eq!(changes[2], Change::WidgetChanged { item, from: clean("ab"), to: clean("abc") });
    let kinds: Vec<(&str, bool)> = changes[3..]
        .iter()
        .map(|change| match change {
            Change::Finished(item) => (item.body.kind(), item.hidden),
            Change::Replaced(item) => (item.body.kind(), item.hidden),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, [("widget", false), ("data", true), ("widget", false), ("data", true), ("data", true)]);

    let left_open = Turn::default().step().event(card("a", true)).cancelled(CancelledBy::User);
    check(&folded(PAGE, &left_open));
    let parts = folded(PARTS, &events);
    assert!(shown(&finished(&parts)).iter().all(|item| item.body.kind() == "data"));
}

#[test]
fn data_with_a_meaning_of_their_own_are_no_items() {
    use crate::items::data as names;
    let events = [names::EFFECT, names::NOTICE, names::THREAD_TITLE].map(|name| data(name, None, json!({})));
    assert_eq!(folded(PARTS, &events), []);
}

/// A turn in which anything happens, in the order that is legal.
fn any_turn() -> impl Strategy<Value = Vec<Event>> {
    let text = prop::collection::vec("[ \\na-cé]{1,6}", 0..5);
    let happening = (0_u8..10, text, any::<bool>());
    prop::collection::vec(happening, 0..12).prop_map(|happenings| {
        let mut turn = Turn::default().step();
        for (at, (sort, pieces, flag)) in happenings.iter().enumerate() {
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (call, name) = (format!("c{at}"), "f");
            turn = match sort {
                0..=2 => turn.text(&pieces),
                3 => turn.block(BlockKind::Refusal, &pieces),
                4 | 5 => turn.block(BlockKind::Reasoning { summary: *flag }, &pieces),
                6 => turn.call(&call, name, Runs::Gateway, &["{", "}"]).result(&call, json!(1)),
                7 => turn.call(&call, name, Runs::Provider, &["{}"]).result(&call, json!(1)),
                8 => turn.event(data("d", flag.then_some("x"), json!({"widget": {"type": "Card", "at": at}}))),
                _ => turn.step_end(crate::event::FinishReason::ToolCalls).step(),
            };
        }
        turn.done_plainly()
    })
}

/// The same events with their texts cut otherwise.
fn cut(events: &[Event], seed: u64) -> Vec<Event> {
    let mut state = seed | 1;
    let mut out: Vec<Event> = Vec::new();
    for event in events {
        match event {
            Event::BlockDelta { block, text } => {
                for letter in text.chars() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    match out.last_mut() {
                        Some(Event::BlockDelta { block: last, text }) if last == block && state >> 62 != 0 => {
                            text.push(letter);
                        }
                        _ => out.push(Event::BlockDelta { block: *block, text: Text::from(letter.to_string()) }),
                    }
                }
            }
            other => out.push(other.clone()),
        }
    }
    out
}

proptest! {
    #[test]
    fn any_cut_of_the_texts_gives_the_same_items(events in any_turn(), seed in any::<u64>()) {
        let fold = |events: &[Event]| {
            let mut folder = Folder::new("m".into(), PAGE);
            let mut out = Vec::new();
            events.iter().for_each(|event| folder.event(event, &mut out));
            check(&out);
            finished(&out)
        };
        prop_assert_eq!(fold(&events), fold(&cut(&events, seed)));
    }

    #[test]
    fn the_grown_text_is_the_finished_one(events in any_turn()) {
        let changes = folded(PAGE, &events);
        for item in finished(&changes) {
            let Body::Assistant(message) = &item.body else { continue };
            let grown: String = changes.iter().filter_map(|change| match change {
                Change::TextGrew { item: id, text } if **id == *item.id => Some(text.as_str()),
                _ => None,
            }).collect();
            prop_assert_eq!(&grown, &message.text);
        }
    }
}

#[test]
fn a_picture_of_a_tool_is_an_item_that_the_model_reads_in_the_result_alone() {
    let picture = crate::event::File {
        media_type: "image/png".into(),
        source: crate::event::FileSource::Base64("AA==".into()),
        name: None,
    };
    let result = ToolResult { files: vec![picture.clone()], ..ToolResult::ok(Text::from("c"), json!("a chart")) };
    let events = Turn::default()
        .step()
        .call("c", "chart", Runs::Gateway, &["{}"])
        .step_end(crate::event::FinishReason::ToolCalls)
        .event(Event::ToolResult(Box::new(result)))
        .step()
        .text(&["See above."])
        .done(crate::event::FinishReason::Stop);
    for style in [PAGE, PARTS] {
        let changes = folded(style, &events);
        check(&changes);
        let items = finished(&changes);
        let files: Vec<_> = items.iter().filter(|item| matches!(item.body, Body::File(_))).collect();
        let made = MadeFile { file: picture.clone(), call: Some("c".into()) };
        assert_eq!((files.len(), &files[0].body, files[0].hidden), (1, &Body::File(made), false));
        let told = serde_json::to_string(&crate::items::messages(&items, &crate::items::Pasted::new())).unwrap();
        assert_eq!(told.matches("AA==").count(), 1, "{told}");
    }
}
