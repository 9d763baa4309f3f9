//! Stopping in phases: nothing new, then running answers get their error frame, then everything is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Running,
    /// Nothing new is taken; running answers go on.
    Draining,
    /// Running answers end as failures.
    TurnsEnd,
    /// Everything is dropped.
    Now,
}

/// Knows how far the stop is.
#[derive(Clone, Debug)]
pub struct Stop {
    phase: watch::Receiver<Phase>,
    /// The same, for those who ask often: a look at it locks nothing.
    now: Arc<AtomicU8>,
}

/// Stops a gateway.
#[derive(Clone, Debug)]
pub struct Stopper {
    phase: Arc<watch::Sender<Phase>>,
    now: Arc<AtomicU8>,
}

impl Stopper {
    /// A gateway that runs.
    pub fn new() -> (Self, Stop) {
        let (sender, phase) = watch::channel(Phase::Running);
        let now = Arc::new(AtomicU8::new(Phase::Running as u8));
        (Self { phase: Arc::new(sender), now: Arc::clone(&now) }, Stop { phase, now })
    }

    /// Stops: the first time with the time to finish what runs, the second time at once.
    pub fn stop(&self) {
        let phase = if *self.phase.borrow() == Phase::Running { Phase::Draining } else { Phase::Now };
        self.advance(phase);
    }

    pub(super) fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let later = phase > *now;
            if later {
                *now = phase;
                self.now.store(phase as u8, Ordering::Release);
            }
            later
        });
    }
}

impl Stop {
    /// A gateway that is never stopped: for turns outside a server.
    pub fn never() -> Self {
        Stopper::new().1
    }

    /// True from the stop signal on.
    pub fn has_begun(&self) -> bool {
        self.now.load(Ordering::Acquire) >= Phase::Draining as u8
    }

    /// True once running turns must end.
    pub fn turns_ended(&self) -> bool {
        self.now.load(Ordering::Acquire) >= Phase::TurnsEnd as u8
    }

    /// Waits until running turns must end.
    pub async fn turns_must_end(self) {
        self.reached(Phase::TurnsEnd).await;
    }

    pub(super) async fn reached(mut self, phase: Phase) {
        if self.phase.wait_for(|now| *now >= phase).await.is_err() {
            // Nobody is left who could stop anything.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_stop_is_at_once_and_phases_never_go_back() {
        let (stopper, stop) = Stopper::new();
        assert!(!stop.has_begun());
        stopper.stop();
        assert!(stop.has_begun() && !stop.turns_ended());
        stopper.stop();
        stopper.advance(Phase::TurnsEnd);
        assert_eq!(*stop.phase.borrow(), Phase::Now);
    }
}
