use serde_json::json;

use super::*;
use crate::chatkit::simple::Simple;
use crate::error::FailureKind;
use crate::event::{BlockKind, Citation, FinishReason, Mark, PageCall, Runs, ToolSays};
use crate::items::{AssistantMessage, PageRun, Said, UserMessage};
use crate::sample_turns::{self as sample, Turn, encoded, tool};

fn thread() -> Thread {
    Thread {
        id: "thr_1".into(),
        title: None,
        status: ThreadStatus::Active,
        metadata: Map::from_iter([("owner".to_owned(), json!("secret"))]),
        created: 1_763_633_580_123,
        updated: 1_763_633_580_123,
    }
}

fn stored(id: &str, body: Body) -> Item {
    Item { id: id.into(), created: 1_763_633_580_124, hidden: false, origin: None, body }
}

/// The reply to a first message.
fn context() -> ReplyContext {
    let message = UserMessage { content: vec![Said::Text { text: "Hi".into() }], ..UserMessage::default() };
    let kept = KeptContext {
        thread: thread(),
        made: true,
        added: vec![stored("msg_u", Body::User(message))],
        replaced: Vec::new(),
        shown: Vec::new(),
        usage: Vec::new(),
    };
    ReplyContext { turn: "turn_ab".into(), kept: Some(Box::new(kept)), ..sample::context() }
}

/// The events of a stream, each in a frame of its own.
fn events(text: &str) -> Vec<Value> {
    assert!(text.ends_with("\n\n"), "{text}");
    text.trim_end()
        .split("\n\n")
        .map(|frame| serde_json::from_str(frame.strip_prefix("data: ").expect(frame)).expect(frame))
        .collect()
}

fn streamed(turn: &[Event]) -> Vec<Value> {
    events(&encoded(Encode::new(&context(), true), turn))
}

/// What a turn adds to the opening.
fn turn(turn: &[Event]) -> Vec<Value> {
    streamed(turn).split_off(3)
}

#[test]
fn an_answer_that_reaches_its_limit_before_it_says_anything_is_an_error_and_not_silence() {
    let end = |reason| {
        let finish = crate::event::Finish { reason, raw: None };
        let end = Event::TurnEnd(Box::new(crate::event::TurnEnd { finish, ..Default::default() }));
        [vec![crate::order::first_step(None, None), Event::StepEnd(Box::default())], vec![end]].concat()
    };
    for reason in [FinishReason::Length, FinishReason::ToolCalls] {
        let said = turn(&end(reason));
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!((&said[0]["type"], &said[0]["code"]), (&json!("error"), &json!("custom")));
        assert!(encoded(Simple::new(&context()), &end(reason)).contains("reached its limit"));
    }
    assert_eq!(turn(&end(FinishReason::Stop)), Vec::<Value>::new());
    // With a word before it, the page sees what there is.
    let text = sample::text();
    assert!(words(&turn(&text)).iter().all(|word| *word != "error"));
}

/// The type of each event; of an update, the last word of what it updates.
fn words(events: &[Value]) -> Vec<&str> {
    events.iter().map(kind).collect()
}

fn kind(event: &Value) -> &str {
    let update = event["update"]["type"].as_str();
    update.and_then(|kind| kind.rsplit('.').next()).or(event["type"].as_str()).unwrap()
}

#[test]
fn a_stream_opens_with_the_thread_the_message_and_the_options() {
    let events = streamed(&sample::empty());
    assert_eq!(words(&events), ["thread.created", "thread.item.done", "stream_options"]);
    assert_eq!(events[0]["thread"]["metadata"], json!({}));
    assert_eq!(events[1]["item"]["thread_id"], "thr_1");
    assert_eq!(events[2], json!({"type": "stream_options", "stream_options": {"allow_cancel": true}}));
    let mut text = BytesMut::new();
    let mut encoder = Encode::new(&ReplyContext { kept: None, ..context() }, false);
    encoder.event(&Event::Now { ms: 1 }, &mut text);
    assert_eq!(text, "data: {\"type\":\"stream_options\",\"stream_options\":{\"allow_cancel\":false}}\n\n");
}

#[test]
fn what_was_changed_for_the_request_is_shown_behind_the_options() {
    let run = |state| {
        Body::PageCall(PageRun {
            call: "c".into(),
            name: "f".into(),
            arguments: json!({}),
            state,
            output: Some(json!(1)),
            by_model: true,
        })
    };
    let reply = |replaced, shown| {
        let kept = KeptContext { thread: thread(), made: false, added: Vec::new(), replaced, shown, usage: Vec::new() };
        ReplyContext { kept: Some(Box::new(kept)), ..context() }
    };
    let said = Body::Assistant(AssistantMessage { text: "Hi".into(), ..AssistantMessage::default() });
    let replaced = vec![stored("c1", run(PageRunState::Completed)), stored("m", said)];
    let shown = vec![stored("c2", run(PageRunState::Pending))];
    let events = events(&encoded(Encode::new(&reply(replaced, shown), true), &sample::empty()));
    assert_eq!(words(&events), ["stream_options", "thread.item.replaced", "thread.item.done"]);
    assert_eq!((&events[2]["item"]["status"], events[2]["item"].get("output")), (&json!("pending"), None));
}

#[test]
fn a_text_is_added_grows_and_is_done() {
    let cite =
        Mark::Citation(Citation { url: Some("https://a.b/".into()), title: Some("A".into()), ..Citation::default() });
    let said = Turn::default()
        .step()
        .event(Event::Now { ms: 1_763_633_581_000 })
        .start(BlockKind::Text)
        .delta(0, "Wärme")
        .delta(0, ".")
        .mark(cite)
        .end(0, true)
        .done(FinishReason::Stop);
    let events = turn(&said);
    let update = |event: &Value| event["update"].clone();
    let head = |content: Value| {
        json!({"id": "msg_ab_0", "thread_id": "thr_1", "created_at": "2025-11-20T10:13:01.000Z",
               "type": "assistant_message", "content": content})
    };
    let source = json!({"title": "A", "type": "url", "url": "https://a.b/"});
    let annotation = json!({"type": "annotation", "source": source, "index": 6});
    let content = json!({"annotations": [annotation], "text": "Wärme.", "type": "output_text"});
    assert_eq!(events[0], json!({"type": "thread.item.added", "item": head(json!([]))}));
    let empty = json!({"annotations": [], "text": "", "type": "output_text"});
    assert_eq!(
        update(&events[1]),
        json!({"type": "assistant_message.content_part.added", "content_index": 0, "content": empty})
    );
    assert_eq!(
        update(&events[2]),
        json!({"type": "assistant_message.content_part.text_delta", "content_index": 0, "delta": "Wärme"})
    );
    assert_eq!(
        update(&events[4]),
        json!({"type": "assistant_message.content_part.annotation_added", "content_index": 0,
               "annotation_index": 0, "annotation": annotation})
    );
    assert_eq!(
        update(&events[5]),
        json!({"type": "assistant_message.content_part.done", "content_index": 0, "content": content})
    );
    assert_eq!(events[6], json!({"type": "thread.item.done", "item": head(json!([content]))}));
    assert_eq!(events.len(), 7);
}

#[test]
fn a_thought_grows_in_few_large_steps_and_ends_as_it_was_shown() {
    let long = "I think of many a word. ".repeat(500);
    let pieces: Vec<&str> = long.split_inclusive(' ').collect();
    let said = Turn::default().step().block(BlockKind::Reasoning { summary: true }, &pieces).text(&["So."]);
    let events = turn(&said.done(FinishReason::Stop));
    let told: Vec<&Value> = events.iter().filter_map(|event| event["update"].get("task")).collect();
    let bytes: usize = told.iter().map(|task| task["content"].as_str().unwrap().len()).sum();
    assert!(told.len() > 10 && bytes < 8 * long.len(), "{} tasks of {bytes} bytes", told.len());
    let done = events.iter().find(|event| event["type"] == "thread.item.done").unwrap();
    assert_eq!(done["item"]["workflow"]["tasks"], json!([told.last().unwrap()]));
    assert_eq!(done["item"]["workflow"]["summary"], json!({"duration": 0}));
    assert_eq!(told.last().unwrap()["content"], *long);
}

#[test]
fn a_search_loads_and_is_complete() {
    let events = turn(&sample::provider_and_custom_tools());
    let states: Vec<&str> =
        events.iter().filter_map(|event| event["update"]["task"]["status_indicator"].as_str()).collect();
    assert_eq!(states.first(), Some(&"loading"));
    assert_eq!(states.last(), Some(&"complete"));
    let unanswered = Turn::default().step().call("s", "web_search", Runs::Provider, &["{}"]).text(&["x"]);
    let events = turn(&unanswered.done(FinishReason::Stop));
    let last = events.iter().filter_map(|event| event["update"].get("task")).next_back().unwrap();
    let done = events.iter().find(|event| event["type"] == "thread.item.done").unwrap();
    assert_eq!((&last["status_indicator"], &done["item"]["workflow"]["tasks"][0]), (&json!("none"), last));
}

#[test]
fn nothing_follows_what_the_page_is_asked_to_run_but_the_threads_title() {
    let ask = Data {
        name: "fact".into(),
        id: None,
        value: json!({"id": "f1"}),
        keep: true,
        ask: Some(Box::new(PageCall { name: "record_fact".into(), arguments: json!({"fact_id": "f1", "x": null}) })),
    };
    let said = Turn::default()
        .step()
        .call("c", "save_fact", Runs::Gateway, &["{}"])
        .event(Event::Data(Box::new(ask)))
        .result("c", json!({}))
        .done(FinishReason::ToolCalls);
    let events = turn(&said);
    assert_eq!(words(&events), ["thread.item.done"]);
    let item = &events[0]["item"];
    assert_eq!(item["type"], "client_tool_call");
    assert_eq!(item["arguments"], json!({"fact_id": "f1", "x": null}));
    assert_eq!((&item["status"], item.get("output")), (&json!("pending"), None));
}

#[test]
fn named_data_are_events_of_their_own() {
    let data =
        |name: &str, value| Event::Data(Box::new(Data { name: name.into(), id: None, value, keep: false, ask: None }));
    let progress = ToolSays { call: "c".into(), text: "Looking…".into() };
    let said = Turn::default()
        .step()
        .call("c", "f", Runs::Gateway, &["{}"])
        .event(Event::ToolProgress(Box::new(progress)))
        .event(data(data::NOTICE, json!({"level": "warning", "message": "**Close**", "title": "Limit"})))
        .event(data(data::NOTICE, json!({"level": "fatal", "message": "x"})))
        .event(data(data::NOTICE, json!({"level": "info"})))
        .event(data(data::EFFECT, json!({"name": "highlight", "data": {"who": null}})))
        .event(data(data::EFFECT, json!({"name": "beep"})))
        .event(data(data::THREAD_TITLE, json!({"title": "Weather"})))
        .event(data("other", json!({})))
        .result("c", json!(1))
        .done(FinishReason::Stop);
    let events = turn(&said);
    assert_eq!(
        events[..5],
        [
            json!({"type": "progress_update", "text": "Looking…"}),
            json!({"type": "notice", "level": "warning", "message": "**Close**", "title": "Limit"}),
            json!({"type": "notice", "level": "info", "message": "x"}),
            json!({"type": "client_effect", "name": "highlight", "data": {"who": null}}),
            json!({"type": "client_effect", "name": "beep", "data": {}}),
        ]
    );
    assert_eq!((&events[5]["type"], &events[5]["thread"]["title"]), (&json!("thread.updated"), &json!("Weather")));
    assert_eq!(events.len(), 6);
}

#[test]
fn a_widget_is_added_changed_and_done() {
    let card = |value: &str, streaming: bool| {
        let text = json!({"type": "Text", "id": "t", "value": value});
        let value = json!({"widget": {"type": "Card", "children": [text]}, "streaming": streaming});
        Event::Data(Box::new(Data { name: "note".into(), id: Some("n".into()), value, keep: true, ask: None }))
    };
    let said = Turn::default().step().event(card("", true)).event(card("A", true)).event(card("AB", false));
    let events = turn(&said.done(FinishReason::Stop));
    assert_eq!(words(&events), ["thread.item.added", "value_delta", "value_delta", "thread.item.done"]);
    assert_eq!(
        events[2]["update"],
        json!({"type": "widget.streaming_text.value_delta", "component_id": "t", "delta": "B", "done": true})
    );
    assert_eq!(events[3]["item"]["widget"]["children"][0]["value"], "AB");
}

#[test]
fn failures_are_one_error_and_say_no_secret() {
    for (kind, code, retry) in [
        (FailureKind::RateLimit, "custom", true),
        (FailureKind::ContextLength, "custom", false),
        (FailureKind::ContentFilter, "custom", false),
        (FailureKind::Cut, "stream.error", true),
        (FailureKind::Auth, "stream.error", false),
    ] {
        let text = encoded(Encode::new(&context(), true), &Turn::default().step().text(&["a"]).failed(kind));
        assert!(!text.contains("secret"), "{text}");
        let events = events(&text);
        let error = events.last().unwrap();
        assert_eq!(
            (&error["type"], &error["code"], &error["allow_retry"]),
            (&json!("error"), &json!(code), &json!(retry))
        );
        assert_eq!(error.get("message").is_some(), code == "custom");
        assert_eq!(events.iter().filter(|event| event["type"] == "error").count(), 1);
        let simple = encoded(Simple::new(&context()), &Turn::default().failed(kind));
        assert!(simple.contains("{\"type\":\"error\",\"message\":\"") && !simple.contains("secret"));
    }
}

#[test]
fn a_stopped_answer_is_done_as_far_as_it_came() {
    let events = turn(&sample::cancelled_in_text(CancelledBy::User));
    assert_eq!(events.last().unwrap()["item"]["content"][0]["text"], "I was");
    assert_eq!(events.last().unwrap()["type"], "thread.item.done");
    let events = turn(&sample::cancelled_in_text(CancelledBy::Shutdown));
    assert_eq!(events.last().unwrap()["code"], "custom");
}

#[test]
fn the_older_pages_get_three_frames() {
    let said = Turn::default()
        .step()
        .block(BlockKind::Reasoning { summary: true }, &["hm"])
        .text(&["Hel", "lo"])
        .block(tool("c", "askColor", Runs::Page), &["{\"q\":1}"])
        .done(FinishReason::ToolCalls);
    let text = encoded(Simple::new(&context()), &said);
    let frames: Vec<Value> = text
        .trim_end()
        .split("\n\n")
        .map(|frame| serde_json::from_str(frame.strip_prefix("event: thread.stream\ndata: ").expect(frame)).unwrap())
        .collect();
    let kinds: Vec<&str> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thread_item.done", "text.delta", "text.delta", "thread_item.done", "client_tool_call"]);
    assert_eq!(
        (&frames[0]["item"]["type"], &frames[0]["item"]["thread_id"]),
        (&json!("user_message"), &json!("thr_1"))
    );
    assert_eq!(frames[3]["item"]["content"][0]["text"], "Hello");
    let call =
        json!({"type": "client_tool_call", "name": "askColor", "arguments": {"q": 1}, "id": "tc_ab_3", "call_id": "c"});
    assert_eq!(frames[4], call);
}

#[test]
fn a_keep_alive_is_a_comment() {
    for mut encoder in [Box::new(Encode::new(&context(), true)) as Box<dyn Encoder>, Box::new(Simple::new(&context()))]
    {
        let mut out = BytesMut::new();
        encoder.keep_alive(&mut out);
        assert_eq!(out, ": keep-alive\n\n");
    }
}
