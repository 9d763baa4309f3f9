//! The command line: what can be asked for, and one file for each command.

pub mod check;
pub mod golden;
pub mod key;
pub mod routes;
pub mod schema;
pub mod serve;
pub mod transcode;

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::plan::Plan;
use crate::config::{self, Report};
use crate::telemetry::LogFormat;

/// A gateway between chat frontends and model providers: any chat page works with any model.
#[derive(Debug, Parser)]
#[command(name = "chatwire", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the routes of a configuration
    Serve(ServeArgs),
    /// Check a configuration, and show every mistake in it
    Check(ConfigArgs),
    /// Show the routes of a configuration as a table
    Routes(ConfigArgs),
    /// Print the JSON Schema of the configuration, for editors
    Schema(ConfigArgs),
    /// Make a new API key, and show its hash for the configuration
    Key(KeyArgs),
    /// Turn a provider's stream into what a page would get
    Transcode(TranscodeArgs),
    /// Compare recorded streams with the events and page bytes expected of them
    Golden(GoldenArgs),
    /// Run a command of a tool behind walls: for the gateway itself
    #[command(name = crate::sandbox::COMMAND, hide = true)]
    Sandbox(SandboxArgs),
}

/// Which configuration is meant.
#[derive(Args, Clone, Debug)]
pub struct ConfigArgs {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    pub config: PathBuf,
}

/// How to serve.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Which configuration.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Where to listen, instead of what the configuration says; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Where to keep what lasts, instead of what the configuration says
    #[arg(long, value_name = "FILE")]
    pub store: Option<PathBuf>,
    /// How log lines are written; `CHATWIRE_LOG` says which (for example `debug`, or `info,chatwire=trace`)
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub log: LogFormat,
}

/// Which key.
#[derive(Args, Clone, Debug)]
pub struct KeyArgs {
    /// Its name in the configuration
    #[arg(value_name = "NAME", default_value = "page")]
    pub name: String,
}

/// What to transcode.
#[derive(Args, Clone, Debug)]
pub struct TranscodeArgs {
    /// The protocol of the provider's stream
    #[arg(long, value_name = "PROTOCOL")]
    pub from: String,
    /// The protocol of the page, or `events` or `message`
    #[arg(long, value_name = "DIALECT|events|message")]
    pub to: String,
    /// The stream; standard input if left out
    pub file: Option<PathBuf>,
}

/// Which golden files.
#[derive(Args, Clone, Debug)]
pub struct GoldenArgs {
    /// The folder with the streams and what is expected of them
    pub dir: PathBuf,
    /// Write what is there now as what is expected
    #[arg(long)]
    pub bless: bool,
}

/// Which part of the way behind the walls.
#[derive(Args, Clone, Copy, Debug)]
pub struct SandboxArgs {
    /// The part inside the namespaces
    #[arg(long)]
    pub inner: bool,
    /// With the network of the machine
    #[arg(long)]
    pub network: bool,
}

/// Runs the command line of this process. A wrong one is a failure like any other: 1.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => {
            // There is nobody to tell if the stream is closed.
            let _ = answer.print();
            return if answer.exit_code() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Routes(args) => routes::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Transcode(args) => transcode::run(&args),
        Command::Golden(args) => golden::run(&args),
        Command::Sandbox(args) => crate::sandbox::run(args.inner, args.network),
    }
}

/// Reads a configuration; shows what is wrong with it on standard error.
///
/// # Errors
/// The exit code, if anything was wrong.
pub fn load(args: &ConfigArgs) -> Result<Plan, ExitCode> {
    config::load(&args.config).map_err(|report| mistakes(&report))
}

/// Shows on standard error what is wrong with a configuration.
pub fn mistakes(report: &Report) -> ExitCode {
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // There is nobody to tell if standard error is closed.
    let _ = io::stderr().write_all(report.render(colours).as_bytes());
    ExitCode::FAILURE
}

/// Prints to standard output. That nobody reads on is no failure.
pub fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => failure(&format!("cannot write the output: {error}")),
        _ => ExitCode::SUCCESS,
    }
}

/// Says on standard error why a command failed.
pub fn failure(why: &str) -> ExitCode {
    // There is nobody to tell if standard error is closed.
    let _ = writeln!(io::stderr(), "error: {why}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
