//! Model providers.

use super::{HeaderText, Key, List, Optional};
use crate::config::read::{At, Named, Required, section};
use crate::config::values::{Deadline, FreeTable, Period, Switch, Whole};

section! {
    /// A model provider.
    Provider, "a provider" {
        /// The protocol that it speaks.
        protocol: Required<String>,
        /// Where it is. Default: the address of the protocol's best-known provider.
        base_url: Optional<String>,
        /// Answer from recorded streams instead of asking anybody: `{}` for the recordings that are built in.
        replay: Optional<Replay>,
        /// Where its key comes from: an environment variable or a file.
        api_key: Optional<Key>,
        /// The same for several keys, in place of `api_key`. They take turns; one that is refused or asks for too much
        /// rests for a while.
        api_keys: List<Key>,
        /// Headers added to every request, as texts or as `{ env = "…" }` or `{ file = "…" }`.
        headers: Optional<Named<At<HeaderText>>>,
        /// Speak HTTP/2 with it where it can, so that many calls share a connection. Without it every running call has a
        /// connection of its own, which costs less time for each piece of an answer. Default: false.
        http2: Optional<bool>,
        /// Its deadlines.
        timeouts: Optional<Timeouts>,
        /// Most calls at a time. Others wait for their place. Default: no limit.
        max_concurrent: Optional<Whole<1, 1_000_000>>,
        /// Most calls that wait for a place; the next target is asked for those beyond, or they are refused with 503.
        /// Default: 100.
        max_queue: Optional<Whole<0, 1_000_000>>,
        /// How long a call waits for a place. Default: "10s".
        queue_timeout: Optional<Deadline>,
        /// When a model of it is left alone because it fails; `false` for never.
        circuit_breaker: Optional<Switch<CircuitBreaker>>,
        /// Options of its protocol.
        options: Optional<FreeTable>,
    }
}

section! {
    /// When a model is left alone because it fails: its calls go to other targets at once, or are refused with 503. Then
    /// single calls try it, until one is answered.
    CircuitBreaker, "`circuit_breaker`" {
        /// After so many failures in 30 seconds, if they are at least half of what calls came to. Default: 5.
        failures: Optional<Whole<1, 32>>,
        /// For how long, at first; each further failure doubles it. Default: "100ms".
        cool_down: Optional<Deadline>,
        /// For how long at most. Default: "1s".
        max_cool_down: Optional<Deadline>,
    }
}

section! {
    /// Recorded streams.
    Replay, "`replay`" {
        /// The folder with the recordings, if not the ones that are built in; relative to the file.
        folder: Optional<String>,
        /// The pause between the pieces of a stream, if not as recorded.
        pace: Optional<Period>,
    }
}

section! {
    /// A provider's deadlines.
    Timeouts, "`timeouts`" {
        /// To make a connection. Default: "10s".
        connect: Optional<Deadline>,
        /// From the request to the first byte of the answer. Default: "60s".
        first_byte: Optional<Deadline>,
        /// Between any two pieces of the answer. Default: "60s".
        idle: Optional<Deadline>,
        /// To the first event of the answer and between any two: comments that only keep the connection alive are none.
        /// Default: "5m", or the longest of the others.
        progress: Optional<Deadline>,
        /// For the whole answer. Default: no limit but the turn's.
        total: Optional<Deadline>,
    }
}
