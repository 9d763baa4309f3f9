//! A turn: one answer to one user, with as many model calls as its tools need.
//!
//! [`Machine`] decides and does no IO, [`Driver`] does what it says.

mod approvals;
mod aside;
mod asking;
mod claims;
mod counter;
mod driver;
mod feed;
mod follower;
mod keeper;
mod machine;
mod own;
mod prepare;
mod round;
mod task;
#[cfg(test)]
mod tests;
mod turns;
mod watch;
mod weight;

pub use aside::Aside;
pub use claims::{Claim, Unclaimed};
pub use driver::{Driver, Parts};
pub use follower::Follower;
pub use machine::{Action, Input, Machine};
pub use prepare::{Means, answering, apply_layers, parts};
pub use round::ToolRun;
pub use task::Beside;
pub use turns::{Busy, Kept, Leaving, Turns};
pub use watch::{Seen, Watch};
pub(crate) use weight::weight;
