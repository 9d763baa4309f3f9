//! Server-sent events from any cut of the bytes.
//!
//! Reads what real servers send (upstream notes 1.2 and 1.3): LF, CRLF and CR, also mixed and cut between the two;
//! one leading BOM; comments; a missing space after the colon; several `data` lines; the `event` line before or after
//! the data; a last event without its blank line; and bodies that are no event stream at all: one JSON document, or
//! an HTML page.

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use crate::error::{Failure, FailureKind};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// One thing read from the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// An event: it has at least one `data` line.
    Event {
        /// The `event` field; empty if there was none.
        name: &'a str,
        /// The `data` lines, joined with newlines.
        data: &'a str,
        /// False for an event at the end of the body without its blank line.
        terminated: bool,
    },
    /// A comment line: no data, but a sign of life.
    Comment,
    /// A field that the standard does not know; some servers report failures in one.
    Field {
        /// The field's name.
        name: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// The body is one JSON document instead of a stream. Comes at the end.
    Document(&'a str),
}

/// What the body has turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Unknown,
    Events,
    Document,
}

/// Splits a body into pieces. Memory is bounded by the limit plus one read.
#[derive(Debug)]
pub struct Reader {
    body: Body,
    /// The line (or, before the body is known and for a document, the text) read so far.
    partial: Vec<u8>,
    /// The last line ended with CR, so a LF now belongs to it.
    after_cr: bool,
    name: String,
    data: String,
    has_data: bool,
    limit: usize,
}

impl Reader {
    /// A reader that fails when a line, an event or a document is longer than `limit` bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            body: Body::Unknown,
            partial: Vec::new(),
            after_cr: false,
            name: String::new(),
            data: String::new(),
            has_data: false,
            limit,
        }
    }

    /// Reads more bytes and gives what they complete.
    ///
    /// # Errors
    /// [`FailureKind::Malformed`] when a bound is broken or the body is an HTML page.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Piece<'_>)) -> Result<(), Box<Failure>> {
        match self.body {
            Body::Events => self.lines(bytes, &mut each),
            Body::Document => self.keep(bytes),
            Body::Unknown => {
                self.keep(bytes)?;
                self.recognise(&mut each)
            }
        }
    }

    /// Says that the body is over and gives what is left.
    ///
    /// # Errors
    /// As [`Reader::feed`].
    pub fn finish(&mut self, mut each: impl FnMut(Piece<'_>)) -> Result<(), Box<Failure>> {
        match self.body {
            Body::Unknown => {}
            Body::Document => {
                let document = std::mem::take(&mut self.partial);
                each(Piece::Document(&utf8(&document)));
            }
            Body::Events => {
                let line = std::mem::take(&mut self.partial);
                if !line.is_empty() {
                    self.line(&line, &[], &mut each)?;
                }
                self.dispatch(false, &mut each);
            }
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Box<Failure>> {
        if self.partial.len() + bytes.len() > self.limit {
            return Err(too_long(self.limit));
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// Looks at the first bytes that mean something: `{` opens a document, `<` a page, all else is a stream.
    fn recognise(&mut self, each: &mut impl FnMut(Piece<'_>)) -> Result<(), Box<Failure>> {
        if BOM.starts_with(&self.partial) {
            return Ok(());
        }
        let start = if self.partial.starts_with(BOM) { BOM.len() } else { 0 };
        let Some(first) = self.partial[start..].iter().find(|byte| !byte.is_ascii_whitespace()) else {
            return Ok(());
        };
        match first {
            b'<' => Err(Failure::boxed(
                FailureKind::Malformed,
                format!("a page instead of a stream: {}", excerpt(&self.partial[start..])),
            )),
            b'{' | b'[' => {
                self.body = Body::Document;
                self.partial.drain(..start);
                Ok(())
            }
            _ => {
                self.body = Body::Events;
                let bytes = std::mem::take(&mut self.partial);
                self.lines(&bytes[start..], each)
            }
        }
    }

    fn lines(&mut self, mut bytes: &[u8], each: &mut impl FnMut(Piece<'_>)) -> Result<(), Box<Failure>> {
        if self.after_cr && !bytes.is_empty() {
            self.after_cr = false;
            if bytes[0] == b'\n' {
                bytes = &bytes[1..];
            }
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            let line = &bytes[..end];
            let mut rest = &bytes[end + 1..];
            if bytes[end] == b'\r' {
                match rest.first() {
                    Some(b'\n') => rest = &rest[1..],
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
            let taken = if self.partial.is_empty() {
                self.line(line, rest, each)?
            } else {
                self.keep(line)?;
                let mut whole = std::mem::take(&mut self.partial);
                let taken = self.line(&whole, rest, each)?;
                whole.clear();
                self.partial = whole;
                taken
            };
            bytes = &rest[taken..];
        }
        if bytes.is_empty() { Ok(()) } else { self.keep(bytes) }
    }

    /// Takes one line. Says how many bytes of `rest` it has used up: the blank line that ends a one-line event is
    /// taken with it, so that such an event is never copied.
    fn line(&mut self, line: &[u8], rest: &[u8], each: &mut impl FnMut(Piece<'_>)) -> Result<usize, Box<Failure>> {
        if line.is_empty() {
            self.dispatch(true, each);
            return Ok(0);
        }
        let (field, value) = match memchr(b':', line) {
            Some(0) => {
                each(Piece::Comment);
                return Ok(0);
            }
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match field {
            b"data" => {
                let value = utf8(value);
                if !self.has_data {
                    let blank = match rest {
                        [b'\n', ..] => 1,
                        [b'\r', b'\n', ..] => 2,
                        _ => 0,
                    };
                    if blank > 0 {
                        each(Piece::Event { name: &self.name, data: &value, terminated: true });
                        self.name.clear();
                        return Ok(blank);
                    }
                } else {
                    self.data.push('\n');
                }
                if self.data.len() + value.len() > self.limit {
                    return Err(too_long(self.limit));
                }
                self.has_data = true;
                self.data.push_str(&value);
            }
            b"event" => {
                self.name.clear();
                self.name.push_str(&utf8(value));
            }
            b"id" | b"retry" => {}
            _ => each(Piece::Field { name: &utf8(field), value: &utf8(value) }),
        }
        Ok(0)
    }

    fn dispatch(&mut self, terminated: bool, each: &mut impl FnMut(Piece<'_>)) {
        if self.has_data {
            each(Piece::Event { name: &self.name, data: &self.data, terminated });
            self.has_data = false;
            self.data.clear();
        }
        self.name.clear();
    }
}

/// A whole line as text; bytes that are no UTF-8 become U+FFFD.
pub(crate) fn utf8(line: &[u8]) -> Cow<'_, str> {
    match simdutf8::basic::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(line),
    }
}

/// The first bytes of something unreadable, for the log.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(300)];
    let mut text = String::from_utf8_lossy(cut).split_whitespace().collect::<Vec<_>>().join(" ");
    // What takes secrets out must see where a part of one may stand.
    if cut.len() < bytes.len() {
        text.push('…');
    }
    text
}

pub(crate) fn too_long(limit: usize) -> Box<Failure> {
    Failure::boxed(FailureKind::Malformed, format!("more than {limit} bytes without an end of line or event"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Limits;

    fn read(chunks: &[&[u8]]) -> Vec<String> {
        let mut reader = Reader::new(1 << 20);
        let mut seen = Vec::new();
        let mut each = |piece: Piece<'_>| {
            seen.push(match piece {
                Piece::Event { name, data, terminated } => {
                    format!("{name}|{data}{}", if terminated { "" } else { "|open" })
                }
                Piece::Comment => "#".to_owned(),
                Piece::Field { name, value } => format!("{name}={value}"),
                Piece::Document(text) => format!("document {text}"),
            });
        };
        for chunk in chunks {
            reader.feed(chunk, &mut each).unwrap();
        }
        reader.finish(&mut each).unwrap();
        seen
    }

    #[test]
    fn every_line_end_and_every_cut_gives_the_same_events() {
        let plain = "\u{feff}: hi\nevent: a\ndata: 1\n\ndata:2\ndata: drei\u{2028}\nid: 7\n\nerror: x\nretry: 3\n\ndata: é\n\nevent: late\ndata: 4\nevent: b\n\n";
        let expected = ["#", "a|1", "|2\ndrei\u{2028}", "error=x", "|é", "b|4"];
        for ending in ["\n", "\r\n", "\r"] {
            let text = plain.replace('\n', ending);
            let bytes = text.as_bytes();
            assert_eq!(read(&[bytes]), expected, "{ending:?} whole");
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            assert_eq!(read(&single), expected, "{ending:?} byte by byte");
            for at in 0..bytes.len() {
                assert_eq!(read(&[&bytes[..at], &bytes[at..]]), expected, "{ending:?} cut at {at}");
            }
        }
    }

    #[test]
    fn a_last_event_without_blank_line_is_given_and_marked() {
        assert_eq!(read(&[b"data: 1\n\ndata: 2"]), ["|1", "|2|open"]);
        assert_eq!(read(&[b"data: 1\n\ndata: 2\n"]), ["|1", "|2|open"]);
    }

    #[test]
    fn a_block_without_data_is_no_event() {
        assert_eq!(read(&[b"id: 1\n\nretry: 5\n\nevent: x\n\ndata: y\n\n"]), ["|y"]);
        assert_eq!(read(&[b"data:\n\n"]), ["|"]);
    }

    #[test]
    fn a_document_is_no_stream() {
        assert_eq!(read(&[b" {\"a\":", b"1}\n"]), ["document  {\"a\":1}\n"]);
    }

    #[test]
    fn a_page_is_refused_at_once() {
        let mut reader = Reader::new(100);
        let failure = reader.feed(b"<html><h1>502", |_| {}).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Malformed);
    }

    #[test]
    fn a_line_of_megabytes_is_read_in_pieces_of_any_size() {
        let long = "x".repeat(3 << 20);
        let body = format!("data: {long}\n\n");
        for size in [999, 65_536, body.len()] {
            let chunks: Vec<&[u8]> = body.as_bytes().chunks(size).collect();
            let mut reader = Reader::new(Limits::default().line);
            let mut lengths = Vec::new();
            for chunk in chunks {
                let each = |piece: Piece<'_>| {
                    if let Piece::Event { data, .. } = piece {
                        lengths.push(data.len());
                    }
                };
                reader.feed(chunk, each).unwrap();
            }
            assert_eq!(lengths, [long.len()]);
        }
    }

    #[test]
    fn endless_lines_and_events_are_bounded() {
        let mut reader = Reader::new(100);
        assert!(reader.feed(&[b'x'; 101], |_| {}).is_err());
        let mut reader = Reader::new(100);
        let result = (0..50).try_for_each(|_| reader.feed(b"data: 12345678\n", |_| {}));
        assert!(result.is_err());
    }
}
