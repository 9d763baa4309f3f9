//! Kept turns: what several pages see of them, what is stored of them, and what is left of them.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod bench;
#[path = "../canary/mod.rs"]
mod canary;
mod claims;
mod followers;
mod keeping;
#[path = "../support/mod.rs"]
mod support;
