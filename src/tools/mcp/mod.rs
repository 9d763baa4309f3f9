//! MCP servers: their tools are offered to models as if they were the gateway's own.
//!
//! [`Servers`] owns one task for each server ([`keeper`]), which makes a [`connection`] and makes it anew when it ends.
//! A turn takes the tools as they are when it begins ([`Servers::add`]), and its calls ([`call`]) go to whatever
//! connection there is then.

mod call;
mod client;
mod connection;
mod content;
mod keeper;
mod listing;
mod mask;
mod names;
mod pipes;
pub mod plan;
mod process;
mod servers;
mod state;

pub use names::{LONGEST as LONGEST_NAME, fits as fits_name};
pub use plan::{Offer, ServerPlan};
pub use servers::{Report, Servers};
pub use state::{Listed, State, Status};
