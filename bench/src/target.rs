//! What stands between the provider and the pages.

use std::fs;
use std::io::{self, BufRead as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;

/// The targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Direct,
    /// nginx, which passes the bytes through.
    Nginx,
    /// OpenAI to the data stream of AI SDK 4.
    DataStream,
    /// Anthropic to the UI stream of AI SDK 5 and later.
    UiStream,
    /// OpenAI to ChatKit, stored and resumable.
    ChatKit,
    /// OpenAI to the UI stream of a route with memory: the same, each answer in a chat of its own.
    Feed,
    /// OpenAI to callback SSE.
    Callback,
}

impl Kind {
    pub const ALL: &[Self] =
        &[Self::Direct, Self::Nginx, Self::DataStream, Self::UiStream, Self::Callback, Self::ChatKit, Self::Feed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Nginx => "nginx",
            Self::DataStream => "data-stream",
            Self::UiStream => "ui-stream",
            Self::ChatKit => "chatkit",
            Self::Feed => "feed",
            Self::Callback => "callback-sse",
        }
    }

    /// Whether it stores what is said.
    const fn stores(self) -> bool {
        matches!(self, Self::ChatKit | Self::Feed)
    }

    /// The path that pages ask, and the body they send; `#` is another number in each request.
    const fn asks(self) -> (&'static str, &'static str) {
        match self {
            Self::Direct | Self::Nginx => (
                "/v1/chat/completions",
                r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello there"}]}"#,
            ),
            Self::DataStream => ("/data", r#"{"id":"c","messages":[{"role":"user","content":"Hello there"}]}"#),
            Self::UiStream => (
                "/ui",
                r#"{"id":"c","trigger":"submit-message","messages":[{"id":"u","role":"user","parts":[{"type":"text","text":"Hello there"}]}]}"#,
            ),
            Self::Callback => {
                ("/callback", r#"{"session_id":"s","messages":[{"role":"user","content":"Hello there"}]}"#)
            }
            Self::ChatKit => (
                "/chatkit",
                r#"{"type":"threads.create","params":{"input":{"content":[{"type":"input_text","text":"Hello there"}],"attachments":[],"inference_options":{}}}}"#,
            ),
            Self::Feed => (
                "/feed",
                r##"{"id":"c#","trigger":"submit-message","messages":[{"id":"u#","role":"user","parts":[{"type":"text","text":"Hello there"}]}]}"##,
            ),
        }
    }

    /// One request.
    pub fn request(self, addr: SocketAddr) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (path, body) = self.asks();
        let body = body.replace('#', &NUMBER.fetch_add(1, Ordering::Relaxed).to_string());
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nhost: {addr}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
    }
}

/// Memory in KiB.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// All that is resident, with what is shared with files.
    pub resident: u64,
    /// What belongs to the processes alone.
    pub own: u64,
}

/// A running target; ended when dropped.
pub struct Target {
    pub kind: Kind,
    pub addr: SocketAddr,
    child: Option<Child>,
}

impl Target {
    /// Starts it. Nothing if it is not on this machine.
    pub fn start(kind: Kind, provider: SocketAddr, folder: &Path) -> io::Result<Option<Self>> {
        // A folder of its own: a store begins empty.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = folder.join(format!("{}-{}", kind.name(), NUMBER.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&folder)?;
        match kind {
            Kind::Direct => Ok(Some(Self { kind, addr: provider, child: None })),
            Kind::Nginx => nginx(provider, &folder),
            _ => gateway(kind, provider, &folder).map(Some),
        }
    }

    /// Waits until it takes connections.
    pub async fn ready(&self) -> io::Result<()> {
        for _ in 0..400 {
            if TcpStream::connect(self.addr).await.is_ok() {
                // The last of its threads and processes begin.
                tokio::time::sleep(Duration::from_millis(300)).await;
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err(io::Error::other(format!("{} does not listen", self.kind.name())))
    }

    /// The processor time that it and its children have used.
    pub fn cpu(&self) -> Duration {
        let threads = self.processes().into_iter().flat_map(|process| children(&format!("/proc/{process}/task")));
        // Nanoseconds on a processor, of each thread.
        let times = threads.filter_map(|thread| fs::read_to_string(thread.join("schedstat")).ok());
        let times = times.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok());
        Duration::from_nanos(times.sum())
    }

    /// The memory that it and its children have.
    pub fn memory(&self) -> Memory {
        let mut sum = Memory::default();
        for process in self.processes() {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let kib = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
            };
            sum.resident += kib("VmRSS:");
            sum.own += kib("RssAnon:");
        }
        sum
    }

    fn processes(&self) -> Vec<u32> {
        let Some(child) = &self.child else { return Vec::new() };
        let mut all = vec![child.id()];
        let of_child = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        all.extend(of_child.split_whitespace().filter_map(|process| process.parse::<u32>().ok()));
        all
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let children = self.processes();
        if let Some(child) = &mut self.child {
            for process in children.iter().skip(1) {
                // A master that is killed leaves its workers.
                let _ = Command::new("kill").arg(process.to_string()).status();
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn children(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn nginx(provider: SocketAddr, folder: &Path) -> io::Result<Option<Target>> {
    let addr = free_port()?;
    let config = format!(
        "worker_processes auto;\npid nginx.pid;\nerror_log error.log crit;\ndaemon off;\nworker_rlimit_nofile 65535;\n\
         events {{ worker_connections 16384; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path tmp;\n  proxy_temp_path tmp;\n  fastcgi_temp_path tmp;\n  \
         uwsgi_temp_path tmp;\n  scgi_temp_path tmp;\n  keepalive_requests 1000000;\n  \
         upstream provider {{ server {provider}; keepalive 256; keepalive_requests 1000000; }}\n  \
         server {{\n    listen {addr} backlog=4096;\n    location / {{\n      proxy_pass http://provider;\n      \
         proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_buffering off;\n      \
         proxy_read_timeout 300s;\n    }}\n  }}\n}}\n"
    );
    fs::create_dir_all(folder.join("tmp"))?;
    let path = folder.join("nginx.conf");
    fs::write(&path, config)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(folder).arg("-c").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
    match command.spawn() {
        Ok(child) => Ok(Some(Target { kind: Kind::Nginx, addr, child: Some(child) })),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn gateway(kind: Kind, provider: SocketAddr, folder: &Path) -> io::Result<Target> {
    let routes = if kind.stores() {
        "[store]\npath = \"bench.db\"\n\
         [[routes]]\npath = \"/chatkit\"\nprotocol = \"chatkit\"\nmodel = \"o\"\n\
         [[routes]]\npath = \"/feed\"\nprotocol = \"vercel-ui-stream\"\nmodel = \"o\"\nmemory = true\n"
    } else {
        "[[routes]]\npath = \"/data\"\nprotocol = \"vercel-data-stream\"\nmodel = \"o\"\n\
         [[routes]]\npath = \"/ui\"\nprotocol = \"vercel-ui-stream\"\nmodel = \"a\"\n\
         [[routes]]\npath = \"/callback\"\nprotocol = \"callback-sse\"\nmodel = \"o\"\n"
    };
    let config = format!(
        "[server]\nmax_connections = 20000\nmax_turns = 20000\n\
         [providers.o]\nprotocol = \"openai-chat\"\nbase_url = \"http://{provider}/v1\"\n\
         [providers.a]\nprotocol = \"anthropic\"\nbase_url = \"http://{provider}\"\n\
         [models.o]\ntargets = [\"o/gpt-4o\"]\n[models.a]\ntargets = [\"a/claude\"]\n{routes}"
    );
    let path = folder.join("gateway.toml");
    fs::write(&path, config)?;
    let mut binary = std::env::current_exe()?;
    binary.set_file_name("chatwire");
    let mut command = Command::new(&binary);
    command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&path);
    // As by default, a line is logged for each answer.
    let log = fs::File::create(folder.join("gateway.log"))?;
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().map_err(|error| {
        let help = "build it first: cargo build --release";
        io::Error::new(error.kind(), format!("{}: {error}; {help}", binary.display()))
    })?;
    let mut line = String::new();
    if let Some(out) = child.stdout.take() {
        io::BufReader::new(out).read_line(&mut line)?;
    }
    let addr = line.trim().strip_prefix("listening on http://").and_then(|addr| addr.parse().ok());
    let addr = addr.ok_or_else(|| io::Error::other(format!("the gateway says {line:?}")))?;
    Ok(Target { kind, addr, child: Some(child) })
}
