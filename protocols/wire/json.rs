//! JSON text: values borrowed as they stand in a line, and strings written straight into a buffer.
//!
//! A decoder reads only the few members it uses. [`Raw`] keeps a member as the text it was written in, whatever its
//! type, so that a number sent as a string, a `null`, or an unknown shape costs at most that member. Strings are
//! unescaped once, from the line into the event, and halves of a surrogate pair that a provider put into two
//! deltas are joined ([`Carry`]).

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use memchr::memchr;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::event::Text;

/// A JSON value as its own text, borrowed from the line; absent if empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw: &'de RawValue = Deserialize::deserialize(deserializer)?;
        Ok(Self(raw.get()))
    }
}

impl<'a> Raw<'a> {
    /// The text of one whole, valid JSON value.
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The value's own text; empty if absent.
    pub const fn get(self) -> &'a str {
        self.0
    }

    /// True if the member is missing or `null`.
    pub fn is_null(self) -> bool {
        self.0.is_empty() || self.0 == "null"
    }

    /// True for a JSON object.
    pub fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    /// True for a JSON array.
    pub fn is_array(self) -> bool {
        self.0.starts_with('[')
    }

    /// What stands between the quotes of a string, still escaped; `None` for any other type.
    pub fn string(self) -> Option<Escaped<'a>> {
        self.0.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(Escaped)
    }

    /// A string, unescaped; lone surrogates become U+FFFD. `None` for any other type.
    pub fn str(self) -> Option<Cow<'a, str>> {
        self.string().map(Escaped::unescape)
    }

    /// A string that is not empty, as an event's text.
    pub fn text(self) -> Option<Text> {
        self.str().filter(|text| !text.is_empty()).map(Text::from)
    }

    /// An owned, not empty string.
    pub fn owned(self) -> Option<String> {
        self.str().filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    /// A count, also where a server writes it as a float or a string.
    pub fn count(self) -> Option<u64> {
        let text = self.string().map_or(self.0, |escaped| escaped.0);
        if let Ok(count) = text.parse() {
            return Some(count);
        }
        let float: f64 = text.parse().ok()?;
        // `as` saturates, and a count beyond 2^53 is nobody's token count.
        (float >= 0.0).then_some(float as u64)
    }

    /// The value in another shape; `None` if it does not fit.
    pub fn parse<T: Deserialize<'a>>(self) -> Option<T> {
        // Making serde_json's error for nothing at all would cost an allocation for every absent member.
        if self.0.is_empty() { None } else { serde_json::from_str(self.0).ok() }
    }

    /// The value as an owned tree; `None` if absent or unreadable (a lone surrogate is).
    pub fn value<T: DeserializeOwned>(self) -> Option<T> {
        if self.0.is_empty() { None } else { serde_json::from_str(self.0).ok() }
    }
}

/// The inside of a JSON string, still escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escaped<'a>(&'a str);

impl<'a> Escaped<'a> {
    /// The text, borrowed where nothing is escaped; lone surrogates become U+FFFD.
    pub fn unescape(self) -> Cow<'a, str> {
        if memchr(b'\\', self.0.as_bytes()).is_none() {
            return Cow::Borrowed(self.0);
        }
        let mut carry = Carry::default();
        let mut text = Text::default();
        self.unescape_into(&mut carry, &mut text);
        carry.flush(&mut text);
        Cow::Owned(text.into_string())
    }

    /// Appends the text to `out`. A first half of a surrogate pair at the very end stays in `carry` until the next
    /// piece of the same channel.
    pub fn unescape_into(self, carry: &mut Carry, out: &mut Text) {
        let mut rest = self.0;
        if !rest.is_empty() && carry.0.is_some() && !rest.starts_with("\\u") {
            carry.flush(out);
        }
        while let Some(at) = memchr(b'\\', rest.as_bytes()) {
            if at > 0 {
                carry.flush(out);
                out.push_str(&rest[..at]);
            }
            let escape = rest.as_bytes().get(at + 1).copied().unwrap_or(b'\\');
            let mut used = at + 2;
            if escape == b'u' {
                used = at + 6;
                let unit = rest.get(at + 2..used).and_then(|hex| u16::from_str_radix(hex, 16).ok());
                carry.unit(unit.unwrap_or(0xFFFD), out);
            } else {
                carry.flush(out);
                out.push(match escape {
                    b'n' => '\n',
                    b't' => '\t',
                    b'r' => '\r',
                    b'b' => '\u{8}',
                    b'f' => '\u{c}',
                    other => char::from(other),
                });
            }
            rest = rest.get(used..).unwrap_or("");
        }
        if !rest.is_empty() {
            carry.flush(out);
            out.push_str(rest);
        }
    }
}

/// The first half of a surrogate pair whose second half has not come yet. One per channel of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carry(Option<u16>);

impl Carry {
    /// Gives up waiting: the half becomes U+FFFD.
    pub fn flush(&mut self, out: &mut Text) {
        if self.0.take().is_some() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }

    fn unit(&mut self, unit: u16, out: &mut Text) {
        match (self.0, unit) {
            (Some(high), 0xDC00..=0xDFFF) => {
                self.0 = None;
                let code = 0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(unit) - 0xDC00);
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            (_, 0xD800..=0xDBFF) => {
                self.flush(out);
                self.0 = Some(unit);
            }
            _ => {
                self.flush(out);
                out.push(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
    }
}

/// For each byte: may it stand in a JSON string as it is? The two lead bytes of the three line separators beyond
/// ASCII (U+0085, U+2028, U+2029) are looked at more closely.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain[0xC2] = false;
    plain[0xE2] = false;
    plain
};

/// Writes a JSON string with its quotes. Line separators beyond ASCII are escaped, because some readers split
/// lines at them (upstream notes 1.7).
pub fn write_string(out: &mut BytesMut, text: &str) {
    out.reserve(text.len() + 2);
    out.put_u8(b'"');
    write_inner(out, text);
    out.put_u8(b'"');
}

/// Writes the inside of a JSON string, without quotes.
pub fn write_inner(out: &mut BytesMut, text: &str) {
    let bytes = text.as_bytes();
    let mut start = 0;
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if PLAIN[byte as usize] {
            at += 1;
            continue;
        }
        let (width, escape): (usize, &[u8]) = match byte {
            b'"' => (1, b"\\\""),
            b'\\' => (1, b"\\\\"),
            b'\n' => (1, b"\\n"),
            b'\r' => (1, b"\\r"),
            b'\t' => (1, b"\\t"),
            0xC2 if bytes.get(at + 1) == Some(&0x85) => (2, b"\\u0085"),
            0xE2 if bytes.get(at + 1..at + 3) == Some(&[0x80, 0xA8]) => (3, b"\\u2028"),
            0xE2 if bytes.get(at + 1..at + 3) == Some(&[0x80, 0xA9]) => (3, b"\\u2029"),
            0xC2 | 0xE2 => {
                at += 1;
                continue;
            }
            control => {
                out.put_slice(&bytes[start..at]);
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.put_slice(b"\\u00");
                out.put_u8(HEX[usize::from(control >> 4)]);
                out.put_u8(HEX[usize::from(control & 15)]);
                at += 1;
                start = at;
                continue;
            }
        };
        out.put_slice(&bytes[start..at]);
        out.put_slice(escape);
        at += width;
        start = at;
    }
    out.put_slice(&bytes[start..]);
}

/// Writes any serialisable value as JSON on one line, with the same escapes as [`write_string`].
pub fn write_value(out: &mut BytesMut, value: &impl serde::Serialize) {
    let text = serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned());
    write_escaping_separators(out, &text);
}

/// Writes text that already is JSON, escaping the separators that may only stand inside its strings.
pub fn write_escaping_separators(out: &mut BytesMut, json: &str) {
    let bytes = json.as_bytes();
    let mut start = 0;
    for at in memchr::memchr2_iter(0xC2, 0xE2, bytes) {
        let (width, escape): (usize, &[u8]) = match &bytes[at..] {
            [0xC2, 0x85, ..] => (2, b"\\u0085"),
            [0xE2, 0x80, 0xA8, ..] => (3, b"\\u2028"),
            [0xE2, 0x80, 0xA9, ..] => (3, b"\\u2029"),
            _ => continue,
        };
        out.put_slice(&bytes[start..at]);
        out.put_slice(escape);
        start = at + width;
    }
    out.put_slice(&bytes[start..]);
}

/// The arguments of a tool call once they are whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// A JSON object, as a tree and as the text to pass on.
    Object(serde_json::Map<String, serde_json::Value>),
    /// Not an object, or no JSON: a call like that must not run.
    Invalid,
}

impl Arguments {
    /// Reads whole argument text. Nothing and `null` are no arguments; an object inside a string (encoded twice) is
    /// that object.
    pub fn read(text: &str) -> Self {
        use serde_json::Value;
        let text = text.trim();
        if text.is_empty() {
            return Self::Object(serde_json::Map::new());
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Self::Object(object),
            Ok(Value::Null) => Self::Object(serde_json::Map::new()),
            Ok(Value::String(inner)) => match inner.trim() {
                "" | "null" => Self::Object(serde_json::Map::new()),
                inner => match serde_json::from_str(inner) {
                    Ok(Value::Object(object)) => Self::Object(object),
                    _ => Self::Invalid,
                },
            },
            _ => Self::Invalid,
        }
    }

    /// The same, as JSON text that is sure to be an object: the model's own text where that is one, so that big
    /// numbers and key order survive. `None` if the arguments are not valid.
    pub fn text(raw: &str) -> Option<Cow<'_, str>> {
        let trimmed = raw.trim();
        match Self::read(trimmed) {
            Self::Object(_) if trimmed.starts_with('{') => Some(Cow::Borrowed(trimmed)),
            Self::Object(object) => Some(Cow::Owned(serde_json::Value::Object(object).to_string())),
            Self::Invalid => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> String {
        let mut out = BytesMut::new();
        write_string(&mut out, text);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn strings_are_written_for_every_reader() {
        assert_eq!(written("a\"b\\c\nd\te\u{1}é€😀"), "\"a\\\"b\\\\c\\nd\\te\\u0001é€😀\"");
        assert_eq!(written("\u{2028}\u{2029}\u{85}"), "\"\\u2028\\u2029\\u0085\"");
        for text in ["", "plain", "\u{7f}\u{0}", "â\u{2027}\u{84}"] {
            assert_eq!(serde_json::from_str::<String>(&written(text)).unwrap(), text);
        }
    }

    #[test]
    fn strings_are_read_as_serde_reads_them() {
        for json in [r#""a\"b\\c\/d\n\t\r\b\f""#, r#""\u00e9\ud83d\ude00x""#, r#""😀é""#, r#""""#] {
            let raw: Raw<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(raw.str().unwrap(), serde_json::from_str::<String>(json).unwrap());
        }
    }

    #[test]
    fn surrogate_halves_in_two_pieces_are_joined() {
        let mut carry = Carry::default();
        let mut out = Text::default();
        for piece in [r"a\ud83d", "", r"\ude00b", r"\ud83d", "c", r"\ude00"] {
            Escaped(piece).unescape_into(&mut carry, &mut out);
        }
        carry.flush(&mut out);
        assert_eq!(out, "a😀b\u{fffd}c\u{fffd}");
    }

    #[test]
    fn counts_are_read_in_every_spelling() {
        let counts: Vec<_> =
            ["5", "\"6\"", "7.0", "null", "-1", "\"x\"", "[1]"].map(|text| Raw::new(text).count()).to_vec();
        assert_eq!(counts, [Some(5), Some(6), Some(7), None, None, None, None]);
    }

    #[test]
    fn arguments_are_an_object_or_invalid() {
        assert_eq!(Arguments::text("").as_deref(), Some("{}"));
        assert_eq!(Arguments::text(" null ").as_deref(), Some("{}"));
        assert_eq!(
            Arguments::text(r#"{"a":1.0, "b":9007199254740993}"#).as_deref(),
            Some(r#"{"a":1.0, "b":9007199254740993}"#)
        );
        assert_eq!(Arguments::text(r#""{\"a\":1}""#).as_deref(), Some(r#"{"a":1}"#));
        for wrong in ["{\"a\":", "[1]", "5", "\"x\"", "{}{}"] {
            assert_eq!(Arguments::text(wrong), None, "{wrong}");
        }
    }
}
