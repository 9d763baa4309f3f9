//! Objects of the wire: keys in order, nothing where a value is missing, times and addresses in one form.

use serde_json::{Map, Value};

/// An object that is being written. What is `None` is left out: a typed field is never `null` (ChatKit notes 2).
#[derive(Debug, Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Adds a member.
    pub(super) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// Adds a member if there is something to say.
    pub(super) fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value.map(Into::into) {
            None | Some(Value::Null) => self,
            Some(value) => self.set(key, value),
        }
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.0)
    }
}

/// The last millisecond of the year 9999: no reader takes a later one.
const LAST: u64 = 253_402_300_799_999;

/// Milliseconds since 1970 as RFC 3339 in UTC. Without the zone a browser would read its own local time.
pub(super) fn time(ms: u64) -> String {
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

/// An absolute address as readers with typed addresses write it: scheme and host in small letters, no usual port, a
/// slash for an empty path. `None` for anything that is no absolute address.
pub(super) fn address(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    if !scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
        || !scheme.chars().all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        || rest.chars().any(|letter| letter.is_whitespace() || letter.is_control())
    {
        return None;
    }
    let usual = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        "data" => return Some(format!("data:{rest}")),
        _ => return None,
    };
    let rest = rest.strip_prefix("//")?;
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(usual).unwrap_or(&host);
    let slash = if path.starts_with('/') { "" } else { "/" };
    (!host.is_empty()).then(|| format!("{scheme}://{host}{slash}{path}"))
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
            assert_eq!(time(ms), text);
        }
    }

    #[test]
    fn addresses_are_absolute_and_written_in_one_way() {
        for (given, written) in [
            ("https://a.b", Some("https://a.b/")),
            ("HTTPS://A.b:443?x=Y", Some("https://a.b/?x=Y")),
            ("http://a:80/P", Some("http://a/P")),
            ("http://a:8080/", Some("http://a:8080/")),
            ("https://[::1]:443/u", Some("https://[::1]/u")),
            ("data:image/png;base64,AA==", Some("data:image/png;base64,AA==")),
            ("/uploads/1", None),
            ("//a/b", None),
            ("https:///b", None),
            ("https://a b/", None),
            ("ftp://a/b", None),
            ("", None),
        ] {
            assert_eq!(address(given).as_deref(), written, "{given:?}");
        }
    }

    #[test]
    fn nothing_is_left_out_and_null_with_it() {
        let object =
            Object::default().set("a", 1).maybe("b", None::<&str>).maybe("c", Some(Value::Null)).maybe("d", Some("e"));
        assert_eq!(Value::from(object).to_string(), r#"{"a":1,"d":"e"}"#);
    }
}
