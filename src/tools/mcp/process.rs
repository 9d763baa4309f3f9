//! A server's process: started with a clean environment, its log lines taken, and ended with all its children.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::Instant;

use super::mask::Mask;
use super::plan::Program;

/// The environment variables that every server gets.
const PASSED_ON: [&str; 10] = ["HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"];

/// How long a process may take to end by itself once its input is closed.
const GRACE: Duration = Duration::from_secs(2);

/// Longest line taken from a server's log, in bytes.
const LINE: usize = 1000;

/// Most lines taken in each window.
const LINES: u32 = 50;
const WINDOW: Duration = Duration::from_secs(10);

/// A running process, with its children. Dropping it kills them.
pub struct Process {
    child: Child,
    group: Option<Pid>,
}

/// Its pipes.
pub struct Ends {
    pub input: ChildStdin,
    pub output: ChildStdout,
    pub log: ChildStderr,
}

impl Process {
    /// Starts a program.
    pub fn start(program: &Program) -> io::Result<(Self, Ends)> {
        let mut command = Command::new(&program.command);
        command
            .args(&program.arguments)
            .env_clear()
            .envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(program.env.iter().map(|(name, value)| (name, value.expose())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if !program.folder.as_os_str().is_empty() {
            command.current_dir(&program.folder);
        }
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (input, output, log) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let process = Self { child, group };
        match (input, output, log) {
            (Some(input), Some(output), Some(log)) => Ok((process, Ends { input, output, log })),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> Option<ExitStatus> {
        self.child.wait().await.ok()
    }

    /// Ends it: by itself if it goes soon now that its input is closed, then by force, with all that it has started.
    pub async fn end(mut self) -> Option<ExitStatus> {
        let by_itself = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.kill();
        match by_itself {
            Ok(status) => status.ok(),
            Err(_) => self.child.wait().await.ok(),
        }
    }

    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // Nobody is left in most cases.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Writes what a server logs into ours, as far as it is not too much.
pub async fn follow_log(log: impl AsyncRead + Unpin, server: &str, mask: &Mask) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    let (mut window, mut lines) = (Instant::now(), 0);
    loop {
        let (taken, ends) = match log.fill_buf().await {
            Err(_) | Ok([]) => return,
            Ok(bytes) => {
                let end = memchr::memchr(b'\n', bytes);
                let piece = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
                // A character that is cut is shown as a mark, and the mask sees the whole of what is shown.
                line.extend_from_slice(
                    piece.get(..piece.len().min((4 * LINE).saturating_sub(line.len()))).unwrap_or_default(),
                );
                (end.map_or(bytes.len(), |end| end + 1), end.is_some())
            }
        };
        log.consume(taken);
        if !ends {
            continue;
        }
        if window.elapsed() >= WINDOW {
            (window, lines) = (Instant::now(), 0);
        }
        lines += 1;
        let text = String::from_utf8_lossy(&line);
        if lines <= LINES && !text.trim().is_empty() {
            tracing::info!(server, line = mask.line(text.trim(), LINE), "an MCP server logs");
        } else if lines == LINES + 1 {
            tracing::info!(server, "an MCP server logs more than is taken");
        }
        line.clear();
    }
}
