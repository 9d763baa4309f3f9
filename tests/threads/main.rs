//! Kept conversations, from the page's request to what the model is told, one file for each behaviour.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../canary/mod.rs"]
mod canary;
#[path = "../support/mod.rs"]
mod support;

mod actions;
mod calls;
mod half;
mod history;
mod lists;
mod refused;
mod serial;
mod talk;
mod titles;
