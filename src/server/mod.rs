//! The running gateway: listener, connections, routing, requests in and replies out.

mod accept;
mod arrival;
mod attachments;
mod body;
mod connection;
mod cors;
mod descriptors;
mod exchange;
mod facts;
mod file;
mod gateway;
mod health;
mod hosts;
mod inspect;
mod io;
mod kept;
mod listen;
mod open;
mod parsing;
mod proxies;
mod pump;
mod refuse;
mod request;
mod socket;
mod source;
mod stop;
mod tls;
mod waiting;

pub use listen::{Listening, bind, run};
pub use stop::{Stop, Stopper};
