//! A server that speaks Chat Completions as a test tells it to, and tells what it was asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// Long enough that only a fault reaches it.
const LONG: Duration = Duration::from_secs(30);

pub struct Provider {
    pub address: String,
    answers: Sender<Vec<Value>>,
    asked: Receiver<Value>,
}

impl Provider {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let (answers, next) = channel::<Vec<Value>>();
        let (tell, asked) = channel();
        // It ends with the test's process: nobody can be waited for who waits for a connection.
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                let Ok(mut socket) = socket else { return };
                let (_, body) = request(&socket);
                if tell.send(serde_json::from_slice(&body).unwrap()).is_err() {
                    return;
                }
                let Ok(deltas) = next.recv_timeout(LONG) else { return };
                let _ = socket.write_all(stream(&deltas).as_bytes());
            }
        });
        Self { address, answers, asked }
    }

    /// Answers the next request with a text.
    pub fn says(&self, text: &str) {
        self.answers.send(vec![json!({"content": text})]).unwrap();
    }

    /// Answers the next request with these calls.
    pub fn calls(&self, calls: &[(&str, &str, Value)]) {
        let calls = calls.iter().enumerate().map(|(at, (id, name, arguments))| {
            let function = json!({"name": name, "arguments": arguments.to_string()});
            json!({"tool_calls": [{"index": at, "id": id, "type": "function", "function": function}]})
        });
        self.answers.send(calls.collect()).unwrap();
    }

    /// The messages of the next request.
    pub fn told(&self) -> Vec<Value> {
        let body = self.asked.recv_timeout(LONG).expect("the provider is asked");
        body["messages"].as_array().unwrap().clone()
    }

    /// True if there was no other request.
    pub fn is_idle(&self) -> bool {
        self.asked.try_recv().is_err()
    }
}

/// The head and the body of a request.
pub fn request(socket: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(socket);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = number.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

/// A stream whose id is the same as that of every other, as of some servers.
fn stream(deltas: &[Value]) -> String {
    let reason = if deltas[0]["tool_calls"].is_array() { "tool_calls" } else { "stop" };
    let chunk = |delta: &Value, reason: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": reason});
        format!("data: {}\n\n", json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}))
    };
    let said: String = deltas.iter().map(|delta| chunk(delta, Value::Null)).collect();
    let body = format!("{said}{}data: [DONE]\n\n", chunk(&json!({}), reason.into()));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len())
}
