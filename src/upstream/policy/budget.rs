//! How many retries there may be: a part of the calls, so that retries never become the outage.

use tokio::time::Instant;

/// Retries for each call.
const RATIO: f64 = 0.1;

/// Retries that are there without calls, and how many of them come back in a second.
const FLOOR: f64 = 10.0;
const FLOOR_REFILL: f64 = 1.0;

/// Most retries that calls can save up.
const MOST: f64 = 100.0;

/// A bucket of retries.
#[derive(Clone, Debug)]
pub struct Budget {
    retries: f64,
    at: Instant,
}

impl Budget {
    /// A bucket with what is there without calls.
    pub const fn new(now: Instant) -> Self {
        Self { retries: FLOOR, at: now }
    }

    /// A call has been made.
    pub fn called(&mut self) {
        self.retries = (self.retries + RATIO).min(MOST);
    }

    /// Takes a retry, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        if self.retries < FLOOR {
            self.retries = (self.retries + passed * FLOOR_REFILL).min(FLOOR);
        }
        let there = self.retries >= 1.0;
        if there {
            self.retries -= 1.0;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn retries_stay_a_tenth_of_the_calls_and_a_little(steps in proptest::collection::vec((0_u64..200, 0_u32..4, 0_u32..8), 0..400)) {
            let start = Instant::now();
            let mut now = start;
            let mut budget = Budget::new(start);
            let (mut calls, mut taken) = (0.0, 0.0);
            for (passed, called, wanted) in steps {
                now += Duration::from_millis(passed);
                for _ in 0..called {
                    budget.called();
                    calls += 1.0;
                }
                taken += f64::from((0..wanted).filter(|_| budget.take(now)).count() as u32);
                let most = FLOOR + calls * RATIO + (now - start).as_secs_f64() * FLOOR_REFILL;
                prop_assert!(taken <= most + 1e-6, "{taken} retries of {calls} calls");
            }
        }
    }

    #[test]
    fn a_lonely_call_may_always_be_tried_again() {
        let mut now = Instant::now();
        let mut budget = Budget::new(now);
        for _ in 0..100 {
            now += Duration::from_secs(2);
            budget.called();
            assert!(budget.take(now) && budget.take(now));
        }
    }
}
