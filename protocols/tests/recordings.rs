//! Every recorded provider stream decodes to what is known of it: whole, byte by byte, and cut at random.
//!
//! The recordings are not part of this repository. `CHATWIRE_SHARED` names the folder they are in (default: `shared`
//! beside the checkout); where it is missing, the test says so and passes.

#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use chatwire_protocols::error::FailureKind;
use chatwire_protocols::event::Event;
use chatwire_protocols::fold::{Answer, Piece};
use chatwire_protocols::options::Options;
use chatwire_protocols::order::SingleStep;
use chatwire_protocols::protocol::{AnswerHead, DecodeContext};
use serde_json::Value;

fn recordings() -> Option<PathBuf> {
    let shared = std::env::var_os("CHATWIRE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let folder = shared.join("recordings");
    if folder.is_dir() {
        Some(folder)
    } else {
        eprintln!("skipped: no recordings at {}", folder.display());
        None
    }
}

fn protocol_of(folder: &str) -> &str {
    if folder == "openai-compatible" { "openai-chat" } else { folder }
}

fn decode(protocol: &str, chunks: &[&[u8]]) -> (Answer, u32) {
    let upstream = chatwire_protocols::find(protocol).and_then(|found| found.upstream.as_ref()).expect("an upstream");
    let upstream = (upstream.make)(&Options::default());
    let mut decoder = upstream.decoder(DecodeContext { seed: "t".into(), ..DecodeContext::default() });
    let (mut step, mut events, mut turn) = (SingleStep::default(), Vec::new(), Vec::new());
    for chunk in chunks {
        decoder.feed(chunk, &mut events);
        step.admit(events.drain(..), &mut turn);
    }
    decoder.finish(&mut events);
    step.admit(events.drain(..), &mut turn);
    step.finish(&mut turn);
    assert!(turn.last().is_some_and(Event::is_terminal), "the turn has an end");
    (Answer::of(&turn), step.breaches())
}

/// The separators between pieces are ours; the expectation has none.
fn without_separators(answer: &Answer, json: &mut Value) {
    let of = |wanted: bool| -> String {
        answer
            .pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Reasoning { text, summary, .. } if *summary == wanted => Some(text.as_str()),
                _ => None,
            })
            .collect()
    };
    let thoughts = of(false);
    json["reasoning"] = if thoughts.is_empty() { of(true) } else { thoughts }.into();
}

/// Compares what the expectation says; what it leaves out is free.
fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |path: String, want: &Value, have: &Value| {
        if want != have {
            let short = |value: &Value| value.to_string().chars().take(160).collect::<String>();
            found.push(format!("{path}: expected {}, got {}", short(want), short(have)));
        }
    };
    for key in ["outcome", "error", "id", "model", "text", "refusal", "images", "finish_reason", "finish", "usage"] {
        compare(key.to_owned(), &expected[key], &got[key]);
    }
    let squeezed = |value: &Value| Value::from(value.as_str().unwrap_or_default().replace("\n\n", ""));
    compare("reasoning".to_owned(), &squeezed(&expected["reasoning"]), &squeezed(&got["reasoning"]));
    for list in ["tool_calls", "server_tools", "citations"] {
        let (want, have) = (expected[list].as_array().unwrap(), got[list].as_array().unwrap());
        compare(format!("{list} count"), &want.len().into(), &have.len().into());
        for (at, (want, have)) in want.iter().zip(have).enumerate() {
            for (key, value) in want.as_object().unwrap() {
                let free = ["item_id", "block"].contains(&key.as_str())
                    || (key == "arguments_raw" && value.is_null())
                    || (key == "id" && have[key].as_str().is_some_and(|id| id.starts_with("call_t_")));
                if !free {
                    compare(format!("{list}[{at}].{key}"), value, &have[key]);
                }
            }
        }
    }
    found
}

/// A small generator with a fixed seed: cuts must be the same in every run.
fn random_cuts(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut chunks = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let most = if state & 64 == 0 { 12 } else { 700 };
        let (chunk, left) = rest.split_at((1 + (state >> 8) as usize % most).min(rest.len()));
        chunks.push(chunk);
        rest = left;
    }
    chunks
}

#[test]
fn every_recording_decodes_to_what_is_expected() {
    let Some(folder) = recordings() else { return };
    let only = std::env::var("CHATWIRE_ONLY").unwrap_or_default();
    let index: Value = serde_json::from_slice(&std::fs::read(folder.join("index.json")).unwrap()).unwrap();
    let (mut total, mut failed) = (0, Vec::new());
    for entry in index["recordings"].as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        if !file.contains(&only) || file.starts_with("http-errors") {
            continue;
        }
        let path = folder.join(file);
        let bytes = std::fs::read(&path).unwrap();
        let expected: Value =
            serde_json::from_slice(&std::fs::read(path.with_extension("expected.json")).unwrap()).unwrap();
        let protocol = protocol_of(file.split('/').next().unwrap());
        total += 1;
        let mut cuts: Vec<(String, Vec<&[u8]>)> =
            vec![("whole".into(), vec![&bytes[..]]), ("byte by byte".into(), bytes.chunks(1).collect())];
        cuts.extend((0..20).map(|seed| (format!("random {seed}"), random_cuts(&bytes, seed + 1))));
        for (name, chunks) in cuts {
            let (answer, breaches) = decode(protocol, &chunks);
            let mut got = answer.to_json();
            without_separators(&answer, &mut got);
            let mut wrong = differences(&expected, &got);
            if breaches > 0 && expected["outcome"] == "complete" {
                wrong.push(format!("{breaches} events out of order"));
            }
            if !wrong.is_empty() {
                failed.push(format!("{file} ({name}):\n    {}", wrong.join("\n    ")));
                break;
            }
        }
    }
    println!("{} of {total} recordings decode as expected", total - failed.len());
    assert!(failed.is_empty(), "{} of {total} differ:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn every_recorded_error_body_is_understood() {
    let Some(folder) = recordings() else { return };
    let mut total = 0;
    for entry in std::fs::read_dir(folder.join("http-errors")).unwrap() {
        let path = entry.unwrap().path();
        let recorded: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let status = recorded["status"].as_u64().unwrap() as u16;
        let head = AnswerHead { status, content_type: recorded["content_type"].as_str(), retry_after: None };
        let failure = chatwire_protocols::failure::from_body(&head, recorded["body"].as_str().unwrap().as_bytes());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let expected = match name.as_str() {
            "llamacpp-400-context" | "ollama-v1-400-context" | "perplexity-400-numeric-code" => {
                FailureKind::ContextLength
            }
            "xai-400-error-string" => FailureKind::Auth,
            "openai-400-model" => FailureKind::NotFound,
            _ => match status {
                401 => FailureKind::Auth,
                404 => FailureKind::NotFound,
                429 => FailureKind::RateLimit,
                _ => FailureKind::BadRequest,
            },
        };
        assert_eq!(failure.kind, expected, "{name}: {}", failure.message);
        assert!(!failure.message.is_empty() && !failure.message.starts_with('{'), "{name}: {}", failure.message);
        total += 1;
    }
    assert_eq!(total, 22);
}
