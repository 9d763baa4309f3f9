//! Where the body of an answer ends (RFC 9112, section 6), without IO: bytes as they come go in, what belongs to the
//! body comes out, piece by piece and without a copy.

use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{StatusCode, Version};

/// Most bytes of an answer's chunk extensions and trailers together: nobody reads them.
const MOST_UNREAD: u32 = 16 << 10;

/// Most digits of a chunk's length.
const MOST_DIGITS: u32 = 15;

/// How the rest of a body is framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// In chunks.
    Chunked(Chunks),
    /// So many bytes more.
    Length(u64),
    /// By the end of the connection.
    UntilClose,
}

/// Reads chunks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    at: At,
    /// What is left of this chunk.
    left: u64,
    digits: u32,
    unread: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Length,
    Extension,
    LengthEnd,
    Data,
    DataEnd,
    DataEnded,
    /// The beginning of a line behind the last chunk.
    Line,
    Trailer,
    TrailerEnd,
    LastEnd,
    Over,
}

/// The answer is no HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider's answer is no HTTP/1.1: {0}")]
pub struct Malformed(pub &'static str);

impl Framing {
    /// The framing of an answer with this head.
    ///
    /// # Errors
    /// The head says two things, or something unknown.
    pub fn of(version: Version, status: StatusCode, headers: &HeaderMap) -> Result<Self, Malformed> {
        if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
            return Ok(Self::Length(0));
        }
        let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
        if let Some(encoding) = encodings.next() {
            let chunked = encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
            if !chunked || encodings.next().is_some() || version != Version::HTTP_11 {
                return Err(Malformed("its transfer encoding is not the one of chunks"));
            }
            return Ok(Self::Chunked(Chunks::default()));
        }
        let mut length = None;
        for value in headers.get_all(CONTENT_LENGTH) {
            let value = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let value = value.and_then(|text| text.parse::<u64>().ok());
            let value = value.ok_or(Malformed("its length is no number"))?;
            if length.is_some_and(|length| length != value) {
                return Err(Malformed("it has two lengths"));
            }
            length = Some(value);
        }
        Ok(length.map_or(Self::UntilClose, Self::Length))
    }

    /// True when the body is whole, as far as that can be told before the connection ends.
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Chunked(chunks) => matches!(chunks.at, At::Over),
            Self::Length(left) => *left == 0,
            Self::UntilClose => false,
        }
    }

    /// Takes bytes, gives what belongs to the body, and says how many of them were taken: all, unless the body ends
    /// before.
    ///
    /// # Errors
    /// The chunks are none.
    pub fn read(&mut self, bytes: &[u8], mut piece: impl FnMut(&[u8])) -> Result<usize, Malformed> {
        match self {
            Self::Chunked(chunks) => chunks.read(bytes, piece),
            Self::Length(left) => {
                let (taken, _) = bytes.split_at(bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
                *left -= taken.len() as u64;
                piece(taken);
                Ok(taken.len())
            }
            Self::UntilClose => {
                piece(bytes);
                Ok(bytes.len())
            }
        }
    }
}

impl Chunks {
    fn read(&mut self, bytes: &[u8], mut piece: impl FnMut(&[u8])) -> Result<usize, Malformed> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty() && self.at != At::Over) {
            if self.at == At::Data {
                let (data, _) = rest.split_at(rest.len().min(usize::try_from(self.left).unwrap_or(usize::MAX)));
                self.left -= data.len() as u64;
                if self.left == 0 {
                    self.at = At::DataEnd;
                }
                piece(data);
                at += data.len();
            } else {
                self.step(rest[0])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// One byte that is no data.
    fn step(&mut self, byte: u8) -> Result<(), Malformed> {
        self.at = match (self.at, byte) {
            (At::Length, b'\r') if self.digits > 0 => At::LengthEnd,
            (At::Length, b';' | b' ' | b'\t') if self.digits > 0 => At::Extension,
            (At::Length, _) => {
                let digit = (byte as char).to_digit(16).ok_or(Malformed("a chunk has no length"))?;
                self.digits += 1;
                if self.digits > MOST_DIGITS {
                    return Err(Malformed("a chunk is too long"));
                }
                self.left = self.left << 4 | u64::from(digit);
                At::Length
            }
            (At::Extension, b'\r') => At::LengthEnd,
            (At::Extension, b'\n') => return Err(Malformed("a line in its chunks has half an end")),
            (At::Extension, _) => self.skip(At::Extension)?,
            (At::LengthEnd, b'\n') => {
                self.digits = 0;
                if self.left == 0 { At::Line } else { At::Data }
            }
            (At::DataEnd, b'\r') => At::DataEnded,
            (At::DataEnded, b'\n') => At::Length,
            (At::Line, b'\r') => At::LastEnd,
            (At::Trailer, b'\r') => At::TrailerEnd,
            (At::TrailerEnd, b'\n') => At::Line,
            (At::Line | At::Trailer, b'\n') => return Err(Malformed("a trailer has half an end")),
            (At::Line | At::Trailer, _) => self.skip(At::Trailer)?,
            (At::LastEnd, b'\n') => At::Over,
            _ => return Err(Malformed("a chunk does not end where it says")),
        };
        Ok(())
    }

    const fn skip(&mut self, stays: At) -> Result<At, Malformed> {
        self.unread += 1;
        if self.unread > MOST_UNREAD { Err(Malformed("its chunks have too much beside data")) } else { Ok(stays) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        })
    }

    #[test]
    fn a_head_says_how_its_body_ends() {
        let chunked = Ok(Framing::Chunked(Chunks::default()));
        for (pairs, expected) in [
            (&[][..], Ok(Framing::UntilClose)),
            (&[("content-length", "12")], Ok(Framing::Length(12))),
            (&[("content-length", "12"), ("content-length", "12")], Ok(Framing::Length(12))),
            (&[("content-length", "12"), ("content-length", "13")], Err(Malformed("it has two lengths"))),
            (&[("content-length", "+12")], Err(Malformed("its length is no number"))),
            (&[("content-length", "12"), ("transfer-encoding", "Chunked")], chunked),
            (&[("transfer-encoding", "gzip")], Err(Malformed("its transfer encoding is not the one of chunks"))),
            (
                &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                Err(Malformed("its transfer encoding is not the one of chunks")),
            ),
        ] {
            assert_eq!(Framing::of(Version::HTTP_11, StatusCode::OK, &headers(pairs)), expected, "{pairs:?}");
        }
        let old = Framing::of(Version::HTTP_10, StatusCode::OK, &headers(&[("transfer-encoding", "chunked")]));
        assert!(old.is_err());
        let empty = Framing::of(Version::HTTP_11, StatusCode::NO_CONTENT, &HeaderMap::new());
        assert_eq!(empty, Ok(Framing::Length(0)));
    }

    fn read(bytes: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, usize, bool), Malformed> {
        let (mut framing, mut data) = (Framing::Chunked(Chunks::default()), Vec::new());
        let (mut taken, mut from) = (0, 0);
        for to in cuts.iter().copied().chain([bytes.len()]) {
            taken += framing.read(&bytes[from..to], |piece| data.extend_from_slice(piece))?;
            from = to;
        }
        Ok((data, taken, framing.is_over()))
    }

    #[test]
    fn what_is_no_chunk_is_refused() {
        for wrong in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "5\nhello\r\n",
            "5\r\nhello!\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5 ;a\nb\r\n",
            "1000000000000000\r\n",
            "0\r\na: b\n\r\n",
            "0\r\n\n",
        ] {
            assert!(read(wrong.as_bytes(), &[]).is_err(), "{wrong:?}");
        }
        let endless = format!("5;{}", "a".repeat(MOST_UNREAD as usize + 1));
        assert!(read(endless.as_bytes(), &[]).is_err());
        assert!(read(format!("0\r\n{}", "a: b\r\n".repeat(4100)).as_bytes(), &[]).is_err());
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_body(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            extension in "(;[a-z]{0,5})?",
            trailers in "([a-z]{1,5}: [a-z]{0,5}\r\n){0,2}",
            behind in "[a-z]{0,9}",
            mut cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..9),
        ) {
            let mut bytes = Vec::new();
            for piece in &pieces {
                bytes.extend_from_slice(format!("{:X}{extension}\r\n", piece.len()).as_bytes());
                bytes.extend_from_slice(piece);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(format!("0{extension}\r\n{trailers}\r\n").as_bytes());
            let whole = bytes.len();
            for end in 0..whole {
                prop_assert!(!read(&bytes[..end], &[]).unwrap().2, "a part looks whole");
            }
            bytes.extend_from_slice(behind.as_bytes());
            let mut cuts: Vec<_> = cuts.drain(..).map(|cut| cut.index(bytes.len())).collect();
            cuts.sort_unstable();
            prop_assert_eq!(read(&bytes, &cuts), Ok((pieces.concat(), whole, true)));
        }
    }
}
