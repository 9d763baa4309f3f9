//! The listener: connections are taken, limited, and drained at the end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::accept::{ConnectionLimit, Door};
use super::current::{self, Current};
use super::gateway::Gateway;
use super::reload::{self, Origin, Reloader};
use super::stop::{Phase, Stop, Stopper};
use super::tls::Encryption;
use super::workers::Workers;
use crate::config::plan::Plan;

/// How long the last frames may take to reach their pages.
const LAST_FRAMES: Duration = Duration::from_secs(2);

/// How long turns may take to store what they have said.
const LAST_WRITES: Duration = Duration::from_secs(5);

/// A gateway that listens and does not answer yet.
pub struct Listening {
    listener: TcpListener,
    encryption: Option<Arc<Encryption>>,
    current: Current,
    reloader: Reloader,
    stopper: Stopper,
    stop: Stop,
}

/// Who serves connections.
enum Servers {
    /// This runtime.
    Here(TcpListener),
    /// Threads of their own.
    Threads(Workers),
}

/// Opens the listener of a plan.
///
/// # Errors
/// The address is taken or not ours; recordings cannot be read; TLS cannot be set up.
pub async fn bind(plan: Plan) -> io::Result<Listening> {
    open(plan, None).await
}

/// The same for a plan that is read again: when one of its files changes, and when the [`Reloader`] is asked.
///
/// # Errors
/// As those of [`bind`].
pub async fn bind_reloading(plan: Plan, origin: Origin) -> io::Result<Listening> {
    open(plan, Some(origin)).await
}

async fn open(plan: Plan, origin: Option<Origin>) -> io::Result<Listening> {
    let listener = TcpListener::bind(plan.server.listen).await?;
    let encryption = match &plan.server.tls {
        Some(files) => Some(Arc::new(Encryption::new(files).await?)),
        None => None,
    };
    let (stopper, stop) = Stopper::new();
    let (switch, current) = current::new(Gateway::new(plan, stop.clone())?);
    Ok(Listening { listener, encryption, current, reloader: Reloader::new(switch, origin), stopper, stop })
}

/// Answers until SIGTERM or SIGINT, then finishes what runs. A second signal ends at once. SIGHUP has the configuration
/// read again. Connections are served by threads of their own, one for each processor unless the plan says otherwise;
/// `ready` is called when they are there.
///
/// # Errors
/// Signals cannot be listened for; there are no threads.
pub async fn run(listening: Listening, ready: impl FnOnce()) -> io::Result<()> {
    let signals = tokio::spawn(signals(listening.stopper())?);
    let hangups = tokio::spawn(reload::on_hangup(listening.reloader(), listening.stopper())?);
    let served = listening.serve_by(true, ready).await;
    signals.abort();
    hangups.abort();
    served
}

#[cfg(unix)]
fn signals(stopper: Stopper) -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => stopper.stop(),
                _ = interrupt.recv() => stopper.stop(),
            }
        }
    })
}

#[cfg(not(unix))]
fn signals(stopper: Stopper) -> io::Result<impl Future<Output = ()> + Send> {
    Ok(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            stopper.stop()
        }
    })
}

impl Listening {
    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The scheme of its addresses.
    pub const fn scheme(&self) -> &'static str {
        if self.encryption.is_some() { "https" } else { "http" }
    }

    /// What stops it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What has the configuration read again.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Answers until it is stopped and drained, all in the caller's runtime.
    pub async fn serve(self) {
        // Only threads can fail to begin.
        let _ = self.serve_by(false, || ()).await;
    }

    async fn serve_by(self, threads: bool, ready: impl FnOnce()) -> io::Result<()> {
        let Self { listener, encryption, current, reloader, stopper, stop } = self;
        let server = current.get().plan.server.clone();
        let limit = Arc::new(ConnectionLimit::new(&server));
        let door = Door {
            current: current.clone(),
            stop: stop.clone(),
            limit: Arc::clone(&limit),
            encryption: encryption.clone(),
        };
        let mut servers = if threads {
            Servers::Threads(Workers::start(server.threads, &listener.into_std()?, &door)?)
        } else {
            Servers::Here(listener)
        };
        ready();
        let lost = async {
            match &mut servers {
                Servers::Here(listener) => match door.accept(listener).await {},
                Servers::Threads(workers) => workers.lost().await,
            }
        };
        let draining = stop.clone().reached(Phase::Draining);
        tokio::select! {
            () = draining => {}
            () = lost => return Err(io::Error::other("a thread that serves connections has ended")),
            never = keep(encryption.as_deref()) => match never {},
            never = current.clone().sweep_always() => match never {},
            never = reloader.watch() => match never {},
        }
        let workers = match servers {
            // Nothing is taken any more; threads see to that themselves.
            Servers::Here(_) => None,
            Servers::Threads(workers) => Some(workers),
        };
        // Nothing is reloaded any more.
        let gateway = current.get();
        tracing::info!("stopping");
        let now = stop.reached(Phase::Now);
        let drained = async {
            limit.empty().await;
            // Turns may outlive their pages.
            gateway.threads.turns().idle().await;
        };
        tokio::select! {
            () = drained => {}
            () = now => {}
            () = close(&gateway, &stopper) => {}
        }
        stopper.advance(Phase::Now);
        gateway.threads.turns().close(LAST_WRITES).await;
        let _ = tokio::time::timeout(LAST_WRITES, gateway.limits.settle()).await;
        gateway.servers.close().await;
        drop(workers);
        Ok(())
    }
}

/// Ends what is still running when its time is over.
async fn close(gateway: &Gateway, stopper: &Stopper) {
    tokio::time::sleep(gateway.plan.server.drain).await;
    stopper.advance(Phase::TurnsEnd);
    tokio::time::sleep(LAST_FRAMES).await;
}

async fn keep(encryption: Option<&Encryption>) -> Infallible {
    match encryption {
        Some(encryption) => encryption.keep().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chatwire_protocols::chat::{ChatRequest, Message, Role};
    use chatwire_protocols::items::{Body, Style, Thread, ThreadStatus};
    use chatwire_protocols::protocol::ReplyContext;
    use serde_json::Map;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::limits::Admission;
    use crate::store::{Direction, Owner, PageQuery, Write};
    use crate::tools::{Scope, Toolbox};
    use crate::turn::{Beside, Kept, Leaving, Parts};

    const THREAD: &str = "thr";
    const LONG: Duration = Duration::from_secs(20);

    /// A gateway with a kept turn that no page follows, and the provider's end of it.
    async fn with_turn(drain: &str, beside: Option<Beside>) -> (Listening, TcpStream) {
        let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\ndrain = \"{drain}\"\n[providers.p]\nprotocol = \"openai-chat\"\n\
             base_url = \"http://{}/v1\"\n[models.m]\ntargets = [\"p/m\"]\n[[routes]]\npath = \"/\"\n\
             protocol = \"vercel-auto\"\nmodel = \"m\"\n",
            provider.local_addr().unwrap()
        );
        let env = BTreeMap::<String, String>::new();
        let plan = crate::config::parse("gateway.toml", &text, &|name| env.get(name).cloned());
        let listening = bind(plan.unwrap_or_else(|report| panic!("{report}"))).await.unwrap();
        let gateway = listening.current.get();
        let owner = Owner::local();
        let (created, status) = (1, ThreadStatus::Active);
        let id = THREAD.to_owned();
        let thread = Thread { id, title: None, status, metadata: Map::new(), created, updated: created };
        gateway.store.apply(&owner, THREAD, vec![Write::Thread(thread)]).await.unwrap();
        let parts = Parts {
            turn: "turn_1".into(),
            chat: ChatRequest { messages: vec![Message::text(Role::User, "hi")], ..ChatRequest::default() },
            toolbox: Toolbox::default(),
            model: Arc::clone(&gateway.plan.models["m"]),
            max_steps: 1,
            page_calls: false,
            scope: Scope::default(),
            timeout: LONG,
            summaries: None,
            admission: Admission::default(),
            answers: None,
            upstreams: Arc::clone(&gateway.threads.means().upstreams),
            stop: gateway.stop.clone(),
        };
        let follower = gateway.threads.turns().start(Kept {
            claim: gateway.threads.turns().claim(&owner, THREAD, Duration::ZERO).await.unwrap(),
            parts,
            chat: ChatRequest::default(),
            context: ReplyContext::default(),
            keeps: true,
            store: Arc::clone(&gateway.store),
            owner,
            style: Style::default(),
            leaving: Leaving::Finish,
            beside,
        });
        drop(follower);
        let (mut socket, _) = provider.accept().await.unwrap();
        let mut head = [0; 4096];
        assert_ne!(socket.read(&mut head).await.unwrap(), 0);
        (listening, socket)
    }

    /// Something beside the turn that never comes.
    fn never() -> Option<Beside> {
        Some(Box::pin(std::future::pending()))
    }

    /// What is stored when the gateway has ended: when the thread was changed, and the texts.
    async fn after(gateway: &Gateway) -> (u64, Vec<String>) {
        assert!(gateway.threads.turns().is_empty());
        let owner = Owner::local();
        let query = PageQuery { after: None, limit: 10, direction: Direction::OldestFirst };
        let items = gateway.store.items(&owner, THREAD, query, true).await.unwrap();
        let texts = items.rows.into_iter().filter_map(|(_, item)| match item.body {
            Body::Assistant(message) => Some(message.text),
            _ => None,
        });
        (gateway.store.thread(&owner, THREAD).await.unwrap().unwrap().1.updated, texts.collect())
    }

    #[tokio::test]
    async fn a_turn_without_pages_is_finished_before_the_gateway_ends() {
        let (listening, mut socket) = with_turn("20s", None).await;
        let gateway = listening.current.get();
        listening.stopper().stop();
        let serving = tokio::spawn(listening.serve());
        let chunk = |delta: &str, finish: &str| {
            format!(
                r#"data: {{"id":"c","object":"chat.completion.chunk","model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}"#
            )
        };
        let (said, end) = (chunk(r#"{"content":"late"}"#, "null"), chunk("{}", "\"stop\""));
        let body = format!("{said}\n\n{end}\n\ndata: [DONE]\n\n");
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n", body.len());
        socket.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        tokio::time::timeout(LONG, serving).await.expect("the gateway ends").unwrap();
        let (updated, texts) = after(&gateway).await;
        assert_eq!((updated > 1, texts), (true, vec!["late".to_owned()]));
    }

    #[tokio::test]
    async fn a_turn_that_takes_too_long_is_cut_and_its_end_is_stored() {
        let (listening, mut socket) = with_turn("0s", never()).await;
        let gateway = listening.current.get();
        listening.stopper().stop();
        tokio::time::timeout(LONG, listening.serve()).await.expect("the gateway ends");
        let (updated, texts) = after(&gateway).await;
        assert_eq!((updated > 1, texts.len()), (true, 0));
        let mut rest = Vec::new();
        assert!(socket.read_to_end(&mut rest).await.is_ok(), "the provider is left");
    }

    #[tokio::test]
    async fn a_second_stop_cuts_turns_at_once_and_waits_for_what_they_store() {
        let (listening, _socket) = with_turn("20s", never()).await;
        let gateway = listening.current.get();
        let stopper = listening.stopper();
        stopper.stop();
        stopper.stop();
        tokio::time::timeout(LONG, listening.serve()).await.expect("the gateway ends");
        assert!(after(&gateway).await.0 > 1);
    }
}
