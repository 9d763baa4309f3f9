//! The running gateway: listener, connections, routing, requests in and replies out.

mod accept;
mod addresses;
mod allowance;
mod arrival;
mod attachments;
mod body;
mod connection;
mod cors;
mod current;
mod descriptors;
mod endpoint;
mod exchange;
mod facts;
mod file;
mod fixed;
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
mod reload;
mod request;
mod socket;
mod source;
mod stop;
mod tls;
mod waiting;
mod workers;

/// Checks of a request's head, for the fuzz targets.
#[doc(hidden)]
pub mod head {
    pub use super::hosts::{check_known, check_one};
    pub use super::proxies::mark;
}

// What the simulator shows turns with, without a connection.
pub use body::{Body, Broken};
pub use listen::{Listening, bind, bind_reloading, run};
pub use open::{Pace, send};
pub use reload::{Origin, Outcome, Read, Reloader};
pub use source::Source;
pub use stop::{Stop, Stopper};
