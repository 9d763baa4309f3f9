//! The values that stand in the file: durations, sizes, addresses and the like.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use chatwire_protocols::chat::Effort;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

use super::read::{At, Read, wrong_type};
use super::report::{Problem, Problems, Span};
use crate::secret::Secret;

/// A duration longer than zero, such as `"5s"`.
pub struct Deadline(pub Duration);

/// A duration that may be zero.
pub struct Period(pub Duration);

/// A number of bytes above zero, such as `"1MiB"` or a plain whole number.
pub struct Size(pub usize);

/// An address to listen on, such as `"127.0.0.1:8000"`.
pub struct Address(pub SocketAddr);

/// A whole number in bounds.
pub struct Whole<const MIN: u64, const MAX: u64>(pub u64);

/// A sampling temperature from 0 to 2.
pub struct Temperature(pub f64);

/// How much a model should think.
pub struct Reasoning(pub Effort);

/// One word of a few.
pub trait Words: Sized + Copy + 'static {
    /// What the words are for, for a report.
    const WHAT: &'static str;
    /// The words and what they mean.
    const WORDS: &'static [(&'static str, Self)];
}

/// One of [`Words`].
pub struct Word<T>(pub T);

/// A value, or `false` for none.
pub enum Switch<T> {
    /// `false`.
    Off,
    /// The value.
    On(T),
}

/// A point in time, such as `2027-01-01T00:00:00Z`, in milliseconds since 1970.
pub struct Moment(pub u64);

/// A text, or several.
pub struct Texts(pub Vec<At<String>>);

/// A text that may be a secret.
pub struct Hidden(pub Secret);

/// Any TOML value, as JSON.
pub struct Free(pub Value);

/// A table with keys that this level of the file does not know, as JSON, with their places.
pub struct FreeTable(pub Vec<FreeEntry>);

/// An entry of a [`FreeTable`].
pub struct FreeEntry {
    /// The key.
    pub key: At<String>,
    /// The value.
    pub value: At<Value>,
}

impl FreeTable {
    /// The table as JSON.
    pub fn to_map(&self) -> Map<String, Value> {
        self.0.iter().map(|entry| (entry.key.value.clone(), entry.value.value.clone())).collect()
    }
}

impl Read for String {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            other => wrong_type(value.span(), "a string", other, problems),
        }
    }
}

impl Read for bool {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            other => wrong_type(value.span(), "true or false", other, problems),
        }
    }
}

impl Read for Deadline {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let duration = Period::read(value, problems)?.0;
        if duration.is_zero() {
            problems.push(Problem::new(value.span(), "a duration that must be longer than zero"));
            return None;
        }
        Some(Self(duration))
    }
}

impl Read for Period {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let DeValue::String(text) = value.get_ref() else {
            return wrong_type(value.span(), "a duration such as \"5s\"", value.get_ref(), problems);
        };
        let parsed = parse_duration(text);
        if parsed.is_none() {
            let problem = Problem::new(value.span(), "not a duration");
            problems.push(problem.help(
                "write a number with ms, s, m, h or d, such as \"250ms\", \"5s\" or \"1m30s\", at most \"365d\"",
            ));
        }
        parsed.map(Self)
    }
}

/// Longest duration in the file: clocks overflow long after it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reads a duration.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, unit, behind) = split_quantity(rest)?;
        let milliseconds: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" | "min" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = behind.trim_start();
    }
    (total <= LONGEST).then_some(total)
}

/// A whole number, the unit behind it, and what follows.
fn split_quantity(text: &str) -> Option<(u64, &str, &str)> {
    let (number, rest) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let rest = rest.trim_start();
    let (unit, behind) = rest.split_at(rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len()));
    Some((number.parse().ok()?, unit, behind))
}

impl Read for Size {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let parsed = match value.get_ref() {
            DeValue::String(text) => parse_size(text),
            DeValue::Integer(number) => integer(number).and_then(|number| usize::try_from(number).ok()),
            other => return wrong_type(value.span(), "a size such as \"1MiB\"", other, problems),
        };
        let parsed = parsed.filter(|bytes| (1..=isize::MAX.unsigned_abs()).contains(bytes));
        if parsed.is_none() {
            let problem = Problem::new(value.span(), "not a size");
            problems.push(
                problem.help("write a number of bytes above zero, with B, KiB, MiB, GiB, KB, MB or GB: \"1MiB\""),
            );
        }
        parsed.map(Self)
    }
}

fn parse_size(text: &str) -> Option<usize> {
    let (number, unit, behind) = split_quantity(text.trim())?;
    let scale: u64 = match unit.to_ascii_lowercase().as_str() {
        "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return None,
    };
    behind.is_empty().then(|| number.checked_mul(scale)).flatten().and_then(|bytes| usize::try_from(bytes).ok())
}

/// The number, if it fits.
pub fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

impl Read for Address {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let text = String::read(value, problems)?;
        let Ok(address) = text.parse() else {
            let problem = Problem::new(value.span(), "not an address to listen on");
            problems.push(problem.help(address_help(&text)));
            return None;
        };
        Some(Self(address))
    }
}

fn address_help(text: &str) -> String {
    let port = text.rsplit_once(':').map_or(text, |(_, port)| port);
    let port = port.parse::<u16>().unwrap_or(8000);
    format!("write an IP address and a port: \"127.0.0.1:{port}\" for this machine only, \"0.0.0.0:{port}\" for all")
}

impl<const MIN: u64, const MAX: u64> Read for Whole<MIN, MAX> {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let DeValue::Integer(number) = value.get_ref() else {
            return wrong_type(value.span(), "a whole number", value.get_ref(), problems);
        };
        let number = integer(number).and_then(|number| u64::try_from(number).ok());
        let number = number.filter(|number| (MIN..=MAX).contains(number));
        if number.is_none() {
            let label = format!("must be from {MIN} to {MAX}");
            problems.push(Problem::new(value.span(), "number out of bounds").label(label));
        }
        number.map(Self)
    }
}

impl Read for Temperature {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => number.as_str().parse::<f64>(),
            DeValue::Float(number) => number.as_str().parse(),
            other => return wrong_type(value.span(), "a number", other, problems),
        };
        let number = number.ok().filter(|number| (0.0..=2.0).contains(number));
        if number.is_none() {
            problems.push(Problem::new(value.span(), "number out of bounds").label("must be from 0 to 2"));
        }
        number.map(Self)
    }
}

/// The words for [`Reasoning`], as the file writes them.
const EFFORTS: [&str; 7] = ["off", "minimal", "low", "medium", "high", "xhigh", "max"];

impl Read for Reasoning {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let word = String::read(value, problems)?;
        let effort = Effort::from_name(&word);
        if effort.is_none() {
            let problem = Problem::new(value.span(), format!("unknown amount of reasoning `{word}`"));
            problems.push(problem.suggest(&word, "known amounts", EFFORTS));
        }
        effort.map(Self)
    }
}

impl<T: Words> Read for Word<T> {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let word = String::read(value, problems)?;
        let found = T::WORDS.iter().find(|(name, _)| *name == word);
        if found.is_none() {
            let problem = Problem::new(value.span(), format!("unknown {} `{word}`", T::WHAT));
            problems.push(problem.suggest(&word, "known ones", T::WORDS.iter().map(|(name, _)| *name)));
        }
        found.map(|(_, meaning)| Self(*meaning))
    }
}

impl<T: Words> JsonSchema for Word<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        T::WHAT.into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = T::WORDS.iter().map(|(name, _)| *name).collect();
        json_schema!({ "enum": words })
    }
}

impl<T: Read> Read for Switch<T> {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        match value.get_ref() {
            DeValue::Boolean(false) => Some(Self::Off),
            DeValue::Boolean(true) => {
                problems.push(Problem::new(value.span(), "write a value to switch it on, or `false` for off"));
                None
            }
            _ => T::read(value, problems).map(Self::On),
        }
    }
}

impl Read for Moment {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let DeValue::Datetime(time) = value.get_ref() else {
            return wrong_type(value.span(), "a date such as 2027-01-01, without quotes", value.get_ref(), problems);
        };
        let moment = milliseconds(time);
        if moment.is_none() {
            problems.push(Problem::new(value.span(), "not a date from 1970 on"));
        }
        moment.map(Self)
    }
}

/// Milliseconds since 1970; what names no offset is in UTC.
fn milliseconds(time: &toml::value::Datetime) -> Option<u64> {
    let date = time.date?;
    let clock = time.time.map_or(0, |clock| {
        let second = i64::from(clock.second.unwrap_or_default());
        (i64::from(clock.hour) * 60 + i64::from(clock.minute)) * 60 + second
    });
    let offset = match time.offset {
        Some(toml::value::Offset::Custom { minutes }) => i64::from(minutes) * 60,
        Some(toml::value::Offset::Z) | None => 0,
    };
    // Counts from March, so that the leap day is the last of its year.
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let (year, month) =
        if month > 2 { (i64::from(date.year), month - 3) } else { (i64::from(date.year) - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    u64::try_from((days * 86_400 + clock - offset) * 1000).ok()
}

impl Read for Texts {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        match value.get_ref() {
            DeValue::String(_) => At::read(value, problems).map(|text| Self(vec![text])),
            _ => Vec::read(value, problems).map(Self),
        }
    }
}

impl Read for Hidden {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        String::read(value, problems).map(|text| Self(Secret::new(text)))
    }
}

impl Read for Free {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        to_json(value, problems).map(Self)
    }
}

impl Read for FreeTable {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            return wrong_type(value.span(), "a table", value.get_ref(), problems);
        };
        let mut entries = Vec::with_capacity(table.len());
        for (key, value) in table {
            let key = At { value: key.get_ref().to_string(), span: key.span() };
            let value = At { value: to_json(value, problems)?, span: value.span() };
            entries.push(FreeEntry { key, value });
        }
        Some(Self(entries))
    }
}

/// A TOML value as JSON; nothing if JSON has no such number, which is noted.
pub fn to_json(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Value> {
    Some(match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Integer(number) => match integer(number) {
            Some(number) => Value::from(number),
            None => return no_json(value.span(), problems),
        },
        DeValue::Float(number) => match number.as_str().parse().ok().and_then(Number::from_f64) {
            Some(number) => Value::Number(number),
            None => return no_json(value.span(), problems),
        },
        DeValue::Array(list) => Value::Array(list.iter().map(|item| to_json(item, problems)).collect::<Option<_>>()?),
        DeValue::Table(table) => {
            let member = |(key, value): (&Spanned<Cow<'_, str>>, _)| {
                Some((key.get_ref().to_string(), to_json(value, problems)?))
            };
            Value::Object(table.iter().map(member).collect::<Option<_>>()?)
        }
    })
}

fn no_json(span: Span, problems: &mut Problems) -> Option<Value> {
    problems.push(Problem::new(span, "a number that JSON cannot hold"));
    None
}

/// Gives a value type its place in the JSON Schema.
macro_rules! schema {
    ($type:ty, $name:literal, $schema:tt $(, $($generic:tt)*)?) => {
        impl $(<$($generic)*>)? JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema!(Deadline, "Deadline", { "type": "string", "pattern": DURATION });
schema!(Period, "Period", { "type": "string", "pattern": DURATION });
schema!(Size, "Size", { "type": ["string", "integer"], "pattern": "^ *[0-9]+ *([kKmMgG]([iI]?[bB])?|[bB]) *$", "minimum": 1 });
schema!(Address, "Address", { "type": "string", "examples": ["127.0.0.1:8000", "0.0.0.0:8000", "[::1]:8000"] });
schema!(
    Whole<MIN, MAX>,
    "Whole",
    { "type": "integer", "minimum": MIN, "maximum": MAX },
    const MIN: u64, const MAX: u64
);
schema!(Temperature, "Temperature", { "type": "number", "minimum": 0, "maximum": 2 });
schema!(Reasoning, "Reasoning", { "enum": EFFORTS });
schema!(Moment, "Moment", { "type": "string", "examples": ["2027-01-01T00:00:00Z"] });
schema!(Texts, "Texts", { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] });
schema!(Hidden, "Hidden", { "type": "string" });
schema!(Free, "Free", true);
schema!(FreeTable, "FreeTable", { "type": "object" });

/// The JSON Schema pattern of a duration.
const DURATION: &str = "^ *([0-9]+ *(ms|s|m|min|h|d) *)+$";

impl<T: JsonSchema> JsonSchema for Switch<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("{}OrFalse", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [value, { "const": false }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units() {
        for (text, milliseconds) in [
            ("250ms", Some(250)),
            ("5s", Some(5_000)),
            (" 1m 30s ", Some(90_000)),
            ("2h", Some(7_200_000)),
            ("365d", Some(31_536_000_000)),
            ("366d", None),
            ("99999999999999999999s", None),
            ("18446744073709551615h", None),
            ("5", None),
            ("s", None),
            ("", None),
            ("-5s", None),
            ("1.5s", None),
            ("5 parsecs", None),
        ] {
            assert_eq!(parse_duration(text), milliseconds.map(Duration::from_millis), "{text:?}");
        }
    }

    #[test]
    fn moments_are_counted_from_1970() {
        for (text, seconds) in [
            ("1970-01-01", Some(0)),
            ("2000-02-29T12:00:00Z", Some(951_825_600)),
            ("2027-01-01T00:00:00+01:00", Some(1_798_758_000)),
            ("2026-11-21T18:00:00", Some(1_795_284_000)),
            ("1969-12-31T23:59:59Z", None),
            ("12:00:00", None),
        ] {
            let time: toml::value::Datetime = text.parse().unwrap();
            assert_eq!(milliseconds(&time), seconds.map(|seconds: u64| seconds * 1000), "{text}");
        }
    }

    #[test]
    fn sizes_know_both_kinds_of_units() {
        for (text, bytes) in [
            ("1MiB", Some(1 << 20)),
            ("64 KiB", Some(64 << 10)),
            ("10MB", Some(10_000_000)),
            ("2k", Some(2048)),
            ("7B", Some(7)),
            ("7", None),
            ("1MiB1", None),
            ("99999999999GiB", None),
            ("MiB", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }
}
