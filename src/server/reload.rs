//! Reloading: the configuration is read again, and if it is right, a gateway with the new plan is put in force. What has
//! begun goes on with the plan that it began with.
//!
//! ```text
//! SIGHUP ──────────┐
//! a file changes ──┴─▶ read ─▶ mistakes? ─▶ what cannot change stays ─▶ MCP servers ─▶ in force ─▶ a line per change
//!                                  └─▶ the report is logged, and all stays as it was
//! ```

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::current::Switch;
use super::fixed;
use crate::config::{Change, Fate, Files, Part, Reading, Report, Seen};

/// How often the files are looked at. What has changed is read when it is the same at two looks, so that a file that is
/// being written is not read in the middle.
const LOOK: Duration = Duration::from_secs(1);

/// Most changes that are logged, each on a line of its own.
const LINES: usize = 200;

/// Reads the configuration, from wherever it is.
pub type Read = Box<dyn Fn() -> Reading + Send + Sync>;

/// Where a configuration comes from.
pub struct Origin {
    /// What it was read from.
    pub seen: Seen,
    /// Reads it again.
    pub read: Read,
}

/// Has the configuration read again.
#[derive(Clone)]
pub struct Reloader(Arc<Shared>);

struct Shared {
    switch: Switch,
    read: Option<Read>,
    /// Held from the reading to the end, so that one reload comes after the other.
    last: Mutex<Last>,
}

struct Last {
    /// What the configuration in force was read from.
    in_force: Seen,
    /// The files as they were last read, whatever came of it.
    files: Files,
}

/// What came of a reload.
#[derive(Debug)]
pub enum Outcome {
    /// The configuration is in force.
    InForce {
        /// What differs.
        changes: Vec<Change>,
        /// What should differ, and stays as it is until the next start.
        restart: Vec<&'static str>,
    },
    /// It has mistakes: all stays as it was.
    Mistaken(Report),
    /// It cannot be used: all stays as it was.
    Unusable(String),
    /// The gateway is stopping, or its configuration cannot be read again.
    Never,
}

impl Reloader {
    pub(super) fn new(switch: Switch, origin: Option<Origin>) -> Self {
        let (seen, read) = origin.map_or_else(Default::default, |origin| (origin.seen, Some(origin.read)));
        let last = Last { files: seen.files.clone(), in_force: seen };
        Self(Arc::new(Shared { switch, read, last: Mutex::new(last) }))
    }

    /// Reads the configuration again, puts it in force if it is right, and logs what came of it.
    pub async fn reload(&self) -> Outcome {
        let mut last = self.0.last.lock().await;
        let outcome = self.replace(&mut last).await;
        log(&outcome);
        outcome
    }

    async fn replace(&self, last: &mut Last) -> Outcome {
        let this = self.clone();
        let Ok(Some(Reading { plan, seen })) = spawn_blocking(move || Some(this.0.read.as_ref()?())).await else {
            return Outcome::Never;
        };
        last.files = seen.files.clone();
        let mut plan = match plan {
            Ok(plan) => plan,
            Err(report) => return Outcome::Mistaken(report),
        };
        if seen.outline.is_empty() {
            return Outcome::Unusable("the file says nothing".to_owned());
        }
        let gateway = self.0.switch.get();
        let restart = fixed::keep(&gateway.plan, &mut plan);
        // Recordings are read from the disk.
        let next = match spawn_blocking(move || gateway.with(plan)).await {
            Ok(Ok(next)) => next,
            Ok(Err(error)) => return Outcome::Unusable(error.to_string()),
            Err(_) => return Outcome::Never,
        };
        if next.stop.has_begun() {
            return Outcome::Never;
        }
        next.servers.apply(&next.plan.mcp);
        self.0.switch.put(next);
        let changes = changes(&last.in_force, &seen);
        last.in_force = seen;
        Outcome::InForce { changes, restart }
    }

    /// Reloads whenever one of the files has changed, for as long as this is waited for.
    pub(super) async fn watch(&self) -> Infallible {
        if self.0.read.is_none() {
            std::future::pending::<()>().await;
        }
        let mut before = None;
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.0.switch.get().plan.server.watch {
                continue;
            }
            let known = self.0.last.lock().await.files.clone();
            let looked = spawn_blocking(move || (known.now(), known)).await;
            let Ok((now, known)) = looked else { continue };
            if now == known {
                before = None;
            } else if before.as_ref() == Some(&now) {
                before = None;
                self.reload().await;
            } else {
                before = Some(now);
            }
        }
    }
}

/// Reloads on each SIGHUP.
#[cfg(unix)]
pub fn on_hangup(reloader: Reloader) -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            reloader.reload().await;
        }
    })
}

/// There is no such signal here.
#[cfg(not(unix))]
pub fn on_hangup(_: Reloader) -> io::Result<impl Future<Output = ()> + Send> {
    Ok(std::future::ready(()))
}

/// What differs: parts of the configuration, and files that it names.
fn changes(before: &Seen, now: &Seen) -> Vec<Change> {
    let mut changes = now.outline.changes_since(&before.outline);
    let files = now.files.changed_since(&before.files).filter(|path| *path != now.path);
    let files = files.map(|path| Change {
        part: Part { kind: "file", name: path.display().to_string() },
        fate: Fate::Changed(Vec::new()),
    });
    changes.extend(files);
    changes
}

fn log(outcome: &Outcome) {
    match outcome {
        Outcome::InForce { changes, restart } => {
            for Change { part, fate } in changes.iter().take(LINES) {
                tracing::info!(part = %part, "{fate}");
            }
            for key in restart {
                tracing::warn!(key, "needs a restart: it stays as it was");
            }
            tracing::info!(changes = changes.len(), restart = restart.len(), "the configuration was read again");
        }
        Outcome::Mistaken(report) => {
            tracing::error!(
                mistakes = report.len(),
                "the configuration stays as it was: the file has mistakes\n{report}"
            );
        }
        Outcome::Unusable(why) => tracing::error!(why, "the configuration stays as it was: the file cannot be used"),
        Outcome::Never => tracing::warn!("the configuration is not read again"),
    }
}
