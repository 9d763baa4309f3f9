//! A text delta in the middle of an answer costs no allocation at all, from any provider to any page.
//!
//! A few dialects are allowed a little: they have to keep the whole text until its end. And a delta of more than 24 bytes
//! of text has memory of its own in its event: one allocation, and a second one only in the dialects of items.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use bytes::BytesMut;
use chatwire_protocols::event::Event;
use chatwire_protocols::protocol::Encoder;
use support::steady::Steady;
use support::{frontends, upstreams};

/// Deltas before the measurement: every buffer has found its size.
const WARM_UP: usize = 1024;
/// Deltas measured at a time.
const WINDOW: usize = 64;
/// How often.
const WINDOWS: usize = 32;
/// The dialects that keep the text: for their last frame, or as the item that it becomes.
const KEEPS_THE_TEXT: &[&str] = &["agent-sse", "agent-ws", "callback-sse", "chatkit"];
/// The dialects that tell changes of items, each with its own copy of the text.
const COPIES_THE_TEXT: &[&str] = &["agent-ws", "chatkit"];
/// In how many windows they may allocate: a text that grows doubles its memory now and then. Here that is once or
/// twice, and never once per delta.
const GROWTH: usize = 3;

/// Has one delta decoded and written.
fn carry(steady: &mut Steady, encoder: &mut dyn Encoder, out: &mut BytesMut) {
    out.clear();
    for event in steady.decode() {
        encoder.event(event, out);
    }
    assert!(!out.is_empty());
}

/// In how many windows anything was allocated.
fn allocating_windows(mut delta: impl FnMut()) -> usize {
    for _ in 0..WARM_UP {
        delta();
    }
    (0..WINDOWS)
        .filter(|_| {
            let counted = allocation_counter::measure(|| {
                for _ in 0..WINDOW {
                    delta();
                }
            });
            counted.count_total > 0
        })
        .count()
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocation_counter::measure(|| drop(std::hint::black_box(Box::new(7)))).count_total, 1);
    assert_eq!(allocating_windows(|| drop(std::hint::black_box(Box::new(7)))), WINDOWS);
}

#[test]
fn reading_a_small_delta_allocates_nothing() {
    for (protocol, upstream) in upstreams() {
        let alike = Steady::begin(protocol, &*upstream);
        let unlike = Steady::begin_unlike(protocol, &*upstream);
        for (frames, mut steady) in [("frames alike", alike), ("no frame like the last", unlike)] {
            let windows = allocating_windows(|| assert!(matches!(steady.decode(), [Event::BlockDelta { .. }])));
            assert_eq!(windows, 0, "{protocol}, {frames}: that many of {WINDOWS} windows allocate");
            let windows = allocating_windows(|| assert!(matches!(steady.decode_cut(), [Event::BlockDelta { .. }])));
            assert_eq!(windows, 0, "{protocol}, {frames}, cut in two: that many of {WINDOWS} windows allocate");
        }
    }
}

#[test]
fn carrying_a_long_delta_allocates_nothing_but_its_text() {
    for (protocol, upstream) in upstreams() {
        for (dialect, frontend) in frontends() {
            let mut steady = Steady::begin_long(protocol, &*upstream);
            let mut encoder = steady.encoder(&*frontend);
            let mut out = BytesMut::with_capacity(4096);
            let mut deltas = |many: usize| {
                for _ in 0..many {
                    carry(&mut steady, &mut *encoder, &mut out);
                }
            };
            deltas(WARM_UP);
            let counted = allocation_counter::measure(|| deltas(WINDOW * WINDOWS)).count_total;
            let grown = if KEEPS_THE_TEXT.contains(&dialect) { GROWTH as u64 } else { 0 };
            let texts = (WINDOW * WINDOWS) as u64 * if COPIES_THE_TEXT.contains(&dialect) { 2 } else { 1 };
            assert!((texts..=texts + grown).contains(&counted), "{protocol} to {dialect}: {counted}, not {texts}");
        }
    }
}

#[test]
fn carrying_a_small_delta_from_any_provider_to_any_page_allocates_nothing() {
    for (protocol, upstream) in upstreams() {
        for (dialect, frontend) in frontends() {
            let mut steady = Steady::begin(protocol, &*upstream);
            let mut encoder = steady.encoder(&*frontend);
            let mut out = BytesMut::with_capacity(4096);
            let windows = allocating_windows(|| {
                carry(&mut steady, &mut *encoder, &mut out);
            });
            let allowed = if KEEPS_THE_TEXT.contains(&dialect) { GROWTH } else { 0 };
            assert!(windows <= allowed, "{protocol} to {dialect}: {windows} of {WINDOWS} windows allocate");
        }
    }
}
