use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::items::{Said, Tag};

const POST: RequestHead<'_> = RequestHead { method: "POST", path: "/chatkit", below: "", query: "" };

fn read(body: &Value) -> Result<Ask, CallerError> {
    ask(&POST, body.to_string().as_bytes())
}

fn operation(kind: &str, params: &Value) -> Result<Ask, CallerError> {
    read(&json!({"type": kind, "params": params, "metadata": {"any": null}, "unknown": 1}))
}

fn begun(kind: &str, params: &Value) -> TurnAsk {
    match operation(kind, params) {
        Ok(Ask::Turn(turn)) => *turn,
        other => panic!("{kind}: {other:?}"),
    }
}

fn done(kind: &str, params: &Value) -> Operation {
    match operation(kind, params) {
        Ok(Ask::Operation(operation)) => operation,
        other => panic!("{kind}: {other:?}"),
    }
}

/// A right request of every operation.
fn samples() -> Vec<(&'static str, Value)> {
    let input = json!({"content": [{"type": "input_text", "text": "Hi"}], "attachments": [], "inference_options": {}});
    let action = json!({"type": "buy", "payload": {"n": 1}});
    vec![
        ("threads.create", json!({"input": input})),
        ("threads.add_user_message", json!({"thread_id": "thr_1", "input": input})),
        ("threads.add_client_tool_output", json!({"thread_id": "thr_1", "result": {"ok": true}})),
        ("threads.add_structured_input", json!({"thread_id": "thr_1", "item_id": "msg_1", "input": {"answers": {}}})),
        ("threads.retry_after_item", json!({"thread_id": "thr_1", "item_id": "msg_1"})),
        ("threads.custom_action", json!({"thread_id": "thr_1", "item_id": "msg_1", "action": action})),
        ("threads.sync_custom_action", json!({"thread_id": "thr_1", "item_id": "msg_1", "action": action})),
        ("threads.get_by_id", json!({"thread_id": "thr_1"})),
        ("threads.list", json!({"limit": 5, "order": "desc", "after": "thr_0"})),
        ("items.list", json!({"thread_id": "thr_1", "limit": 5, "order": "asc", "after": "msg_0"})),
        ("items.feedback", json!({"thread_id": "thr_1", "item_ids": ["msg_1"], "kind": "positive"})),
        ("threads.update", json!({"thread_id": "thr_1", "title": "New"})),
        ("threads.delete", json!({"thread_id": "thr_1"})),
        ("attachments.create", json!({"name": "a.png", "size": 5, "mime_type": "image/png"})),
        ("attachments.delete", json!({"attachment_id": "atc_1"})),
        ("input.transcribe", json!({"audio_base64": "AAEC", "mime_type": "audio/webm;codecs=opus"})),
    ]
}

#[test]
fn every_operation_is_known_and_needs_its_params() {
    assert_eq!(samples().len(), 16);
    for (kind, params) in samples() {
        operation(kind, &params).unwrap_or_else(|error| panic!("{kind}: {error}"));
        for (params, said) in
            [(json!(null), "params: is missing"), (json!([]), "params: must be an object, not an array")]
        {
            assert_eq!(operation(kind, &params).unwrap_err().to_string(), said, "{kind}");
        }
    }
}

#[test]
fn a_missing_or_wrong_member_is_refused_at_its_place() {
    for (kind, params) in samples() {
        let Value::Object(members) = &params else { panic!("{kind}") };
        for (key, value) in members {
            // A wrong type is refused everywhere but where any JSON is right.
            let mut wrong = params.clone();
            wrong[key] = if value.is_object() { json!(7) } else { json!({"no": 1}) };
            if key != "result" {
                let error = operation(kind, &wrong).unwrap_err();
                assert_eq!((error.status, error.path), (400, format!("params.{key}")), "{kind} with a wrong {key}");
            }
            let mut without = params.clone();
            without.as_object_mut().unwrap().shift_remove(key);
            let may_miss = ["result", "limit", "order", "after"].contains(&key.as_str())
                || (key == "item_id" && kind.ends_with("custom_action"));
            match operation(kind, &without) {
                Ok(_) => assert!(may_miss, "{kind} without {key}"),
                Err(error) => {
                    assert!(!may_miss, "{kind} without {key}");
                    assert_eq!(error.to_string(), format!("params.{key}: is missing"), "{kind}");
                }
            }
        }
    }
}

#[test]
fn other_methods_paths_and_operations_are_refused() {
    let body = json!({"type": "threads.list", "params": {}}).to_string();
    for method in ["GET", "PUT", "DELETE", "", "post"] {
        let error = ask(&RequestHead { method, ..POST }, body.as_bytes()).unwrap_err();
        assert_eq!((error.status, error.code), (405, "method_not_allowed"), "{method}");
    }
    assert!(ask(&RequestHead { below: "/", ..POST }, body.as_bytes()).is_ok());
    assert_eq!(ask(&RequestHead { below: "/thr_1", ..POST }, body.as_bytes()).unwrap_err().status, 404);
    for (body, code, path) in [
        (json!({"type": "threads.destroy", "params": {}}), "unknown_operation", "type"),
        (json!({"type": "", "params": {}}), "unknown_operation", "type"),
        (json!({"type": 5, "params": {}}), "invalid_request", "type"),
        (json!({"params": {}}), "invalid_request", "type"),
        (json!({"type": "threads.list"}), "invalid_request", "params"),
    ] {
        let error = read(&body).unwrap_err();
        assert_eq!((error.status, error.code, error.path.as_str()), (400, code, path), "{body}");
    }
    for body in ["", "{", "[]", "null", "\"threads.list\"", "\u{feff}{}"] {
        assert_eq!(ask(&POST, body.as_bytes()).unwrap_err().status, 400, "{body:?}");
    }
}

#[test]
fn a_message_says_what_it_holds_and_which_choices_were_made() {
    let input = json!({
        "content": [
            {"type": "input_text", "text": "Hi "},
            {"type": "input_tag", "id": " t 1", "text": "Ann", "data": {"a": null}, "group": "People", "interactive": "true"},
            {"type": "input_tag", "id": "t2", "text": "Bob"},
        ],
        "attachments": ["atc_1", "atc_2", "atc_1"],
        "quoted_text": "before",
        "inference_options": {"model": "fast", "tool_choice": {"id": "web search"}},
    });
    let turn = begun("threads.create", &json!({"input": input}));
    assert_eq!((turn.thread, turn.make), (None, false));
    assert_eq!(turn.chat.model.as_deref(), Some("fast"));
    assert_eq!(turn.chat.tool_choice, ToolChoice::Named("web search".into()));
    assert!(turn.chat.stream && !turn.chat.regenerate && turn.chat.messages.is_empty());
    let Begin::Message { id: None, message, .. } = turn.begin else { panic!("a message") };
    let data = json!({"a": null}).as_object().unwrap().clone();
    let (ann, group) = ("Ann".to_owned(), Some("People".to_owned()));
    let tags = [
        Tag { id: " t 1".to_owned(), text: ann, data, group, interactive: true },
        Tag { id: "t2".to_owned(), text: "Bob".to_owned(), data: Map::new(), group: None, interactive: false },
    ];
    assert_eq!(message.content[0], Said::Text { text: "Hi ".to_owned() });
    assert_eq!(message.content[1..], tags.map(Said::Tag));
    assert_eq!(message.attachments.iter().map(|file| file.id.as_str()).collect::<Vec<_>>(), ["atc_1", "atc_2"]);
    assert_eq!(message.quoted.as_deref(), Some("before"));
    assert_eq!((message.model.as_deref(), message.tool.as_deref()), (Some("fast"), Some("web search")));
}

#[test]
fn what_a_page_may_leave_out_may_be_missing_null_or_empty() {
    let text = json!([{"type": "input_text", "text": "Hi"}]);
    for extra in [
        json!({}),
        json!({"attachments": null, "inference_options": null, "quoted_text": null}),
        json!({"attachments": [], "inference_options": {"model": null, "tool_choice": null}, "quoted_text": ""}),
        json!({"inference_options": {"model": ""}}),
    ] {
        let mut input = extra.clone();
        input["content"] = text.clone();
        let turn = begun("threads.add_user_message", &json!({"thread_id": "thr_1", "input": input}));
        assert_eq!((turn.thread.as_deref(), turn.chat.thread.as_deref()), (Some("thr_1"), Some("thr_1")));
        assert_eq!((turn.chat.model, turn.chat.tool_choice), (None, ToolChoice::Auto));
        let Begin::Message { message, .. } = turn.begin else { panic!("a message") };
        assert_eq!((message.quoted, message.attachments.len()), (None, 0), "{extra}");
    }
}

#[test]
fn a_message_that_says_nothing_is_refused_and_one_with_a_file_or_a_tag_is_not() {
    let tag = json!({"type": "input_tag", "id": "t", "text": ""});
    for (content, attachments, right) in [
        (json!([]), json!([]), false),
        (json!([{"type": "input_text", "text": " \n\u{a0}"}]), json!([]), false),
        (json!([]), json!(["atc_1"]), true),
        (json!([tag]), json!([]), true),
    ] {
        let read = operation("threads.create", &json!({"input": {"content": content, "attachments": attachments}}));
        assert_eq!(read.is_ok(), right, "{content}");
        if let Err(error) = read {
            assert_eq!(error.to_string(), "params.input.content: is empty; there is nothing to answer");
        }
    }
}

#[test]
fn mistakes_inside_a_message_are_named_to_the_member() {
    let text = json!({"type": "input_text", "text": "Hi"});
    for (input, place) in [
        (json!({}), "content"),
        (json!({"content": "Hi"}), "content"),
        (json!({"content": ["Hi"]}), "content[0]"),
        (json!({"content": [text, {"text": "Hi"}]}), "content[1].type"),
        (json!({"content": [{"type": "input_image"}]}), "content[0].type"),
        (json!({"content": [{"type": "input_text"}]}), "content[0].text"),
        (json!({"content": [{"type": "input_text", "text": 5}]}), "content[0].text"),
        (json!({"content": [{"type": "input_tag", "text": "a"}]}), "content[0].id"),
        (json!({"content": [{"type": "input_tag", "id": "a", "text": "a", "data": []}]}), "content[0].data"),
        (json!({"content": [{"type": "input_tag", "id": "a", "text": "a", "group": 1}]}), "content[0].group"),
        (
            json!({"content": [{"type": "input_tag", "id": "a", "text": "a", "interactive": "yes"}]}),
            "content[0].interactive",
        ),
        (json!({"content": [text], "attachments": {}}), "attachments"),
        (json!({"content": [text], "attachments": ["a", {"id": "b"}]}), "attachments[1]"),
        (json!({"content": [text], "attachments": ["../x y"]}), "attachments[0]"),
        (json!({"content": [text], "quoted_text": []}), "quoted_text"),
        (json!({"content": [text], "inference_options": "fast"}), "inference_options"),
        (json!({"content": [text], "inference_options": {"model": 4}}), "inference_options.model"),
        (json!({"content": [text], "inference_options": {"tool_choice": "t"}}), "inference_options.tool_choice"),
        (json!({"content": [text], "inference_options": {"tool_choice": {}}}), "inference_options.tool_choice.id"),
        (json!({"content": vec![text.clone(); MOST_LISTED + 1]}), "content"),
        (json!({"content": [text], "attachments": vec!["a"; MOST_LISTED + 1]}), "attachments"),
    ] {
        let error = operation("threads.create", &json!({"input": input})).unwrap_err();
        assert_eq!((error.status, error.path), (400, format!("params.input.{place}")));
    }
}

#[test]
fn an_output_is_any_json_and_nothing_is_null() {
    for (params, output) in [
        (json!({"thread_id": "t"}), json!(null)),
        (json!({"thread_id": "t", "result": null}), json!(null)),
        (json!({"thread_id": "t", "result": "done"}), json!("done")),
        (json!({"thread_id": "t", "result": {"a": [null, 1.5]}}), json!({"a": [null, 1.5]})),
    ] {
        let said = CallSaid::Output(output);
        let begin = begun("threads.add_client_tool_output", &params).begin;
        assert_eq!(begin, Begin::Outputs { answers: vec![CallAnswer { call: None, said }], lenient: false });
    }
}

#[test]
fn a_form_is_answered_question_by_question_or_skipped() {
    let form = |input: Value| {
        let begin =
            begun("threads.add_structured_input", &json!({"thread_id": "t", "item_id": "f", "input": input})).begin;
        let Begin::Form { item, answers } = begin else { panic!("a form") };
        assert_eq!(item, "f");
        answers.map(|answers| json!(answers))
    };
    assert_eq!(form(json!({"status": "skipped", "answers": {"a": {"values": ["1"]}}})), None);
    assert_eq!(form(json!({})), Some(json!({})));
    assert_eq!(form(json!({"status": "answered", "answers": null})), Some(json!({})));
    let answers = json!({
        "a": {"values": ["1", "2"]}, "b": {"values": ["1"], "skipped": true}, "c": {"skipped": "1"},
        "d": {"values": null}, "e": null, "f": {},
    });
    assert_eq!(
        form(json!({"answers": answers})),
        Some(json!({"a": ["1", "2"], "b": [], "c": [], "d": [], "e": [], "f": []}))
    );
    for (input, place) in [
        (json!([]), ""),
        (json!({"status": "done"}), ".status"),
        (json!({"answers": []}), ".answers"),
        (json!({"answers": {"a": "1"}}), ".answers.a"),
        (json!({"answers": {"a": {"values": "1"}}}), ".answers.a.values"),
        (json!({"answers": {"a": {"values": [1]}}}), ".answers.a.values[0]"),
        (json!({"answers": {"a": {"skipped": 2}}}), ".answers.a.skipped"),
        (
            json!({"answers": (0..=MOST_LISTED).map(|at| (at.to_string(), json!({}))).collect::<Map<_, _>>()}),
            ".answers",
        ),
    ] {
        let params = json!({"thread_id": "t", "item_id": "f", "input": input});
        let error = operation("threads.add_structured_input", &params).unwrap_err();
        assert_eq!(error.path, format!("params.input{place}"));
    }
}

#[test]
fn a_retry_names_the_item_to_begin_behind() {
    let turn = begun("threads.retry_after_item", &json!({"thread_id": "t", "item_id": "msg_1"}));
    assert_eq!(turn.begin, Begin::Retry { after: Some("msg_1".into()) });
    assert!(turn.chat.regenerate && turn.chat.stream);
}

#[test]
fn an_action_is_a_turn_or_an_operation() {
    let action = json!({"type": "buy", "payload": {"n": null}, "handler": "server", "streaming": false});
    let params = json!({"thread_id": "t", "item_id": "w", "action": action});
    let act = Act { item: Some("w".into()), name: "buy".to_owned(), payload: json!({"n": null}) };
    assert_eq!(begun("threads.custom_action", &params).begin, Begin::Action(act.clone()));
    assert_eq!(done("threads.sync_custom_action", &params), Operation::Act { thread: "t".into(), act });
    let bare = Act { item: None, name: "buy".to_owned(), payload: Value::Null };
    for params in [
        json!({"thread_id": "t", "action": {"type": "buy"}}),
        json!({"thread_id": "t", "item_id": null, "action": {"type": "buy", "payload": null}}),
    ] {
        assert_eq!(begun("threads.custom_action", &params).begin, Begin::Action(bare.clone()));
    }
    for (action, place) in [(json!({}), ".type"), (json!({"type": " "}), ".type"), (json!("buy"), "")] {
        let error = operation("threads.custom_action", &json!({"thread_id": "t", "action": action})).unwrap_err();
        assert_eq!(error.path, format!("params.action{place}"));
    }
}

#[test]
fn lists_are_read_leniently_and_bounded() {
    for (params, limit, oldest_first, after) in [
        (json!({}), None, false, None),
        (json!({"limit": null, "order": null, "after": null}), None, false, None),
        (json!({"limit": 0, "order": "desc", "after": ""}), None, false, None),
        (json!({"limit": "5", "order": "asc", "after": "x"}), Some(5), true, Some("x")),
        (json!({"limit": 5.0}), Some(5), false, None),
        (json!({"limit": 9999}), Some(9999), false, None),
        (json!({"limit": 10_000}), Some(9999), false, None),
        (json!({"limit": u64::MAX}), Some(9999), false, None),
    ] {
        let list = List { limit, oldest_first, after: after.map(Into::into) };
        assert_eq!(done("threads.list", &params), Operation::Threads(list.clone()), "{params}");
        let mut of_thread = params.clone();
        of_thread["thread_id"] = json!("t");
        assert_eq!(done("items.list", &of_thread), Operation::Items { thread: "t".into(), list });
    }
    for (params, place) in [
        (json!({"limit": -1}), "limit"),
        (json!({"limit": 1.5}), "limit"),
        (json!({"limit": "many"}), "limit"),
        (json!({"limit": "-1"}), "limit"),
        (json!({"limit": 1e300}), "limit"),
        (json!({"order": "ASC"}), "order"),
        (json!({"order": 1}), "order"),
        (json!({"after": 1}), "after"),
    ] {
        assert_eq!(operation("threads.list", &params).unwrap_err().path, format!("params.{place}"), "{params}");
    }
}

#[test]
fn threads_are_read_renamed_and_deleted() {
    let params = json!({"thread_id": "t", "title": " A new name "});
    assert_eq!(done("threads.get_by_id", &params), Operation::Thread { thread: "t".into() });
    assert_eq!(done("threads.delete", &params), Operation::Delete { thread: "t".into() });
    let title = "A new name".to_owned();
    assert_eq!(done("threads.update", &params), Operation::Rename { thread: "t".into(), title });
    for title in [String::new(), " ".to_owned(), "é".repeat(LONGEST_NAME + 1)] {
        let error = operation("threads.update", &json!({"thread_id": "t", "title": title})).unwrap_err();
        assert_eq!(error.path, "params.title");
    }
    assert!(operation("threads.update", &json!({"thread_id": "t", "title": "é".repeat(LONGEST_NAME)})).is_ok());
}

#[test]
fn ids_are_short_and_visible() {
    for id in [json!(""), json!("a b"), json!("a\n"), json!("é"), json!("a\u{0}"), json!("a".repeat(257)), json!(5)] {
        let error = operation("threads.get_by_id", &json!({"thread_id": id})).unwrap_err();
        assert_eq!((error.status, error.path.as_str()), (400, "params.thread_id"), "{id}");
    }
    assert!(operation("threads.get_by_id", &json!({"thread_id": "a".repeat(256)})).is_ok());
}

#[test]
fn feedback_names_each_item_once() {
    let params = json!({"thread_id": "t", "item_ids": ["a", "b", "a"], "kind": "negative"});
    let items = vec!["a".into(), "b".into()];
    assert_eq!(done("items.feedback", &params), Operation::Feedback { thread: "t".into(), items, positive: false });
    let error = operation("items.feedback", &json!({"thread_id": "t", "item_ids": ["a"], "kind": "meh"})).unwrap_err();
    assert_eq!(error.to_string(), "params.kind: must be one of positive, negative");
    let error = operation("items.feedback", &json!({"thread_id": "t", "item_ids": ["a", 1], "kind": "positive"}));
    assert_eq!(error.unwrap_err().path, "params.item_ids[1]");
}

#[test]
fn a_file_is_announced_with_a_media_type_fit_for_a_header() {
    for (given, media_type) in [
        ("image/png", "image/png"),
        ("", "application/octet-stream"),
        (" text/plain; charset=utf-8 ", "text/plain; charset=utf-8"),
    ] {
        let params = json!({"name": "a.png", "size": "12", "mime_type": given});
        let (name, media_type) = ("a.png".to_owned(), media_type.to_owned());
        assert_eq!(done("attachments.create", &params), Operation::CreateAttachment { name, size: 12, media_type });
    }
    for wrong in ["png", "image/", "/png", "image/p\r\nx: y", "image/png; a=\u{1}", "im age/png", "image/é"] {
        let error = operation("attachments.create", &json!({"name": "a", "size": 1, "mime_type": wrong})).unwrap_err();
        assert_eq!(error.path, "params.mime_type", "{wrong:?}");
    }
    let error = operation("attachments.create", &json!({"name": "a", "size": -1, "mime_type": "a/b"})).unwrap_err();
    assert_eq!(error.path, "params.size");
    let attachment = "atc_1".into();
    let params = json!({"attachment_id": "atc_1"});
    assert_eq!(done("attachments.delete", &params), Operation::DeleteAttachment { attachment });
}

#[test]
fn speech_is_decoded_and_bounded() {
    let spoken = |audio: &str| {
        operation("input.transcribe", &json!({"audio_base64": audio, "mime_type": "audio/webm;codecs=opus"}))
    };
    let media_type = "audio/webm;codecs=opus".to_owned();
    assert_eq!(spoken("AAEC").unwrap(), Ask::Operation(Operation::Transcribe { audio: vec![0, 1, 2], media_type }));
    for wrong in ["", "====", "A", "data:audio/webm;base64,AAEC", "ä"] {
        assert_eq!(spoken(wrong).unwrap_err().path, "params.audio_base64", "{wrong}");
    }
    let error = spoken(&"A".repeat(LONGEST_AUDIO / 3 * 4 + 8)).unwrap_err();
    assert_eq!((error.status, error.code, error.path.as_str()), (413, "too_large", "params.audio_base64"));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["input_text", "input_tag", "asc", "5", "thr_1", "positive", "a/b", "AAEC"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        let key = prop::sample::select(vec![
            "thread_id",
            "input",
            "content",
            "type",
            "text",
            "id",
            "data",
            "attachments",
            "quoted_text",
            "result",
            "inference_options",
            "tool_choice",
            "model",
            "item_id",
            "item_ids",
            "action",
            "payload",
            "limit",
            "order",
            "after",
            "kind",
            "title",
            "name",
            "size",
            "mime_type",
            "attachment_id",
            "audio_base64",
            "status",
            "answers",
            "values",
            "skipped",
            "interactive",
            "group",
            "x",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..8)
                .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_json_does_harm_and_every_mistake_has_a_place(at in 0..16_usize, patch in any_json(), key in any::<prop::sample::Index>(), whole in any::<bool>()) {
        let (kind, mut params) = samples().swap_remove(at);
        if whole {
            params = patch;
        } else if let Value::Object(members) = &mut params {
            let at = key.index(members.len());
            if let Some((_, value)) = members.iter_mut().nth(at) {
                *value = patch;
            }
        }
        match operation(kind, &params) {
            Err(error) => {
                prop_assert!((400..500).contains(&error.status));
                prop_assert!(error.path.starts_with("params"), "{}: {}", kind, error);
            }
            Ok(read) => prop_assert_eq!(
                matches!(read, Ask::Turn(_)),
                at < 6,
                "{} is a turn or not whatever it holds", kind
            ),
        }
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(ask(&POST, &bytes).is_err());
    }
}
