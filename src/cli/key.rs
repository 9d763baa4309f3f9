//! `chatwire key`: a new API key, and what stands in the configuration for it.

use std::process::ExitCode;

use super::{KeyArgs, failure, print};
use crate::access::{KeyHash, new_key};

/// Makes a key and prints it, once: the configuration has only its hash.
pub fn run(args: &KeyArgs) -> ExitCode {
    match new_key() {
        Ok(key) => print(&text(&args.name, &key)),
        Err(_) => failure("the system has no random numbers"),
    }
}

fn text(name: &str, key: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    let quoted = if bare { name.to_owned() } else { format!("{name:?}") };
    format!(
        "# The key, for whoever calls. It is shown only here.\n{key}\n\n# For the configuration.\n\
         [auth.keys.{quoted}]\nsha256 = \"{}\"\n",
        KeyHash::of(key.as_bytes())
    )
}
