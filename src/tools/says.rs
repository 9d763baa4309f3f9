//! What a running tool says before its result, through a bounded channel: a tool that says more than the page takes
//! waits.

use chatwire_protocols::event::{Data, Spent, Text};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::output::floor;

/// Things said that wait to be taken.
const WAITING: usize = 16;

/// Longest line on a tool's progress, in bytes.
const LINE: usize = 1024;

/// Something that a tool says before its result.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// A piece of its output.
    Output(Text),
    /// A piece of a summary of its output.
    Summary(Text),
    /// How far it is, in a line for the user.
    Progress(Text),
    /// Data for the page.
    Data(Box<Data>),
    /// What a model call of its own has cost.
    Spent(Box<Spent>),
}

/// Says things for a call. What is said after the call's end is lost.
#[derive(Clone, Debug)]
pub struct Speaker {
    sender: Sender<Said>,
}

impl Speaker {
    /// A speaker, and where what it says arrives.
    pub fn new() -> (Self, Receiver<Said>) {
        let (sender, receiver) = channel(WAITING);
        (Self { sender }, receiver)
    }

    /// Gives a piece of the output, as it comes. Waits while the page is slow.
    pub async fn output(&self, text: impl Into<Text>) {
        self.say(Said::Output(text.into())).await;
    }

    /// Gives a piece of a summary of the output.
    pub async fn summary(&self, text: impl Into<Text>) {
        self.say(Said::Summary(text.into())).await;
    }

    /// Says how far the tool is.
    pub async fn progress(&self, line: &str) {
        let line = line.get(..floor(line, LINE)).unwrap_or(line);
        self.say(Said::Progress(line.into())).await;
    }

    /// Gives data to the page.
    pub async fn data(&self, data: Data) {
        self.say(Said::Data(Box::new(data))).await;
    }

    /// Says what a model call has cost, if it has come so far that it costs something.
    pub async fn spent(&self, spent: Option<Spent>) {
        if let Some(spent) = spent {
            self.say(Said::Spent(Box::new(spent))).await;
        }
    }

    async fn say(&self, said: Said) {
        // Nobody listens behind the call's end.
        let _ = self.sender.send(said).await;
    }
}
