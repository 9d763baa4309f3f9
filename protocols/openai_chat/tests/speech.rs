//! Text, reasoning, refusals, sources, files.

use serde_json::json;

use super::*;
use crate::event::{BlockKind, FileSource, Mark};
use crate::fold::Piece;

/// The kinds of the pieces, and what text ones say.
fn outline(answer: &Answer) -> Vec<String> {
    answer
        .pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Step => None,
            Piece::Text(text, _) => Some(format!("text {text}")),
            Piece::Reasoning { text, .. } => Some(format!("reasoning {text}")),
            Piece::Refusal(text) => Some(format!("refusal {text}")),
            Piece::File(file) => Some(format!("file {}", file.media_type)),
            Piece::Tool(tool) => Some(format!("tool {} {}", tool.call.name, tool.arguments)),
            Piece::Data(data) => Some(format!("data {} {:?}", data.name, data.id)),
        })
        .collect()
}

#[test]
fn every_line_end_and_a_byte_order_mark_give_the_same_answer() {
    let body = answer([json!({"role": "assistant", "content": ""}), json!({"content": "héllo"})], "stop");
    let expected = read(&body).0;
    assert_eq!(expected.text(), "héllo");
    for variant in [
        body.replace('\n', "\r\n"),
        body.replace('\n', "\r"),
        format!("\u{feff}{body}"),
        body.replace("data: ", "data:"),
        format!(": OPENROUTER PROCESSING\n\n{}", body.replace("\n\n", "\n\n: ping\n\n")),
        body.replace("data: ", "event: x\nid: 7\ndata: "),
        body.trim_end().to_owned(),
    ] {
        assert_eq!(read(&variant).0, expected, "{variant}");
    }
}

#[test]
fn one_payload_in_several_data_lines_is_one_chunk() {
    let body = "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"x\"},\ndata: \"finish_reason\":\"stop\"}]}\n\n";
    assert_eq!(message(body)["text"], "x");
}

#[test]
fn halves_of_a_surrogate_pair_in_two_deltas_are_joined() {
    let half = |text: &str| format!(r#"{{"choices":[{{"delta":{{"content":"{text}"}}}}]}}"#);
    let body = stream([half(r"a\ud83d"), half(r"\ude00b"), half(r"\ud83d"), finish("stop").to_string()]);
    assert_eq!(message(&body)["text"], "a😀b\u{fffd}");
}

#[test]
fn empty_choices_null_members_and_vendor_extras_cost_nothing() {
    let body = stream([
        json!({"id": "", "model": "", "object": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}),
        json!({"id": "a", "model": "m", "choices": null, "obfuscation": "x"}),
        json!({"id": "a", "choices": [{"index": 0, "delta": null, "finish_reason": ""}], "timings": {"x": 1.5}}),
        json!({"id": "b", "model": "m", "choices": [{"delta": {"role": "", "content": "x", "refusal": null}}], "p": "ab"}),
        json!({"id": "c", "model": "n", "choices": [{"delta": {"role": "assistant", "content": " "}}]}),
        json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "y"}, "finish_reason": "stop"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 1}, "moderation": {"results": []}}),
    ]);
    let got = message(&body);
    assert_eq!((&got["text"], &got["id"], &got["model"]), (&json!("x y"), &json!("a"), &json!("n")));
    assert_eq!(got["finish"], "stop");
}

#[test]
fn a_role_on_every_chunk_opens_one_block() {
    let deltas = ["a", "b", "c"].map(|text| json!({"role": "assistant", "content": text}));
    assert_eq!(outline(&read(&answer(deltas, "stop")).0), ["text abc"]);
}

#[test]
fn reasoning_has_one_source_per_delta_and_comes_before_its_text() {
    let details = |text: &str| json!([{"type": "reasoning.text", "text": text, "index": 0}]);
    let (got, events) = read(&answer(
        [
            json!({"content": "", "reasoning": "a", "reasoning_details": details("a")}),
            json!({"reasoning_content": "b", "reasoning": "b"}),
            json!({"reasoning_details": details("c"), "reasoning": null}),
            json!({"reasoning_content": "ha"}),
            json!({"reasoning_content": "ha", "content": "x"}),
            json!({"content": "y"}),
            json!({"reasoning": "d"}),
        ],
        "stop",
    ));
    assert_eq!(outline(&got), ["reasoning abchaha", "text xy", "reasoning d"]);
    assert_eq!(warnings(&events), [""; 0]);
}

#[test]
fn signatures_and_encrypted_reasoning_are_kept_for_the_way_back() {
    let (got, _) = read(&answer(
        [
            json!({"reasoning": "ab", "reasoning_details": [
                {"type": "reasoning.text", "text": "ab", "index": 0, "format": "anthropic-claude-v1"}]}),
            json!({"content": "", "reasoning_details": [
                {"type": "reasoning.text", "signature": "sig", "index": 0, "format": "anthropic-claude-v1"}]}),
            json!({"content": "x"}),
            json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "zz", "index": 1}]}),
        ],
        "stop",
    ));
    assert_eq!(outline(&got), ["reasoning ab", "text x", "reasoning "]);
    let Piece::Reasoning { marks, .. } = &got.pieces[1] else { panic!() };
    assert_eq!(marks[0], Mark::Signature { signature: "sig".into() });
    let value = json!([{"type": "reasoning.text", "text": "ab", "index": 0, "format": "anthropic-claude-v1", "signature": "sig"}]);
    assert_eq!(marks[1], Mark::Opaque { protocol: "openai-chat", key: "reasoning_details".into(), value });
    let Piece::Reasoning { marks, .. } = &got.pieces[3] else { panic!() };
    assert!(matches!(&marks[0], Mark::Opaque { value, .. } if value[0]["data"] == "zz"));
}

#[test]
fn signatures_that_only_this_protocol_understands_are_no_signature_marks() {
    let details = json!([{"type": "reasoning.text", "text": "a", "signature": "s", "format": "google-gemini-v1"}]);
    let (got, _) = read(&answer([json!({"reasoning_details": details})], "stop"));
    let Piece::Reasoning { marks, .. } = &got.pieces[1] else { panic!() };
    assert!(matches!(&marks[..], [Mark::Opaque { .. }]));
}

#[test]
fn encrypted_reasoning_before_the_answer_stands_before_it() {
    let details = json!([{"type": "reasoning.encrypted", "data": "zz", "id": "r"}]);
    let (got, _) = read(&answer([json!({"reasoning_details": details}), json!({"content": "x"})], "stop"));
    assert_eq!(outline(&got), ["reasoning ", "text x"]);
}

#[test]
fn content_lists_give_text_and_thoughts_in_order() {
    let thinking =
        |text: &str| json!({"type": "thinking", "thinking": [{"type": "text", "text": text}], "closed": true});
    let (got, events) = read(&answer(
        [
            json!({"content": [thinking("a"), {"type": "text", "text": "x"}]}),
            json!({"content": [{"type": "thinking", "thinking": "b"}, "y", {"type": "reference", "reference_ids": [1]}]}),
            json!({"content": {"type": "text", "text": "z"}}),
            json!({"content": [{"type": "hologram"}, {"type": "hologram"}]}),
            json!({"content": [thinking("once"), {"type": "text", "text": "!"}], "reasoning": "once"}),
        ],
        "stop",
    ));
    assert_eq!(outline(&got), ["reasoning a", "text x", "reasoning b", "text yz", "reasoning once", "text !"]);
    assert_eq!(warnings(&events), ["content-part-dropped"]);
}

#[test]
fn think_tags_are_split_where_the_configuration_says_so() {
    let body =
        answer(["<thi", "nk>\\ud83d\\ude00 a</th", "ink>\n\nb <think>c"].map(|text| json!({"content": text})), "stop")
            .replace("\\\\u", "\\u");
    let tags = |word: &str| outline(&read_with(&json!({"think_tags": word}), &body).0);
    assert_eq!(tags("off"), ["text <think>😀 a</think>\n\nb <think>c"]);
    assert_eq!(tags("auto"), ["reasoning 😀 a", "text b <think>c"]);
    let open = answer(["a</thi", "nk>b"].map(|text| json!({"content": text})), "stop");
    let tags = |word: &str| outline(&read_with(&json!({"think_tags": word}), &open).0);
    assert_eq!(tags("open"), ["reasoning a", "text b"]);
    assert_eq!(tags("auto"), ["text a</think>b"]);
}

#[test]
fn think_tags_in_the_reasoning_member_stay() {
    let body = answer([json!({"reasoning": "<think>a</think>"}), json!({"content": "b"})], "stop");
    assert_eq!(outline(&read_with(&json!({"think_tags": "auto"}), &body).0), ["reasoning <think>a</think>", "text b"]);
}

#[test]
fn a_refusal_is_shown_and_keeps_its_finish() {
    let got = message(&answer([json!({"content": null, "refusal": "I "}), json!({"refusal": "won't"})], "stop"));
    assert_eq!((&got["refusal"], &got["finish"], &got["text"]), (&json!("I won't"), &json!("stop"), &json!("")));
}

#[test]
fn citations_are_told_once_and_find_a_text_whenever_they_come() {
    let note = |url: &str, end: u64| json!({"type": "url_citation", "url_citation": {"url": url, "title": "", "start_index": 0, "end_index": end}});
    let (got, _) = read(&answer(
        [
            json!({"annotations": [note("a", 1)]}),
            json!({"content": "x", "annotations": [note("a", 1), note("b", 1)]}),
            json!({"annotations": [note("a", 2), {"type": "file_citation", "file_id": "f"}, {"type": "odd"}, null]}),
        ],
        "stop",
    ));
    let cited: Vec<_> = got.citations().iter().map(|it| (it.url.clone().unwrap_or_default(), it.end)).collect();
    assert_eq!(cited, [("a".into(), Some(1)), ("b".into(), Some(1)), ("a".into(), Some(2)), (String::new(), None)]);
    let (got, _) = read(&answer([json!({"refusal": "no"}), json!({"annotations": [note("a", 1)]})], "stop"));
    assert_eq!(got.citations().len(), 1);
}

#[test]
fn a_source_list_on_every_chunk_is_one_list() {
    let chunk = |text: &str, links: Value| {
        json!({"citations": links, "search_results": [{"url": "b", "title": "B"}],
               "choices": [{"delta": {"content": text}, "message": {"content": "whole"}}]})
    };
    let last = json!({"citations": ["a", "b"], "object": "chat.completion.done",
        "choices": [{"delta": {"content": ""}, "message": {"content": "xy"}, "finish_reason": "stop"}]});
    let body = stream([chunk("x", json!(["a", "b"])), chunk("y", json!(["a", "b"])), last]);
    let got = message(&body);
    assert_eq!(got["text"], "xy");
    assert_eq!(got["citations"].as_array().unwrap().len(), 2);
    assert_eq!((&got["citations"][1]["kind"], &got["citations"][1]["title"]), (&json!("url"), &json!("B")));
}

#[test]
fn images_are_files() {
    let image = |url: &str| json!({"type": "image_url", "image_url": {"url": url}});
    let images = json!([image("data:image/webp;base64,AAAA"), image("https://a/b")]);
    let (got, _) = read(&answer([json!({"content": "x"}), json!({"images": images}), json!({"content": "y"})], "stop"));
    assert_eq!(outline(&got), ["text x", "file image/webp", "file image/png", "text y"]);
    let Piece::File(file) = &got.pieces[2] else { panic!() };
    assert_eq!(file.source, FileSource::Base64("AAAA".into()));
}

#[test]
fn spoken_answers_give_their_words() {
    let (got, events) = read(&answer(
        [json!({"audio": {"id": "a", "transcript": "he"}}), json!({"audio": {"data": "AAAA", "transcript": "llo"}})],
        "stop",
    ));
    assert_eq!((got.text().as_str(), warnings(&events)), ("hello", vec!["audio-dropped"]));
}

#[test]
fn the_first_of_several_answers_is_used_with_one_warning() {
    let chunk = |index: u32, text: &str| json!({"choices": [{"index": index, "delta": {"content": text}}]});
    let both = json!({"choices": [{"index": 1, "delta": {"content": "no"}, "finish_reason": "length"},
                                  {"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]});
    let (got, events) = read(&stream([chunk(1, "no"), chunk(0, "a"), both]));
    assert_eq!((got.text().as_str(), warnings(&events)), ("ab", vec!["second-choice"]));
    assert_eq!(got.to_json()["finish"], "stop");
}

#[test]
fn server_run_tools_are_data_replaced_by_index() {
    let tool = |extra: &str| json!({"executed_tools": [{"index": 0, "type": "search", "output": extra}]});
    let (got, _) = read(&answer([tool(""), tool("found"), json!({"content": "x"})], "stop"));
    assert_eq!(outline(&got), [r#"data executed_tools Some("0")"#, "text x"]);
    let Piece::Data(data) = &got.pieces[1] else { panic!() };
    assert_eq!(data.value["output"], "found");
}

#[test]
fn the_first_event_names_answer_and_model() {
    let (_, events) = read(&answer([json!({"content": "x"})], "stop"));
    let Event::StepStart(start) = &events[0] else { panic!("{events:?}") };
    assert_eq!((start.response.as_deref(), start.model.as_deref()), (Some("i"), Some("m")));
    assert!(matches!(&events[1], Event::BlockStart { kind: BlockKind::Text, .. }));
}

#[test]
fn chunks_alike_and_chunks_that_all_differ_say_the_same() {
    let deltas = [
        json!({"reasoning": "a"}),
        json!({"reasoning": ""}),
        json!({"reasoning": "b\\\"}"}),
        json!({"content": "x", "role": "assistant"}),
        json!({"content": "", "role": "assistant"}),
        json!({"content": "\"],", "role": "assistant"}),
        json!({"content": "é\u{1}\\", "role": "assistant"}),
        json!({"content": "y"}),
        json!({"reasoning": "c"}),
        json!({"reasoning_content": "c"}),
    ];
    let written = |differ: bool| {
        let chunks = deltas.iter().enumerate().map(|(at, said)| {
            let mut chunk = delta(said.clone());
            chunk["created"] = json!(if differ { at } else { 0 });
            chunk["obfuscation"] = json!("x".repeat(at % 3));
            chunk
        });
        stream(chunks.chain([finish("stop")]))
    };
    assert_eq!(read(&written(false)).1, read(&written(true)).1);
}
