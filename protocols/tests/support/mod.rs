//! The fixtures, and cuts and numbers that are the same in every run.

#![allow(dead_code)]

pub mod steady;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chatwire_protocols::event::{BlockId, Event, Text};
use chatwire_protocols::options::Options;
use chatwire_protocols::protocol::{Frontend, Upstream};
use chatwire_protocols::transcode::Turn;

/// One answer of a provider.
pub struct Fixture {
    pub name: String,
    pub protocol: String,
    pub bytes: Vec<u8>,
}

/// Every answer in the golden cases and in the replay provider's folders.
pub fn fixtures() -> Vec<Fixture> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut found = Vec::new();
    for case in entries(&root.join("golden")) {
        for path in entries(&case) {
            let file = file_name(&path);
            if let Some((protocol, _)) = file.strip_prefix("upstream.").and_then(|rest| rest.rsplit_once('.')) {
                found.push(read(&path, &format!("golden/{}", file_name(&case)), protocol));
            }
        }
    }
    for folder in entries(&root.join("replay")) {
        for path in entries(&folder) {
            if path.extension().is_some_and(|extension| extension == "sse" || extension == "ndjson") {
                let protocol = file_name(&folder);
                found.push(read(&path, &format!("replay/{protocol}/{}", file_name(&path)), &protocol));
            }
        }
    }
    assert!(found.len() > 100, "the fixtures are there");
    found
}

/// The fixtures of up to this many bytes.
pub fn small_fixtures(most: usize) -> Vec<Fixture> {
    fixtures().into_iter().filter(|fixture| fixture.bytes.len() <= most).collect()
}

fn read(path: &Path, name: &str, protocol: &str) -> Fixture {
    Fixture { name: name.to_owned(), protocol: protocol.to_owned(), bytes: fs::read(path).unwrap() }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// What a provider of this protocol speaks, with default options; `None` while it is not built.
pub fn upstream(protocol: &str) -> Option<Arc<dyn Upstream>> {
    let found = chatwire_protocols::find(protocol).unwrap_or_else(|| panic!("no protocol {protocol}"));
    found.upstream.as_ref().map(|spec| (spec.make)(&Options::default()))
}

/// Every protocol that providers speak.
pub fn upstreams() -> Vec<(&'static str, Arc<dyn Upstream>)> {
    chatwire_protocols::PROTOCOLS
        .iter()
        .filter_map(|protocol| Some((protocol.name, (protocol.upstream.as_ref()?.make)(&Options::default()))))
        .collect()
}

/// Every protocol that pages speak.
pub fn frontends() -> Vec<(&'static str, Arc<dyn Frontend>)> {
    chatwire_protocols::PROTOCOLS
        .iter()
        .filter_map(|protocol| Some((protocol.name, (protocol.frontend.as_ref()?.make)(&Options::default()))))
        .collect()
}

/// A turn from these pieces, and how often its events broke the order.
pub fn decode(upstream: &dyn Upstream, pieces: &[&[u8]]) -> (Vec<Event>, u32) {
    let mut events = Vec::new();
    let mut turn = Turn::begin(upstream, &mut events);
    for piece in pieces {
        turn.feed(piece, &mut events);
    }
    turn.finish(&mut events);
    (events, turn.breaches())
}

/// The events with neighbouring deltas of one block joined: where a text is split is the decoder's own choice.
pub fn joined(events: &[Event]) -> Vec<Event> {
    let mut out: Vec<Event> = Vec::new();
    for event in events {
        if let (Event::BlockDelta { block, text }, Some(Event::BlockDelta { block: last, text: held })) =
            (event, out.last_mut())
            && block == last
        {
            held.push_str(text);
        } else {
            out.push(event.clone());
        }
    }
    out
}

/// A text delta.
pub fn delta(block: BlockId, text: &str) -> Event {
    Event::BlockDelta { block, text: Text::from(text) }
}

/// Numbers that look random and are the same for the same seed.
pub struct Numbers(u64);

impl Numbers {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end.max(1)
    }
}

/// Pieces of up to a dozen bytes or up to some hundreds.
pub fn random_cuts(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut numbers = Numbers::new(seed);
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let most = if numbers.below(2) == 0 { 12 } else { 700 };
        let (piece, left) = rest.split_at((1 + numbers.below(most)).min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}
