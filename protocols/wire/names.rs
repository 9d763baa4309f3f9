//! Names of tools and ids of calls in a form that every server takes, and back (corner case 96).
//!
//! A decoder does not see the request, so an escaped name must tell by itself what it was: each character that is
//! not a letter, digit, `_` or `-` is written as `_xHH_`, byte by byte, and what already looks like that is escaped
//! too.

use std::borrow::Cow;
use std::fmt::Write;

use crate::event::Text;

/// The longest name that OpenAI takes.
pub const LONGEST: usize = 64;

/// A tool's name as the server gets it.
pub fn escaped(name: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let bytes = name.as_bytes();
    if name.bytes().all(plain) && !(0..bytes.len()).any(|at| looks_escaped_at(bytes, at)) {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len() + 16);
    for (at, byte) in name.bytes().enumerate() {
        if plain(byte) && !looks_escaped_at(bytes, at) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "_x{byte:02x}_");
        }
    }
    Cow::Owned(text)
}

/// A tool's own name for what the server calls it.
pub fn restored(name: &str) -> Text {
    let bytes = name.as_bytes();
    if !(0..bytes.len()).any(|at| escape_at(bytes, at).is_some()) {
        return name.into();
    }
    let mut own = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = escape_at(bytes, at);
        own.push(escape.unwrap_or(byte));
        at += if escape.is_some() { 5 } else { 1 };
    }
    String::from_utf8(own).map_or_else(|_| name.into(), Text::from)
}

/// The name as it is, for servers that get it so.
pub fn kept(name: &str) -> Text {
    name.into()
}

fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    let Some([b'_', b'x', high, low, b'_']) = bytes.get(at..at + 5) else { return None };
    let digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f').then(|| char::from(*byte).to_digit(16)).flatten();
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// True for an underscore that would be taken for the beginning of an escape, if an escape or an underscore follows.
fn looks_escaped_at(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at..at + 4), Some([b'_', b'x', high, low]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// A call's id as nine letters and digits: itself if it is that already, else made from it, always the same.
pub fn nine(id: &str) -> Cow<'_, str> {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(id);
    }
    // FNV-1a: spreads well over the 2^53 ids, and is the same on every machine.
    let mut hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let digits = (0..9).map(|_| {
        let digit = DIGITS[(hash % 62) as usize];
        hash /= 62;
        char::from(digit)
    });
    Cow::Owned(digits.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_out_in_plain_letters_and_come_back_as_they_were() {
        for name in [
            "get_weather",
            "mcp:files.read",
            "_x2e_",
            "a_x2e_x2e_b",
            "größe",
            "_x_x3a_",
            "",
            "x_x5F_",
            "_x4a:",
            "_:",
            ".x41.",
        ] {
            let sent = escaped(name);
            assert!(sent.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)), "{sent}");
            assert_eq!(restored(&sent), name, "{sent}");
        }
        assert_eq!(escaped("mcp:files.read"), "mcp_x3a_files_x2e_read");
        assert!(matches!(escaped("get_weather"), Cow::Borrowed(_)));
    }

    #[test]
    fn names_that_only_look_escaped_are_left_alone() {
        assert_eq!(restored("_xff_"), "_xff_", "one byte that is no text");
        assert_eq!(restored("my_x2_tool"), "my_x2_tool");
    }

    #[test]
    fn ids_become_nine_letters_and_digits_always_the_same() {
        assert_eq!(nine("D681PevKs"), "D681PevKs");
        let id = nine("call_abc:1");
        assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{id}");
        assert_eq!(id, nine("call_abc:1"));
        assert_ne!(id, nine("call_abc:2"));
    }
}
