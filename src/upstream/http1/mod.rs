//! A client for HTTP/1.1 that does one thing: a POST whose answer is a stream. The task that wants the answer reads it
//! from the socket itself, all that is there at a time and into a buffer that its thread has for all answers: no task,
//! queue, allocation or copy stands between the provider's bytes and the decoder, and a stream that is silent holds no
//! memory for its next bytes. That is what a general client cannot offer (see `docs/decisions.md`).

mod connect;
mod framing;
mod head;
mod pool;

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use reqwest::Url;
use tokio::io::ReadBuf;

use connect::{Connector, Origin, Socket};
use framing::{Framing, Malformed};
pub use head::Head;
use pool::Pool;

use super::exhausted;

/// Most bytes of one read.
const READ: usize = 64 << 10;

thread_local! {
    /// What is read from a socket, for as long as it takes to decode it.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ].into());
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// There is none because we have used something up: which limit of ours it is.
    #[error("no connection: {1}")]
    Exhausted(&'static str, #[source] io::Error),
    /// The connection was lost before an answer began.
    #[error("the connection failed: {0}")]
    Lost(#[source] io::Error),
    /// The answer is no HTTP.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Sends requests on connections that are kept for the next one.
#[derive(Clone)]
pub struct Client {
    connector: Connector,
    pool: Arc<Pool>,
}

/// The body of an answer. Dropping it closes the connection, unless the body was read to its end.
pub struct Body {
    /// None behind the end.
    socket: Option<Socket>,
    sending: Sending,
    framing: Framing,
    /// What came together with the head.
    first: Vec<u8>,
    /// Where the connection is kept, if it can be used again.
    keep: Option<(Arc<Pool>, Arc<Origin>)>,
}

impl Client {
    /// A client whose connections are made within `connect`.
    pub fn new(connect: Duration) -> Self {
        Self { connector: Connector::new(connect), pool: Arc::default() }
    }

    /// Sends a POST, on a connection of its own if it must be `fresh`, and reads the answer's head. It takes as long as
    /// the server does: whoever calls it has a deadline.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn post(&self, url: &Url, headers: &HeaderMap, body: Bytes, fresh: bool) -> Result<(Head, Body), Error> {
        let unknown = || Error::Connect(io::Error::new(io::ErrorKind::InvalidInput, "the address is not of the web"));
        let origin = Arc::new(Origin::of(url).ok_or_else(unknown)?);
        let kept = if fresh { None } else { self.pool.take(&origin) };
        let mut socket = match kept {
            Some(socket) => socket,
            None => self.connect(&origin).await?,
        };
        let head = Bytes::from(head::write(url, headers, body.len()));
        let mut sending = Sending { pieces: [head, body], flushed: false, failed: None };
        let mut read = Vec::new();
        let (head, at) = loop {
            let came = read.len();
            std::future::poll_fn(|cx| {
                sending.poll(&mut socket, cx);
                poll_socket(&mut socket, cx, |bytes| read.extend_from_slice(bytes))
            })
            .await
            .map_err(|error| Error::Lost(sending.failed.take().unwrap_or(error)))?;
            match head::read(&read)? {
                Some(found) => break found,
                None if read.len() == came => {
                    let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "closed before an answer");
                    return Err(Error::Lost(sending.failed.take().unwrap_or_else(closed)));
                }
                None => {}
            }
        };
        let framing = Framing::of(head.version, head.status, &head.headers)?;
        let reusable = !head.closes() && framing != Framing::UntilClose;
        read.drain(..at);
        let keep = reusable.then(|| (Arc::clone(&self.pool), origin));
        Ok((head, Body { socket: Some(socket), sending, framing, first: read, keep }))
    }

    /// A new connection. Where we have used up what one takes, those that are kept for later make room.
    async fn connect(&self, origin: &Origin) -> Result<Socket, Error> {
        let failed = |error| match exhausted::by(&error) {
            Some(limit) => Error::Exhausted(limit, error),
            None => Error::Connect(error),
        };
        match self.connector.connect(origin).await.map_err(failed) {
            Err(Error::Exhausted(..)) if self.pool.clear() => self.connector.connect(origin).await.map_err(failed),
            connected => connected,
        }
    }

    /// Gets ready for encrypted connections, so that whatever is wrong with the system's certificates is known at once.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn prepare_tls(&self) -> io::Result<()> {
        self.connector.tls().map(|_| ())
    }

    /// Closes connections that nobody has used for long.
    pub fn sweep(&self) {
        self.pool.sweep();
    }
}

/// A request on its way: a server may answer before it has read all of it, and waits for the rest all the same.
struct Sending {
    pieces: [Bytes; 2],
    flushed: bool,
    failed: Option<io::Error>,
}

impl Sending {
    /// True if the server has got all of it, as far as can be known.
    fn is_done(&self) -> bool {
        self.flushed && self.failed.is_none()
    }

    /// Writes what can be written.
    fn poll(&mut self, socket: &mut Socket, cx: &mut Context<'_>) {
        while !self.flushed && self.failed.is_none() {
            let [first, second] = &self.pieces;
            if first.is_empty() && second.is_empty() {
                match socket.poll_flush(cx) {
                    Poll::Ready(Ok(())) => self.flushed = true,
                    Poll::Ready(Err(error)) => self.failed = Some(error),
                    Poll::Pending => return,
                }
                continue;
            }
            match socket.poll_write(cx, &[IoSlice::new(first), IoSlice::new(second)]) {
                Poll::Ready(Ok(written @ 1..)) => {
                    let of_first = written.min(first.len());
                    self.pieces[0].advance(of_first);
                    self.pieces[1].advance(written - of_first);
                }
                Poll::Ready(Ok(0)) => self.failed = Some(io::ErrorKind::WriteZero.into()),
                // What the server has to say about that may be in its answer.
                Poll::Ready(Err(error)) => self.failed = Some(error),
                Poll::Pending => return,
            }
        }
        // It may be large.
        self.pieces = [Bytes::new(), Bytes::new()];
    }
}

impl Body {
    /// Reads what is there and gives it to `piece`, in as many pieces as it came in. `None` behind the end.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        mut piece: impl FnMut(&[u8]),
    ) -> Poll<Option<Result<(), Box<str>>>> {
        let Some(socket) = &mut self.socket else { return Poll::Ready(None) };
        if !self.sending.is_done() {
            self.sending.poll(socket, cx);
        }
        let (framing, mut behind) = (&mut self.framing, false);
        let was_over = framing.is_over();
        let mut take = |bytes: &[u8]| {
            let taken = framing.read(bytes, &mut piece)?;
            behind = taken < bytes.len();
            Ok::<_, Malformed>(bytes.len())
        };
        let read = if !self.first.is_empty() {
            take(&std::mem::take(&mut self.first))
        } else if was_over {
            Ok(0)
        } else {
            let mut taken = Ok(0);
            match ready!(poll_socket(socket, cx, |bytes| taken = take(bytes))) {
                Ok(()) => taken,
                Err(error) => return self.broken(&format!("the connection failed: {error}")),
            }
        };
        let over = self.framing.is_over();
        match read {
            Err(malformed) => self.broken(&malformed.to_string()),
            Ok(0) if !over && self.framing != Framing::UntilClose => {
                self.broken("the connection was closed before the end")
            }
            Ok(read) => {
                if over || read == 0 {
                    if behind {
                        self.keep = None;
                    }
                    self.let_go();
                }
                Poll::Ready((read > 0).then_some(Ok(())))
            }
        }
    }

    /// Nobody wants the rest. The connection is kept for the next request: what is missing of the answer's end, often just
    /// the last chunk's, is read when it is needed.
    pub fn let_go(&mut self) {
        if let (Some(socket), Some((pool, origin)), true) =
            (self.socket.take(), self.keep.take(), self.sending.is_done())
            && self.first.is_empty()
        {
            pool.put(&origin, socket, self.framing.clone());
        }
    }

    fn broken(&mut self, why: &str) -> Poll<Option<Result<(), Box<str>>>> {
        self.socket = None;
        Poll::Ready(Some(Err(why.into())))
    }
}

/// Reads once, and gives what was read: nothing at the end.
fn poll_socket(socket: &mut Socket, cx: &mut Context<'_>, come: impl FnOnce(&[u8])) -> Poll<io::Result<()>> {
    BUFFER.with_borrow_mut(|bytes| {
        let mut buffer = ReadBuf::new(bytes);
        ready!(socket.poll_read(cx, &mut buffer))?;
        if !buffer.filled().is_empty() {
            come(buffer.filled());
        }
        Poll::Ready(Ok(()))
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

    async fn server() -> (TcpListener, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
        (listener, url)
    }

    fn client() -> Client {
        Client::new(Duration::from_secs(20))
    }

    async fn ask(client: &Client, url: &Url, body: impl Into<Bytes>, fresh: bool) -> Result<(Head, Body), Error> {
        client.post(url, &HeaderMap::new(), body.into(), fresh).await
    }

    async fn read_until(socket: &mut TcpStream, end: &str) {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            assert_ne!(socket.read_buf(&mut read).await.unwrap(), 0);
        }
    }

    async fn piece(body: &mut Body) -> Option<Result<Vec<u8>, Box<str>>> {
        let mut read = Vec::new();
        let came = std::future::poll_fn(|cx| body.poll_read(cx, |bytes| read.extend_from_slice(bytes))).await;
        came.map(|came| came.map(|()| read))
    }

    #[tokio::test]
    async fn an_answer_that_nobody_needs_to_the_end_leaves_its_connection_when_it_has_ended() {
        let (listener, url) = server().await;
        let client = client();
        let (sent, mut socket) = tokio::join!(ask(&client, &url, "ask", false), async {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_until(&mut socket, "ask").await;
            socket.write_all(format!("{HEAD}5\r\nhello\r\n").as_bytes()).await.unwrap();
            socket
        });
        let mut body = sent.unwrap().1;
        let mut said = Vec::new();
        while said != b"hello" {
            said.extend(piece(&mut body).await.unwrap().unwrap());
        }
        body.let_go();
        let origin = Arc::new(Origin::of(&url).unwrap());
        assert!(client.pool.take(&origin).is_none(), "its answer has not ended");
        socket.write_all(b"0\r\n\r\n").await.unwrap();
        let mut kept = None;
        while kept.is_none() {
            tokio::task::yield_now().await;
            kept = client.pool.take(&origin);
        }
        client.pool.put(&origin, kept.unwrap(), Framing::Length(0));
        let (sent, ()) = tokio::join!(ask(&client, &url, "more", false), async {
            read_until(&mut socket, "more").await;
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        });
        assert_eq!(piece(&mut sent.unwrap().1).await, Some(Ok(b"ok".to_vec())), "on the same connection");
    }

    #[tokio::test]
    async fn a_connection_that_says_something_or_is_closed_between_requests_is_used_for_none() {
        for says in [Some("HTTP/1.1 408 Request Timeout\r\n\r\n"), None] {
            let (listener, url) = server().await;
            let client = client();
            let origin = Arc::new(Origin::of(&url).unwrap());
            let (socket, accepted) = tokio::join!(client.connect(&origin), listener.accept());
            client.pool.put(&origin, socket.unwrap(), Framing::Length(0));
            let (mut theirs, _) = accepted.unwrap();
            match says {
                Some(text) => theirs.write_all(text.as_bytes()).await.unwrap(),
                None => drop(theirs),
            }
            while !client.pool.idle_is_empty() {
                tokio::task::yield_now().await;
                client.sweep();
            }
            assert!(client.pool.take(&origin).is_none());
        }
    }

    #[tokio::test]
    async fn a_server_that_answers_early_gets_the_rest_of_the_request() {
        const LARGE: usize = 16 << 20;
        let (listener, url) = server().await;
        let client = client();
        let large = Bytes::from(vec![b'x'; LARGE]);
        let serving = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(format!("{HEAD}2\r\nhi\r\n").as_bytes()).await.unwrap();
            let mut read = 0;
            let mut bytes = vec![0; 1 << 16];
            while read < LARGE {
                read += socket.read(&mut bytes).await.unwrap();
            }
            socket.write_all(b"4\r\ndone\r\n0\r\n\r\n").await.unwrap();
        });
        let (_, mut body) = ask(&client, &url, large, false).await.unwrap();
        let mut said = Vec::new();
        while let Some(read) = piece(&mut body).await {
            said.extend(read.unwrap());
        }
        assert_eq!(said, b"hidone");
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_does_not_look_finished() {
        for cut in ["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", &format!("{HEAD}5\r\nhello\r\n0\r\n")] {
            let (listener, url) = server().await;
            let client = client();
            let (sent, ()) = tokio::join!(ask(&client, &url, "ask", false), async {
                let (mut socket, _) = listener.accept().await.unwrap();
                read_until(&mut socket, "ask").await;
                socket.write_all(cut.as_bytes()).await.unwrap();
            });
            let mut body = sent.unwrap().1;
            let mut last = piece(&mut body).await;
            while last.as_ref().is_some_and(Result::is_ok) {
                last = piece(&mut body).await;
            }
            assert!(last.is_some_and(|last| last.is_err()), "{cut:?}");
        }
    }
}
