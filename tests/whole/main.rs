//! The whole program from outside: a configuration, the process, and ChatKit pages over HTTP.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../binary/mod.rs"]
mod binary;
#[path = "../canary/mod.rs"]
mod canary;
mod client_tools;
mod crowd;
#[cfg(target_os = "linux")]
mod descriptors;
mod forms;
mod killed;
mod page;
mod provider;
mod refused;
mod reload;
mod restarted;
mod secrets;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that goes with the test.
pub struct Folder(PathBuf);

impl Folder {
    /// A folder with this configuration in it.
    pub fn with(config: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("chatwire-whole-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("gateway.toml"), config).unwrap();
        Self(path)
    }

    /// Starts a gateway with this configuration and the folder's store.
    pub fn gateway(&self) -> binary::Gateway {
        binary::Gateway::on(&self.0.join("gateway.toml"), &self.store())
    }

    /// The same, as fast as it is: nothing is logged.
    pub fn quiet(&self) -> binary::Gateway {
        binary::Gateway::quiet(&self.0.join("gateway.toml"), &self.store())
    }

    /// The same, with what it logs.
    pub fn logging(&self) -> (binary::Gateway, binary::Log) {
        binary::Gateway::logging(&self.0.join("gateway.toml"), &self.store())
    }

    /// Changes the configuration.
    pub fn configure(&self, config: &str) {
        std::fs::write(self.0.join("gateway.toml"), config).unwrap();
    }

    /// Its store.
    pub fn store(&self) -> PathBuf {
        self.0.join("chat.db")
    }

    /// Puts a file beside the configuration.
    pub fn write(&self, name: &str, content: &serde_json::Value) {
        std::fs::write(self.0.join(name), content.to_string()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
