//! Threads in numbers, and those that end by themselves.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::threads::{self, COLUMNS, thread};
use super::usage;
use crate::store::{Owner, StoreError, Summary, Thread};

/// Fails if there are that many.
pub fn check_room(connection: &Connection, sessions: &str, most: u32) -> Result<(), StoreError> {
    if count(connection, sessions)? < u64::from(most) { Ok(()) } else { Err(StoreError::NoPlace) }
}

pub fn count(connection: &Connection, sessions: &str) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM threads WHERE sessions = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([sessions], |row| row.get(0))?)
}

pub fn summary(connection: &Connection, owner: &Owner, id: &str) -> Result<Option<Summary>, StoreError> {
    threads::find(connection, owner, id)?.map(|(_, thread)| in_numbers(connection, owner, thread)).transpose()
}

pub fn summaries(
    connection: &Connection,
    owner: &Owner,
    sessions: &str,
    limit: u32,
) -> Result<Vec<Summary>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM threads WHERE owner = ?1 AND sessions = ?2 ORDER BY sequence DESC LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![owner.as_str(), sessions, limit], thread)?;
    rows.map(|row| in_numbers(connection, owner, row?.1)).collect()
}

pub fn old(
    connection: &Connection,
    sessions: &str,
    before: u64,
    limit: u32,
) -> Result<Vec<(Owner, String)>, StoreError> {
    let sql = "SELECT owner, id FROM threads WHERE sessions = ?1 AND updated_at < ?2 ORDER BY updated_at LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![sessions, before.min(i64::MAX as u64), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let owner: String = row.get(0)?;
        let owner = Owner::new(&owner).map_err(|error| StoreError::Damaged(error.to_string()))?;
        found.push((owner, row.get(1)?));
    }
    Ok(found)
}

fn in_numbers(connection: &Connection, owner: &Owner, thread: Thread) -> Result<Summary, StoreError> {
    let sql = "SELECT count(*) FROM items WHERE owner = ?1 AND thread = ?2 AND kind IN ('user', 'assistant')";
    let mut statement = connection.prepare_cached(sql)?;
    let messages = statement.query_row([owner.as_str(), &thread.id], |row| row.get(0)).optional()?.unwrap_or(0);
    let usage = usage::of_thread(connection, owner, &thread.id)?;
    Ok(Summary { thread, messages, usage })
}
