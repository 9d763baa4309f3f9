//! A turn: one answer to one user, with as many model calls as its tools need.
//!
//! [`Machine`] decides and does no IO, [`Driver`] does what it says.

mod approvals;
mod aside;
mod driver;
mod machine;
mod round;
#[cfg(test)]
mod tests;
mod turns;

pub use aside::Aside;
pub use driver::{Driver, Parts};
pub use machine::{Action, Input, Machine};
pub use round::ToolRun;
pub use turns::{Busy, Claim, Follower, Kept, Leaving, Turns};
