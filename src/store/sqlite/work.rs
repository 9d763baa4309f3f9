//! The threads that do the work: one that writes, and a few that read.
//!
//! What is waiting when the writer begins goes into one transaction, so that many writes share one flush of the disk.
//! Each is undone alone if it fails, and all are answered when the transaction has reached the disk.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::store::{Pending, StoreError};

/// Most calls that wait, for each queue. Whoever comes then is told that the store is busy.
const QUEUE: usize = 1024;

/// How long an answer may take, however long the queue and the disk are.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most writes in one transaction.
const BATCH: usize = 256;

/// A queue and the threads behind it. They finish what waits and end when this is dropped.
#[derive(Clone)]
pub struct Queue {
    jobs: mpsc::Sender<Box<dyn Job>>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Queue").field("free", &self.jobs.capacity()).finish()
    }
}

impl Queue {
    /// One thread that writes.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn of_writer(connection: Connection) -> io::Result<Self> {
        let (jobs, mut waiting) = mpsc::channel::<Box<dyn Job>>(QUEUE);
        let write = move || {
            while let Some(first) = waiting.blocking_recv() {
                write_batch(&connection, first, &mut waiting);
            }
        };
        std::thread::Builder::new().name("store-writer".to_owned()).spawn(write)?;
        Ok(Self { jobs })
    }

    /// A thread for each connection, which reads.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn of_readers(connections: Vec<Connection>) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::channel::<Box<dyn Job>>(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for connection in connections {
            let waiting = Arc::clone(&waiting);
            let next = move || waiting.lock().ok()?.blocking_recv();
            let read = move || {
                while let Some(mut job) = next() {
                    let done = job.run(&connection);
                    job.answer(done);
                }
            };
            std::thread::Builder::new().name("store-reader".to_owned()).spawn(read)?;
        }
        Ok(Self { jobs })
    }

    /// Puts work into the queue at once; the answer comes when it is done and, if it writes, on the disk.
    pub fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<T> {
        let (reply, answer) = oneshot::channel();
        let call = Call { work: Some(work), result: None, reply };
        let sent = self.jobs.try_send(Box::new(call)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        });
        Box::pin(async move {
            sent?;
            // A disk that hangs must not hang whoever asks.
            let answer = timeout(PATIENCE, answer).await.map_err(|_| StoreError::Busy)?;
            answer.unwrap_or(Err(StoreError::Closed))
        })
    }
}

/// Something to do on a connection.
trait Job: Send {
    /// Does it. What it did must be undone if it failed.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;

    /// Tells whoever asked, given what became of the transaction around it.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Call<T, F> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T, StoreError> + Send> Job for Call<T, F> {
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let result = self.work.take().map_or(Err(StoreError::Closed), |work| work(connection));
        let outcome = result.as_ref().map(|_| ()).map_err(Clone::clone);
        self.result = Some(result);
        outcome
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (self.result, committed) {
            // Its own failure says more than that of the whole.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // Whoever asked may have gone.
        let _ = self.reply.send(result);
    }
}

fn write_batch(connection: &Connection, first: Box<dyn Job>, waiting: &mut mpsc::Receiver<Box<dyn Job>>) {
    let mut batch = vec![first];
    while batch.len() < BATCH
        && let Ok(job) = waiting.try_recv()
    {
        batch.push(job);
    }
    let committed = transact(connection, &mut batch);
    if committed.is_err() && !connection.is_autocommit() {
        // What cannot be rolled back now is rolled back by the next opening.
        let _ = connection.execute_batch("ROLLBACK");
    }
    for job in batch {
        job.answer(committed.clone());
    }
}

fn transact(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for job in batch {
        connection.execute_batch("SAVEPOINT job")?;
        if let Err(error) = job.run(connection) {
            // A full disk may have ended the whole transaction, and then there is nothing to go back to.
            connection.execute_batch("ROLLBACK TO job").map_err(|_| error)?;
        }
        connection.execute_batch("RELEASE job")?;
    }
    connection.execute_batch("COMMIT")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers() -> Queue {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE numbers (number INTEGER PRIMARY KEY, text TEXT)").unwrap();
        Queue::of_writer(connection).unwrap()
    }

    fn insert(queue: &Queue, number: u32, size: usize) -> Pending<usize> {
        let sql = "INSERT INTO numbers VALUES (?1, ?2)";
        queue.submit(move |connection| Ok(connection.execute(sql, (number, "x".repeat(size)))?))
    }

    fn count(queue: &Queue) -> Pending<u32> {
        queue.submit(|connection| Ok(connection.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0))?))
    }

    /// Keeps the writer from beginning until the sender is dropped.
    fn hold(queue: &Queue) -> std::sync::mpsc::Sender<()> {
        let (sender, held) = std::sync::mpsc::channel::<()>();
        let (begun, waits) = std::sync::mpsc::channel();
        drop(queue.submit(move |_| {
            let _ = begun.send(());
            let _ = held.recv();
            Ok(())
        }));
        waits.recv().unwrap();
        sender
    }

    #[tokio::test]
    async fn one_that_fails_is_undone_alone_within_its_batch() {
        let queue = numbers();
        let held = hold(&queue);
        let answers = [1, 2, 1, 3].map(|number| insert(&queue, number, 1));
        drop(held);
        let mut seen = Vec::new();
        for answer in answers {
            seen.push(answer.await);
        }
        assert_eq!(seen, [Ok(1), Ok(1), Err(StoreError::Exists), Ok(1)]);
        assert_eq!(count(&queue).await, Ok(3));
    }

    #[tokio::test]
    async fn a_full_queue_is_busy_at_once_and_loses_nothing_it_took() {
        let queue = numbers();
        let held = hold(&queue);
        let taken: Vec<_> = (0..QUEUE as u32).map(|number| insert(&queue, number, 1)).collect();
        assert_eq!(insert(&queue, u32::MAX, 1).await, Err(StoreError::Busy));
        drop(held);
        for answer in taken {
            assert_eq!(answer.await, Ok(1));
        }
        assert_eq!(count(&queue).await, Ok(QUEUE as u32));
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_is_busy_and_what_it_took_is_done_later() {
        let queue = numbers();
        let held = hold(&queue);
        assert_eq!(insert(&queue, 1, 1).await, Err(StoreError::Busy));
        drop(held);
        tokio::time::resume();
        assert_eq!(count(&queue).await, Ok(1));
    }

    #[tokio::test]
    async fn a_write_that_nobody_waits_for_is_done() {
        let queue = numbers();
        drop(insert(&queue, 1, 1));
        assert_eq!(count(&queue).await, Ok(1));
    }

    #[tokio::test]
    async fn a_full_disk_is_said_and_what_fits_is_still_taken() {
        let queue = numbers();
        queue.submit(|connection| Ok(connection.execute_batch("PRAGMA max_page_count = 8")?)).await.unwrap();
        assert_eq!(insert(&queue, 1, 1 << 20).await, Err(StoreError::NoRoom));
        assert_eq!(insert(&queue, 2, 10).await, Ok(1));
        assert_eq!(count(&queue).await, Ok(1));
    }

    #[tokio::test]
    async fn a_disk_that_cannot_be_written_is_said() {
        let queue = numbers();
        queue.submit(|connection| Ok(connection.execute_batch("PRAGMA query_only = ON")?)).await.unwrap();
        assert_eq!(insert(&queue, 1, 1).await, Err(StoreError::ReadOnly));
    }
}
