//! What is known of uploaded files. Their bytes are elsewhere.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::store::{Attachment, Owner, StoreError};

const COLUMNS: &str = "id, name, media_type, size, thread, uploaded, created_at";

pub fn put(connection: &Connection, owner: &Owner, attachment: &Attachment) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO attachments (owner, id, name, media_type, size, thread, uploaded, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        owner.as_str(),
        attachment.id.as_str(),
        attachment.name,
        attachment.media_type,
        attachment.size,
        attachment.thread.as_deref(),
        attachment.uploaded,
        attachment.created
    ])?;
    Ok(())
}

pub fn find(connection: &Connection, owner: &Owner, id: &str) -> Result<Option<Attachment>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM attachments WHERE owner = ?1 AND id = ?2");
    Ok(connection.prepare_cached(&sql)?.query_row([owner.as_str(), id], attachment).optional()?)
}

pub fn attach(connection: &Connection, owner: &Owner, thread: &str, id: &str) -> Result<(), StoreError> {
    let sql = "UPDATE attachments SET thread = ?2 WHERE owner = ?1 AND id = ?3";
    connection.prepare_cached(sql)?.execute([owner.as_str(), thread, id])?;
    Ok(())
}

pub fn delete(connection: &Connection, owner: &Owner, id: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM attachments WHERE owner = ?1 AND id = ?2";
    Ok(connection.prepare_cached(sql)?.execute([owner.as_str(), id])? > 0)
}

fn attachment(row: &Row<'_>) -> rusqlite::Result<Attachment> {
    let (id, thread): (String, Option<String>) = (row.get(0)?, row.get(4)?);
    Ok(Attachment {
        id: id.into(),
        name: row.get(1)?,
        media_type: row.get(2)?,
        size: row.get(3)?,
        thread: thread.map(Into::into),
        uploaded: row.get(5)?,
        created: row.get(6)?,
        preview: None,
    })
}
