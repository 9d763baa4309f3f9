//! A text delta in the middle of an answer costs no allocation, from any provider to any page.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod support;

use bytes::BytesMut;
use chatwire_protocols::event::Event;
use support::steady::Steady;
use support::{frontends, upstreams};

/// Deltas before the measurement: every buffer has found its size.
const WARM_UP: usize = 1024;
/// Deltas measured at a time.
const WINDOW: usize = 64;
/// How often.
const WINDOWS: usize = 32;
/// How many of these may allocate: a dialect that repeats the whole answer at its end keeps the text, and a text that
/// grows doubles its memory now and then. That is once or twice here, and never once per delta.
const GROWTH: usize = 3;

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
        let mut steady = Steady::begin(protocol, &*upstream);
        let windows = allocating_windows(|| assert!(matches!(steady.decode(), [Event::BlockDelta { .. }])));
        assert!(windows <= GROWTH, "{protocol}: {windows} of {WINDOWS} windows allocate");
        let windows = allocating_windows(|| assert!(matches!(steady.decode_cut(), [Event::BlockDelta { .. }])));
        assert!(windows <= GROWTH, "{protocol}, frames cut in two: {windows} of {WINDOWS} windows allocate");
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
                out.clear();
                for event in steady.decode() {
                    encoder.event(event, &mut out);
                }
                assert!(!out.is_empty());
            });
            assert!(windows <= GROWTH, "{protocol} to {dialect}: {windows} of {WINDOWS} windows allocate");
        }
    }
}
