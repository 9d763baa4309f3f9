//! Threads.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::{Map, Value};

use super::unknown;
use crate::store::{Owner, Page, PageQuery, Sequence, StoreError, Thread};

const COLUMNS: &str = "sequence, id, title, metadata, created_at, updated_at";

pub fn put(connection: &Connection, owner: &Owner, thread: &Thread) -> Result<(), StoreError> {
    let sql = "INSERT INTO threads (owner, id, title, metadata, created_at, updated_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (owner, id) DO UPDATE SET
            title = excluded.title, metadata = excluded.metadata, updated_at = excluded.updated_at";
    let metadata = Value::Object(thread.metadata.clone()).to_string();
    connection.prepare_cached(sql)?.execute(params![
        owner.as_str(),
        thread.id,
        thread.title,
        metadata,
        thread.created,
        thread.updated
    ])?;
    Ok(())
}

pub fn find(connection: &Connection, owner: &Owner, id: &str) -> Result<Option<Thread>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM threads WHERE owner = ?1 AND id = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let found = statement.query_row([owner.as_str(), id], thread).optional()?;
    Ok(found.map(|(_, thread)| thread))
}

pub fn page(connection: &Connection, owner: &Owner, query: PageQuery) -> Result<Page<Thread>, StoreError> {
    let (behind, order) = query.direction.sql();
    let sql = format!("SELECT {COLUMNS} FROM threads WHERE owner = ?1 AND {behind} ORDER BY sequence {order} LIMIT ?3");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![owner.as_str(), query.place(), query.probe()], thread)?;
    Ok(query.page(rows.collect::<Result<_, _>>()?))
}

pub fn delete(connection: &Connection, owner: &Owner, id: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM threads WHERE owner = ?1 AND id = ?2";
    Ok(connection.prepare_cached(sql)?.execute([owner.as_str(), id])? > 0)
}

fn thread(row: &Row<'_>) -> rusqlite::Result<(Sequence, Thread)> {
    let metadata: String = row.get(3)?;
    let metadata: Map<String, Value> =
        serde_json::from_str(&metadata).map_err(|error| unknown(3, &error.to_string()))?;
    let thread = Thread { id: row.get(1)?, title: row.get(2)?, metadata, created: row.get(4)?, updated: row.get(5)? };
    Ok((row.get(0)?, thread))
}
