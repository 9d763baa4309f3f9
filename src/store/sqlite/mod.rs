//! SQLite, the default: one file (or none: in memory), one thread that writes and a few that read.

mod attachments;
mod facts;
mod feedback;
mod items;
mod migrate;
mod search;
mod sessions;
mod spending;
mod threads;
mod usage;
mod work;

use std::path::Path;
use std::time::{Duration, Instant};

use chatwire_protocols::cost::Cost;
use chatwire_protocols::event::Text;
use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use self::work::Queue;
use super::{
    Attachment, Direction, Fact, FactStatus, Item, ModelUsage, Owner, Page, PageQuery, Pending, Room, Sequence,
    Spending, Store, StoreError, Summary, Thread, UsageRow, Write,
};

/// How long to wait for another process that holds the file.
const PATIENCE: Duration = Duration::from_secs(3);

const PAUSE: Duration = Duration::from_millis(5);

const READERS: usize = 2;

/// A write is answered when the disk has it: write-ahead log, flushed at each commit.
const DURABLE: &str = "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON;
    PRAGMA journal_size_limit = 67108864";

const CAREFUL: &str = "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF";

/// A store in SQLite.
#[derive(Debug)]
pub struct Sqlite {
    writer: Queue,
    /// The writer itself in memory, where a second connection would see another store.
    reader: Queue,
}

impl Sqlite {
    /// Opens a file, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened or written, is not ours, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let writer = open(path, OpenFlags::SQLITE_OPEN_CREATE)?;
        // Looked at before anything is changed: a file that is not ours stays as it is.
        migrate::version(&writer)?;
        keep_log(&writer)?;
        writer.execute_batch(DURABLE)?;
        migrate::migrate(&writer)?;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            let reader = open(path, OpenFlags::empty())?;
            reader.execute_batch("PRAGMA query_only = ON")?;
            readers.push(reader);
        }
        Ok(Self { writer: queue(Queue::of_writer(writer))?, reader: queue(Queue::of_readers(readers))? })
    }

    /// A store that is gone with the process.
    ///
    /// # Errors
    /// There is no memory or no thread for it.
    pub fn in_memory() -> Result<Self, StoreError> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(CAREFUL)?;
        migrate::migrate(&connection)?;
        let writer = queue(Queue::of_writer(connection))?;
        Ok(Self { reader: writer.clone(), writer })
    }
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch(CAREFUL)?;
    Ok(connection)
}

/// Turns the write-ahead log on, which is kept in the file. SQLite itself does not wait where two do so at once.
fn keep_log(connection: &Connection) -> Result<(), StoreError> {
    let until = Instant::now() + PATIENCE;
    loop {
        let mode = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match mode.map_err(StoreError::from) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => return Err(StoreError::Open("its file system is not fit for a write-ahead log".to_owned())),
            Err(error) if !error.is_passing() || Instant::now() >= until => return Err(error),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn queue(started: std::io::Result<Queue>) -> Result<Queue, StoreError> {
    started.map_err(|error| StoreError::Open(error.to_string()))
}

impl Store for Sqlite {
    fn add_fact(&self, owner: &Owner, fact: Fact) -> Pending<()> {
        let owner = owner.clone();
        self.writer.submit(move |connection| facts::add(connection, &owner, &fact))
    }

    fn set_fact_status(&self, owner: &Owner, id: &str, status: FactStatus) -> Pending<Option<Fact>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.writer.submit(move |connection| facts::set_status(connection, &owner, &id, status))
    }

    fn facts(&self, owner: &Owner, status: FactStatus, direction: Direction, limit: u32) -> Pending<Vec<Fact>> {
        let owner = owner.clone();
        self.reader.submit(move |connection| facts::list(connection, &owner, status, direction, limit))
    }

    fn apply(&self, owner: &Owner, thread: &str, writes: Vec<Write>) -> Pending<()> {
        let (owner, thread) = (owner.clone(), thread.to_owned());
        self.writer.submit(move |connection| {
            writes.iter().try_for_each(|write| match write {
                Write::Thread(row) => threads::put(connection, &owner, row),
                Write::Touch { updated } => threads::touch(connection, &owner, &thread, *updated),
                Write::Add(item) => items::append(connection, &owner, &thread, item),
                Write::Put(item) => items::put(connection, &owner, &thread, item),
                Write::Room { sessions, most } => sessions::check_room(connection, sessions, *most),
                Write::Clear => items::clear(connection, &owner, &thread),
                Write::Replace(item) => items::replace(connection, &owner, &thread, item).map(drop),
                Write::Remove(id) => items::delete(connection, &owner, &thread, id),
                Write::RemoveAfter(id) => items::delete_behind(connection, &owner, &thread, id),
                Write::Attach(id) => attachments::attach(connection, &owner, &thread, id),
                Write::Feedback { item, positive, created } => {
                    feedback::put(connection, &owner, &thread, item, *positive, *created)
                }
            })
        })
    }

    fn thread(&self, owner: &Owner, id: &str) -> Pending<Option<(Sequence, Thread)>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.reader.submit(move |connection| threads::find(connection, &owner, &id))
    }

    fn threads(&self, owner: &Owner, query: PageQuery) -> Pending<Page<Thread>> {
        let owner = owner.clone();
        self.reader.submit(move |connection| threads::page(connection, &owner, query))
    }

    fn recent_threads(&self, owner: &Owner, matching: Option<&str>, limit: u32) -> Pending<Vec<Thread>> {
        let (owner, matching) = (owner.clone(), matching.map(str::to_owned));
        self.reader.submit(move |connection| search::recent(connection, &owner, matching.as_deref(), limit))
    }

    fn delete_thread(&self, owner: &Owner, id: &str) -> Pending<bool> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.writer.submit(move |connection| threads::delete(connection, &owner, &id))
    }

    fn item(&self, owner: &Owner, thread: &str, id: &str) -> Pending<Option<(Sequence, Item)>> {
        let (owner, thread, id) = (owner.clone(), thread.to_owned(), id.to_owned());
        self.reader.submit(move |connection| items::find(connection, &owner, &thread, &id))
    }

    fn items(&self, owner: &Owner, thread: &str, query: PageQuery, hidden: bool) -> Pending<Page<Item>> {
        let (owner, thread) = (owner.clone(), thread.to_owned());
        self.reader.submit(move |connection| items::page(connection, &owner, &thread, query, hidden))
    }

    fn put_attachment(&self, owner: &Owner, attachment: Attachment) -> Pending<()> {
        let owner = owner.clone();
        self.writer.submit(move |connection| attachments::put(connection, &owner, &attachment))
    }

    fn add_attachment(&self, owner: &Owner, attachment: Attachment, room: Room) -> Pending<()> {
        let owner = owner.clone();
        self.writer.submit(move |connection| attachments::add(connection, &owner, &attachment, room))
    }

    fn finish_attachment(&self, owner: &Owner, id: &str, size: u64) -> Pending<bool> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.writer.submit(move |connection| attachments::finish(connection, &owner, &id, size))
    }

    fn attachment(&self, owner: &Owner, id: &str) -> Pending<Option<Attachment>> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.reader.submit(move |connection| attachments::find(connection, &owner, &id))
    }

    fn attachment_owner(&self, id: &str) -> Pending<Option<Owner>> {
        let id = id.to_owned();
        self.reader.submit(move |connection| attachments::owner(connection, &id))
    }

    fn forget_attachments(&self, before: u64, limit: u32) -> Pending<Vec<Text>> {
        self.writer.submit(move |connection| attachments::forget(connection, before, limit))
    }

    fn delete_attachment(&self, owner: &Owner, id: &str) -> Pending<bool> {
        let (owner, id) = (owner.clone(), id.to_owned());
        self.writer.submit(move |connection| attachments::delete(connection, &owner, &id))
    }

    fn add_usage(&self, owner: &Owner, usage: UsageRow) -> Pending<()> {
        let owner = owner.clone();
        self.writer.submit(move |connection| usage::add(connection, &owner, &usage))
    }

    fn add_spending(&self, rows: Vec<Spending>) -> Pending<()> {
        self.writer.submit(move |connection| rows.iter().try_for_each(|row| spending::add(connection, row)))
    }

    fn spending(&self, subject: &str, period: &str) -> Pending<Cost> {
        let (subject, period) = (subject.to_owned(), period.to_owned());
        self.reader.submit(move |connection| spending::find(connection, &subject, &period))
    }

    fn usage(&self, owner: &Owner, since: u64) -> Pending<Vec<ModelUsage>> {
        let owner = owner.clone();
        self.reader.submit(move |connection| usage::by_model(connection, &owner, since))
    }

    fn thread_usage(&self, owner: &Owner, thread: &str) -> Pending<Vec<ModelUsage>> {
        let (owner, thread) = (owner.clone(), thread.to_owned());
        self.reader.submit(move |connection| usage::of_thread(connection, &owner, &thread))
    }

    fn summary(&self, owner: &Owner, thread: &str) -> Pending<Option<Summary>> {
        let (owner, thread) = (owner.clone(), thread.to_owned());
        self.reader.submit(move |connection| sessions::summary(connection, &owner, &thread))
    }

    fn summaries(&self, owner: &Owner, sessions: &str, limit: u32) -> Pending<Vec<Summary>> {
        let (owner, sessions) = (owner.clone(), sessions.to_owned());
        self.reader.submit(move |connection| sessions::summaries(connection, &owner, &sessions, limit))
    }

    fn count_sessions(&self, sessions: &str) -> Pending<u64> {
        let sessions = sessions.to_owned();
        self.reader.submit(move |connection| sessions::count(connection, &sessions))
    }

    fn old_sessions(&self, sessions: &str, before: u64, limit: u32) -> Pending<Vec<(Owner, String)>> {
        let sessions = sessions.to_owned();
        self.reader.submit(move |connection| sessions::old(connection, &sessions, before, limit))
    }
}

impl Direction {
    /// What stands behind a place, and in which order, as a part of a query over `sequence`; `?2` is the place.
    const fn sql(self) -> (&'static str, &'static str) {
        match self {
            Self::OldestFirst => ("sequence > ?2", "ASC"),
            Self::NewestFirst => ("sequence < ?2", "DESC"),
        }
    }

    /// The place in front of all others.
    const fn front(self) -> Sequence {
        match self {
            Self::OldestFirst => 0,
            Self::NewestFirst => i64::MAX as u64,
        }
    }
}

impl PageQuery {
    fn place(&self) -> Sequence {
        self.after.unwrap_or(self.direction.front()).min(i64::MAX as u64)
    }

    /// One more than asked for, which tells whether there is more.
    const fn probe(&self) -> u64 {
        self.limit as u64 + 1
    }

    fn page<T>(&self, mut rows: Vec<(Sequence, T)>) -> Page<T> {
        let more = rows.len() as u64 == self.probe();
        rows.truncate(self.limit as usize);
        Page { rows, more }
    }
}

/// A stored text that this version has no word for.
fn unknown(column: usize, text: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, FromSqlError::Other(text.into()).into())
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(code, _) = &error else {
            return match error {
                rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
                    Self::Damaged(error.to_string())
                }
                _ => Self::Other(error.to_string()),
            };
        };
        match code.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
            ErrorCode::DiskFull => Self::NoRoom,
            ErrorCode::ReadOnly => Self::ReadOnly,
            ErrorCode::CannotOpen => Self::Open(error.to_string()),
            ErrorCode::NotADatabase => Self::Foreign,
            ErrorCode::DatabaseCorrupt => Self::Damaged(error.to_string()),
            ErrorCode::ConstraintViolation
                if [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE].contains(&code.extended_code) =>
            {
                Self::Exists
            }
            _ => Self::Other(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_commit_is_flushed_to_the_disk_before_it_is_answered() {
        let path = std::env::temp_dir().join(format!("chatwire-durable-{}.db", std::process::id()));
        let store = Sqlite::open(&path).unwrap();
        let settings = store.writer.submit(|connection| {
            let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
            let synchronous: u8 = connection.pragma_query_value(None, "synchronous", |row| row.get(0))?;
            Ok((mode, synchronous))
        });
        let settings = settings.await.unwrap();
        drop(store);
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
        assert_eq!(settings, ("wal".to_owned(), 2), "a log, and 2 is FULL");
    }
}
