//! A provider that says precomputed frames, in OpenAI's and in Anthropic's words. Every frame has a number in it and the
//! time at which it was written, so that a page knows what is new and how long it took.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::marks;
use super::scenario::Answers;

/// Bytes that are written at once when there is no pause.
const PIECE: usize = 16 << 10;

/// A running provider.
pub struct Provider {
    pub addr: SocketAddr,
    answers: Arc<Mutex<Answers>>,
}

/// Microseconds of the clock that all of this process share.
pub fn now() -> u64 {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(BEGIN.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl Provider {
    pub async fn start() -> io::Result<Self> {
        now();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let answers = Arc::new(Mutex::new(Answers { frames: 1, pause: Duration::ZERO, first: Duration::ZERO }));
        let shared = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { serve(socket, &shared).await });
            }
        });
        Ok(Self { addr, answers })
    }

    /// From now on it answers like this.
    pub fn set(&self, answers: Answers) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) = answers;
    }
}

/// The words of a protocol around a frame's text.
struct Words {
    opening: &'static str,
    before: &'static str,
    behind: &'static str,
    closing: &'static str,
}

const OPENAI: Words = Words {
    opening: concat!(
        r#"data: {"id":"chatcmpl-9b1","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o","#,
        r#""service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"role":"assistant","#,
        r#""content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        "\n\n"
    ),
    before: concat!(
        r#"data: {"id":"chatcmpl-9b1","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o","#,
        r#""service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":""#
    ),
    behind: concat!(r#""},"logprobs":null,"finish_reason":null}],"usage":null}"#, "\n\n"),
    closing: concat!(
        r#"data: {"id":"chatcmpl-9b1","object":"chat.completion.chunk","created":1760000000,"model":"gpt-4o","#,
        r#""choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}"#,
        "\n\ndata: [DONE]\n\n"
    ),
};

const ANTHROPIC: Words = Words {
    opening: concat!(
        "event: message_start\n",
        r#"data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","#,
        r#""content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}"#,
        "\n\nevent: content_block_start\n",
        r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        "\n\n"
    ),
    before: concat!(
        "event: content_block_delta\n",
        r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""#
    ),
    behind: "\"}}\n\n",
    closing: concat!(
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\n",
        r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":50}}"#,
        "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
    ),
};

async fn serve(mut socket: TcpStream, answers: &Mutex<Answers>) {
    let _ = socket.set_nodelay(true);
    let mut read = Vec::new();
    while let Some(path) = request(&mut socket, &mut read).await {
        let received = now();
        let words = if path.ends_with("/messages") { &ANTHROPIC } else { &OPENAI };
        let answers = *answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answer(&mut socket, words, answers, received).await.is_err() {
            return;
        }
    }
}

/// The path of the next request.
async fn request(socket: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    read.clear();
    let (end, length) = loop {
        if socket.read_buf(read).await.ok()? == 0 {
            return None;
        }
        let Some(at) = memchr::memmem::find(read, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(read.get(..at)?).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
        break (at + 4, length.unwrap_or(0));
    };
    while read.len() < end + length {
        if socket.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8_lossy(read);
    head.split(' ').nth(1).map(str::to_owned)
}

async fn answer(socket: &mut TcpStream, words: &Words, answers: Answers, received: u64) -> io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut out = head.as_bytes().to_vec();
    if !answers.first.is_zero() {
        socket.write_all(&out).await?;
        out.clear();
        tokio::time::sleep(answers.first).await;
    }
    chunk(&mut out, words.opening);
    let mut clock = tokio::time::interval(answers.pause.max(Duration::from_micros(1)));
    for number in 0..answers.frames {
        if !answers.pause.is_zero() {
            clock.tick().await;
        }
        let time = now();
        let text = marks::text(number, time, time - received);
        chunk(&mut out, &format!("{}{text}{}", words.before, words.behind));
        if !answers.pause.is_zero() || out.len() >= PIECE {
            socket.write_all(&out).await?;
            out.clear();
        }
    }
    chunk(&mut out, words.closing);
    out.extend_from_slice(b"0\r\n\r\n");
    socket.write_all(&out).await
}

fn chunk(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
}
