//! Running a command, behind walls.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Workspace, arguments};
use crate::sandbox::Limits;
use crate::tools::{Speaker, Tool, ToolFuture, ToolInput, ToolOutput};

pub const DESCRIPTION: &str = "Runs a command with bash in the workspace and gives its output and exit status. Each \
     call is a shell of its own; everything that it started ends with it.";

/// What an operator must write for commands to run without walls.
pub const UNSANDBOXED: &str = "I know that commands run without a sandbox";

pub fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": {
            "command": { "type": "string", "minLength": 1, "description": "The command." },
            "timeout": { "type": "integer", "minimum": 1, "description": "How long it may take, in milliseconds." },
            "description": { "type": "string", "description": "What it does, in a few words for the user." },
        },
        "required": ["command"],
    })
}

#[derive(Deserialize)]
struct Arguments {
    command: String,
    timeout: Option<u64>,
}

/// Runs commands.
#[derive(Clone, Debug)]
pub struct Bash {
    /// Where.
    pub workspace: Arc<Workspace>,
    /// Our own program, which goes behind the walls.
    pub program: PathBuf,
    /// Whether commands may use the network.
    pub network: bool,
    /// What they may use up.
    pub limits: Limits,
    /// More folders that they may read.
    pub readable: Vec<PathBuf>,
    /// Their environment, beside the few variables that every command has.
    pub environment: Vec<(String, String)>,
    /// How long one may take.
    pub timeout: Duration,
    /// Most bytes of output that the model is shown: the first and the last of them.
    pub shown: usize,
    /// Most bytes of output at all; a command that has more is ended.
    pub most: usize,
    /// True if commands run without any walls: the operator has written [`UNSANDBOXED`].
    pub unsandboxed: bool,
}

impl Tool for Bash {
    fn run(&self, input: ToolInput, speaker: Speaker) -> ToolFuture {
        let tool = self.clone();
        Box::pin(async move { tool.call(input, &speaker).await.unwrap_or_else(ToolOutput::error) })
    }
}

#[cfg(not(unix))]
impl Bash {
    async fn call(&self, _: ToolInput, _: &Speaker) -> Result<ToolOutput, String> {
        Err(REFUSED.to_owned())
    }
}

/// What the model is told; the operator finds the reason in the log.
const REFUSED: &str = "Commands cannot be run here: the machine of the gateway does not allow to wall them off.";

#[cfg(unix)]
mod running {
    use tokio::time::{Instant, timeout_at};

    use super::*;
    use crate::sandbox::{Ending, FOLDER, Session, Task};

    /// Most bytes that are read at a time.
    const PIECE: usize = 16 << 10;

    impl Bash {
        pub(super) async fn call(&self, input: ToolInput, speaker: &Speaker) -> Result<ToolOutput, String> {
            let Arguments { command, timeout } = arguments(input.arguments)?;
            if command.contains('\0') {
                return Err("A command has no zero bytes.".to_owned());
            }
            let workspace = Arc::clone(&self.workspace);
            let opened = tokio::task::spawn_blocking(move || workspace.folder(&input.scope)).await;
            let folder = opened.map_err(|_| "The folder cannot be opened.".to_owned())??.path;
            let home = folder.display().to_string();
            let task = Task {
                command,
                readable: self.readable.clone(),
                environment: self.variables(if self.unsandboxed { &home } else { FOLDER }),
                folder,
                network: self.network,
                limits: self.limits,
            };
            let time = timeout.map_or(self.timeout, |asked| Duration::from_millis(asked).min(self.timeout));
            let deadline = Instant::now() + time;
            let session =
                if self.unsandboxed { Session::bare(&task) } else { Session::start(&self.program, &task).await };
            let session = session.map_err(|error| {
                tracing::error!(%error, "a command cannot be started");
                "The command cannot be started.".to_owned()
            })?;
            let mut output = Output::new(self.shown);
            let ended = timeout_at(deadline, self.follow(session, &mut output, speaker)).await;
            // Nothing that the command started is left behind this line: the session is gone.
            match ended {
                Ok(Ok(ending)) => answer(&ending, &output, self),
                Ok(Err(why)) => Err(why),
                Err(_) => Err(format!("{}\n[Stopped after {time:?}.]", output.text())),
            }
        }

        async fn follow(&self, mut session: Session, output: &mut Output, speaker: &Speaker) -> Result<Ending, String> {
            let broken = |error: std::io::Error| {
                tracing::error!(%error, "a command was lost");
                "The command was lost.".to_owned()
            };
            let mut piece = vec![0; PIECE];
            let mut pending = Vec::new();
            loop {
                let read = session.read(&mut piece).await.map_err(broken)?;
                pending.extend_from_slice(piece.get(..read).unwrap_or_default());
                let text = take_text(&mut pending, read == 0);
                if !text.is_empty() {
                    output.take(&text);
                    speaker.output(text).await;
                }
                if read == 0 {
                    return session.end().await.map_err(broken);
                }
                if output.total > self.most {
                    return Err(format!(
                        "{}\n[Stopped: it had more than {} bytes of output.]",
                        output.text(),
                        self.most
                    ));
                }
            }
        }

        fn variables(&self, home: &str) -> Vec<(String, String)> {
            let own = [
                ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
                ("HOME", home),
                ("USER", "user"),
                ("TMPDIR", "/tmp"),
                ("LANG", "C.UTF-8"),
                ("TERM", "dumb"),
            ];
            let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
            own.into_iter().chain(self.environment.iter().cloned()).collect()
        }
    }

    fn answer(ending: &Ending, output: &Output, tool: &Bash) -> Result<ToolOutput, String> {
        let text = output.text();
        match ending {
            Ending::Exit(0) => Ok(ToolOutput::ok(Value::String(text))),
            Ending::Exit(status) => Ok(ToolOutput::ok(Value::String(format!("{text}\n[Exit status {status}.]")))),
            Ending::Signal(signal) => Err(format!("{text}\n[Ended by signal {signal}.]")),
            Ending::Memory => {
                Err(format!("{text}\n[Ended: it used more than {} bytes of memory.]", tool.limits.memory))
            }
            Ending::Processes => Err(format!("{text}\n[Ended: it had more than {} processes.]", tool.limits.processes)),
            Ending::Refused(lack) => {
                tracing::error!(lack, "commands cannot be walled off on this machine, so none is run");
                Err(REFUSED.to_owned())
            }
        }
    }

    /// What of the bytes is text by now: a character that is cut waits for its rest.
    fn take_text(pending: &mut Vec<u8>, last: bool) -> String {
        let whole = match std::str::from_utf8(pending) {
            Err(error) if !last && error.error_len().is_none() => error.valid_up_to(),
            _ => pending.len(),
        };
        let rest = pending.split_off(whole);
        let text = String::from_utf8_lossy(pending).into_owned();
        *pending = rest;
        text
    }

    /// The first and the last of an output.
    struct Output {
        half: usize,
        first: String,
        last: String,
        total: usize,
    }

    impl Output {
        fn new(shown: usize) -> Self {
            Self { half: shown / 2, first: String::new(), last: String::new(), total: 0 }
        }

        fn take(&mut self, text: &str) {
            use crate::tools::output::floor;
            self.total += text.len();
            let room = floor(text, self.half.saturating_sub(self.first.len()));
            let room = if self.last.is_empty() { room } else { 0 };
            let (first, last) = text.split_at_checked(room).unwrap_or(("", text));
            self.first.push_str(first);
            self.last.push_str(last);
            // Cut seldom, so that many small pieces cost no more than their length.
            if self.last.len() > 2 * self.half + PIECE {
                let from = floor(&self.last, self.last.len() - self.half);
                self.last.drain(..from);
            }
        }

        fn text(&self) -> String {
            use crate::tools::output::floor;
            let from = floor(&self.last, self.last.len().saturating_sub(self.half));
            let last = self.last.get(from..).unwrap_or_default();
            let left_out = self.total - self.first.len() - last.len();
            match left_out {
                0 => format!("{}{last}", self.first),
                _ => format!("{}\n[{left_out} bytes are left out.]\n{last}", self.first),
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_long_output_keeps_its_first_and_its_last() {
            let mut output = Output::new(8);
            ["abc", "défg", "hij", &"x".repeat(100_000), "klmn"].into_iter().for_each(|piece| output.take(piece));
            assert_eq!(output.text(), "abcd\n[100007 bytes are left out.]\nklmn");
            let mut short = Output::new(8);
            ["ab", "cdef", "gh"].into_iter().for_each(|piece| short.take(piece));
            assert_eq!(short.text(), "abcdefgh");
        }

        #[test]
        fn a_character_that_is_cut_waits_for_its_rest() {
            let mut pending = b"a\xc3".to_vec();
            assert_eq!((take_text(&mut pending, false), pending.as_slice()), ("a".to_owned(), b"\xc3".as_slice()));
            pending.push(0xa9);
            assert_eq!(take_text(&mut pending, false), "é");
            pending.extend(b"\xff\xc3");
            assert_eq!(take_text(&mut pending, false), "\u{fffd}\u{fffd}");
        }
    }
}
