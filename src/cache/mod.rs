//! Answers of models that are given again when exactly the same is asked.

use std::time::Duration;

/// How a route's answers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachePlan {
    /// How old they may be.
    pub ttl: Duration,
    /// Most bytes of one.
    pub max_entry: usize,
    /// Whether all owners share them.
    pub shared: bool,
    /// The pause between the pieces of one.
    pub pace: Duration,
}
