//! The generic cell rate algorithm: one number for each caller says when everything that was taken is paid back.
//!
//! Time is counted in *ticks*, nanoseconds times the quota's amount, so that one unit costs a whole number of them (as
//! many as the period has nanoseconds) and nothing is ever rounded: never more than the amount at once plus what its
//! rate gives, and never less.

use std::time::Duration;

/// So many units in a time: as many at once, and as many more in each such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many; at least 1.
    pub amount: u64,
    /// In which time; longer than zero.
    pub per: Duration,
}

impl Quota {
    /// What a unit costs.
    const fn unit(self) -> u128 {
        self.per.as_nanos()
    }

    const fn ticks(self, time: Duration) -> u128 {
        time.as_nanos() * self.amount as u128
    }

    /// The time of so many ticks, rounded up to the nanosecond: whoever waits for it is never too early.
    fn time(self, ticks: u128) -> Duration {
        let nanos = ticks.div_ceil(u128::from(self.amount.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// What may be owed before a unit is refused.
    const fn burst(self) -> u128 {
        self.unit() * self.amount as u128
    }
}

/// What one caller has taken of a quota. Times are counted from any fixed moment and never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// When all is paid back, in ticks.
    clear: u128,
}

impl Cell {
    /// How long until `count` units can be taken; nothing if they can be taken now. A count above the quota's amount is
    /// one of as many.
    pub fn wait(&self, quota: Quota, now: Duration, count: u64) -> Option<Duration> {
        let cost = quota.unit() * u128::from(count.min(quota.amount));
        let most = quota.burst().saturating_sub(cost);
        let over = self.owed(quota, now).checked_sub(most)?;
        (over > 0).then(|| quota.time(over))
    }

    /// Takes units, also more than there are: the cell is in debt then.
    pub fn charge(&mut self, quota: Quota, now: Duration, count: u64) {
        let cost = quota.unit().saturating_mul(u128::from(count));
        self.clear = self.clear.max(quota.ticks(now)).saturating_add(cost);
    }

    /// How many whole units are left.
    pub fn left(&self, quota: Quota, now: Duration) -> u64 {
        let free = quota.burst().saturating_sub(self.owed(quota, now)) / quota.unit().max(1);
        u64::try_from(free).unwrap_or(u64::MAX)
    }

    /// How long until everything is paid back. A cell without debt is as good as a new one.
    pub fn until_full(&self, quota: Quota, now: Duration) -> Duration {
        quota.time(self.owed(quota, now))
    }

    fn owed(&self, quota: Quota, now: Duration) -> u128 {
        self.clear.saturating_sub(quota.ticks(now))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same as a bucket with exact fractions: what is in it, times the period.
    struct Bucket {
        level: i128,
        seen: i128,
        amount: i128,
        per: i128,
    }

    impl Bucket {
        fn at(&mut self, now: i128) -> &mut Self {
            self.level = (self.level + (now - self.seen) * self.amount).min(self.amount * self.per);
            self.seen = now;
            self
        }
    }

    const fn second(amount: u64) -> Quota {
        Quota { amount, per: Duration::from_secs(1) }
    }

    #[test]
    fn all_may_be_taken_at_once_and_comes_back_evenly() {
        let (quota, at) = (second(4), Duration::from_millis);
        let mut cell = Cell::default();
        for left in (0..4).rev() {
            assert_eq!(cell.wait(quota, at(0), 1), None);
            cell.charge(quota, at(0), 1);
            assert_eq!(cell.left(quota, at(0)), left);
        }
        assert_eq!(cell.wait(quota, at(0), 1), Some(at(250)));
        assert_eq!(cell.wait(quota, at(100), 1), Some(at(150)));
        assert_eq!(cell.wait(quota, at(250), 1), None);
        assert_eq!(cell.until_full(quota, at(250)), at(750));
        assert_eq!((cell.left(quota, at(999)), cell.left(quota, at(1000))), (3, 4));
    }

    #[test]
    fn a_debt_is_waited_for_to_its_end() {
        let (quota, at) = (second(10), Duration::from_millis);
        let mut cell = Cell::default();
        cell.charge(quota, at(0), 35);
        assert_eq!((cell.left(quota, at(0)), cell.wait(quota, at(0), 1)), (0, Some(at(2600))));
        assert_eq!((cell.wait(quota, at(2599), 1), cell.wait(quota, at(2600), 1)), (Some(at(1)), None));
    }

    #[test]
    fn the_largest_numbers_do_not_wrap() {
        let quota = Quota { amount: u64::MAX, per: Duration::from_secs(365 * 86_400) };
        let mut cell = Cell::default();
        cell.charge(quota, Duration::from_secs(86_400), u64::MAX);
        cell.charge(quota, Duration::from_secs(86_400), u64::MAX);
        assert_eq!(cell.left(quota, Duration::from_secs(86_400)), 0);
        assert!(cell.wait(quota, Duration::from_secs(86_400), 1).is_some());
    }

    proptest! {
        /// Against an exact bucket: the same answers, the same rests, and waits that are neither too short nor too long.
        #[test]
        fn it_gives_what_an_exact_bucket_gives(
            amount in 1_u64..50,
            per in 1_u64..10_000,
            steps in proptest::collection::vec((0_u64..3_000, 0_u64..4, any::<bool>()), 1..200),
        ) {
            let quota = Quota { amount, per: Duration::from_nanos(per) };
            let (amount, per) = (i128::from(amount), i128::from(per));
            let mut bucket = Bucket { level: amount * per, seen: 0, amount, per };
            let (mut cell, mut now) = (Cell::default(), 0_u64);
            for (pause, count, always) in steps {
                now += pause;
                let time = Duration::from_nanos(now);
                let wanted = i128::from(count).min(amount);
                let fits = bucket.at(i128::from(now)).level >= wanted * per;
                let wait = cell.wait(quota, time, count);
                prop_assert_eq!(wait.is_none(), fits);
                if let Some(wait) = wait {
                    prop_assert_eq!(cell.wait(quota, time + wait, count), None);
                    prop_assert!(cell.wait(quota, time + wait - Duration::from_nanos(1), count).is_some());
                }
                if fits || always {
                    cell.charge(quota, time, count);
                    bucket.level -= i128::from(count) * per;
                }
                prop_assert_eq!(i128::from(cell.left(quota, time)), bucket.level.max(0) / per);
            }
        }

        /// In any stretch of time, no more is taken than the amount and what the rate gives in it.
        #[test]
        fn never_more_than_the_burst_and_the_rate(
            amount in 1_u64..20,
            per in 1_u64..5_000,
            asked in proptest::collection::vec(0_u64..800, 1..300),
        ) {
            let quota = Quota { amount, per: Duration::from_nanos(per) };
            let (mut cell, mut now, mut taken) = (Cell::default(), 0_u64, Vec::new());
            for pause in asked {
                now += pause;
                let time = Duration::from_nanos(now);
                if cell.wait(quota, time, 1).is_none() {
                    cell.charge(quota, time, 1);
                    taken.push(now);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (last, to) in taken.iter().enumerate().skip(first) {
                    let count = (last - first + 1) as u64;
                    prop_assert!(count * per <= amount * per + (to - from) * amount, "{count} in {}", to - from);
                }
            }
        }
    }
}
