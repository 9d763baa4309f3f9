//! The heads of a request and of its answer, without IO.

use http::header::{
    ACCEPT, CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use http::{StatusCode, Version};
use reqwest::Url;

use super::framing::Malformed;

/// Most bytes and most headers of an answer's head.
pub const MOST_HEAD: usize = 64 << 10;
const MOST_HEADERS: usize = 128;

/// The head of an answer.
#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
}

impl Head {
    /// True if there is no other request on this connection.
    pub fn closes(&self) -> bool {
        let closes = |value: &HeaderValue| {
            value.to_str().is_ok_and(|text| text.split(',').any(|word| word.trim().eq_ignore_ascii_case("close")))
        };
        // Two lengths that contradict each other are no ground for a next request.
        let twofold = self.headers.contains_key(TRANSFER_ENCODING) && self.headers.contains_key(CONTENT_LENGTH);
        twofold || self.version != Version::HTTP_11 || self.headers.get_all(CONNECTION).iter().any(closes)
    }
}

/// Writes the head of a POST.
pub fn write(url: &Url, headers: &HeaderMap, length: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    let mut write = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| head.extend_from_slice(piece));
    write(&[b"POST ", url.path().as_bytes()]);
    if let Some(query) = url.query() {
        write(&[b"?", query.as_bytes()]);
    }
    write(&[b" HTTP/1.1\r\nhost: ", url.host_str().unwrap_or_default().as_bytes()]);
    if let Some(port) = url.port() {
        write(&[b":", port.to_string().as_bytes()]);
    }
    write(&[b"\r\ncontent-length: ", length.to_string().as_bytes(), b"\r\n"]);
    for (name, usual) in [(USER_AGENT, super::super::send::USER_AGENT), (ACCEPT, "*/*")] {
        if !headers.contains_key(&name) {
            write(&[name.as_str().as_bytes(), b": ", usual.as_bytes(), b"\r\n"]);
        }
    }
    for (name, value) in headers {
        write(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
    }
    write(&[b"\r\n"]);
    head
}

/// Reads the head of an answer, and where the body begins; nothing if it is not whole. What only announces an answer
/// (status 1xx) is passed over.
///
/// # Errors
/// It is no head, or too long.
pub fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, Malformed> {
    let mut from = 0;
    loop {
        let rest = bytes.get(from..).unwrap_or_default();
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut answer = httparse::Response::new(&mut headers);
        let length = match answer.parse(rest) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if bytes.len() < MOST_HEAD => return Ok(None),
            Ok(httparse::Status::Partial) => return Err(Malformed("its head is too long")),
            Err(_) => return Err(Malformed("its head is none")),
        };
        from += length;
        let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.ok_or(Malformed("it has no status"))?;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Malformed("it changes to a protocol that nobody asked for"));
        }
        if status.is_informational() {
            continue;
        }
        let version = if answer.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
        let mut map = HeaderMap::with_capacity(answer.headers.len());
        for header in answer.headers.iter() {
            let name = HeaderName::from_bytes(header.name.as_bytes());
            let value = HeaderValue::from_bytes(header.value);
            let (Ok(name), Ok(value)) = (name, value) else { return Err(Malformed("a header is none")) };
            map.append(name, value);
        }
        return Ok(Some((Head { status, version, headers: map }, from)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_behind_what_announces_it() {
        let bytes =
            b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\nConnection: x, Close\r\na:\r\n\r\nbody";
        for end in 0..bytes.len() - 4 {
            assert!(read(&bytes[..end]).unwrap().is_none(), "{end}");
        }
        let (head, at) = read(bytes).unwrap().unwrap();
        assert_eq!((head.status.as_u16(), head.closes(), &bytes[at..]), (200, true, &b"body"[..]));
        let (head, _) = read(b"HTTP/1.1 429 \r\nretry-after: 1\r\n\r\n").unwrap().unwrap();
        assert_eq!((head.status.as_u16(), head.closes()), (429, false));
        assert!(read(b"HTTP/1.0 200 OK\r\n\r\n").unwrap().unwrap().0.closes());
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let long = [&b"HTTP/1.1 200 OK\r\na: "[..], &[b'a'; MOST_HEAD]].concat();
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(MOST_HEADERS + 1));
        for wrong in [
            &b"SSH-2.0-OpenSSH\r\n"[..],
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n",
            b"HTTP/1.1 99 No\r\n\r\n",
            &long,
            many.as_bytes(),
        ] {
            assert!(read(wrong).is_err(), "{:?}", String::from_utf8_lossy(&wrong[..20]));
        }
    }

    #[test]
    fn a_request_says_where_it_goes() {
        let url = Url::parse("http://[::1]:8080/v1/chat?api-version=2").unwrap();
        let headers =
            HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        let head = String::from_utf8(write(&url, &headers, 12)).unwrap();
        let agent = super::super::super::send::USER_AGENT;
        let expected = format!(
            "POST /v1/chat?api-version=2 HTTP/1.1\r\nhost: [::1]:8080\r\ncontent-length: 12\r\nuser-agent: {agent}\r\n\
             accept: */*\r\ncontent-type: application/json\r\n\r\n"
        );
        assert_eq!(head, expected);
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/event-stream"))]);
        let head = String::from_utf8(write(&url, &headers, 12)).unwrap();
        assert_eq!(head.matches("accept:").count(), 1, "{head}");
    }
}
