//! The commands.

pub mod golden;
pub mod transcode;
