//! The circuit breaker of one target. Too many failures open it: the target is left alone for a moment, then one call
//! tries it, and closes it again or leaves it open for longer.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::plan::BreakerPlan;

/// How long an outcome counts, and how many do.
const WINDOW: Duration = Duration::from_secs(30);
const MOST: usize = 64;

/// A circuit breaker.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    /// What the last calls came to, while it is closed: true for good.
    outcomes: VecDeque<(Instant, bool)>,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    /// From when on a call may try the target.
    until: Instant,
    cool_down: Duration,
}

/// Whether a call may go to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// It may.
    Free,
    /// It may, and what it comes to decides for all.
    Probe,
    /// Not before so long.
    Open(Duration),
}

impl Breaker {
    /// Whether a call may go now. One that may goes: what it comes to must be said, or that it was dropped.
    pub fn enter(&mut self, now: Instant) -> Pass {
        let pass = self.look(now);
        if let (Pass::Probe, Some(open)) = (pass, &mut self.open) {
            // A probe that hears nothing stands in nobody's way for longer than this.
            open.until = now + open.cool_down;
        }
        pass
    }

    /// What [`Breaker::enter`] would say.
    pub fn look(&self, now: Instant) -> Pass {
        match self.open {
            None => Pass::Free,
            Some(open) if open.until <= now => Pass::Probe,
            Some(open) => Pass::Open(open.until - now),
        }
    }

    /// A call was answered.
    pub fn succeeded(&mut self, now: Instant, pass: Pass) {
        match (self.open, pass) {
            (None, _) => self.record(now, true),
            (Some(_), Pass::Probe) => *self = Self::default(),
            // It began before: what it says is older than what opened the circuit.
            (Some(_), Pass::Free | Pass::Open(_)) => {}
        }
    }

    /// A call failed.
    pub fn failed(&mut self, now: Instant, pass: Pass, plan: &BreakerPlan) {
        match (&mut self.open, pass) {
            (None, _) => {
                self.record(now, false);
                let failures = self.outcomes.iter().filter(|(_, good)| !good).count();
                if failures >= plan.failures as usize && failures * 2 >= self.outcomes.len() {
                    self.outcomes.clear();
                    self.open = Some(Open { until: now + plan.cool_down, cool_down: plan.cool_down });
                }
            }
            (Some(open), Pass::Probe) => {
                open.cool_down = (open.cool_down * 2).min(plan.max_cool_down);
                open.until = now + open.cool_down;
            }
            (Some(_), Pass::Free | Pass::Open(_)) => {}
        }
    }

    /// A call that was answered broke off all the same.
    pub fn broke_off(&mut self, now: Instant, plan: &BreakerPlan) {
        if let Some(good) = self.outcomes.iter().rposition(|(_, good)| *good) {
            self.outcomes.remove(good);
        }
        self.failed(now, Pass::Free, plan);
    }

    /// A call was dropped before it came to anything.
    pub fn dropped(&mut self, now: Instant, pass: Pass) {
        if let (Some(open), Pass::Probe) = (&mut self.open, pass) {
            open.until = now;
        }
    }

    /// True if nothing is known that is worth keeping.
    pub fn is_blank(&self, now: Instant) -> bool {
        self.open.is_none() && self.outcomes.iter().all(|(at, good)| *good || *at + WINDOW < now)
    }

    fn record(&mut self, now: Instant, good: bool) {
        while self.outcomes.front().is_some_and(|(at, _)| *at + WINDOW < now) || self.outcomes.len() >= MOST {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back((now, good));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAN: BreakerPlan =
        BreakerPlan { failures: 5, cool_down: Duration::from_millis(100), max_cool_down: Duration::from_secs(1) };

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..PLAN.failures {
            assert_eq!(breaker.enter(now), Pass::Free);
            breaker.failed(now, Pass::Free, &PLAN);
        }
        breaker
    }

    #[test]
    fn failures_open_it_one_probe_goes_and_closes_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.enter(now), Pass::Open(PLAN.cool_down));
        let later = now + PLAN.cool_down;
        assert_eq!(breaker.enter(later), Pass::Probe);
        assert!(matches!(breaker.enter(later), Pass::Open(_)));
        breaker.succeeded(later, Pass::Probe);
        assert_eq!(breaker.enter(later), Pass::Free);
        breaker.failed(later, Pass::Free, &PLAN);
        assert_eq!(breaker.enter(later), Pass::Free);
    }

    #[test]
    fn a_probe_that_fails_leaves_it_open_for_longer_and_longer_but_never_long() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        let mut waits = Vec::new();
        for _ in 0..6 {
            let Pass::Open(wait) = breaker.enter(now) else { panic!("it is closed") };
            waits.push(wait.as_millis());
            now += wait;
            assert_eq!(breaker.enter(now), Pass::Probe);
            breaker.failed(now, Pass::Probe, &PLAN);
        }
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn a_dropped_probe_leaves_its_place_to_the_next_and_a_silent_one_does_so_in_time() {
        let now = Instant::now() + PLAN.cool_down;
        let mut breaker = opened(now - PLAN.cool_down);
        assert_eq!(breaker.enter(now), Pass::Probe);
        breaker.dropped(now, Pass::Probe);
        assert_eq!(breaker.enter(now), Pass::Probe);
        assert_eq!(breaker.enter(now + PLAN.cool_down), Pass::Probe);
    }

    #[test]
    fn answers_that_break_off_open_it_too() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..PLAN.failures {
            assert_eq!(breaker.enter(now), Pass::Free);
            breaker.succeeded(now, Pass::Free);
            breaker.broke_off(now, &PLAN);
        }
        assert!(matches!(breaker.look(now), Pass::Open(_)));
    }

    #[test]
    fn a_few_failures_among_many_answers_do_not_open_it_and_old_ones_do_not_count() {
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        for call in 0..1000 {
            now += Duration::from_millis(10);
            if call % 3 == 0 {
                breaker.failed(now, Pass::Free, &PLAN);
            } else {
                breaker.succeeded(now, Pass::Free);
            }
            assert_eq!(breaker.look(now), Pass::Free, "call {call}");
        }
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            now += Duration::from_secs(10);
            breaker.failed(now, Pass::Free, &PLAN);
            assert_eq!(breaker.look(now), Pass::Free);
        }
    }

    proptest! {
        /// Whatever calls come to: while it is open at most one probe goes in each cool-down, and it is never open for
        /// longer than the longest one.
        #[test]
        fn an_open_circuit_lets_few_through_and_never_stays_shut(
            steps in proptest::collection::vec((0_u64..300, 0_u8..4), 0..300),
        ) {
            let mut now = Instant::now();
            let mut breaker = Breaker::default();
            let mut last_probe: Option<Instant> = None;
            for (passed, comes_to) in steps {
                now += Duration::from_millis(passed);
                let pass = breaker.enter(now);
                match pass {
                    Pass::Open(wait) => {
                        prop_assert!(wait <= PLAN.max_cool_down);
                        continue;
                    }
                    Pass::Probe => {
                        prop_assert!(last_probe.is_none_or(|last| now - last >= PLAN.cool_down));
                        last_probe = Some(now);
                    }
                    Pass::Free => last_probe = None,
                }
                match comes_to {
                    0 => {
                        breaker.succeeded(now, pass);
                        prop_assert_eq!(breaker.look(now), Pass::Free);
                    }
                    1 => {
                        breaker.dropped(now, pass);
                        last_probe = None;
                    }
                    _ => breaker.failed(now, pass, &PLAN),
                }
                prop_assert!(breaker.outcomes.len() <= MOST);
            }
        }
    }
}
