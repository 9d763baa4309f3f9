//! What is known of uploaded files. Their bytes are elsewhere.

use chatwire_protocols::event::Text;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::store::{Attachment, Owner, Room, StoreError};

const COLUMNS: &str = "id, name, media_type, size, thread, uploaded, created_at";

const INSERT: &str = "INSERT INTO attachments (owner, id, name, media_type, size, thread, uploaded, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

pub fn put(connection: &Connection, owner: &Owner, attachment: &Attachment) -> Result<(), StoreError> {
    let sql = format!(
        "{INSERT} ON CONFLICT (owner, id) DO UPDATE SET name = excluded.name, media_type = excluded.media_type,
            size = excluded.size, thread = excluded.thread, uploaded = excluded.uploaded,
            created_at = excluded.created_at"
    );
    insert(connection, &sql, owner, attachment)
}

pub fn add(connection: &Connection, owner: &Owner, attachment: &Attachment, room: Room) -> Result<(), StoreError> {
    let sql = "SELECT coalesce(sum(size + ?2), 0), coalesce(sum(size + ?2) FILTER (WHERE owner = ?1), 0)
        FROM attachments";
    let (all, own): (u64, u64) = connection
        .prepare_cached(sql)?
        .query_row(params![owner.as_str(), Room::EACH], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let more = attachment.size.saturating_add(Room::EACH);
    if own.saturating_add(more) > room.owner {
        return Err(StoreError::TooMany("bytes of files"));
    }
    if all.saturating_add(more) > room.all {
        return Err(StoreError::NoRoom);
    }
    insert(connection, INSERT, owner, attachment)
}

fn insert(connection: &Connection, sql: &str, owner: &Owner, attachment: &Attachment) -> Result<(), StoreError> {
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

pub fn finish(connection: &Connection, owner: &Owner, id: &str, size: u64) -> Result<bool, StoreError> {
    let sql = "UPDATE attachments SET uploaded = 1, size = ?3 WHERE owner = ?1 AND id = ?2 AND uploaded = 0";
    Ok(connection.prepare_cached(sql)?.execute(params![owner.as_str(), id, size])? > 0)
}

pub fn owner(connection: &Connection, id: &str) -> Result<Option<Owner>, StoreError> {
    let sql = "SELECT owner FROM attachments WHERE id = ?1";
    let name: Option<String> = connection.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
    name.map(|name| Owner::new(&name).map_err(|error| StoreError::Damaged(error.to_string()))).transpose()
}

/// The files of a thread that goes belong to none.
pub fn detach(connection: &Connection, owner: &Owner, thread: &str) -> Result<(), StoreError> {
    let sql = "UPDATE attachments SET thread = NULL WHERE thread = ?2 AND owner = ?1";
    connection.prepare_cached(sql)?.execute([owner.as_str(), thread])?;
    Ok(())
}

pub fn forget(connection: &Connection, before: u64, limit: u32) -> Result<Vec<Text>, StoreError> {
    let sql = "DELETE FROM attachments WHERE id IN
            (SELECT id FROM attachments WHERE thread IS NULL AND created_at < ?1 ORDER BY created_at LIMIT ?2)
        RETURNING id";
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map(params![before.min(i64::MAX as u64), limit], |row| row.get::<_, String>(0))?;
    Ok(ids.map(|id| id.map(Text::from)).collect::<Result<_, _>>()?)
}

pub fn find(connection: &Connection, owner: &Owner, id: &str) -> Result<Option<Attachment>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM attachments WHERE owner = ?1 AND id = ?2");
    Ok(connection.prepare_cached(&sql)?.query_row([owner.as_str(), id], attachment).optional()?)
}

pub fn attach(connection: &Connection, owner: &Owner, thread: &str, id: &str) -> Result<(), StoreError> {
    let sql = "UPDATE attachments SET thread = ?2
        WHERE owner = ?1 AND id = ?3 AND (thread IS NULL OR thread = ?2)";
    let changed = connection.prepare_cached(sql)?.execute([owner.as_str(), thread, id])?;
    if changed == 0 { Err(StoreError::NoFile) } else { Ok(()) }
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
