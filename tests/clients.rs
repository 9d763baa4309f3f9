//! The real chat clients, as their packages ship them, against the running binary.
//!
//! Needs Node and `npm ci` in `tests/clients`; without them the test says so and passes. `CI` makes their absence a
//! failure.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod binary;
mod canary;

use std::path::Path;
use std::process::Command;

use binary::Gateway;

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
