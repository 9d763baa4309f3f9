//! Names and ids in the characters that this API takes, and the keys of the marks that go back to it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// This protocol's name, as marks carry it.
pub(super) const PROTOCOL: &str = "anthropic";

/// Key of the mark on thoughts that this protocol has signed or redacted: only these may go back.
pub(super) const SIGNED: &str = "signed";

/// Key of the mark that holds a whole block of this API's own.
pub(super) const BLOCK: &str = "block";

/// Key of the mark that holds a citation as it was sent.
pub(super) const CITATION: &str = "citation";

/// Key of the mark that says who called a tool, where that was not the model itself.
pub(super) const CALLER: &str = "caller";

/// The tool whose input is the answer, for models that cannot be held to a schema otherwise.
pub(super) const ANSWER_TOOL: &str = "answer_as_json";

/// Tool names may have this many characters.
const LONGEST: usize = 128;

/// A tool's name as this API takes it: letters, digits, `_` and `-` (upstream notes 4.1). Other characters are written
/// as `__xHEX__`, which [`original`] undoes; a name that is too long ends in a hash of its rest, which nothing undoes.
pub(super) fn tool_name(name: &str) -> Cow<'_, str> {
    let escaped = escaped(name);
    if escaped.len() <= LONGEST {
        return escaped;
    }
    let (kept, rest) = escaped.split_at(LONGEST - 17);
    Cow::Owned(format!("{kept}_{:016x}", hash(rest)))
}

/// True if the name fits once it is escaped.
pub(super) fn fits(name: &str) -> bool {
    escaped(name).len() <= LONGEST
}

/// A call's id as this API takes it. The same id always becomes the same, so calls and results stay together.
pub(super) fn call_id(id: &str) -> Cow<'_, str> {
    if id.is_empty() { Cow::Borrowed("call") } else { escaped(id) }
}

fn escaped(text: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if text.chars().all(plain) && !text.contains("__x") {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for (at, letter) in text.char_indices() {
        if plain(letter) && !text[at..].starts_with("__x") {
            escaped.push(letter);
        } else {
            // Writing into a string cannot fail.
            let _ = write!(escaped, "__x{:x}__", u32::from(letter));
        }
    }
    Cow::Owned(escaped)
}

/// The name that [`tool_name`] was given.
pub(super) fn original(name: &str) -> Cow<'_, str> {
    if !name.contains("__x") {
        return Cow::Borrowed(name);
    }
    let mut text = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find("__x") {
        // Of three underscores the first is its own letter.
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        match unescaped(rest) {
            Some((letter, length)) => {
                text.push(letter);
                rest = &rest[length..];
            }
            None => {
                text.push('_');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The letter that an escape at the start of `text` stands for, and the escape's length.
fn unescaped(text: &str) -> Option<(char, usize)> {
    let digits = text.strip_prefix("__x")?;
    let end = digits.find("__").filter(|end| (1..=6).contains(end))?;
    let letter = char::from_u32(u32::from_str_radix(&digits[..end], 16).ok()?)?;
    Some((letter, 3 + end + 2))
}

/// FNV-1a: short, stable over versions, and good enough to tell tool names apart.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_valid_and_comes_back() {
        for name in [
            "get_weather",
            "files.read",
            "a b",
            "é😀",
            "__x2e__",
            "__x",
            "a__x4.",
            "___x2e__",
            "mcp__xserver__tool",
            "._x5f__",
            "__",
            ".",
            "",
        ] {
            let sent = tool_name(name);
            assert!(sent.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)), "{sent}");
            assert_eq!(original(&sent), name, "{sent}");
        }
        assert_eq!(tool_name("files.read"), "files__x2e__read");
        assert_eq!(original("not__xescaped__by_us"), "not__xescaped__by_us");
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let name = |end: &str| "n".repeat(140) + end;
        let (one, two) = (name("1"), name("2"));
        assert_eq!(tool_name(&one).len(), 128);
        assert_ne!(tool_name(&one), tool_name(&two));
        assert!(!fits(&one) && fits("short"));
    }

    #[test]
    fn ids_are_made_valid_and_never_empty() {
        assert_eq!(call_id("toolu_01-A"), "toolu_01-A");
        assert_eq!(call_id("functions.get:0"), "functions__x2e__get__x3a__0");
        assert_eq!(call_id(""), "call");
    }
}
