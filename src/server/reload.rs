//! Reloading: the configuration is read again, and if it is right, a gateway with the new plan is put in force. What has
//! begun goes on with the plan that it began with.
//!
//! ```text
//! SIGHUP ──────────┐
//! a file changes ──┴─▶ read ─▶ mistakes? ─▶ what cannot change stays ─▶ MCP servers ─▶ in force ─▶ a line per change
//!                                  └─▶ the report is logged, and all stays as it was
//! ```

use std::convert::Infallible;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::current::Switch;
use super::fixed;
use super::stop::Stopper;
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

/// Reloads on each SIGHUP; stops on that of a terminal that is closed.
#[cfg(unix)]
pub fn on_hangup(reloader: Reloader, stopper: Stopper) -> io::Result<impl Future<Output = ()> + Send> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    let in_terminal = io::stdin().is_terminal();
    Ok(async move {
        while hangup.recv().await.is_some() {
            if in_terminal && !io::stdin().is_terminal() {
                stopper.stop();
            } else {
                reloader.reload().await;
            }
        }
    })
}

/// There is no such signal here.
#[cfg(not(unix))]
pub fn on_hangup(_: Reloader, _: Stopper) -> io::Result<impl Future<Output = ()> + Send> {
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
            for change in changes.iter().take(LINES) {
                tracing::info!("configuration: {change}");
            }
            for key in restart {
                tracing::warn!("configuration: `{key}` needs a restart, and stays as it was");
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio::time::Instant;

    use super::*;
    use crate::config;
    use crate::server::Stop;
    use crate::server::current::{self, Current};
    use crate::server::gateway::Gateway;

    /// A configuration in a folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, text: &str) -> Self {
            let path = std::env::temp_dir().join(format!("chatwire-watch-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            let folder = Self(path);
            folder.write(text);
            folder
        }

        fn write(&self, text: &str) {
            std::fs::write(self.0.join("gateway.toml"), text).unwrap();
        }

        fn gateway(&self) -> (Reloader, Current) {
            let path = self.0.join("gateway.toml");
            let Reading { plan, seen } = config::read(&path);
            let plan = plan.unwrap_or_else(|report| panic!("{report}"));
            let (switch, current) = current::new(Gateway::new(plan, Stop::never()).unwrap());
            let origin = Origin { seen, read: Box::new(move || config::read(&path)) };
            (Reloader::new(switch, Some(origin)), current)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// The largest body, which tells one configuration from another.
    fn body(current: &Current) -> usize {
        current.get().plan.server.max_body
    }

    fn text(body: usize) -> String {
        format!("[server]\nmax_body = {body}\n")
    }

    /// Lets the files be looked at so many times more.
    async fn looks(number: u32) {
        tokio::time::sleep(LOOK * number).await;
    }

    /// Watches for as long as this takes.
    async fn watching(reloader: &Reloader, doing: impl Future<Output = ()>) {
        tokio::select! {
            never = reloader.watch() => match never {},
            () = doing => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_that_stays_is_in_force_after_the_second_look_at_it() {
        let folder = Folder::new("stays", &text(1));
        let (reloader, mut current) = folder.gateway();
        watching(&reloader, async {
            looks(3).await;
            let begun = Instant::now();
            folder.write(&text(2));
            current.changed().await;
            assert!(begun.elapsed() <= 3 * LOOK, "{:?}", begun.elapsed());
            assert_eq!(body(&current), 2);
        })
        .await;
    }

    #[tokio::test]
    async fn what_nothing_uses_any_more_is_gone() {
        let folder = Folder::new("gone", &text(1));
        let (reloader, current) = folder.gateway();
        let (used, unused) = (current.get(), Arc::downgrade(&current.get()));
        folder.write(&text(2));
        assert!(matches!(reloader.reload().await, Outcome::InForce { .. }));
        assert_eq!((used.plan.server.max_body, body(&current)), (1, 2));
        assert!(unused.upgrade().is_some());
        drop(used);
        assert!(unused.upgrade().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_being_written_is_not_read() {
        let folder = Folder::new("written", &text(1));
        let (reloader, current) = folder.gateway();
        watching(&reloader, async {
            tokio::time::sleep(LOOK / 2).await;
            for written in 2..8 {
                folder.write(&text(written));
                looks(1).await;
                assert_eq!(body(&current), 1);
            }
            looks(2).await;
            assert_eq!(body(&current), 7);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_mistake_is_reported_once_and_its_repair_is_seen() {
        let folder = Folder::new("mistake", &text(1));
        let (reloader, current) = folder.gateway();
        watching(&reloader, async {
            folder.write("[server");
            looks(3).await;
            let files = reloader.0.last.lock().await.files.clone();
            assert_eq!(files, files.now(), "it is known");
            std::fs::remove_file(folder.0.join("gateway.toml")).unwrap();
            looks(3).await;
            assert_eq!(body(&current), 1);
            folder.write(&text(2));
            looks(3).await;
            assert_eq!(body(&current), 2);
        })
        .await;
    }

    #[cfg(unix)]
    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_swapped_for_another_by_a_link_is_seen() {
        let folder = Folder::new("link", "");
        let at = |name: &str| folder.0.join(name);
        let link = |to: &str| {
            std::fs::write(at(to), text(to.len())).unwrap();
            let _ = std::fs::remove_file(at("next"));
            std::os::unix::fs::symlink(at(to), at("next")).unwrap();
            std::fs::rename(at("next"), at("gateway.toml")).unwrap();
        };
        link("a");
        let (reloader, current) = folder.gateway();
        watching(&reloader, async {
            link("bb");
            looks(3).await;
            assert_eq!(body(&current), 2);
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_looked_at_where_the_configuration_says_so() {
        let folder = Folder::new("off", &text(1));
        let (reloader, current) = folder.gateway();
        watching(&reloader, async {
            folder.write(&format!("{}watch = false", text(2)));
            looks(3).await;
            assert_eq!(body(&current), 2);
            folder.write(&text(3));
            looks(5).await;
            assert_eq!(body(&current), 2);
            assert!(matches!(reloader.reload().await, Outcome::InForce { .. }));
            assert_eq!(body(&current), 3);
        })
        .await;
    }
}
