//! One connection to a server, from its start to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use rmcp::RoleClient;
use rmcp::model::{ProtocolVersion, SubscriptionFilter};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, RunningService, RunningServiceCancellationToken, ServiceError,
    serve_client_with_lifecycle,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::Client;
use super::listing::Lister;
use super::mask::Mask;
use super::pipes::Pipes;
use super::plan::{Address, Place, Program, ServerPlan};
use super::process::{Process, follow_log};
use super::state::{Link, Listed};
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

/// The pause between two lists of tools.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a server behind an address is asked whether it is still there.
const ASK: Duration = Duration::from_secs(60);

/// Longest text of a reason, in bytes.
const REASON: usize = 300;

/// Why there is no connection, or none any more: in words for pages.
pub type Reason = String;

/// A connection.
pub struct Connection {
    link: Link,
    changed: Arc<Notify>,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    token: Option<RunningServiceCancellationToken>,
    process: Option<Process>,
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
        Self::open_as(server, mask, modern).await.map_err(|_| reason)
    }

    async fn open_as(server: &ServerPlan, mask: &Mask, mode: ClientLifecycleMode) -> Result<Self, Failed> {
        match &server.place {
            Place::Process(program) => Self::start(server, program, mask, mode).await,
            Place::Http(address) => Self::call(server, address, mask, mode).await,
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
        let serving = serve_client_with_lifecycle(client.clone(), Pipes::new(ends.output, ends.input), mode);
        match serving.await {
            Ok(service) => Ok(Self::new(service, client, Some(process), helpers)),
            Err(error) => {
                let closed = matches!(error, ClientInitializeError::ConnectionClosed(_));
                // What closed its output has ended or is about to.
                let status =
                    if closed { tokio::time::timeout(CLOSE, process.ended()).await.ok().flatten() } else { None };
                process.end().await;
                Err(match status {
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
        let config = StreamableHttpClientTransportConfig::with_uri(address.url.as_str())
            .custom_headers(headers.collect())
            .max_concurrent_requests(CALLS);
        let client = Client::default();
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let service = serve_client_with_lifecycle(client.clone(), transport, mode).await;
        let service = service.map_err(|error| failed(server, &error, mask))?;
        Ok(Self::new(service, client, None, JoinSet::new()))
    }

    fn new(
        service: RunningService<RoleClient, Client>,
        client: Client,
        process: Option<Process>,
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
            ended: Box::pin(async move { drop(service.waiting().await) }),
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
    pub async fn follow(
        &mut self,
        lister: &Lister<'_>,
        within: Duration,
        mut listed: impl FnMut(Arc<[Listed]>),
    ) -> Reason {
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
        let exited = async {
            match process {
                Some(process) => process.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(exited);
        loop {
            tokio::select! {
                status = &mut exited => {
                    return status.map_or_else(|| "its process ended".to_owned(), |status| format!("its process ended ({status})"));
                }
                () = &mut *ended => return "it closed the connection".to_owned(),
                () = link.broken.notified() => return "the connection broke".to_owned(),
                tools = &mut listing => {
                    match tools {
                        Ok(tools) => listed(tools),
                        Err(Broken { reason, for_good: true }) => return reason,
                        Err(Broken { reason, .. }) => {
                            tracing::warn!(server = lister.server.name, reason, "an MCP server's tools cannot be listed anew");
                        }
                    }
                    listing = Box::pin(next(Instant::now() + PAUSE));
                }
            }
        }
    }

    /// Closes the connection, and ends the server if it is a process of ours.
    pub async fn close(mut self) {
        if let Some(token) = self.token.take() {
            token.cancel();
        }
        let ended = tokio::time::timeout(CLOSE, &mut self.ended);
        // The input closes with the connection, which is what tells a server to end.
        let _ = ended.await;
        if let Some(process) = self.process.take() {
            process.end().await;
        }
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
        ClientInitializeError::ConnectionClosed(_) => "it closed the connection, or prints what is no MCP".into(),
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
