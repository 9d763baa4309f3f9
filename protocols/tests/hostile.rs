//! Whatever bytes come: no panic, exactly one end, and no more events than bytes can pay for.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use std::sync::LazyLock;

use chatwire_protocols::event::{BlockKind, Event};
use chatwire_protocols::order::SingleStep;
use chatwire_protocols::protocol::{DecodeContext, Limits, Progress};
use chatwire_protocols::transcode;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::{Fixture, frontends, random_cuts, small_fixtures, upstreams};

static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(|| small_fixtures(4000));

/// The same cases in every run; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` try more and others.
fn config() -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    ProptestConfig {
        cases: number("PROPTEST_CASES").unwrap_or(400),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(number("PROPTEST_RNG_SEED").unwrap_or(20_260_101).into()),
        ..ProptestConfig::default()
    }
}

/// Decodes with every protocol, and encodes what comes of it in every dialect.
fn survives(bytes: &[u8], seed: u64) {
    for (protocol, upstream) in upstreams() {
        let (mut decoder, mut given) = (upstream.decoder(DecodeContext::default()), Vec::new());
        for piece in random_cuts(bytes, seed) {
            decoder.feed(piece, &mut given);
        }
        decoder.finish(&mut given);
        assert!(given.len() <= bytes.len() + 64, "{protocol}: {} events of {} bytes", given.len(), bytes.len());
        let strays = stray_results(&given);
        let (mut step, mut events) = (SingleStep::default(), Vec::new());
        step.admit(given, &mut events);
        step.finish(&mut events);
        assert!(step.breaches() <= strays, "{protocol}: events against the order");
        assert_eq!(events.iter().filter(|event| event.is_terminal()).count(), 1, "{protocol}: ends");
        assert!(events.last().is_some_and(Event::is_terminal), "{protocol}: the end comes last");
        for (dialect, frontend) in frontends() {
            let out = transcode::encode(&*frontend, &events);
            assert!(std::str::from_utf8(&out).is_ok(), "{protocol} as {dialect}: no UTF-8");
        }
    }
}

/// Results of calls that are not in this answer. An answer may have them legally, where it continues one that paused
/// inside a provider-run call; on its own, the order drops them.
fn stray_results(events: &[Event]) -> u32 {
    let calls: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::BlockStart { kind: BlockKind::ToolInput(call), .. } => Some(call.id.as_str()),
            _ => None,
        })
        .collect();
    let stray = |event: &&Event| matches!(event, Event::ToolResult(result) if !calls.contains(&result.call.as_str()));
    u32::try_from(events.iter().filter(stray).count()).unwrap_or(u32::MAX)
}

/// A change of a body.
#[derive(Clone, Debug)]
enum Change {
    /// Flips one bit.
    Flip(prop::sample::Index, u8),
    /// Takes some bytes out.
    Delete(prop::sample::Index, usize),
    /// Sends a line twice.
    Repeat(prop::sample::Index),
    /// Puts bytes of another kind in.
    Insert(prop::sample::Index, &'static [u8]),
}

const INSERTS: &[&[u8]] = &[
    b"\n\n",
    b"\r",
    b"data: ",
    b"data: [DONE]\n\n",
    b"{",
    b"}",
    b"\"",
    b"\\ud83d",
    b"\xff\xfe",
    b"null",
    b"[[[[[[",
    b"error: x\n",
    b": comment\n",
    b"event: error\n",
    b"\xef\xbb\xbf",
    b"-1e999",
    b"<html>",
];

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        (place(), 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (place(), 1usize..200).prop_map(|(at, length)| Change::Delete(at, length)),
        place().prop_map(Change::Repeat),
        (place(), prop::sample::select(INSERTS)).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Change::Delete(at, length) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Change::Repeat(at) => {
                let at = at.index(bytes.len());
                let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end + 1);
                let line = bytes[start..end].to_vec();
                bytes.splice(end..end, line);
            }
            Change::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn garbage_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..2000), seed: u64) {
        survives(&bytes, seed);
    }

    #[test]
    fn garbage_in_the_protocols_own_letters_is_survived(
        text in r#"((data: ?|event: |: |id: )?([{}\[\]",:\\u0-9adefntlr ]{0,40})(\n|\r\n|\r|\n\n)){0,40}"#,
        seed: u64,
    ) {
        survives(text.as_bytes(), seed);
    }

    #[test]
    fn broken_answers_are_survived(
        which: prop::sample::Index,
        changes in prop::collection::vec(change(), 1..6),
        seed: u64,
    ) {
        let fixture = &FIXTURES[which.index(FIXTURES.len())];
        survives(&changed(fixture.bytes.clone(), &changes), seed);
    }

    #[test]
    fn two_answers_in_one_body_are_survived(
        first: prop::sample::Index,
        second: prop::sample::Index,
        cut: prop::sample::Index,
        seed: u64,
    ) {
        let first = &FIXTURES[first.index(FIXTURES.len())].bytes;
        let second = &FIXTURES[second.index(FIXTURES.len())].bytes;
        let mut bytes = first[..cut.index(first.len() + 1)].to_vec();
        bytes.extend_from_slice(second);
        survives(&bytes, seed);
    }
}

#[test]
fn an_endless_body_stops_at_its_bound() {
    let limits = Limits { line: 4096, arguments: 4096, blocks: 16 };
    for (protocol, upstream) in upstreams() {
        for filler in [&b"x"[..], b"data: x", b"{\"a\":[", b"data: {\"a\":\"", b": "] {
            let mut decoder = upstream.decoder(DecodeContext { limits, ..DecodeContext::default() });
            let mut events = Vec::new();
            decoder.feed(filler, &mut events);
            for _ in 0..200 {
                decoder.feed(&[b'y'; 100], &mut events);
            }
            assert_eq!(decoder.progress(), Progress::Ended, "{protocol} reads {filler:?} for ever");
            assert!(matches!(events.last(), Some(Event::Failed(_))), "{protocol}: {filler:?}");
        }
    }
}
