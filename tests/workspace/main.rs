//! The tools of the workspace: what they do, and what they do not let anybody do.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]
#![cfg(unix)]

mod attempts;
mod escapes;
mod files;
mod folder;
