//! The path of a request, in the one spelling that it has here.
//!
//! Routes are matched, and callers are judged, by the text of this type alone. A path that could be written otherwise,
//! or that a server between might read as another one, is none.

use std::ops::Deref;

/// A path that begins with a slash and is spelled in the one way that paths are: no empty and no dot segments, nothing
/// percent-encoded that need not be, and no bytes that end, split or hide a path elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutePath(String);

impl RoutePath {
    /// The path, if it is spelled so. A slash may stand at its end; that is another path.
    pub fn new(text: &str) -> Option<Self> {
        let inner = text.strip_prefix('/')?;
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let fits = (inner.is_empty() && text == "/") || inner.split('/').all(is_segment);
        fits.then(|| Self(text.to_owned()))
    }

    /// The path as it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for RoutePath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

fn is_segment(segment: &str) -> bool {
    let mut decoded = Vec::new();
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            if !is_plain(byte) {
                return false;
            }
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let byte = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
        match byte {
            Some(byte) if !byte.is_ascii_control() && !is_unreserved(byte) && byte != b'\\' => {
                decoded.push(byte);
            }
            _ => return false,
        }
    }
    // Overlong forms are no UTF-8. An id may have a slash inside, but nothing that another server would resolve.
    std::str::from_utf8(&decoded).is_ok_and(|text| {
        !text.contains(char::is_control) && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
    })
}

/// What stands in a path as it is. A semicolon does not: some servers cut a segment there.
const fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

/// What means the same encoded and not, so that it is never encoded here (RFC 3986, 2.3).
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for path in [
            "/",
            "/chat",
            "/chat/",
            "/a/b.c/~d",
            "/a:b@c",
            "/x%20y",
            "/%C3%BC",
            "/a%2Fb",
            "/caf%c3%a9/",
            "/...",
            "/.env",
        ] {
            assert_eq!(RoutePath::new(path).as_deref(), Some(path), "{path}");
        }
        for path in [
            "",
            "*",
            "chat",
            "//",
            "//chat",
            "/chat//",
            "/a//b",
            "/.",
            "/..",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/%2e",
            "/%2E%2e/a",
            "/%63hat",
            "/a%2f",
            "/%2f",
            "/a%5cb",
            "/a\\b",
            "/a;b",
            "/..;/a",
            "/a%00",
            "/a%0d%0a",
            "/a%7f",
            "/a%",
            "/a%4",
            "/a%zz",
            "/a%u002e",
            "/%c0%ae",
            "/%ff",
            "/%C2%80",
            "/a b",
            "/a\u{fc}",
            "/a?b",
            "/a#b",
            "/a\"b",
            "/<a>",
            "/a|b",
            "/[a]",
        ] {
            assert_eq!(RoutePath::new(path), None, "{path}");
        }
        assert!(RoutePath::new("/%252e%252e/a").is_some(), "a percent sign that is meant is no dot");
    }

    /// What a server reads that takes percent signs away, joins slashes and resolves dots.
    fn as_others_read(path: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = path.as_bytes();
        while let [first, behind @ ..] = rest {
            let pair = behind.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
            match pair.filter(|_| *first == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
                Some(byte) => (bytes.push(byte), rest = &behind[2..]).1,
                None => (bytes.push(*first), rest = behind).1,
            }
        }
        let mut segments: Vec<&[u8]> = Vec::new();
        for segment in bytes.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty() && *segment != b".") {
            match segment {
                b".." => drop(segments.pop()),
                segment => segments.push(segment),
            }
        }
        segments.join(&b'/')
    }

    proptest! {
        #[test]
        fn what_is_no_plain_path_never_reads_as_one(path in "/[a%2ef/5c.;]{0,12}") {
            // A route of plain letters is reached by its own spelling alone, and read so by others; an escaped slash is
            // part of an id.
            let plain = |text: &[u8]| text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'/');
            if let Some(path) = RoutePath::new(&path) && !path.contains("%2f") && plain(&as_others_read(&path)) {
                prop_assert_eq!(path.trim_matches('/').as_bytes(), &as_others_read(&path)[..]);
            }
        }
    }
}
