//! Commands behind walls. The gateway starts its own program again, which goes into namespaces of its own, lays out a
//! small root with nothing but programs and one folder in it, gives up every privilege, lets Landlock and seccomp close
//! what is left, and only then starts a shell. Where the kernel lacks one of these walls, nothing is started.
//!
//! ```text
//! gateway ──▶ outer (new namespaces) ──▶ inner (process 1 of them: mounts, limits, Landlock, seccomp) ──▶ bash
//!    └───────────── a socket: the task goes in, the end comes out; closed, it ends them all ──┘
//! ```

#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod inner;
#[cfg(target_os = "linux")]
mod outer;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod rules;
#[cfg(unix)]
mod session;
#[cfg(target_os = "linux")]
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

#[cfg(unix)]
pub use session::Session;

/// Where the folder is for commands.
pub const FOLDER: &str = "/workspace";

/// The command of our program that goes behind the walls.
pub const COMMAND: &str = "sandbox-exec";

/// What is run behind the walls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// The command, for bash.
    pub command: String,
    /// The folder that it may write, as the gateway sees it.
    pub folder: PathBuf,
    /// More folders that it may read, as the gateway sees them.
    pub readable: Vec<PathBuf>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Whether it may use the gateway's network.
    pub network: bool,
    /// What it may use up.
    pub limits: Limits,
}

/// What a command may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory: of each process exactly, of all together as they are counted from time to time.
    pub memory: u64,
    /// Processes and threads at a time.
    pub processes: u64,
    /// Seconds of processor time of each process.
    pub cpu: u64,
    /// Bytes of each file.
    pub file: u64,
    /// Bytes of the folder for temporary files.
    pub temporary: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: 1 << 30, processes: 256, cpu: 120, file: 256 << 20, temporary: 256 << 20 }
    }
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It gave this exit status.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
    /// All its processes together used more memory than they may.
    Memory,
    /// It had more processes than it may.
    Processes,
    /// It was not started: what the kernel lacks, in words for the operator.
    Refused(String),
}

/// Runs [`COMMAND`]: the part of this process behind the walls.
pub fn run(inner: bool, network: bool) -> ExitCode {
    #[cfg(target_os = "linux")]
    {
        if inner { inner::run() } else { outer::run(network) }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (inner, network);
        ExitCode::FAILURE
    }
}

/// Says how it went, to the gateway at the other end of standard input.
#[cfg(target_os = "linux")]
fn report(ending: &Ending) -> ExitCode {
    let Ok(mut line) = serde_json::to_vec(ending) else { return ExitCode::FAILURE };
    line.push(b'\n');
    // A gateway that is gone needs to be told nothing.
    let _ = rustix::io::write(std::io::stdin(), &line);
    ExitCode::SUCCESS
}
