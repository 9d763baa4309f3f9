//! Newline-delimited JSON from any cut of the bytes: split at LF only, CR and blank lines dropped, a last line
//! without its LF used, one leading BOM ignored (upstream notes 1.4).

use memchr::memchr;

use super::sse::{excerpt, too_long, utf8};
use crate::error::{Failure, FailureKind};

/// Splits a body into lines. Memory is bounded by the limit plus one read.
#[derive(Debug)]
pub struct Reader {
    partial: Vec<u8>,
    first: bool,
    limit: usize,
}

impl Reader {
    /// A reader that fails when a line is longer than `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self { partial: Vec::new(), first: true, limit }
    }

    /// Reads more bytes and gives the lines they complete.
    ///
    /// # Errors
    /// [`FailureKind::Malformed`] when the bound is broken or the body is an HTML page.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&str)) -> Result<(), Box<Failure>> {
        while let Some(end) = memchr(b'\n', bytes) {
            if self.partial.is_empty() {
                self.line(&bytes[..end], &mut each)?;
            } else {
                self.keep(&bytes[..end])?;
                let mut whole = std::mem::take(&mut self.partial);
                self.line(&whole, &mut each)?;
                whole.clear();
                self.partial = whole;
            }
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes)
    }

    /// Says that the body is over and gives a last line without its end.
    ///
    /// # Errors
    /// As [`Reader::feed`].
    pub fn finish(&mut self, mut each: impl FnMut(&str)) -> Result<(), Box<Failure>> {
        let line = std::mem::take(&mut self.partial);
        self.line(&line, &mut each)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Box<Failure>> {
        if self.partial.len() + bytes.len() > self.limit {
            return Err(too_long(self.limit));
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    fn line(&mut self, line: &[u8], each: &mut impl FnMut(&str)) -> Result<(), Box<Failure>> {
        let line = if self.first { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        let line = line.trim_ascii();
        if line.is_empty() {
            return Ok(());
        }
        if self.first && line[0] == b'<' {
            let message = format!("a page instead of a stream: {}", excerpt(line));
            return Err(Failure::boxed(FailureKind::Malformed, message));
        }
        self.first = false;
        each(&utf8(line));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Limits;

    fn read(chunks: &[&[u8]]) -> Vec<String> {
        let mut reader = Reader::new(1000);
        let mut seen = Vec::new();
        for chunk in chunks {
            reader.feed(chunk, |line| seen.push(line.to_owned())).unwrap();
        }
        reader.finish(|line| seen.push(line.to_owned())).unwrap();
        seen
    }

    #[test]
    fn any_cut_gives_the_same_lines() {
        let bytes = "\u{feff}{\"a\":\"x\u{2028}y\"}\r\n\n  \n{\"b\":2}\n{\"c\":3}".as_bytes();
        let expected = ["{\"a\":\"x\u{2028}y\"}", "{\"b\":2}", "{\"c\":3}"];
        for at in 0..=bytes.len() {
            assert_eq!(read(&[&bytes[..at], &bytes[at..]]), expected, "cut at {at}");
        }
    }

    #[test]
    fn a_line_of_megabytes_is_read_in_small_pieces() {
        let body = format!("{{\"a\":\"{}\"}}\n", "x".repeat(3 << 20));
        let mut reader = Reader::new(Limits::default().line);
        let mut lengths = Vec::new();
        for chunk in body.as_bytes().chunks(999) {
            reader.feed(chunk, |line| lengths.push(line.len())).unwrap();
        }
        assert_eq!(lengths, [body.len() - 1]);
    }

    #[test]
    fn an_endless_line_is_bounded() {
        assert!(Reader::new(10).feed(&[b'x'; 11], |_| {}).is_err());
    }
}
