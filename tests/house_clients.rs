//! Clients of the house backends' own kind talk to the gateway; what they see is compared with golden files.
//!
//! Needs the Python environment that `tests/clients/house/README.md` tells how to make; without it the tests say so and
//! pass. `CI` makes its absence a failure.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod binary;
mod canary;

use std::path::{Path, PathBuf};
use std::process::Command;

use binary::Gateway;

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// The interpreter that has what the scripts import.
fn python() -> Option<Command> {
    let python = clients().join("chatkit/.venv/bin/python");
    let ready = |python: &Path| {
        let asked = Command::new(python).args(["-c", "import httpx, websockets"]).output();
        asked.is_ok_and(|output| output.status.success())
    };
    if ready(&python) {
        let mut command = Command::new(python);
        command.arg("-B").current_dir(clients().join("house"));
        return Some(command);
    }
    assert!(std::env::var_os("CI").is_none(), "CI needs the environment of tests/clients/house");
    eprintln!("skipped: needs the Python environment of tests/clients/house");
    None
}

#[test]
fn the_pages_of_the_house_backends_see_what_they_must() {
    let Some(_) = python() else { return };
    let gateway = Gateway::start(&clients().join("house/gateway.toml"));
    for script in ["callback.py", "agent.py", "chats.py"] {
        let output = python().expect("it was there").arg(script).arg(&gateway.address).output().unwrap();
        println!("{}", String::from_utf8_lossy(&output.stdout));
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
