//! What is measured.

use std::time::Duration;

/// How the provider answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Frames of text in an answer.
    pub frames: usize,
    /// The pause between two frames; without one, many of them share a packet.
    pub pause: Duration,
    /// The pause before the first.
    pub first: Duration,
}

/// One load.
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Pages that ask at the same time, each again as soon as it has its answer.
    pub pages: usize,
    /// What they get.
    pub provider: Answers,
}

const fn answers(frames: usize, pause_us: u64, first_ms: u64) -> Answers {
    Answers { frames, pause: Duration::from_micros(pause_us), first: Duration::from_millis(first_ms) }
}

/// All loads.
pub static ALL: [Scenario; 6] = [
    // One page with short answers: what comes before the first frame, and what an answer costs.
    Scenario { name: "short", pages: 1, provider: answers(20, 0, 0) },
    // A usual load.
    Scenario { name: "usual", pages: 32, provider: answers(50, 20_000, 50) },
    // Every frame is a packet of its own.
    Scenario { name: "paced", pages: 64, provider: answers(100, 10_000, 0) },
    // As much as goes.
    Scenario { name: "saturated", pages: 32, provider: answers(500, 0, 0) },
    // Many slow streams: memory.
    Scenario { name: "slow-500", pages: 500, provider: answers(30, 1_000_000, 0) },
    Scenario { name: "slow-2000", pages: 2000, provider: answers(30, 1_000_000, 0) },
];
