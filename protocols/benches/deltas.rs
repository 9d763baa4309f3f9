//! What one text delta costs in the steady state of an answer: nanoseconds and allocations.
//!
//! `cargo bench -p chatwire-protocols --bench deltas`, or a part of it by name, for example `-- carry`. Frames look as
//! the providers write them today; buffers are reused, as the gateway does. What it says is in `docs/performance.md`.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../tests/support/mod.rs"]
mod support;

use bytes::BytesMut;
use chatwire_protocols::options::Options;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use support::steady::Steady;
use support::{frontends, upstream, upstreams};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

/// Deltas per sample: many, for the clock is coarse.
const SIZE: u32 = 2000;

/// The pairs that most pages are served by, and the two ends of the range.
const PAIRS: &[Pair] = &[
    Pair("openai-chat", "vercel-data-stream"),
    Pair("openai-chat", "vercel-ui-stream"),
    Pair("openai-chat", "callback-sse"),
    Pair("anthropic", "vercel-ui-stream"),
    Pair("openai-responses", "vercel-ui-stream"),
    Pair("ollama", "vercel-ui-stream"),
];

#[derive(Clone, Copy)]
struct Pair(&'static str, &'static str);

impl std::fmt::Display for Pair {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} to {}", self.0, self.1)
    }
}

fn main() {
    divan::main();
}

fn upstream_names() -> Vec<&'static str> {
    upstreams().into_iter().map(|(name, _)| name).collect()
}

fn frontend_names() -> Vec<&'static str> {
    frontends().into_iter().map(|(name, _)| name).collect()
}

fn frontend(name: &str) -> std::sync::Arc<dyn chatwire_protocols::protocol::Frontend> {
    let spec = chatwire_protocols::find(name).and_then(|found| found.frontend.as_ref()).expect("pages speak it");
    (spec.make)(&Options::default())
}

/// Provider bytes to events, where a frame is like the one before but for what changes from delta to delta.
#[divan::bench(args = upstream_names(), sample_size = SIZE)]
fn decode(bencher: Bencher<'_, '_>, name: &str) {
    let mut steady = Steady::begin(name, &*upstream(name).expect("providers speak it"));
    bencher.counter(BytesCount::new(steady.frame_length())).bench_local(|| black_box(steady.decode().len()));
}

/// The same where no frame is like the one before: each is read in full.
#[divan::bench(args = upstream_names(), sample_size = SIZE)]
fn decode_unlike(bencher: Bencher<'_, '_>, name: &str) {
    let mut steady = Steady::begin_unlike(name, &*upstream(name).expect("providers speak it"));
    bencher.counter(BytesCount::new(steady.frame_length())).bench_local(|| black_box(steady.decode().len()));
}

/// Events to page bytes.
#[divan::bench(args = frontend_names(), sample_size = SIZE)]
fn encode(bencher: Bencher<'_, '_>, name: &str) {
    let (protocol, upstream) = upstreams().into_iter().next().expect("a provider");
    let steady = Steady::begin(protocol, &*upstream);
    let mut encoder = steady.encoder(&*frontend(name));
    let mut out = BytesMut::with_capacity(4096);
    bencher.bench_local(|| {
        out.clear();
        encoder.event(black_box(steady.delta()), &mut out);
        black_box(out.len())
    });
}

/// Provider bytes to page bytes.
#[divan::bench(args = PAIRS.iter().copied(), sample_size = SIZE)]
fn carry(bencher: Bencher<'_, '_>, pair: Pair) {
    let mut steady = Steady::begin(pair.0, &*upstream(pair.0).expect("providers speak it"));
    let mut encoder = steady.encoder(&*frontend(pair.1));
    let mut out = BytesMut::with_capacity(4096);
    bencher.bench_local(|| {
        out.clear();
        for event in steady.decode() {
            encoder.event(event, &mut out);
        }
        black_box(out.len())
    });
}
