//! The `chatwire` command.
fn main() {}
