use super::*;

#[test]
fn ids_that_change_with_every_event_do_not_matter() {
    let decoded = decode(&sse(&[
        r#"{"type":"response.created","response":{"id":"a"}}"#,
        r#"{"type":"response.in_progress","response":{"id":"b","model":"m2"}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"c","summary":[]}}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"d","summary":[]}}"#,
        r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"message","id":"e","content":[]}}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"item_id":"f","delta":"x"}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","id":"g","content":[{"type":"output_text","text":"x"}]}}"#,
        r#"{"type":"response.completed","response":{"id":"h","output":[{"type":"reasoning","id":"i"},{"type":"message","id":"j","content":[{"type":"output_text","text":"x"}]}]}}"#,
    ]));
    assert_eq!(decoded.answer.text(), "x");
    assert_eq!((decoded.answer.response.as_deref(), decoded.answer.model.as_deref()), (Some("a"), Some("m2")));
    assert_eq!(decoded.reasoning().len(), 1);
    assert_eq!(marked(decoded.texts()[0].1, "id"), Some(&"e".into()));
}

#[test]
fn repeated_wholes_give_only_what_is_missing() {
    let done = |whole: &str| {
        let text_done =
            format!(r#"{{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"{whole}"}}"#);
        let part_done = format!(
            r#"{{"type":"response.content_part.done","output_index":0,"content_index":0,"part":{{"type":"output_text","text":"{whole}"}}}}"#
        );
        let item = format!(r#"{{"type":"message","id":"m","content":[{{"type":"output_text","text":"{whole}"}}]}}"#);
        let item_done = format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{item}}}"#);
        let completed = format!(r#"{{"type":"response.completed","response":{{"output":[{item}]}}}}"#);
        [text_done, part_done, item_done, completed]
    };
    let wholes = done("Hello");
    for deltas in [&[][..], &[text("\"He\"")], &[text("\"Hello\"")]] {
        for used in 1_u32..16 {
            let chosen = wholes.iter().enumerate().filter(|(at, _)| used & (1 << at) != 0).map(|(_, whole)| whole);
            let mut payloads: Vec<&str> = deltas.iter().chain(chosen).map(String::as_str).collect();
            payloads.insert(0, CREATED);
            payloads.push(COMPLETED);
            let events = events(&[sse(&payloads).as_bytes()]);
            let mut answer = Answer::default();
            events.iter().for_each(|event| answer.event(event));
            assert_eq!(answer.text(), "Hello", "{payloads:?}");
        }
    }
}

#[test]
fn another_final_text_is_reported_and_the_streamed_one_stands() {
    let completed = r#"{"type":"response.completed","response":{"output":[{"type":"message","content":[{"type":"output_text","text":"Bye"}]}]}}"#;
    let decoded = decode(&sse(&[CREATED, &text("\"Hello\""), completed]));
    assert_eq!(decoded.answer.text(), "Hello");
    assert!(
        decoded
            .events
            .iter()
            .any(|event| matches!(event, Event::Warning(warning) if warning.code == "final-text-differs"))
    );
}

#[test]
fn a_final_response_without_output_keeps_the_streamed_items() {
    let decoded = decode(&stream(&[&text("\"x\"")]));
    assert_eq!((decoded.answer.text().as_str(), decoded.outcome()), ("x", "complete"));
}

#[test]
fn items_that_were_never_streamed_come_from_the_final_response() {
    let completed = r#"{"type":"response.completed","response":{"output":[
        {"type":"message","content":[{"type":"output_text","text":"one"},{"type":"refusal","refusal":"no"}]},
        {"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}"},
        {"type":"web_search_call","id":"ws","status":"completed","action":{"type":"search","query":"q"}}]}}"#
        .replace('\n', "");
    let decoded = decode(&sse(&[CREATED, &completed]));
    assert_eq!((decoded.answer.text().as_str(), decoded.answer.refusal().as_str()), ("one", "no"));
    let tools = decoded.tools();
    assert_eq!((tools[0].call.id.as_str(), tools[0].arguments.as_str(), tools[0].whole), ("c", "{\"a\":1}", true));
    assert_eq!((tools[1].call.id.as_str(), tools[1].arguments.as_str()), ("ws", r#"{"type":"search","query":"q"}"#));
    assert_eq!(decoded.finish().0, "tool_calls");
}

#[test]
fn a_resumed_stream_may_start_in_the_middle() {
    let decoded = decode(&sse(&[
        r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"world"}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","id":"m","content":[{"type":"output_text","text":"Hello world"}]}}"#,
        r#"{"type":"response.completed","response":{"id":"r","output":[{"type":"reasoning","id":"rs","encrypted_content":"E"},{"type":"message","id":"m2","content":[{"type":"output_text","text":"Hello world"}]}]}}"#,
    ]));
    assert_eq!((decoded.answer.text().as_str(), decoded.answer.response.as_deref()), ("world", Some("r")));
    assert!(!decoded.events.iter().any(|event| matches!(event, Event::Warning(_))));
}

#[test]
fn unknown_events_members_and_items_do_not_disturb() {
    let decoded = decode(&stream(&[
        r#"{"type":"response.reasoning_part.added","output_index":0,"part":{"type":"reasoning_text"}}"#,
        r#"{"type":"response.audio.delta","delta":"AAAA"}"#,
        r#"{"type":"response.something.new","output_index":{"odd":1}}"#,
        r#"{"type":"response.output_text.delta","output_index":"0","content_index":null,"delta":"x","logprobs":[],"obfuscation":"q"}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"delta":""}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"delta":null}"#,
        r#"{"type":"vendor.metrics","value":1}"#,
    ]));
    assert_eq!((decoded.answer.text().as_str(), decoded.outcome()), ("x", "complete"));
    assert_eq!(decoded.events.len(), 5, "{:?}", decoded.events);
}

#[test]
fn parts_of_a_message_are_blocks_and_positions_are_not_their_indexes() {
    let decoded = decode(&stream(&[
        r#"{"type":"response.output_text.delta","output_index":0,"content_index":3,"delta":"a"}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"content_index":4,"delta":"b"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"output_text","text":"b!"},{"type":"output_text","text":"c"}]}}"#,
    ]));
    assert_eq!(decoded.texts().iter().map(|(text, _)| *text).collect::<Vec<_>>(), ["a", "b!", "c"]);
}

#[test]
fn a_commentary_keeps_its_phase_and_is_another_block_than_the_answer() {
    let message = |at: u32, phase: &str| {
        [
            format!(
                r#"{{"type":"response.output_item.added","output_index":{at},"item":{{"type":"message","id":"m{at}","phase":"{phase}"}}}}"#
            ),
            format!(r#"{{"type":"response.output_text.delta","output_index":{at},"content_index":0,"delta":"t{at}"}}"#),
            format!(
                r#"{{"type":"response.output_item.done","output_index":{at},"item":{{"type":"message","id":"m{at}","phase":"{phase}","content":[{{"type":"output_text","text":"t{at}"}}]}}}}"#
            ),
        ]
    };
    let payloads = [message(0, "commentary"), message(1, "final_answer")].concat();
    let decoded = decode(&stream(&payloads.iter().map(String::as_str).collect::<Vec<_>>()));
    let texts = decoded.texts();
    assert_eq!((texts[0].0, texts[1].0), ("t0", "t1"));
    assert_eq!(marked(texts[0].1, "phase"), Some(&"commentary".into()));
    assert_eq!(
        (marked(texts[1].1, "phase"), marked(texts[1].1, "id")),
        (Some(&"final_answer".into()), Some(&"m1".into()))
    );
}

#[test]
fn a_citation_counts_once_and_also_where_only_the_whole_has_it() {
    let first = r#"{"type":"url_citation","url":"u1","title":"t","start_index":0,"end_index":1}"#;
    let second = r#"{"type":"file_citation","file_id":"f","filename":"a.txt","index":0}"#;
    let added = format!(
        r#"{{"type":"response.output_text.annotation.added","output_index":0,"content_index":0,"annotation":{first}}}"#
    );
    let part = format!(r#"{{"type":"output_text","text":"x","annotations":[{first},{second}]}}"#);
    let part_done =
        format!(r#"{{"type":"response.content_part.done","output_index":0,"content_index":0,"part":{part}}}"#);
    let item_done = format!(
        r#"{{"type":"response.output_item.done","output_index":0,"item":{{"type":"message","content":[{part}]}}}}"#
    );
    for payloads in [
        vec![text("\"x\""), added.clone(), part_done, item_done.clone()],
        vec![item_done.clone()],
        vec![added, item_done],
    ] {
        let decoded = decode(&stream(&payloads.iter().map(String::as_str).collect::<Vec<_>>()));
        let citations: Vec<_> = crate::chat::citations(decoded.texts()[0].1).collect();
        assert_eq!(citations.len(), 2, "{payloads:?}");
        assert_eq!((citations[0].url.as_deref(), citations[1].title.as_deref()), (Some("u1"), Some("a.txt")));
    }
}

#[test]
fn summaries_share_a_block_with_blank_lines_between() {
    let delta = |at: u32, delta: &str| {
        format!(
            r#"{{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":{at},"delta":"{delta}"}}"#
        )
    };
    let done = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs","encrypted_content":"E","summary":[{"type":"summary_text","text":"haha"},{"type":"summary_text","text":"two"},{"type":"summary_text","text":"three"}]}}"#;
    let decoded = decode(&stream(&[&delta(0, "ha"), &delta(0, "ha"), &delta(1, "tw"), done]));
    let reasoning = decoded.reasoning();
    assert_eq!((reasoning.len(), reasoning[0].0, reasoning[0].1), (1, "haha\n\ntwo\n\nthree", true));
    assert_eq!(reasoning[0].2.unwrap()["encrypted_content"], "E");
}

#[test]
fn thoughts_and_their_summary_are_two_blocks_of_one_item() {
    let decoded = decode(&stream(&[
        r#"{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"raw"}"#,
        r#"{"type":"response.reasoning_text.done","output_index":0,"content_index":0,"text":"raw!"}"#,
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"short"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"short"}],"content":[{"type":"reasoning_text","text":"raw!"}]}}"#,
    ]));
    let reasoning = decoded.reasoning();
    assert_eq!((reasoning[0].0, reasoning[0].1, reasoning[1].0, reasoning[1].1), ("raw!", false, "short", true));
    assert_eq!(reasoning.iter().filter(|(_, _, item)| item.is_some()).count(), 1);
    assert_eq!(decoded.answer.reasoning(), "raw!");
}

#[test]
fn reasoning_without_text_is_an_empty_block_that_carries_its_item() {
    for kind in ["reasoning", "compaction"] {
        let added = format!(
            r#"{{"type":"response.output_item.added","output_index":0,"item":{{"type":"{kind}","id":"rs","encrypted_content":"early"}}}}"#
        );
        let done = format!(
            r#"{{"type":"response.output_item.done","output_index":0,"item":{{"type":"{kind}","id":"rs","encrypted_content":"late"}}}}"#
        );
        let decoded =
            decode(&stream(&[&added, &done, &text("\"x\"").replace("\"output_index\":0", "\"output_index\":1")]));
        let reasoning = decoded.reasoning();
        assert_eq!((reasoning.len(), reasoning[0].0), (1, ""));
        assert_eq!(reasoning[0].2.unwrap()["encrypted_content"], "late");
    }
}

#[test]
fn text_behind_the_end_of_its_item_is_a_block_that_ends_too() {
    let done = r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","content":[]}}"#;
    let whole = r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"xyz"}"#;
    assert_eq!(decode(&stream(&[done, &text("\"x\"")])).answer.text(), "x");
    assert_eq!(decode(&stream(&[&text("\"x\""), done, whole])).answer.text(), "xyz");
}
