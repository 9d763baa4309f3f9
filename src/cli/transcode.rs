//! `chatwire transcode`: a provider's answer in any protocol to a page's bytes in any dialect, while it comes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use bytes::BytesMut;
use chatwire_protocols::event::Event;
use chatwire_protocols::fold::Answer;
use chatwire_protocols::protocol::Encoder;
use chatwire_protocols::transcode::{self, Turn};

use super::{TranscodeArgs, failure};
use crate::dialect::{self, DialectError};

/// Runs the command: 0 also for an answer that reports an error, 1 for an unknown protocol or an unreadable file.
pub fn run(args: &TranscodeArgs) -> ExitCode {
    let input: Box<dyn Read> = match &args.file {
        None => Box::new(io::stdin().lock()),
        Some(path) => match File::open(path) {
            Ok(file) => Box::new(file),
            Err(error) => return failure(&format!("{}: {error}", path.display())),
        },
    };
    match transcode(&args.from, &args.to, input, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(trouble) => failure(&trouble.to_string()),
    }
}

/// Why nothing more can be transcoded.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Misuse(#[from] DialectError),
    #[error("the answer cannot be read: {0}")]
    Read(io::Error),
    #[error("the output cannot be written: {0}")]
    Write(io::Error),
}

fn transcode(from: &str, to: &str, mut input: impl Read, output: &mut impl Write) -> Result<(), Trouble> {
    let upstream = dialect::upstream(from)?;
    let mut view = View::named(to)?;
    let mut events = Vec::new();
    let mut turn = Turn::begin(&*upstream, &mut events);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => turn.feed(buffer.get(..length).unwrap_or_default(), &mut events),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Trouble::Read(error)),
        }
        view.show(&mut events, output).map_err(Trouble::Write)?;
    }
    turn.finish(&mut events);
    view.show(&mut events, output).and_then(|()| view.end(output)).map_err(Trouble::Write)
}

/// What becomes of the events.
enum View {
    Events,
    Message(Box<Answer>),
    Page(Box<dyn Encoder>, BytesMut),
}

impl View {
    fn named(word: &str) -> Result<Self, DialectError> {
        match word {
            "events" => Ok(Self::Events),
            "message" => Ok(Self::Message(Box::default())),
            word => Ok(Self::Page(transcode::encoder(&*dialect::frontend(word)?), BytesMut::new())),
        }
    }

    /// Takes the events and writes what they are worth.
    fn show(&mut self, events: &mut Vec<Event>, output: &mut impl Write) -> io::Result<()> {
        for event in events.drain(..) {
            match self {
                Self::Events => {
                    serde_json::to_writer(&mut *output, &event)?;
                    output.write_all(b"\n")?;
                }
                Self::Message(answer) => answer.event(&event),
                Self::Page(encoder, out) => encoder.event(&event, out),
            }
        }
        if let Self::Page(_, out) = self {
            output.write_all(out)?;
            out.clear();
        }
        output.flush()
    }

    fn end(self, output: &mut impl Write) -> io::Result<()> {
        if let Self::Message(answer) = self {
            serde_json::to_writer(&mut *output, &answer.to_json())?;
            output.write_all(b"\n")?;
        }
        output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_protocol_is_misuse() {
        let trouble = transcode("openai-chad", "events", &b""[..], &mut Vec::new()).unwrap_err();
        assert!(matches!(trouble, Trouble::Misuse(_)), "{trouble}");
    }
}
