//! The Chatwire gateway: configuration, server, turns and upstream calls around `chatwire-protocols`.

pub mod access;
pub mod cache;
mod causes;
pub mod cli;
mod clock;
pub mod config;
pub mod dialect;
pub mod frontends;
pub mod golden;
pub mod layers;
pub mod limits;
mod line;
pub mod path;
pub mod sandbox;
pub mod secret;
mod seldom;
pub mod server;
mod slots;
pub mod store;
pub mod telemetry;
pub mod threads;
pub mod tools;
pub mod turn;
pub mod uploads;
pub mod upstream;
