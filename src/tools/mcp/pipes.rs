//! The transport over a process's standard input and output: a JSON-RPC message in each line, both ways.
//!
//! The SDK has one too. This one gives up on a process that prints what is no MCP, and reads a talkative one no faster
//! than it can be followed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::model::JsonRpcMessage;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Longest message, in bytes.
const LONGEST: usize = 16 << 20;

/// Lines without any sense in a row, after which nothing else is expected.
const SENSELESS: u32 = 1000;

/// Messages that answer nothing, of which so many are read in each window.
const UNASKED: u32 = 1000;
const WINDOW: Duration = Duration::from_secs(1);

/// The two pipes of a process.
pub struct Pipes<R, W> {
    input: Arc<Mutex<Option<W>>>,
    output: BufReader<R>,
    /// The line so far. What is read stays here when a read is dropped in its middle.
    line: Vec<u8>,
    /// True while the rest of a line that was too long is passed over.
    passing: bool,
    senseless: u32,
    unasked: u32,
    window: Instant,
    gave_up: Arc<AtomicBool>,
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send + 'static> Pipes<R, W> {
    pub fn new(output: R, input: W) -> Self {
        Self {
            input: Arc::new(Mutex::new(Some(input))),
            output: BufReader::new(output),
            line: Vec::new(),
            passing: false,
            senseless: 0,
            unasked: 0,
            window: Instant::now(),
            gave_up: Arc::default(),
        }
    }

    /// Set when the process is given up because it prints what is no MCP.
    pub fn gave_up(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.gave_up)
    }

    /// Reads until a line is whole. False at the end of the stream.
    async fn read_line(&mut self) -> bool {
        loop {
            let Ok(bytes) = self.output.fill_buf().await else { return false };
            if bytes.is_empty() {
                return false;
            }
            let end = memchr::memchr(b'\n', bytes);
            let taken = end.map_or(bytes.len(), |end| end + 1);
            let piece = bytes.get(..end.unwrap_or(taken)).unwrap_or_default();
            if self.line.len() + piece.len() > LONGEST {
                self.line.clear();
                self.passing = true;
            }
            if !self.passing {
                self.line.extend_from_slice(piece);
            }
            self.output.consume(taken);
            if end.is_some() {
                self.passing = false;
                return true;
            }
        }
    }

    /// Waits while more was read in this window than a server may say unasked.
    async fn keep_pace(&mut self) {
        if self.unasked >= UNASKED {
            tokio::time::sleep_until(self.window + WINDOW).await;
        }
        if self.window.elapsed() >= WINDOW {
            self.window = Instant::now();
            self.unasked = 0;
        }
    }
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send + 'static> Transport<RoleClient> for Pipes<R, W> {
    type Error = io::Error;

    fn send(&mut self, message: TxJsonRpcMessage<RoleClient>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let input = Arc::clone(&self.input);
        async move {
            let mut line = serde_json::to_vec(&message)?;
            line.push(b'\n');
            let mut input = input.lock().await;
            let Some(input) = input.as_mut() else { return Err(io::ErrorKind::NotConnected.into()) };
            input.write_all(&line).await?;
            input.flush().await
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            self.keep_pace().await;
            if !self.read_line().await {
                return None;
            }
            let read = serde_json::from_slice::<RxJsonRpcMessage<RoleClient>>(&self.line);
            let blank = self.line.trim_ascii().is_empty();
            self.line.clear();
            match read {
                Ok(message) => {
                    self.senseless = 0;
                    if !matches!(message, JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)) {
                        self.unasked += 1;
                    }
                    return Some(message);
                }
                Err(_) if blank => self.unasked += 1,
                Err(_) => {
                    self.unasked += 1;
                    self.senseless += 1;
                    if self.senseless >= SENSELESS {
                        self.gave_up.store(true, Ordering::Relaxed);
                        return None;
                    }
                }
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        // Who writes to a process that does not read holds the lock for ever.
        if let Ok(mut input) = self.input.try_lock() {
            input.take();
        }
        Ok(())
    }
}
