//! The real chat clients, as their packages ship them, against the running binary.
//!
//! Needs Node and `npm ci` in `tests/clients`; without them the test says so and passes. `CI` makes their absence a
//! failure.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The running binary; ended when dropped.
struct Gateway {
    child: Child,
    address: String,
}

impl Gateway {
    fn start(config: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chatwire"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").expect(&line).to_owned();
        Self { child, address }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_real_client_shows_every_scenario_of_every_provider() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let node = Command::new("node").arg("--version").output().is_ok_and(|version| version.status.success());
    if !node || !folder.join("node_modules").is_dir() {
        assert!(std::env::var_os("CI").is_none(), "CI needs Node and `npm ci` in tests/clients");
        eprintln!("skipped: needs Node, and `npm ci` in tests/clients");
        return;
    }
    let gateway = Gateway::start(&folder.join("gateway.toml"));
    let run = Command::new("node").arg(folder.join("run.mjs")).arg(&gateway.address).output().unwrap();
    println!("{}", String::from_utf8_lossy(&run.stdout));
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}
