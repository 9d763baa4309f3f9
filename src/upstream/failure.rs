//! Failures of the way to a provider, as typed failures.

use std::error::Error;
use std::io;
use std::time::{Duration, SystemTime};

use chatwire_protocols::error::{Failure, FailureKind};
use http::HeaderMap;

use super::{exhausted, http1};
use crate::causes::causes;

/// The request could not be sent, or no head came back.
pub fn of_http1(error: &http1::Error) -> Box<Failure> {
    let kind = match error {
        http1::Error::Exhausted(limit, error) => {
            return Failure::exhausted(format!("{limit}: {}", with_causes(error.to_string(), error)));
        }
        http1::Error::Connect(error) if timed_out(error) => FailureKind::Timeout,
        http1::Error::Connect(_) => FailureKind::Connect,
        http1::Error::Lost(_) => FailureKind::Cut,
        http1::Error::Malformed(_) => FailureKind::Malformed,
    };
    Failure::boxed(kind, with_causes(error.to_string(), error))
}

/// The same, by way of the general client.
pub fn of_general(error: &reqwest::Error) -> Box<Failure> {
    if error.is_connect()
        && let Some(missing) = exhausted::by(error)
    {
        return Failure::exhausted(format!("{missing}: {}", describe(error)));
    }
    let kind = if error.is_timeout() {
        FailureKind::Timeout
    } else if error.is_connect() {
        FailureKind::Connect
    } else if error.is_builder() {
        FailureKind::Internal
    } else {
        FailureKind::Cut
    };
    Failure::boxed(kind, describe(error))
}

/// The error with its causes. Without the URL, which may hold a key in its query.
pub fn describe(error: &reqwest::Error) -> String {
    let text = if error.is_connect() { "no connection" } else { "the connection failed" };
    with_causes(text.to_owned(), error)
}

/// True if a deadline of the connection, or of one of its addresses, is among the causes.
fn timed_out(error: &io::Error) -> bool {
    let mut errors = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    errors.any(|error| error.kind() == io::ErrorKind::TimedOut)
}

fn with_causes(mut text: String, error: &(dyn Error + 'static)) -> String {
    for cause in causes(error).skip(1) {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
    }
    text
}

/// How long the provider asks us to wait: `retry-after-ms`, or `retry-after` in seconds or as a date (corner case
/// 57).
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let seconds = |number: f64| Duration::try_from_secs_f64(number).ok();
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return seconds(millis / 1000.0);
    }
    let value = text("retry-after")?;
    match value.parse::<f64>() {
        Ok(number) => seconds(number),
        Err(_) => httpdate::parse_http_date(value).ok().map(|date| date.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn a_wait_is_read_in_seconds_milliseconds_and_as_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let cases = [
            ("retry-after", "7", Some(7_000)),
            ("retry-after", "1.5", Some(1_500)),
            ("retry-after-ms", "250", Some(250)),
            ("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT", Some(10_000)),
            ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("retry-after", "soon", None),
            ("retry-after", "-5", None),
        ];
        for (name, value, expected) in cases {
            let wait = retry_after(&headers(name, value), now).map(|wait| wait.as_millis());
            assert_eq!(wait, expected, "{name}: {value}");
        }
    }
}
