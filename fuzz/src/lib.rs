//! What must hold for any bytes, as one function for each kind of input. They know no protocol by name: the first bytes of
//! an input choose from the registry, so a new protocol is fuzzed as soon as it is listed.

#[cfg(feature = "gateway")]
pub mod config;
pub mod decode;
#[cfg(feature = "gateway")]
pub mod edges;
pub mod framing;
pub mod request;
pub mod seeds;
pub mod socket;
pub mod text;

use std::sync::Arc;

use chatwire_protocols::options::{OptionKind, OptionSpec, Options};
use chatwire_protocols::protocol::{Frontend, FrontendSpec, Upstream, UpstreamSpec};
use chatwire_protocols::{PROTOCOLS, protocol::Protocol};
use serde_json::{Map, Value};

/// Takes an input apart.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// One byte; 0 where there is none.
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of a list.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.byte()) % list.len()]
    }

    /// Text up to the end of its line.
    pub fn line(&mut self) -> &'a str {
        let (line, rest) = match self.0.iter().position(|byte| *byte == b'\n') {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        std::str::from_utf8(line).unwrap_or_default()
    }

    /// What providers of some protocol speak.
    pub fn upstream(&mut self) -> Arc<dyn Upstream> {
        let spec = self.pick(&upstreams());
        (spec.make)(&self.options(spec.options))
    }

    /// What pages of some protocol speak.
    pub fn frontend(&mut self) -> Arc<dyn Frontend> {
        let spec = self.pick(&frontends());
        (spec.make)(&self.options(spec.options))
    }

    /// Options of a table: none of them for the byte 0.
    fn options(&mut self, specs: &'static [OptionSpec]) -> Options {
        let byte = self.byte();
        let given = specs.iter().enumerate().filter(|(at, _)| byte >> (at % 8) & 1 == 1).map(|(_, spec)| {
            let value = match spec.kind {
                OptionKind::Flag => Value::Bool(byte & 0x80 == 0),
                OptionKind::Choice(words) => Value::from(words[usize::from(byte / 2) % words.len()]),
                OptionKind::Text => Value::from("text"),
                OptionKind::Integer { min, max } => Value::from((min + u64::from(byte)).min(max)),
            };
            (spec.name.to_owned(), value)
        });
        Options::read(specs, &given.collect::<Map<_, _>>()).unwrap_or_default()
    }
}

/// The protocols that providers speak, in the order in which inputs choose them.
pub fn upstreams() -> Vec<&'static UpstreamSpec> {
    PROTOCOLS.iter().filter_map(|protocol: &&Protocol| protocol.upstream.as_ref()).collect()
}

/// The protocols that pages speak, in the order in which inputs choose them.
pub fn frontends() -> Vec<&'static FrontendSpec> {
    PROTOCOLS.iter().filter_map(|protocol: &&Protocol| protocol.frontend.as_ref()).collect()
}

/// Pieces whose lengths look random and are the same for the same seed. Some are empty.
pub fn cuts(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut state = u64::from(seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let most = if state & 256 == 0 { 4 } else { 64 };
        let (piece, left) = rest.split_at(((state >> 11) as usize % most).min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}
