//! Threads.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value};

use super::{attachments, unknown, usage};
use crate::store::{Owner, Page, PageQuery, Sequence, StoreError, Thread, ThreadStatus};

pub(super) const COLUMNS: &str = "sequence, id, title, metadata, created_at, updated_at, status, reason";

pub fn put(connection: &Connection, owner: &Owner, thread: &Thread) -> Result<(), StoreError> {
    let sql = "INSERT INTO threads (owner, id, title, metadata, created_at, updated_at, status, reason)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT (owner, id) DO UPDATE SET title = excluded.title, metadata = excluded.metadata,
            updated_at = excluded.updated_at, status = excluded.status, reason = excluded.reason";
    let (status, reason) = match &thread.status {
        ThreadStatus::Active => ("active", None),
        ThreadStatus::Locked(reason) => ("locked", reason.as_deref()),
        ThreadStatus::Closed(reason) => ("closed", reason.as_deref()),
    };
    let metadata = Value::Object(thread.metadata.clone()).to_string();
    connection.prepare_cached(sql)?.execute(params![
        owner.as_str(),
        thread.id,
        thread.title,
        metadata,
        thread.created,
        thread.updated,
        status,
        reason
    ])?;
    Ok(())
}

pub fn touch(connection: &Connection, owner: &Owner, id: &str, updated: u64) -> Result<(), StoreError> {
    let sql = "UPDATE threads SET updated_at = max(updated_at, ?3) WHERE owner = ?1 AND id = ?2";
    let touched = connection.prepare_cached(sql)?.execute(params![owner.as_str(), id, updated])?;
    if touched > 0 { Ok(()) } else { Err(StoreError::NoThread) }
}

pub fn find(connection: &Connection, owner: &Owner, id: &str) -> Result<Option<(Sequence, Thread)>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM threads WHERE owner = ?1 AND id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([owner.as_str(), id], thread).optional()?)
}

pub fn page(connection: &Connection, owner: &Owner, query: PageQuery) -> Result<Page<Thread>, StoreError> {
    let (behind, order) = query.direction.sql();
    let sql = format!("SELECT {COLUMNS} FROM threads WHERE owner = ?1 AND {behind} ORDER BY sequence {order} LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![owner.as_str(), query.place(), query.probe()], thread)?;
    Ok(query.page(rows.collect::<Result<_, _>>()?))
}

pub fn delete(connection: &Connection, owner: &Owner, id: &str) -> Result<bool, StoreError> {
    usage::forget_thread(connection, owner, id)?;
    attachments::detach(connection, owner, id)?;
    let sql = "DELETE FROM threads WHERE owner = ?1 AND id = ?2";
    Ok(connection.prepare_cached(sql)?.execute([owner.as_str(), id])? > 0)
}

pub(super) fn thread(row: &Row<'_>) -> rusqlite::Result<(Sequence, Thread)> {
    let metadata: String = row.get(3)?;
    let metadata: Map<String, Value> =
        serde_json::from_str(&metadata).map_err(|error| unknown(3, &error.to_string()))?;
    let (status, reason): (String, Option<String>) = (row.get(6)?, row.get(7)?);
    let status = match status.as_str() {
        "active" => ThreadStatus::Active,
        "locked" => ThreadStatus::Locked(reason),
        "closed" => ThreadStatus::Closed(reason),
        other => return Err(unknown(6, other)),
    };
    let (created, updated) = (row.get(4)?, row.get(5)?);
    Ok((row.get(0)?, Thread { id: row.get(1)?, title: row.get(2)?, status, metadata, created, updated }))
}
