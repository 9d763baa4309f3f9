//! One connection to a server, from its start to its end.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use rmcp::RoleClient;
use rmcp::model::{ProtocolVersion, SubscriptionFilter};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, RunningService, RunningServiceCancellationToken, ServiceError,
    serve_client_with_lifecycle,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::Client;
use super::listing::Lister;
use super::mask::Mask;
use super::pipes::Pipes;
use super::plan::{Address, Program, ServerPlan, Transport};
use super::process::{Process, follow_log};
use super::state::{Link, Listed, State, Status};
use crate::upstream;

/// How long making an HTTP connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Most calls at a time over one HTTP connection.
const CALLS: usize = 64;

/// Calls that wait to be called off.
const CALLED_OFF: usize = 256;

/// How long it may take to tell a server that nobody waits for a call.
const TELL: Duration = Duration::from_secs(1);

/// How long a connection may take to close.
const CLOSE: Duration = Duration::from_secs(2);

/// How long a process may take to end once its connection has.
const EXIT: Duration = Duration::from_millis(500);

/// The pause between two lists of tools.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a server behind an address is asked whether it is still there.
const ASK: Duration = Duration::from_secs(60);

/// The pauses before a stream that broke is tried again: the first, and the longest.
const RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// How long a server may take to answer in a protocol that it may not speak.
const OTHER_PROTOCOL: Duration = Duration::from_secs(10);

/// Longest text of a reason, in bytes.
const REASON: usize = 300;

const NONSENSE: &str = "it prints what is no MCP";

/// Why there is no connection, or none any more: in words for pages.
pub type Reason = String;

/// A connection.
pub struct Connection {
    link: Link,
    changed: Arc<Notify>,
    /// The end of the connection; nothing once that was seen.
    ended: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    token: Option<RunningServiceCancellationToken>,
    /// A process of ours, and whether it was given up.
    process: Option<(Process, Arc<AtomicBool>)>,
    asks: bool,
    /// What runs beside it, and ends with it.
    _helpers: JoinSet<()>,
}

impl Connection {
    /// Starts or calls the server.
    pub async fn open(server: &ServerPlan, mask: &Mask) -> Result<Self, Reason> {
        let opened = Self::open_as(server, mask, ClientLifecycleMode::Initialize).await;
        let Err(Failed { reason, other_protocol: true }) = opened else {
            return opened.map_err(|failed| failed.reason);
        };
        // It is not our first protocol that it speaks, so it may be the second.
        let modern = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::LATEST] };
        let opened = tokio::time::timeout(OTHER_PROTOCOL, Self::open_as(server, mask, modern)).await;
        opened.ok().and_then(Result::ok).ok_or(reason)
    }

    async fn open_as(server: &ServerPlan, mask: &Mask, mode: ClientLifecycleMode) -> Result<Self, Failed> {
        match &server.transport {
            Transport::Process(program) => Self::start(server, program, mask, mode).await,
            Transport::Http(address) => Self::call(server, address, mask, mode).await,
        }
    }

    async fn start(
        server: &ServerPlan,
        program: &Program,
        mask: &Mask,
        mode: ClientLifecycleMode,
    ) -> Result<Self, Failed> {
        let (mut process, ends) = Process::start(program).map_err(|error| {
            tracing::warn!(server = server.name, %error, "an MCP server cannot be started");
            Failed::from(match error.kind() {
                std::io::ErrorKind::NotFound => "its command or its folder is not there",
                std::io::ErrorKind::PermissionDenied => "its command may not be run",
                _ => "its command cannot be started",
            })
        })?;
        let mut helpers = JoinSet::new();
        let (name, log_mask) = (server.name.clone(), mask.clone());
        helpers.spawn(async move { follow_log(ends.log, &name, &log_mask).await });
        let client = Client::default();
        let pipes = Pipes::new(ends.output, ends.input);
        let gave_up = pipes.gave_up();
        let serving = serve_client_with_lifecycle(client.clone(), pipes, mode);
        match serving.await {
            Ok(service) => Ok(Self::new(service, client, Some((process, gave_up)), helpers)),
            Err(error) => {
                let closed = matches!(
                    error,
                    ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. }
                );
                // What closed its pipes has ended or is about to.
                let status =
                    if closed { tokio::time::timeout(CLOSE, process.ended()).await.ok().flatten() } else { None };
                process.end().await;
                Err(match status {
                    _ if gave_up.load(Ordering::Relaxed) => Failed::from(NONSENSE),
                    Some(status) => Failed::from(format!("its process ended ({status})")),
                    None => failed(server, &error, mask),
                })
            }
        }
    }

    async fn call(
        server: &ServerPlan,
        address: &Address,
        mask: &Mask,
        mode: ClientLifecycleMode,
    ) -> Result<Self, Failed> {
        // What is kept open between requests may be half closed, and the next call would find out.
        let http = upstream::client(CONNECT, 0).map_err(|_| Failed::from("there is no TLS to call it with"))?;
        let headers = address.headers.iter().filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, value))
        });
        let mut config = StreamableHttpClientTransportConfig::with_uri(address.url.as_str())
            .custom_headers(headers.collect())
            .max_concurrent_requests(CALLS);
        let client = Client::default();
        config.retry_config = Arc::new(Patience { doubt: Arc::clone(&client.changed) });
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let service = serve_client_with_lifecycle(client.clone(), transport, mode).await;
        let service = service.map_err(|error| failed(server, &error, mask))?;
        Ok(Self::new(service, client, None, JoinSet::new()))
    }

    fn new(
        service: RunningService<RoleClient, Client>,
        client: Client,
        process: Option<(Process, Arc<AtomicBool>)>,
        mut helpers: JoinSet<()>,
    ) -> Self {
        let (called_off, mut taken) = mpsc::channel(CALLED_OFF);
        let link =
            Link { peer: service.peer().clone(), followers: client.followers, called_off, broken: Arc::default() };
        helpers.spawn(async move {
            while let Some(handle) = taken.recv().await {
                let handle: rmcp::service::RequestHandle<RoleClient> = handle;
                let reason = Some("nobody waits for it any more".to_owned());
                let _ = tokio::time::timeout(TELL, handle.cancel(reason)).await;
            }
        });
        if service.peer_info().is_some_and(|server| !server.protocol_version.has_initialize()) {
            helpers.spawn(follow_changes(link.peer.clone(), Arc::clone(&client.changed)));
        }
        Self {
            link,
            changed: client.changed,
            token: Some(service.cancellation_token()),
            ended: Some(Box::pin(async move { drop(service.waiting().await) })),
            asks: process.is_none(),
            process,
            _helpers: helpers,
        }
    }

    /// What calls need.
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    /// Asks for the tools.
    pub async fn list(&mut self, lister: &Lister<'_>, within: Duration) -> Result<Arc<[Listed]>, Reason> {
        list(&self.link.peer, lister, within).await.map_err(|broken| broken.reason)
    }

    /// Follows the list of tools until the connection is no more.
    pub async fn follow(&mut self, lister: &Lister<'_>, within: Duration, status: &watch::Sender<Status>) -> Reason {
        let Self { link, changed, ended, process, asks, .. } = self;
        let next = |after: Instant| {
            let (changed, peer) = (Arc::clone(changed), link.peer.clone());
            let asks = *asks;
            async move {
                tokio::select! {
                    () = changed.notified() => tokio::time::sleep_until(after).await,
                    () = tokio::time::sleep(ASK), if asks => {}
                }
                list(&peer, lister, within).await
            }
        };
        let mut listing = Box::pin(next(Instant::now()));
        let gave_up = process.as_ref().map(|(_, gave_up)| Arc::clone(gave_up)).unwrap_or_default();
        let is_process = process.is_some();
        let mut exited = pin!(async {
            match process {
                Some((process, _)) => process.ended().await,
                None => std::future::pending().await,
            }
        });
        let mut exit = None;
        let why = loop {
            tokio::select! {
                ended = exited.as_mut() => {
                    exit = Some(ended);
                    break "its process ended".to_owned();
                }
                () = closed(ended) => break "it closed the connection".to_owned(),
                () = link.broken.notified() => break "the connection broke".to_owned(),
                tools = &mut listing => {
                    match tools {
                        Ok(tools) => status.send_modify(|status| status.tools = tools),
                        Err(Broken { reason, for_good: true }) => break reason,
                        Err(Broken { reason, .. }) => {
                            tracing::warn!(server = lister.server.name, reason, "an MCP server's tools cannot be listed anew");
                        }
                    }
                    listing = Box::pin(next(Instant::now() + PAUSE));
                }
            }
        };
        // Calls that begin from now on fail at once.
        status.send_replace(Status::without(State::Failed(why.clone())));
        if exit.is_none() && is_process {
            // Its pipes close before it has ended, and how it ends says more.
            exit = tokio::time::timeout(EXIT, exited).await.ok();
        }
        match exit.flatten() {
            _ if gave_up.load(Ordering::Relaxed) => NONSENSE.to_owned(),
            Some(status) => format!("its process ended ({status})"),
            None => why,
        }
    }

    /// Closes the connection, and ends the server if it is a process of ours.
    pub async fn close(mut self) {
        if let Some(token) = self.token.take() {
            token.cancel();
        }
        // The input closes with the connection, which is what tells a server to end.
        if self.ended.is_some() {
            let _ = tokio::time::timeout(CLOSE, closed(&mut self.ended)).await;
        }
        if let Some((process, _)) = self.process.take() {
            process.end().await;
        }
    }
}

/// Waits for the end of a connection.
async fn closed(ended: &mut Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match ended {
        Some(end) => end.await,
        None => return,
    }
    *ended = None;
}

/// When a stream that broke is tried again. One that cannot be had again makes us ask for the tools, and so find out
/// whether the server is gone.
#[derive(Debug)]
struct Patience {
    doubt: Arc<Notify>,
}

impl SseRetryPolicy for Patience {
    fn retry(&self, times: usize) -> Option<Duration> {
        if times == 1 {
            self.doubt.notify_one();
        }
        let exponent = u32::try_from(times).unwrap_or(u32::MAX);
        Some(RETRY.saturating_mul(2_u32.saturating_pow(exponent)).min(LONGEST_RETRY))
    }
}

/// Servers of the newer protocol tell only who asks.
async fn follow_changes(peer: Peer<RoleClient>, changed: Arc<Notify>) {
    let mut wanted = SubscriptionFilter::new();
    wanted.tools_list_changed = Some(true);
    let Ok(mut news) = peer.listen(wanted).await else { return };
    while let Ok(Some(_)) = news.next().await {
        changed.notify_one();
    }
}

/// Why a connection could not be made.
struct Failed {
    reason: Reason,
    /// True if the server may speak another version of the protocol.
    other_protocol: bool,
}

impl<T: Into<String>> From<T> for Failed {
    fn from(reason: T) -> Self {
        Self { reason: reason.into(), other_protocol: false }
    }
}

fn failed(server: &ServerPlan, error: &ClientInitializeError, mask: &Mask) -> Failed {
    let text = mask.line(&error.to_string(), 4 * REASON);
    tracing::warn!(server = server.name, error = text, "an MCP server cannot be connected");
    match error {
        ClientInitializeError::JsonRpcError(error) => {
            let reason = format!("it refuses to start: {}", mask.line(&error.message, REASON));
            Failed { reason, other_protocol: true }
        }
        _ if error.is_authorization_required() => "it wants an authorization".into(),
        ClientInitializeError::TransportError { .. } => "it cannot be reached".into(),
        ClientInitializeError::ConnectionClosed(_) => "it closed the connection".into(),
        _ => "it speaks no MCP that we know".into(),
    }
}

/// Why there is no list of tools.
struct Broken {
    reason: Reason,
    /// True if the connection is of no use any more.
    for_good: bool,
}

async fn list(peer: &Peer<RoleClient>, lister: &Lister<'_>, within: Duration) -> Result<Arc<[Listed]>, Broken> {
    let broken = |reason: &str, for_good| Broken { reason: reason.to_owned(), for_good };
    match tokio::time::timeout(within, lister.list(peer)).await {
        Ok(Ok(tools)) => Ok(tools),
        Ok(Err(ServiceError::McpError(error))) => {
            let reason = format!("it does not list its tools: {}", lister.mask.line(&error.message, REASON));
            Err(Broken { reason, for_good: false })
        }
        Ok(Err(ServiceError::TransportSend(_) | ServiceError::TransportClosed)) => {
            Err(broken("the connection broke", true))
        }
        Ok(Err(_)) => Err(broken("its list of tools cannot be read", false)),
        Err(_) => Err(broken("it does not list its tools in time", false)),
    }
}
