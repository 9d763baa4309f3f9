//! The running binary, for tests that are its users.

#![allow(dead_code)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A gateway on a port of its own; ended when dropped.
pub struct Gateway {
    child: Child,
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
        let mut child = Command::new(env!("CARGO_BIN_EXE_chatwire"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .arg("--store")
            .arg(store)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
        Self { child, own: None, address }
    }

    /// Its process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let Some(store) = &self.own else { return };
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", store.display()));
        }
        let _ = std::fs::remove_dir_all(format!("{}.files", store.display()));
    }
}
