//! A connection: what the page says is read, what it is told is written, and neither waits for the other for ever.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chatwire_protocols::event::Text;
use chatwire_protocols::protocol::ReplyContext;
use chatwire_protocols::socket::{Closed, Heard, Running, Socket, SocketAsk};
use futures_util::{Sink as _, SinkExt as _, Stream as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::asks::{Asked, Asks, Outcome, Page, refusal, stopping, too_many};
use super::metered::Metered;
use super::pace::Pace;
use super::shows::{Shown, Shows};
use crate::clock::now_ms;
use crate::config::plan::WebSocket;
use crate::server::source::Source;
use crate::server::stop::Phase;
use crate::telemetry::Record;
use crate::threads::Reply;
use crate::turn::Leaving;
use crate::upstream::Alarm;

/// How long a page may take to answer a close.
const CLOSING: Duration = Duration::from_secs(2);

/// Bytes that are read, and written, at a time.
const READ: usize = 8 << 10;
const WRITE: usize = 16 << 10;

type Ws = WebSocketStream<Metered<TokioIo<Upgraded>>>;
type Ended = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One connection of a page.
pub struct Link {
    page: Arc<Page>,
    /// The request that opened it.
    id: String,
    limits: WebSocket,
    socket: Box<dyn Socket>,
    asks: Asks,
    shows: Shows,
    /// What the page is to be told, each message a line.
    out: Vec<u8>,
    pace: Pace,
    /// The page's pings, which are answered at once and so may not come without end.
    pings: Pace,
    /// How many bytes had come when the last message was whole.
    whole: u64,
    /// When the message that has begun must be whole.
    begun: Option<Alarm>,
    /// When the page is asked whether it is there, or given up.
    silence: Alarm,
    pinged: bool,
    /// Ends when nothing new is taken any more.
    stops: Option<Ended>,
    /// Ends when the page's credential does.
    expires: Option<Ended>,
}

/// What happens next.
enum Next {
    /// There is something to write.
    Write,
    /// The page is asked whether it is there.
    Ping,
    /// The page has said something.
    Said(Message),
    /// The end.
    End(End),
}

/// How a connection ends.
enum End {
    /// We close it.
    Close(Closed),
    /// It is closed, or broken.
    Gone,
}

const fn closed(code: u16, reason: &'static str) -> End {
    End::Close(Closed { code, reason })
}

impl Link {
    pub fn new(page: Page, socket: Box<dyn Socket>, id: String) -> Self {
        let page = Arc::new(page);
        let gateway = &page.gateway;
        let limits = gateway.plan.server.websocket;
        Self {
            asks: Asks::new(Arc::clone(&page)),
            shows: Shows::default(),
            out: Vec::new(),
            pace: Pace::new(limits.max_rate),
            pings: Pace::new(limits.max_rate),
            whole: 0,
            begun: None,
            silence: Alarm::new(Instant::now() + limits.ping),
            pinged: false,
            stops: Some(Box::pin(gateway.stop.clone().reached(Phase::Draining))),
            expires: page.caller.until.map(|until| Box::pin(until_ms(until)) as Ended),
            page,
            id,
            limits,
            socket,
        }
    }

    /// Serves it to its end.
    pub async fn serve(mut self, upgrade: OnUpgrade, mut record: Record) {
        let now = self.page.gateway.stop.clone().reached(Phase::Now);
        tokio::select! {
            () = self.converse(upgrade) => {}
            () = now => {}
        }
        record.answered(101);
        let Self { asks, shows, page, .. } = self;
        let finishes = page.route.memory.as_ref().is_some_and(|memory| memory.leaving == Leaving::Finish);
        drop(shows);
        if finishes {
            asks.finish().await;
        }
    }

    async fn converse(&mut self, upgrade: OnUpgrade) {
        let Ok(Ok(upgraded)) = timeout(CLOSING, upgrade).await else { return };
        let most = self.limits.max_message;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(WRITE)
            .max_message_size(Some(most))
            .max_frame_size(Some(most));
        let mut ws =
            WebSocketStream::from_raw_socket(Metered::new(TokioIo::new(upgraded)), Role::Server, Some(config)).await;
        self.socket.opened(&mut self.out);
        match self.talk(&mut ws).await {
            End::Close(reason) => close(ws, &reason).await,
            End::Gone => {
                // What we still had to say, if it was only a close.
                let _ = timeout(CLOSING, ws.get_mut().shutdown()).await;
            }
        }
    }

    async fn talk(&mut self, ws: &mut Ws) -> End {
        loop {
            if !self.out.is_empty() && self.write(ws).await.is_err() {
                return End::Gone;
            }
            let next = std::future::poll_fn(|cx| self.poll(ws, cx)).await;
            let end = match next {
                Next::Write => None,
                Next::Ping => ws.send(Message::Ping(Bytes::new())).await.err().map(|_| End::Gone),
                Next::Said(message) => self.hear(message),
                Next::End(end) => Some(end),
            };
            if let Some(end) = end {
                // A refusal of the dialect may stand in front of its close.
                let _ = self.write(ws).await;
                return end;
            }
        }
    }

    /// Sends all lines. A page that does not read is given up by the connection below.
    async fn write(&mut self, ws: &mut Ws) -> Result<(), Error> {
        let mut lines = BytesMut::from(&*self.out).freeze();
        self.out.clear();
        self.out.shrink_to(WRITE);
        while !lines.is_empty() {
            let end = memchr::memchr(b'\n', &lines).unwrap_or(lines.len());
            let line = lines.split_to(end);
            let _ = lines.split_to(usize::from(!lines.is_empty()));
            // Dialects write texts.
            if let Ok(text) = Utf8Bytes::try_from(line)
                && !text.is_empty()
            {
                ws.feed(Message::Text(text)).await?;
            }
        }
        ws.flush().await
    }

    /// What happens next: asked only when the page has taken all that was written.
    fn poll(&mut self, ws: &mut Ws, cx: &mut Context<'_>) -> Poll<Next> {
        if let Some(stops) = &mut self.stops
            && stops.as_mut().poll(cx).is_ready()
        {
            self.stops = None;
        }
        if self.expires.as_mut().is_some_and(|expires| expires.as_mut().poll(cx).is_ready()) {
            self.expires = None;
            return Poll::Ready(Next::End(closed(1008, "the credential has expired")));
        }
        // Answers to the page's pings and closes may wait in the buffer.
        if let Poll::Ready(Err(_)) = Pin::new(&mut *ws).poll_flush(cx) {
            return Poll::Ready(Next::End(End::Gone));
        }
        if self.silence.poll(cx).is_ready() {
            self.silence.set(Instant::now() + self.limits.ping);
            return Poll::Ready(match std::mem::replace(&mut self.pinged, true) {
                false => Next::Ping,
                true => Next::End(closed(1001, "nothing was heard")),
            });
        }
        self.asks.poll(cx);
        if self.poll_told(cx).is_ready() {
            return Poll::Ready(Next::Write);
        }
        if self.stops.is_none() && self.asks.is_empty() && self.shows.is_idle() {
            return Poll::Ready(Next::End(closed(1001, "the gateway is stopping")));
        }
        if self.asks.is_full() || self.pace.poll(cx).is_pending() {
            return Poll::Pending;
        }
        let Poll::Ready(next) = Pin::new(&mut *ws).poll_next(cx) else {
            return match self.poll_begun(ws.get_ref().read(), cx) {
                Poll::Ready(()) => Poll::Ready(Next::End(closed(1008, "a message did not come in time"))),
                Poll::Pending => Poll::Pending,
            };
        };
        (self.whole, self.begun) = (ws.get_ref().read(), None);
        match next {
            Some(Ok(message)) => {
                self.pinged = false;
                self.silence.set(Instant::now() + self.limits.ping);
                if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                    self.pace.count();
                } else if self.pings.poll(cx).is_pending() {
                    return Poll::Ready(Next::End(closed(1008, "there are too many pings")));
                } else {
                    self.pings.count();
                }
                Poll::Ready(Next::Said(message))
            }
            Some(Err(error)) => Poll::Ready(Next::End(broken(&error))),
            None => Poll::Ready(Next::End(End::Gone)),
        }
    }

    /// Ready when the page is too slow with a message of which something has come.
    fn poll_begun(&mut self, read: u64, cx: &mut Context<'_>) -> Poll<()> {
        if read == self.whole {
            return Poll::Pending;
        }
        let within = self.page.gateway.plan.server.body_timeout;
        self.begun.get_or_insert_with(|| Alarm::new(Instant::now() + within)).poll(cx)
    }

    /// Ready when there is something to write: what came of an ask, behind what its thread's turns had said before; or
    /// more of the turns.
    fn poll_told(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some((at, thread)) = self.asks.done() {
            if let Some(thread) = thread
                && self.shows.poll_over(&thread, &mut *self.socket, cx, &mut self.out).is_ready()
            {
                return Poll::Ready(());
            }
            if let Some((asked, outcome)) = self.asks.take(at) {
                self.tell(asked, outcome);
            }
            // What comes next in its thread may begin.
            self.asks.poll(cx);
            if !self.out.is_empty() {
                return Poll::Ready(());
            }
        }
        self.shows.poll(&mut *self.socket, cx, &mut self.out)
    }

    fn tell(&mut self, asked: Asked, outcome: Outcome) {
        let Asked { key, thread, mut record, .. } = asked;
        match outcome {
            Outcome::Answer(answer) => {
                if let Some(record) = &mut record {
                    record.answered(200);
                }
                self.socket.answer(&key, &answer, &mut self.out);
            }
            Outcome::Refused(error) => {
                if let Some(record) = &mut record {
                    record.refused(&refusal(&error));
                }
                self.socket.refuse(&key, &refusal(&error), &mut self.out);
            }
            Outcome::Turn(reply) => self.show(&key, thread.as_ref(), reply, record),
            Outcome::Thread { watch, running, messages } => {
                let running = running.map(|running| (running.0.opening(), running.0, running.1));
                let said = running.as_ref().map(|((chat, context), _, past)| Running { chat, context, past });
                let encoder = self.socket.subscribed(&key, &messages, said, &mut self.out);
                let shown = running
                    .map(|((_, context), follower, _)| Shown::new(context.turn, Source::Kept(follower), encoder));
                self.shows.follow(&key, &thread.unwrap_or_default(), watch, shown);
            }
        }
    }

    fn show(&mut self, key: &Text, thread: Option<&Text>, reply: Reply, mut record: Option<Record>) {
        let named = |context: &ReplyContext| {
            let kept = context.kept.as_ref().map(|kept| Text::from(kept.thread.id.as_str()));
            thread.cloned().or(kept).unwrap_or_default()
        };
        let (context, source, encoder) = match reply {
            Reply::Turn(follower, wire) => {
                let (mut chat, context) = follower.opening();
                if !wire.is_empty() {
                    chat.wire = wire;
                }
                // One that is followed gets its encoder when its turn has come.
                let encoder = (!self.shows.follows(key)).then(|| self.socket.turn(key, &chat, &context));
                (context, Source::Kept(follower), encoder)
            }
            Reply::Said(said) => {
                let encoder = self.socket.turn(key, &said.chat, &said.context);
                (said.context, Source::Said(said.events), Some(encoder))
            }
            Reply::Idle(_) | Reply::Answer(_) => return,
        };
        if let Some(record) = &mut record {
            record.model(&context.model);
        }
        let thread = named(&context);
        self.shows.add(key, &thread, Shown { record, ..Shown::new(context.turn, source, encoder) });
    }

    fn hear(&mut self, message: Message) -> Option<End> {
        match message {
            Message::Text(text) => match self.socket.message(&text, &mut self.out) {
                Ok(Some(heard)) => self.ask(heard),
                Ok(None) => {}
                Err(reason) => return Some(End::Close(reason)),
            },
            Message::Binary(_) => return Some(closed(1003, "only texts are understood here")),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => {}
        }
        None
    }

    fn ask(&mut self, heard: Heard) {
        let mut record = None;
        let refused = match &heard.ask {
            SocketAsk::Abort { turn } => {
                self.asks.abort(turn);
                self.shows.abort(turn);
                return;
            }
            SocketAsk::Turn(_) | SocketAsk::Resume { .. } | SocketAsk::Subscribe { .. } if self.stops.is_none() => {
                Some(stopping())
            }
            SocketAsk::Turn(_) | SocketAsk::Resume { .. } => {
                let mut begun = Record::new(&self.id);
                begun.route(&self.page.route.path, self.page.route.protocol.name);
                begun.key(self.page.caller.key.as_deref());
                record = Some(begun);
                let many = self.asks.turns() + self.shows.alone() >= self.limits.max_turns;
                many.then(|| too_many("turns"))
            }
            SocketAsk::Subscribe { .. } => {
                let many = self.asks.subscriptions() + self.shows.followed() >= self.limits.max_subscriptions;
                (many && !self.shows.follows(&heard.key)).then(|| too_many("conversations"))
            }
            SocketAsk::Operation(_) => None,
        };
        if let Some(error) = refused {
            if let Some(record) = &mut record {
                record.refused(&refusal(&error));
            }
            self.socket.refuse(&heard.key, &refusal(&error), &mut self.out);
        } else {
            self.asks.push(heard, record);
        }
    }
}

/// Ends at a time of the clock on the wall, which may be set meanwhile.
async fn until_ms(until: u64) {
    const LOOK: u64 = 60_000;
    loop {
        let left = until.saturating_sub(now_ms());
        if left == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(left.min(LOOK))).await;
    }
}

/// How a connection ends on which this was read.
fn broken(error: &Error) -> End {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => closed(1009, "the message is too large"),
        Error::Utf8(_) => closed(1007, "the message is not UTF-8"),
        Error::Protocol(_) => closed(1002, "these bytes are no WebSocket frames"),
        _ => End::Gone,
    }
}

/// Closes a connection, and gives the page the time to see why.
async fn close(mut ws: Ws, reason: &Closed) {
    let frame = CloseFrame { code: CloseCode::from(reason.code), reason: Utf8Bytes::from_static(reason.reason) };
    let closing = async {
        ws.send(Message::Close(Some(frame))).await?;
        while let Some(Ok(_)) = ws.next().await {}
        Ok::<_, Error>(())
    };
    let _ = timeout(CLOSING, closing).await;
    let _ = timeout(CLOSING, ws.get_mut().shutdown()).await;
}
