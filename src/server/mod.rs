//! The running gateway: listener, connections, routing, requests in and replies out.

mod attachments;
mod body;
mod connection;
mod cors;
mod exchange;
mod facts;
mod file;
mod gateway;
mod health;
mod inspect;
mod io;
mod kept;
mod listen;
mod open;
mod pump;
mod refuse;
mod request;
mod socket;
mod source;
mod stop;

// What the simulator shows turns with, without a connection.
pub use body::{Body, Broken};
pub use listen::{Listening, bind, run};
pub use open::{Pace, send};
pub use source::Source;
pub use stop::{Stop, Stopper};
