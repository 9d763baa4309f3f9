//! What holds for every provider's answer in every dialect, whatever protocols there are.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use chatwire_protocols::event::Event;
use chatwire_protocols::fold::{Answer, End};
use chatwire_protocols::protocol::{DecodeContext, Progress};
use chatwire_protocols::transcode;
use serde_json::Value;
use support::{Fixture, decode, fixtures, frontends, joined, random_cuts, small_fixtures, upstream};

/// How many random cuts each answer is tried with.
const CUTS: u64 = 20;

fn pieces_of(bytes: &[u8]) -> Vec<(String, Vec<&[u8]>)> {
    let mut all = vec![("byte by byte".to_owned(), bytes.chunks(1).collect())];
    all.extend((1..=CUTS).map(|seed| (format!("random {seed}"), random_cuts(bytes, seed))));
    all
}

fn terminals(events: &[Event]) -> usize {
    events.iter().filter(|event| event.is_terminal()).count()
}

#[test]
fn any_cut_of_an_answer_gives_the_same_turn() {
    for Fixture { name, protocol, bytes } in fixtures() {
        let Some(upstream) = upstream(&protocol) else { continue };
        let (whole, breaches) = decode(&*upstream, &[&bytes]);
        assert_eq!(breaches, 0, "{name}: events against the order");
        assert_eq!(terminals(&whole), 1, "{name}: ends");
        assert!(whole.last().is_some_and(Event::is_terminal), "{name}: nothing follows the end");
        let (expected, folded) = (joined(&whole), Answer::of(&whole));
        for (cut, pieces) in pieces_of(&bytes) {
            let (events, breaches) = decode(&*upstream, &pieces);
            assert_eq!(breaches, 0, "{name}, {cut}: events against the order");
            assert!(joined(&events) == expected, "{name}, {cut}: other events than of the whole");
            assert!(Answer::of(&events) == folded, "{name}, {cut}: another answer than of the whole");
        }
    }
}

#[test]
fn an_answer_gives_nothing_after_its_end() {
    for Fixture { name, protocol, bytes } in fixtures() {
        let Some(upstream) = upstream(&protocol) else { continue };
        let mut decoder = upstream.decoder(DecodeContext::default());
        let mut events = Vec::new();
        decoder.feed(&bytes, &mut events);
        decoder.finish(&mut events);
        assert_eq!(decoder.progress(), Progress::Ended, "{name}");
        let ended = events.len();
        decoder.feed(&bytes, &mut events);
        decoder.finish(&mut events);
        assert_eq!(events.len(), ended, "{name}: events after the end");
        assert!(matches!(events.first(), Some(Event::StepStart(_))), "{name}: a step begins first");
        assert!(matches!(events.last(), Some(Event::StepEnd(_) | Event::Failed(_))), "{name}: and ends last");
    }
}

#[test]
fn every_truncation_ends_once_and_never_looks_whole() {
    for Fixture { name, protocol, bytes } in small_fixtures(7000) {
        let Some(upstream) = upstream(&protocol) else { continue };
        // Every byte of the golden cases; of the longer replay streams every byte of the end and some of the rest.
        let dense = if bytes.len() < 2000 { 0 } else { bytes.len() - 600 };
        for at in (0..=bytes.len()).filter(|at| *at >= dense || at % 41 == 0) {
            let said = &bytes[..at];
            let (events, breaches) = decode(&*upstream, &[said]);
            assert_eq!(terminals(&events), 1, "{name} cut at {at}: ends");
            assert_eq!(breaches, 0, "{name} cut at {at}: events against the order");
            let complete = Answer::of(&events).end == Some(End::Complete);
            assert!(!complete || says_its_end(said), "{name} cut at {at}: a made-up success");
        }
    }
}

/// True if some line of the answer, or all of it, is an end in the words of any of the protocols.
fn says_its_end(said: &[u8]) -> bool {
    let ends = |text: &[u8]| {
        let text = text.strip_prefix(b"data:").unwrap_or(text).trim_ascii();
        text == b"[DONE]" || serde_json::from_slice(text).is_ok_and(|value| is_end(&value))
    };
    ends(said.strip_prefix("\u{feff}".as_bytes()).unwrap_or(said))
        || said.split(|byte| b"\r\n".contains(byte)).any(ends)
}

fn is_end(value: &Value) -> bool {
    let word = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let finish = ["/choices/0/finish_reason", "/delta/stop_reason", "/stop_reason"].map(word);
    let terminal = ["response.completed", "response.incomplete", "response.done", "message_stop"];
    finish.iter().any(|reason| !reason.is_empty())
        || terminal.contains(&word("/type"))
        || ["completed", "incomplete"].contains(&word("/status"))
        || value["done"] == true
}

#[test]
fn every_dialect_gets_the_same_bytes_whatever_the_cut() {
    for Fixture { name, protocol, bytes } in small_fixtures(20_000) {
        let Some(upstream) = upstream(&protocol) else { continue };
        let (whole, _) = decode(&*upstream, &[&bytes]);
        for (dialect, frontend) in frontends() {
            let expected = transcode::encode(&*frontend, &joined(&whole));
            for (cut, pieces) in pieces_of(&bytes).into_iter().take(6) {
                let (events, _) = decode(&*upstream, &pieces);
                let got = transcode::encode(&*frontend, &joined(&events));
                assert!(got == expected, "{name} as {dialect}, {cut}: other bytes than of the whole");
            }
        }
    }
}

/// What ends an answer in a dialect. A dialect of ours that is not listed here fails the test below.
struct Ending {
    dialect: &'static str,
    /// Counts the frames that say how the answer ended, of which there must be one. `None` where a body's own end
    /// is all there is.
    count: Option<fn(&str) -> usize>,
    /// What the body's last bytes must be.
    last: &'static str,
}

fn lines_with(text: &str, starts: &[&str]) -> usize {
    text.lines().filter(|line| starts.iter().any(|start| line.starts_with(start))).count()
}

const ENDINGS: &[Ending] = &[
    Ending { dialect: "vercel-auto", count: None, last: "" },
    Ending {
        dialect: "vercel-data-stream",
        count: Some(|text| {
            lines_with(text, &["d:"]) + usize::from(lines_with(text, &["3:"]) > lines_with(text, &["d:"]))
        }),
        last: "\n",
    },
    Ending {
        dialect: "vercel-ui-stream",
        count: Some(|text| lines_with(text, &["data: [DONE]"])),
        last: "data: [DONE]\n\n",
    },
    Ending { dialect: "vercel-text", count: None, last: "" },
    Ending {
        dialect: "vercel-typed-lines",
        count: Some(|text| {
            lines_with(text, &["d:"]) + usize::from(lines_with(text, &["3:"]) > lines_with(text, &["d:"]))
        }),
        last: "\n",
    },
    Ending {
        dialect: "callback-sse",
        count: Some(|text| lines_with(text, &["data: {\"type\":\"complete\"", "data: {\"type\":\"error\""])),
        last: "\n\n",
    },
    Ending {
        dialect: "agent-sse",
        count: Some(|text| lines_with(text, &["data: {\"type\":\"final\"", "data: {\"type\":\"error\""])),
        last: ": done\n\n",
    },
    // The body's end is the turn's; a failure is told in front of it.
    Ending { dialect: "chatkit", count: None, last: "}\n\n" },
    Ending {
        dialect: "agent-ws",
        count: Some(|text| {
            lines_with(text, &["{\"type\":\"result\"", "{\"type\":\"cancelled\"", "{\"type\":\"error\""])
        }),
        last: "}\n",
    },
];

#[test]
fn every_dialect_ends_with_exactly_one_terminal_frame() {
    for (dialect, frontend) in frontends() {
        let ending = ENDINGS.iter().find(|ending| ending.dialect == dialect);
        let ending = ending.unwrap_or_else(|| panic!("say in ENDINGS what ends an answer in {dialect}"));
        for Fixture { name, protocol, bytes } in fixtures() {
            let Some(upstream) = upstream(&protocol) else { continue };
            let (events, _) = decode(&*upstream, &[&bytes]);
            let out = transcode::encode(&*frontend, &events);
            let text = std::str::from_utf8(&out).unwrap_or_else(|_| panic!("{name} as {dialect}: no UTF-8"));
            assert!(text.ends_with(ending.last), "{name} as {dialect}: ends otherwise:\n{text}");
            if let Some(count) = ending.count {
                assert_eq!(count(text), 1, "{name} as {dialect}: terminal frames in\n{text}");
            }
        }
    }
}

/// What providers call the end of an answer, where no dialect has the same word.
const OWN_WORDS: [&str; 9] = [
    "end_turn",
    "tool_use",
    "stop_sequence",
    "max_tokens",
    "pause_turn",
    "refusal",
    "completed",
    "max_output_tokens",
    "insufficient_patience",
];

#[test]
fn no_dialect_passes_on_a_providers_own_word_for_the_end() {
    let mut seen = Vec::new();
    for Fixture { name, protocol, bytes } in fixtures() {
        let Some(upstream) = upstream(&protocol) else { continue };
        let (events, _) = decode(&*upstream, &[&bytes]);
        let raw = Answer::of(&events).finish.and_then(|finish| finish.raw);
        let Some(word) = OWN_WORDS.into_iter().find(|word| raw.as_deref() == Some(word)) else { continue };
        seen.push(word);
        for (dialect, frontend) in frontends() {
            let out = transcode::encode(&*frontend, &events);
            let text = String::from_utf8_lossy(&out);
            for key in ["finishReason", "finish_reason", "reason", "stop_reason"] {
                assert!(!text.contains(&format!("\"{key}\":\"{word}\"")), "{name} as {dialect} says {word}:\n{text}");
            }
        }
    }
    let unseen: Vec<_> = OWN_WORDS.iter().filter(|word| !seen.contains(word)).collect();
    assert!(unseen.is_empty(), "no fixture ends with {unseen:?}");
}

#[test]
fn a_keep_alive_between_any_two_events_changes_no_frame() {
    for (dialect, frontend) in frontends() {
        for Fixture { name, protocol, bytes } in small_fixtures(3000) {
            let Some(upstream) = upstream(&protocol) else { continue };
            let (events, _) = decode(&*upstream, &[&bytes]);
            let (mut plain, mut kept) = (transcode::encoder(&*frontend), transcode::encoder(&*frontend));
            let (mut one, mut idle) = (bytes::BytesMut::new(), bytes::BytesMut::new());
            for event in &events {
                one.clear();
                idle.clear();
                plain.event(event, &mut one);
                kept.event(event, &mut idle);
                assert!(one == idle, "{name} as {dialect}: a keep-alive changed the next frame");
                idle.clear();
                kept.keep_alive(&mut idle);
                assert!(idle.is_empty() || idle.ends_with(b"\n"), "{name} as {dialect}: half a keep-alive");
            }
        }
    }
}

#[test]
fn every_fixture_has_a_decoder_and_there_are_dialects() {
    for Fixture { name, protocol, .. } in fixtures() {
        assert!(upstream(&protocol).is_some(), "{name}: nobody reads {protocol}, so the tests above would skip it");
    }
    assert!(!frontends().is_empty());
}
