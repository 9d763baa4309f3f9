//! A line that is like the one before is not read again, and that makes no difference to what it says.
//!
//! The same answer is read twice: as it is, and with a space more in every other line, so that no line is like the one
//! before. White space means nothing between the members of an object.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use proptest::prelude::*;
use support::{Fixture, decode, fixtures, upstream, upstreams};

/// Pieces of text as they stand in JSON: also escapes, halves of a surrogate pair, and nothing at all.
const TEXTS: &[&str] = &[
    "\"a\"",
    "\" b c\"",
    "\"\"",
    r#""\n\"{\\""#,
    r#""\u00e9""#,
    r#""\ud83d""#,
    r#""\ude00""#,
    "\"é😀\u{2028}\"",
    r#""<think>""#,
    r#""</think>""#,
    "null",
    "7",
    "[\"x\"]",
    // No JSON: the answer ends here.
    "\"a\tb\"",
    r#""\q""#,
    "\"a",
];

/// Which of the texts are no JSON.
const BROKEN: usize = 3;

/// Lines of each protocol: `@` is a piece of text, `#` something that means nothing.
const LINES: &[(&str, &[&str])] = &[
    (
        "openai-chat",
        &[
            "data: {\"id\":\"i\",\"created\":1,\"choices\":[{\"index\":0,\"delta\":{\"content\":@},\"finish_reason\":null}],\"obfuscation\":\"#\"}\n\n",
            "data: {\"id\":\"i\",\"created\":1,\"choices\":[{\"index\":0,\"delta\":{\"content\":@,\"reasoning\":\"\"},\"finish_reason\":null}]}\n\n",
            "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":null,\"reasoning_content\":@}}],\"p\":\"#\"}\n\n",
            "data: {\"id\":\"i\",\"choices\":[{\"index\":#,\"delta\":{\"content\":@}}]}\n\n",
            "data: {\"id\":\"#\",\"model\":\"m#\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\",\"refusal\":@}}]}\n\n",
            "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\",\"arguments\":@}}]}}]}\n\n",
            "data: {\"id\":\"i\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":@}]}\n\n",
            ": comment\n\n",
        ],
    ),
    (
        "anthropic",
        &[
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":@}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":@}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":@}}\n\n",
            "event: ping\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":@}}\n\n",
            "data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":@}}\n\n",
            "data: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"c#\",\"name\":\"f\",\"input\":{}}}\n\n",
            "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
            "data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"signature_delta\",\"signature\":@}}\n\n",
        ],
    ),
    (
        "openai-responses",
        &[
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":#,\"output_index\":0,\"content_index\":0,\"delta\":@,\"obfuscation\":\"#\"}\n\n",
            "data: {\"type\":\"response.output_text.delta\",\"content_index\":1,\"delta\":@,\"sequence_number\":#}\n\n",
            "data: {\"type\":\"response.reasoning_summary_text.delta\",\"output_index\":1,\"summary_index\":0,\"delta\":@}\n\n",
            "event: response.refusal.delta\ndata: {\"output_index\":0,\"content_index\":0,\"delta\":@}\n\n",
            "event: response.reasoning_text.delta\ndata: {\"output_index\":0,\"content_index\":0,\"delta\":@}\n\n",
            "data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":3,\"delta\":@}\n\n",
            "data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"message\",\"content\":[]}}\n\n",
            "data: {\"type\":\"error\",\"message\":\"m\"}\n\n",
        ],
    ),
    (
        "ollama",
        &[
            "{\"model\":\"m\",\"created_at\":\"#\",\"message\":{\"role\":\"assistant\",\"content\":@},\"done\":false}\n",
            "{\"model\":\"m\",\"created_at\":\"#\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":@},\"done\":false}\n",
            "{\"model\":\"m#\",\"message\":{\"content\":\"a\",\"thinking\":@},\"done\":false}\n",
            "{\"model\":\"m\",\"message\":{\"content\":@,\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{}}}]}}\n",
        ],
    ),
];

/// The answer with a space more behind the first brace of every other line.
fn unlike(body: &str) -> String {
    body.split_inclusive('\n')
        .scan(0, |objects, line| {
            let is_object = line.trim_start_matches("data:").trim_start().starts_with('{');
            *objects += usize::from(is_object);
            Some(if is_object && *objects % 2 == 0 { line.replacen('{', "{ ", 1) } else { line.to_owned() })
        })
        .collect()
}

/// Both answers as events; of a failure only its kind, for its message quotes the line.
fn both(protocol: &str, body: &str) -> [(String, u32); 2] {
    let upstream = upstream(protocol).expect("providers speak it");
    [body.to_owned(), unlike(body)].map(|body| {
        let (events, breaches) = decode(&*upstream, &[body.as_bytes()]);
        let shown: Vec<String> = events
            .iter()
            .map(|event| match event {
                chatwire_protocols::event::Event::Failed(failure) => format!("failed: {:?}", failure.kind),
                event => format!("{event:?}"),
            })
            .collect();
        (shown.join("\n"), breaches)
    })
}

#[test]
fn every_protocol_has_lines_here() {
    for (protocol, _) in upstreams() {
        assert!(LINES.iter().any(|(known, _)| *known == protocol), "{protocol}: no lines");
    }
}

#[test]
fn answers_say_the_same_without_lines_that_are_alike() {
    for Fixture { name, protocol, bytes } in fixtures() {
        let (Some(_), Ok(body)) = (upstream(&protocol), String::from_utf8(bytes)) else { continue };
        let [alike, other] = both(&protocol, &body);
        assert_eq!(alike, other, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn lines_in_any_order_say_the_same_without_lines_that_are_alike(
        lines in proptest::collection::vec((0..12usize, 0..TEXTS.len() * 4, 0..3u8), 1..24)
    ) {
        for (protocol, templates) in LINES {
            let mut body = String::new();
            let mut kind = 0;
            for (template, text, nothing) in &lines {
                // Mostly the same kind of line again, and seldom one that ends the answer.
                kind = if *template < templates.len() { *template } else { kind };
                let text = TEXTS.get(*text).unwrap_or(&TEXTS[*text % (TEXTS.len() - BROKEN)]);
                body += &templates[kind % templates.len()].replace('@', text).replace('#', &nothing.to_string());
            }
            let [alike, other] = both(protocol, &body);
            prop_assert_eq!(alike, other, "{}: {}", protocol, body);
        }
    }
}
