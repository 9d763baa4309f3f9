//! One case: a provider's bytes and what must become of them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chatwire_protocols::event::{BlockId, BlockKind, Event};
use chatwire_protocols::fold::Answer;
use chatwire_protocols::order::first_step;
use chatwire_protocols::transcode::{self, Turn};

use crate::dialect;

/// The file of a case that holds its events, one JSON object a line.
const EVENTS: &str = "events.jsonl";
/// The file of a case that holds its folded answer.
const MESSAGE: &str = "message.json";

/// A folder with one answer of a provider.
#[derive(Debug)]
pub struct Case {
    folder: PathBuf,
    upstream: PathBuf,
    protocol: String,
}

/// A file as it should be now.
#[derive(Debug, PartialEq, Eq)]
pub struct Produced {
    /// Its name in the case's folder.
    pub file: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Case {
    /// The cases in a folder, by name: the folders in it, or the folder itself if it is one.
    ///
    /// # Errors
    /// A folder cannot be read.
    pub fn all_in(folder: &Path) -> io::Result<Vec<Self>> {
        if let Some(case) = Self::open(folder)? {
            return Ok(vec![case]);
        }
        let mut folders: Vec<PathBuf> = fs::read_dir(folder)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()?
            .into_iter()
            .filter(|path| path.is_dir())
            .collect();
        folders.sort();
        folders.iter().filter_map(|folder| Self::open(folder).transpose()).collect()
    }

    /// The folder's name.
    pub fn name(&self) -> String {
        self.folder.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    /// The path of one of its files.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// What its files should be: events, message, and every dialect.
    ///
    /// # Errors
    /// In words for a person: a file cannot be read, names no protocol, or the decoder breaks the order of events.
    pub fn produce(&self) -> Result<Vec<Produced>, String> {
        let events = self.decode()?;
        let mut files = vec![
            Produced { file: EVENTS.to_owned(), bytes: events_jsonl(&events)? },
            Produced { file: MESSAGE.to_owned(), bytes: message_json(&events)? },
        ];
        for word in self.dialects()? {
            let frontend = dialect::frontend(&word).map_err(|error| error.to_string())?;
            let bytes = transcode::encode(&*frontend, &events).to_vec();
            files.push(Produced { file: format!("{word}.out"), bytes });
        }
        Ok(files)
    }

    /// A case if the folder has an `upstream.PROTOCOL.EXTENSION`.
    fn open(folder: &Path) -> io::Result<Option<Self>> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let protocol = path
                .file_name()
                .and_then(OsStr::to_str)
                .and_then(|name| name.strip_prefix("upstream."))
                .and_then(|rest| rest.rsplit_once('.'))
                .map(|(protocol, _)| protocol.to_owned());
            if let Some(protocol) = protocol {
                return Ok(Some(Self { folder: folder.to_owned(), upstream: path, protocol }));
            }
        }
        Ok(None)
    }

    fn decode(&self) -> Result<Vec<Event>, String> {
        let upstream = dialect::upstream(&self.protocol).map_err(|error| error.to_string())?;
        let bytes = fs::read(&self.upstream).map_err(|error| format!("{}: {error}", self.upstream.display()))?;
        let mut events = Vec::new();
        let mut turn = Turn::begin(&*upstream, &mut events);
        turn.feed(&bytes, &mut events);
        turn.finish(&mut events);
        match turn.breaches() {
            0 => Ok(events),
            breaches => Err(format!("the decoder gave {breaches} events against the order")),
        }
    }

    /// Every dialect there is, and those with options that the folder already has a file for.
    fn dialects(&self) -> Result<Vec<String>, String> {
        let mut words: Vec<String> = dialects().into_iter().map(str::to_owned).collect();
        let entries = fs::read_dir(&self.folder).map_err(|error| format!("{}: {error}", self.folder.display()))?;
        let mut more: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok()?.strip_suffix(".out").map(str::to_owned))
            .filter(|word| !words.contains(word))
            .collect();
        more.sort();
        words.append(&mut more);
        Ok(words)
    }
}

/// The protocols that pages speak, but for those that only choose between others: they have no bytes of their own, so
/// each would double the files of the one that it chooses.
fn dialects() -> Vec<&'static str> {
    let written: Vec<(&str, Vec<u8>)> = dialect::names(|protocol| protocol.frontend.is_some())
        .into_iter()
        .filter_map(|name| Some((name, transcode::encode(&*dialect::frontend(name).ok()?, &sample()).to_vec())))
        .collect();
    let chooses = |at: usize, bytes: &[u8]| written.iter().skip(at + 1).any(|(_, others)| others == bytes);
    written.iter().enumerate().filter(|(at, (_, bytes))| !chooses(*at, bytes)).map(|(_, (name, _))| *name).collect()
}

/// A turn that every dialect writes in its own way.
fn sample() -> Vec<Event> {
    let block = BlockId(0);
    vec![
        Event::TurnStart { turn: transcode::TURN.into() },
        first_step(None, None),
        Event::BlockStart { block, kind: BlockKind::Text },
        Event::BlockDelta { block, text: "x".into() },
        Event::BlockEnd { block, whole: true },
        Event::StepEnd(Box::default()),
        Event::TurnEnd(Box::default()),
    ]
}

fn events_jsonl(events: &[Event]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for event in events {
        serde_json::to_writer(&mut out, event).map_err(|error| error.to_string())?;
        out.push(b'\n');
    }
    Ok(out)
}

fn message_json(events: &[Event]) -> Result<Vec<u8>, String> {
    let mut out = serde_json::to_vec_pretty(&Answer::of(events).to_json()).map_err(|error| error.to_string())?;
    out.push(b'\n');
    Ok(out)
}
