//! Times as pages read them.

/// The last millisecond of the year 9999: no reader takes a later one.
const LAST: u64 = 253_402_300_799_999;

/// Milliseconds since 1970 as RFC 3339 in UTC. Without the zone a browser would read its own local time.
pub fn utc(ms: u64) -> String {
    let ms = ms.min(LAST);
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", rest % 1000)
}

/// The Gregorian date that is so many days behind 1 January 1970. Counts from March, so that the leap day is the last
/// of its year, in cycles of 400 years.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (january_on, month_of) = if month < 10 { (0, month + 3) } else { (1, month - 9) };
    (cycle * 400 + year + january_on, month_of, day - (153 * month + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_to_the_millisecond() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_763_633_580_123, "2025-11-20T10:13:00.123Z"),
            (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(utc(ms), text);
        }
    }
}
