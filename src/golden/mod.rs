//! Golden files: what a provider's bytes must become in every dialect, to the byte.
//!
//! A case is a folder with one file `upstream.PROTOCOL.EXTENSION` (a provider's answer, raw) and what must become of it:
//! `events.jsonl` (the turn's events, one a line), `message.json` (the folded answer) and `DIALECT.out` (a page's
//! bytes) for every dialect. A dialect with options is checked where its file exists, for example
//! `vercel-ui-stream@ui_level=6.out`; an empty file is enough to ask for it. Ids and times are fixed, see
//! [`chatwire_protocols::transcode`].

mod case;
mod diff;

use std::fs;
use std::io;
use std::path::Path;

pub use case::{Case, Produced};
pub use diff::diff;

/// What came of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files that are as they should be.
    pub passed: usize,
    /// What is wrong, in words and lines.
    pub failures: Vec<Mismatch>,
    /// Files that were written.
    pub blessed: Vec<String>,
}

/// A file that is not as it should be, or a case that could not be run.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The case and the file in it.
    pub place: String,
    /// What is wrong: a difference, or a sentence.
    pub what: String,
}

/// Runs every case in a folder. With `bless`, missing and different files are written instead of reported.
///
/// # Errors
/// The folder cannot be read, or a file cannot be written.
pub fn run(folder: &Path, bless: bool) -> io::Result<Report> {
    let mut report = Report::default();
    for case in Case::all_in(folder)? {
        run_case(&case, bless, &mut report)?;
    }
    Ok(report)
}

fn run_case(case: &Case, bless: bool, report: &mut Report) -> io::Result<()> {
    let files = match case.produce() {
        Ok(files) => files,
        Err(what) => {
            report.failures.push(Mismatch { place: case.name(), what });
            return Ok(());
        }
    };
    for Produced { file, bytes } in files {
        let place = format!("{}/{file}", case.name());
        let path = case.path(&file);
        let expected = match fs::read(&path) {
            Ok(expected) => Some(expected),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match expected {
            Some(expected) if expected == bytes => report.passed += 1,
            _ if bless => {
                fs::write(&path, &bytes)?;
                report.blessed.push(place);
            }
            Some(expected) => report.failures.push(Mismatch { place, what: diff(&expected, &bytes) }),
            None => {
                let what = "there is no such file yet; look at the output and write it with --bless".to_owned();
                report.failures.push(Mismatch { place, what });
            }
        }
    }
    Ok(())
}
