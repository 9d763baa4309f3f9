//! The `chatwire` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    chatwire::cli::main()
}
