//! `chatwire schema`: the JSON Schema of the configuration.

use std::process::ExitCode;

use chatwire_protocols::PROTOCOLS;

use super::{ConfigArgs, print};
use crate::config::schema::json_schema;

/// Prints the schema. It depends on the protocols there are, not on any file, so the argument changes nothing.
pub fn run(_args: &ConfigArgs) -> ExitCode {
    print(&format!("{:#}\n", json_schema(PROTOCOLS)))
}
