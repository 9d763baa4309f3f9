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

/// What a load is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Processor time and delays; visited in every round.
    Cost,
    /// Memory of many slow streams; visited once.
    Memory,
    /// The same number of frames in more and more streams; visited once.
    Growth,
}

/// One load.
pub struct Scenario {
    pub name: &'static str,
    pub aim: Aim,
    /// Pages that ask at the same time, each again as soon as it has its answer.
    pub pages: usize,
    /// What they get.
    pub provider: Answers,
}

impl Scenario {
    const fn new(name: &'static str, aim: Aim, pages: usize, (frames, pause_us, first_ms): (usize, u64, u64)) -> Self {
        let provider =
            Answers { frames, pause: Duration::from_micros(pause_us), first: Duration::from_millis(first_ms) };
        Self { name, aim, pages, provider }
    }

    /// The time in which all pages begin, and nothing is measured.
    pub fn warm(&self) -> Duration {
        Duration::from_secs(1) + Duration::from_millis(self.pages as u64)
    }
}

/// All loads. A growing one lasts twenty seconds and says 500 frames a second in the first stream, 2,000 in all others.
pub static ALL: [Scenario; 13] = [
    // One page with short answers: what comes before the first frame, and what an answer costs.
    Scenario::new("short", Aim::Cost, 1, (20, 0, 0)),
    // A usual load.
    Scenario::new("usual", Aim::Cost, 32, (50, 20_000, 50)),
    // Every frame is a packet of its own.
    Scenario::new("paced", Aim::Cost, 64, (100, 10_000, 0)),
    // As much as goes.
    Scenario::new("saturated", Aim::Cost, 32, (500, 0, 0)),
    Scenario::new("slow-500", Aim::Memory, 500, (40, 1_000_000, 0)),
    Scenario::new("slow-2000", Aim::Memory, 2000, (40, 1_000_000, 0)),
    Scenario::new("slow-10000", Aim::Memory, 10_000, (40, 1_000_000, 0)),
    Scenario::new("growth-1", Aim::Growth, 1, (10_000, 2_000, 0)),
    Scenario::new("growth-16", Aim::Growth, 16, (2_500, 8_000, 0)),
    Scenario::new("growth-64", Aim::Growth, 64, (625, 32_000, 0)),
    Scenario::new("growth-256", Aim::Growth, 256, (156, 128_000, 0)),
    Scenario::new("growth-1024", Aim::Growth, 1024, (40, 512_000, 0)),
    Scenario::new("growth-2000", Aim::Growth, 2000, (20, 1_000_000, 0)),
];
