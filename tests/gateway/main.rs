//! The gateway over real sockets, one file for each behaviour.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../canary/mod.rs"]
mod canary;
#[path = "../support/mod.rs"]
mod support;

mod access;
mod approval;
mod attachments;
mod attempts;
mod cache;
mod circuits;
mod connections;
mod cors;
mod costs;
mod dictation;
mod edges;
mod facts;
mod failures;
mod http2;
mod http_tools;
mod keep_alive;
mod leaving;
mod limits;
mod logs;
mod memory;
mod models;
mod outages;
mod own_provider;
mod refusals;
mod reload;
mod replay;
mod retries;
mod secrets;
mod shutdown;
mod socket;
mod streaming;
mod summaries;
mod tls;
mod tool_runs;
mod tools;
mod weather;
