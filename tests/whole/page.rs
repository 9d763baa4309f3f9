//! A ChatKit page at `/chatkit`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::canary::{self, Place};

/// Long enough that only a fault reaches it.
const LONG: Duration = Duration::from_secs(30);

/// What came of an answer before the connection ended.
pub struct Heard {
    pub status: u16,
    /// Its bytes, as far as they came.
    pub body: String,
    /// True if all of it came.
    pub whole: bool,
}

impl Heard {
    /// The events of a stream that came whole.
    pub fn events(&self) -> Vec<Value> {
        let frames = self.body.split_inclusive("\n\n").filter(|frame| frame.ends_with("\n\n"));
        let data = frames.filter_map(|frame| frame.trim_end().strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Sends an operation and reads until the answer or the gateway ends.
pub fn send(address: &str, operation: &Value) -> Heard {
    post(address, "/chatkit", operation)
}

/// The same as this user.
pub fn send_as(address: &str, user: &str, operation: &Value) -> Heard {
    exchange(address, &format!("x-user: {user}\r\n"), "POST", "/chatkit", &operation.to_string())
}

/// Posts to a path.
pub fn post(address: &str, path: &str, body: &Value) -> Heard {
    exchange(address, "", "POST", path, &body.to_string())
}

/// What a path gives.
pub fn get(address: &str, path: &str) -> Value {
    let heard = exchange(address, "", "GET", path, "");
    assert_eq!((heard.status, heard.whole), (200, true), "{path}: {}", heard.body);
    heard.json()
}

pub fn exchange(address: &str, headers: &str, method: &str, path: &str, body: &str) -> Heard {
    let mut bytes = Vec::new();
    // A gateway that is killed refuses or resets connections.
    if let Ok(mut socket) = TcpStream::connect(address.trim_start_matches("http://")) {
        socket.set_read_timeout(Some(LONG)).unwrap();
        let head = "host: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n";
        let _ =
            write!(socket, "{method} {path} HTTP/1.1\r\n{headers}{head}content-length: {}\r\n\r\n{body}", body.len());
        let mut piece = [0; 4096];
        loop {
            match socket.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => bytes.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing comes any more"),
                Err(_) => break,
            }
        }
    }
    canary::look(Place::Answer, &bytes);
    let heard = heard(&bytes);
    canary::look(Place::Answer, heard.body.as_bytes());
    heard
}

fn heard(bytes: &[u8]) -> Heard {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
    let (head, mut body) = end.map_or((&[][..], &[][..]), |end| (&bytes[..end], &bytes[end + 4..]));
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let (mut text, mut whole) = (Vec::new(), false);
    if head.contains("transfer-encoding: chunked") {
        while let Some(line) = body.windows(2).position(|window| window == b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).unwrap(), 16).unwrap();
            let Some(chunk) = body.get(line + 2..line + 2 + size) else { break };
            whole = size == 0;
            text.extend_from_slice(chunk);
            body = body.get(line + 4 + size..).unwrap_or_default();
        }
    } else {
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        whole = length == Some(body.len());
        text.extend_from_slice(body);
    }
    Heard { status, body: String::from_utf8_lossy(&text).into_owned(), whole }
}

/// A message, in a new thread if none is named.
pub fn say(thread: Option<&str>, text: &str) -> Value {
    let input = json!({"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}});
    match thread {
        None => json!({"type": "threads.create", "params": {"input": input}}),
        Some(thread) => {
            json!({"type": "threads.add_user_message", "params": {"thread_id": thread, "input": input}})
        }
    }
}

/// What is no turn and must go well.
pub fn ask(address: &str, operation: &str, params: &Value) -> Value {
    let heard = send(address, &json!({"type": operation, "params": params}));
    assert_eq!((heard.status, heard.whole), (200, true), "{operation}: {}", heard.body);
    heard.json()
}

/// Everything that a list has, page by page.
pub fn listed(address: &str, operation: &str, thread: Option<&str>) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut params = json!({"limit": 50, "order": "asc", "after": after});
        if let Some(thread) = thread {
            params["thread_id"] = thread.into();
        }
        let page = ask(address, operation, &params);
        rows.extend(page["data"].as_array().unwrap().iter().cloned());
        if page["has_more"] != true {
            return rows;
        }
        after = page["after"].clone();
    }
}
