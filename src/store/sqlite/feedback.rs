//! What users think of items.

use rusqlite::{Connection, params};

use crate::store::{Owner, StoreError};

pub fn put(
    connection: &Connection,
    owner: &Owner,
    thread: &str,
    item: &str,
    positive: bool,
    created: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO feedback (owner, thread, item, positive, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![owner.as_str(), thread, item, positive, created])?;
    Ok(())
}
