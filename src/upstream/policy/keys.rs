//! Several keys of one provider: they take turns, and one that was refused rests.

use std::time::Duration;

use tokio::time::Instant;

/// Longest rest, whatever the provider says.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Which of the keys is used, by its place.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Until when each rests.
    rests: Vec<Option<Instant>>,
    next: usize,
}

impl Keys {
    /// So many keys, all of which can be used.
    pub fn new(count: usize) -> Self {
        Self { rests: vec![None; count], next: 0 }
    }

    /// The next key that does not rest; if all do, the one whose rest ends first: a provider that has changed its mind
    /// is found out so. None without keys.
    pub fn pick(&mut self, now: Instant) -> Option<usize> {
        let place = self.ready(now).or_else(|| (0..self.rests.len()).min_by_key(|place| self.rests[*place]))?;
        self.next = place + 1;
        Some(place)
    }

    /// Like [`Keys::pick`], but none if all rest.
    pub fn pick_ready(&mut self, now: Instant) -> Option<usize> {
        let place = self.ready(now)?;
        self.next = place + 1;
        Some(place)
    }

    /// Lets a key rest.
    pub fn rest(&mut self, key: usize, now: Instant, time: Duration) {
        if let Some(rest) = self.rests.get_mut(key) {
            *rest = (*rest).max(Some(now + time.min(LONGEST)));
        }
    }

    /// A key works.
    pub fn works(&mut self, key: usize) {
        if let Some(rest) = self.rests.get_mut(key) {
            *rest = None;
        }
    }

    fn ready(&self, now: Instant) -> Option<usize> {
        let count = self.rests.len();
        (0..count)
            .map(|step| (self.next + step) % count)
            .find(|place| self.rests[*place].is_none_or(|rest| rest <= now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Pass(u64),
        Pick,
        Rest(usize, u64),
        Works(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0_u64..10).prop_map(Step::Pass),
            Just(Step::Pick),
            (0_usize..5, 0_u64..30).prop_map(|(key, time)| Step::Rest(key, time)),
            (0_usize..5).prop_map(Step::Works),
        ]
    }

    proptest! {
        #[test]
        fn no_key_is_used_in_its_rest_while_another_is_ready(
            count in 1_usize..5,
            steps in proptest::collection::vec(step(), 0..200),
        ) {
            let mut now = Instant::now();
            let mut keys = Keys::new(count);
            let mut rests = vec![now; count];
            for step in steps {
                match step {
                    Step::Pass(seconds) => now += Duration::from_secs(seconds),
                    Step::Rest(key, seconds) if key < count => {
                        keys.rest(key, now, Duration::from_secs(seconds));
                        rests[key] = rests[key].max(now + Duration::from_secs(seconds));
                    }
                    Step::Works(key) if key < count => {
                        keys.works(key);
                        rests[key] = now;
                    }
                    Step::Rest(..) | Step::Works(_) => {}
                    Step::Pick => {
                        let ready = rests.iter().any(|rest| *rest <= now);
                        let picked = keys.pick(now).unwrap();
                        prop_assert!(!ready || rests[picked] <= now);
                        prop_assert_eq!(keys.pick_ready(now).is_some(), ready);
                    }
                }
            }
        }
    }

    #[test]
    fn keys_take_turns() {
        let now = Instant::now();
        let mut keys = Keys::new(3);
        let picked: Vec<_> = (0..6).map(|_| keys.pick(now).unwrap()).collect();
        assert_eq!(picked, [0, 1, 2, 0, 1, 2]);
        assert_eq!(Keys::new(0).pick(now), None);
    }
}
