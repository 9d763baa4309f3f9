//! The days and months that budgets are for, in UTC.

use std::time::Duration;

use chatwire_protocols::wire::time::utc;

use crate::config::Words;

const DAY: u64 = 86_400_000;

/// A part of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A day.
    Day,
    /// A month.
    Month,
}

impl Words for Period {
    const WHAT: &'static str = "period";
    const WORDS: &'static [(&'static str, Self)] = &[("day", Self::Day), ("month", Self::Month)];
}

impl Period {
    /// The one in which a time is, in milliseconds since 1970: "2026-11-21" or "2026-11".
    pub fn name(self, now: u64) -> String {
        let mut name = utc(now);
        name.truncate(match self {
            Self::Day => "2026-11-21".len(),
            Self::Month => "2026-11".len(),
        });
        name
    }

    /// How long until the next one begins.
    pub fn left(self, now: u64) -> Duration {
        let (midnight, this) = (now - now % DAY, self.name(now));
        let next = (1..=31).map(|days| midnight + days * DAY).find(|day| self.name(*day) != this);
        Duration::from_millis(next.unwrap_or(now).saturating_sub(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_months_end_at_midnight() {
        // 2025-11-20T10:13:00.123Z
        let now = 1_763_633_580_123;
        assert_eq!((Period::Day.name(now), Period::Month.name(now)), ("2025-11-20".to_owned(), "2025-11".to_owned()));
        let day = Period::Day.left(now);
        assert_eq!(day, Duration::from_millis(13 * 3_600_000 + 46 * 60_000 + 59_877));
        assert_eq!(Period::Month.left(now), day + Duration::from_secs(10 * 86_400));
    }

    #[test]
    fn each_period_ends_where_the_next_begins() {
        // Every hour of four years, a leap year among them.
        for hour in 0..4 * 366 * 24 {
            let now = 1_700_000_000_000 + hour * 3_600_000;
            for period in [Period::Day, Period::Month] {
                let end = now + u64::try_from(period.left(now).as_millis()).unwrap();
                assert_eq!(period.name(end - 1), period.name(now));
                assert_ne!(period.name(end), period.name(now));
            }
        }
    }
}
