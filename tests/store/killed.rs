//! A process that writes, says what was acknowledged, and is killed at any moment: nothing that it said is lost, and
//! nothing is there twice.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use chatwire::store::{Direction, PageQuery, Sqlite, Store as _, Write};

use crate::{Folder, item, make, owner};

/// Tells a copy of this test where to write.
pub const FILE: &str = "CHATWIRE_TEST_WRITES_TO";

/// How many kills are tried, if not [`KILLS`].
const KNOB: &str = "CHATWIRE_TEST_KILLS";

const KILLS: u64 = 20;

const ALL: PageQuery = PageQuery { after: None, limit: u32::MAX, direction: Direction::OldestFirst };

/// Not a test of its own: what the killed process does. Four tasks write numbered items and print each number when it
/// is acknowledged. What may or may not have been stored before the last kill is sent again, under the same id.
#[test]
fn writer() {
    let Some(file) = std::env::var_os(FILE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let store = std::sync::Arc::new(Sqlite::open(Path::new(&file)).unwrap());
        let me = owner("me");
        make(&*store, &me, "t").await.unwrap();
        let stored = store.items(&me, "t", ALL, false).await.unwrap().rows.len() as u64;
        let tasks: Vec<_> = (0..4)
            .map(|task| {
                let (store, me) = (std::sync::Arc::clone(&store), me.clone());
                tokio::spawn(async move {
                    let mut number = (stored / 4).saturating_sub(10) * 4 + task;
                    loop {
                        let write = Write::Put(item(&number.to_string()));
                        store.apply(&me, "t", vec![write]).await.unwrap();
                        let mut out = std::io::stdout().lock();
                        writeln!(out, "acknowledged {number}").and_then(|()| out.flush()).unwrap();
                        number += 4;
                    }
                })
            })
            .collect();
        for task in tasks {
            drop(task.await);
        }
    });
}

/// How many kills are tried.
pub fn kills() -> u64 {
    std::env::var(KNOB).ok().and_then(|number| number.parse().ok()).unwrap_or(KILLS)
}

/// When the kill of a round comes: spread over the first moments and beyond, differently each time the test is run.
pub fn moment(round: u64) -> Duration {
    let jitter = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    Duration::from_micros(round % 20 * 1500 + u64::from(jitter % 3000))
}

/// Starts a writer, reads what it says, kills it after a while, and reads what it had still said.
pub fn run_and_kill(writer: &str, file: &Path, after: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", writer, "--nocapture"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let (begun, first) = std::sync::mpsc::channel();
    let reading = std::thread::spawn(move || {
        let mut said = Vec::new();
        // The end of the last line may be missing.
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Some(word) = line.strip_prefix("acknowledged ") {
                said.push(word.to_owned());
                let _ = begun.send(());
            }
        }
        said
    });
    // The time runs from its first word: before that it has only been started.
    let _ = first.recv();
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    reading.join().unwrap()
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_nothing_is_doubled() {
    let folder = Folder::new();
    let mut acknowledged = std::collections::BTreeSet::new();
    for round in 0..kills() {
        let said = run_and_kill("killed::writer", &folder.file(), moment(round));
        assert!(!said.is_empty(), "the writer has written");
        acknowledged.extend(said.iter().map(|number| number.parse::<u64>().unwrap()));
        let store = Sqlite::open(&folder.file()).unwrap();
        let rows = store.items(&owner("me"), "t", ALL, false).await.unwrap().rows;
        let stored: std::collections::BTreeSet<u64> = rows.iter().map(|(_, item)| item.id.parse().unwrap()).collect();
        assert_eq!(stored.len(), rows.len(), "nothing is there twice");
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(lost.is_empty(), "lost after kill {round}: {lost:?}");
    }
}
