//! The running binary, for tests that are its users.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A gateway on a port of its own and with a store of its own; ended when dropped.
pub struct Gateway {
    child: Child,
    store: PathBuf,
    /// Where it listens: `http://127.0.0.1:PORT`.
    pub address: String,
}

impl Gateway {
    /// Starts `chatwire serve` and waits until it listens.
    pub fn start(config: &Path) -> Self {
        let store = std::env::temp_dir().join(format!("chatwire-binary-{}.db", std::process::id()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_chatwire"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .arg("--store")
            .arg(&store)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
        Self { child, store, address }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.store.display()));
        }
        let _ = std::fs::remove_dir_all(format!("{}.files", self.store.display()));
    }
}
