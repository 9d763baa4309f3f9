//! The running binary, for tests that are its users.

#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::canary::{self, Place};

/// Long enough that only a fault reaches it.
const LONG: Duration = Duration::from_secs(30);

/// What a gateway logs.
pub struct Log {
    lines: Receiver<String>,
    /// All that has been waited for, and what came in front of it.
    pub seen: String,
}

/// A gateway on a port of its own; ended when dropped.
pub struct Gateway {
    child: Child,
    /// What it logs, already looked through; the end of it comes when the gateway has gone.
    log: Option<Receiver<String>>,
    /// The store of its own, which goes with it.
    own: Option<PathBuf>,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub address: String,
}

impl Gateway {
    /// Starts `chatwire serve` with a store of its own and waits until it listens.
    pub fn start(config: &Path) -> Self {
        let store = std::env::temp_dir().join(format!("chatwire-binary-{}.db", std::process::id()));
        let mut gateway = Self::on(config, &store);
        gateway.own = Some(store);
        gateway
    }

    /// The same with a store that stays when the gateway is gone.
    pub fn on(config: &Path, store: &Path) -> Self {
        Self::watched(config, store, "json")
    }

    /// The same, which logs nothing: where the gateway's speed matters.
    pub fn quiet(config: &Path, store: &Path) -> Self {
        Self::with(config, store, &["--log", "json"], "info", Stdio::null())
    }

    /// All that it logs, of every level, is searched for secrets.
    fn watched(config: &Path, store: &Path, format: &str) -> Self {
        let mut gateway = Self::with(config, store, &["--log", format], "trace", Stdio::piped());
        let stderr = gateway.child.stderr.take().unwrap();
        let (tell, lines) = channel();
        // It ends with the gateway, and reads on for as long as that writes.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                canary::look(Place::Log, format!("{line}\n").as_bytes());
                let _ = tell.send(line);
            }
        });
        gateway.log = Some(lines);
        gateway
    }

    fn with(config: &Path, store: &Path, more: &[&str], level: &str, log: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chatwire"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .arg("--store")
            .arg(store)
            .args(more)
            .env("CHATWIRE_LOG", level)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
        Self { child, log: None, own: None, address }
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The same, with what it logs, as people read it.
    pub fn logging(config: &Path, store: &Path) -> (Self, Log) {
        let mut gateway = Self::watched(config, store, "text");
        let lines = gateway.log.take().unwrap();
        (gateway, Log { lines, seen: String::new() })
    }

    /// Sends it a signal, such as `HUP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Kills it as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Log {
    /// Waits until a line with this text is logged.
    pub fn until(&mut self, text: &str) {
        loop {
            let line = self.lines.recv_timeout(LONG).unwrap_or_else(|_| panic!("{text:?} is logged: {}", self.seen));
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(text) {
                return;
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(log) = &self.log {
            // To the last line: until nobody holds the other end.
            while log.recv_timeout(LONG).is_ok() {}
        }
        let Some(store) = &self.own else { return };
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", store.display()));
        }
        let _ = std::fs::remove_dir_all(format!("{}.files", store.display()));
    }
}
