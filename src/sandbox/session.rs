//! The gateway's end of a running command. Dropping it ends every process of the command.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use super::{COMMAND, Ending, Task};

/// Longest report, in bytes.
const REPORT: u64 = 64 << 10;

/// A running command.
#[derive(Debug)]
pub struct Session {
    output: pipe::Receiver,
    /// To the part behind the walls; nothing where there are none.
    socket: Option<UnixStream>,
    child: Child,
}

impl Session {
    /// Starts a command behind the walls. `program` is ours.
    ///
    /// # Errors
    /// The machine has no process, pipe or socket left for it.
    pub async fn start(program: &Path, task: &Task) -> io::Result<Self> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(program);
        command.arg(COMMAND).env_clear().kill_on_drop(true).current_dir("/").stdin(OwnedFd::from(theirs));
        if task.network {
            command.arg("--network");
        }
        let mut session = Self::spawn(command, Some(UnixStream::from_std(ours)?))?;
        let mut line = serde_json::to_vec(task)?;
        line.push(b'\n');
        if let Some(socket) = &mut session.socket {
            // One that has refused already may have closed its end; its report says why.
            let _ = socket.write_all(&line).await;
        }
        Ok(session)
    }

    /// Starts a command without any walls. What leaves its process group is not ended with it.
    ///
    /// # Errors
    /// The machine has no process or pipe left for it, or no bash.
    pub fn bare(task: &Task) -> io::Result<Self> {
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-c", &task.command]);
        command.env_clear().envs(task.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(&task.folder).process_group(0).kill_on_drop(true).stdin(Stdio::null());
        Self::spawn(command, None)
    }

    /// Takes the command: its ends of the pipe and the socket must not stay open on our side.
    fn spawn(mut command: Command, socket: Option<UnixStream>) -> io::Result<Self> {
        let (output, input) = io::pipe()?;
        command.stderr(input.try_clone()?).stdout(input);
        let child = command.spawn()?;
        drop(command);
        Ok(Self { output: pipe::Receiver::from_owned_fd(output.into())?, socket, child })
    }

    /// Reads a piece of the output; nothing behind its end.
    ///
    /// # Errors
    /// The pipe is broken.
    pub async fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        self.output.read(piece).await
    }

    /// Waits for the end, behind the output's.
    ///
    /// # Errors
    /// The socket is broken.
    pub async fn end(mut self) -> io::Result<Ending> {
        let Some(socket) = &mut self.socket else {
            let status = self.child.wait().await?;
            use std::os::unix::process::ExitStatusExt as _;
            return Ok(match (status.code(), status.signal()) {
                (Some(status), _) => Ending::Exit(status),
                (None, signal) => Ending::Signal(signal.unwrap_or_default()),
            });
        };
        let mut report = Vec::new();
        // One that ended in front of its task has left an error instead of a report.
        let _ = socket.take(REPORT).read_to_end(&mut report).await;
        self.child.wait().await?;
        // Where there are no walls at all, nothing is said either.
        Ok(serde_json::from_slice(&report).unwrap_or_else(|_| Ending::Refused("it ended without a word".to_owned())))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.socket.is_some() {
            return;
        }
        // A child that was waited for has no id any more.
        let group = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}
