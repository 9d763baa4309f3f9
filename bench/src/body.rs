//! The body of an answer that comes in chunks (HTTP/1.1).

use std::io;

use memchr::memmem;

/// Where reading stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Size,
    /// So many bytes of a chunk, its line end included, are to come.
    Chunk(usize),
    End,
}

/// Reads one answer.
pub struct Body {
    state: State,
}

impl Body {
    pub const fn new() -> Self {
        Self { state: State::Head }
    }

    /// Takes from `raw` what is whole and puts the text into `text`; true at the answer's end.
    pub fn read(&mut self, raw: &mut Vec<u8>, text: &mut Vec<u8>) -> io::Result<bool> {
        let mut rest = raw.as_slice();
        loop {
            match self.state {
                State::Head => {
                    let Some((head, after)) = split(rest, b"\r\n\r\n") else { break };
                    if !head.starts_with(b"HTTP/1.1 200") {
                        return Err(io::Error::other(String::from_utf8_lossy(rest).into_owned()));
                    }
                    (self.state, rest) = (State::Size, after);
                }
                State::Size => {
                    let Some((line, after)) = split(rest, b"\r\n") else { break };
                    let size = std::str::from_utf8(line).ok().and_then(|line| usize::from_str_radix(line, 16).ok());
                    let size = size.ok_or_else(|| io::Error::other("that is no size of a chunk"))?;
                    (self.state, rest) = (if size == 0 { State::End } else { State::Chunk(size + 2) }, after);
                }
                State::Chunk(left) => {
                    let (now, after) = rest.split_at(left.min(rest.len()));
                    text.extend_from_slice(now.get(..left.saturating_sub(2).min(now.len())).unwrap_or_default());
                    (self.state, rest) = (State::Chunk(left - now.len()), after);
                    if left > now.len() {
                        break;
                    }
                    self.state = State::Size;
                }
                State::End if rest.starts_with(b"\r\n") => return Ok(true),
                State::End => break,
            }
        }
        let gone = raw.len() - rest.len();
        raw.drain(..gone);
        Ok(false)
    }
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = memmem::find(bytes, at)?;
    Some((bytes.get(..found)?, bytes.get(found + at.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_however_they_are_cut() {
        let whole = b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n5\r\nhello\r\n1\r\n,\r\nb\r\n world\r\n0\r\n\r\n0\r\n\r\n";
        for first in 0..whole.len() {
            for second in first..whole.len() {
                let (mut body, mut raw, mut text) = (Body::new(), Vec::new(), Vec::new());
                let mut ended = false;
                for piece in [&whole[..first], &whole[first..second], &whole[second..]] {
                    assert!(!ended, "cut at {first} and {second}");
                    raw.extend_from_slice(piece);
                    ended = body.read(&mut raw, &mut text).unwrap();
                }
                assert!(ended, "cut at {first} and {second}");
                assert_eq!(text, b"hello, world\r\n0\r\n", "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_refusal_is_told() {
        let mut raw = b"HTTP/1.1 503 Busy\r\n\r\nno".to_vec();
        let told = Body::new().read(&mut raw, &mut Vec::new()).unwrap_err();
        assert!(told.to_string().contains("503 Busy"));
    }
}
