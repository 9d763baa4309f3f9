//! The gateway's end of a command behind the walls. Dropping it ends every process of the command.

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
    socket: UnixStream,
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
        let (output, input) = io::pipe()?;
        let mut command = Command::new(program);
        command.arg(COMMAND).env_clear().kill_on_drop(true).current_dir("/");
        if task.network {
            command.arg("--network");
        }
        command.stdin(OwnedFd::from(theirs)).stderr(Stdio::from(input.try_clone()?)).stdout(input);
        let child = command.spawn()?;
        // Its ends of the pipe and the socket are ours until here, and would hold them open.
        drop(command);
        let mut session = Self {
            output: pipe::Receiver::from_owned_fd(output.into())?,
            socket: UnixStream::from_std(ours)?,
            child,
        };
        let mut line = serde_json::to_vec(task)?;
        line.push(b'\n');
        // One that has refused already may have closed its end; its report says why.
        let _ = session.socket.write_all(&line).await;
        Ok(session)
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
    /// It ended without a word.
    pub async fn end(mut self) -> io::Result<Ending> {
        let mut report = Vec::new();
        (&mut self.socket).take(REPORT).read_to_end(&mut report).await?;
        self.child.wait().await?;
        serde_json::from_slice(&report).map_err(io::Error::from)
    }
}
