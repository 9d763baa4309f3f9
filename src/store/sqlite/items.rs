//! Items of threads.

use chatwire_protocols::items::Body;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::unknown;
use crate::store::{Item, Owner, Page, PageQuery, Sequence, StoreError, content};

const COLUMNS: &str = "sequence, id, hidden, body, created_at";

pub fn append(connection: &Connection, owner: &Owner, thread: &str, item: &Item) -> Result<(), StoreError> {
    let sequence = take_place(connection, owner, thread)?;
    let sql = "INSERT INTO items (owner, thread, sequence, id, kind, hidden, body, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        owner.as_str(),
        thread,
        sequence,
        item.id.as_str(),
        item.body.kind(),
        item.hidden,
        content::write(item)?,
        item.created
    ])?;
    Ok(())
}

pub fn put(connection: &Connection, owner: &Owner, thread: &str, item: &Item) -> Result<(), StoreError> {
    if replace(connection, owner, thread, item)? { Ok(()) } else { append(connection, owner, thread, item) }
}

/// False if it is not there.
pub fn replace(connection: &Connection, owner: &Owner, thread: &str, item: &Item) -> Result<bool, StoreError> {
    let sql = "UPDATE items SET kind = ?4, hidden = ?5, body = ?6 WHERE owner = ?1 AND thread = ?2 AND id = ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let values =
        params![owner.as_str(), thread, item.id.as_str(), item.body.kind(), item.hidden, content::write(item)?];
    Ok(statement.execute(values)? > 0)
}

pub fn find(
    connection: &Connection,
    owner: &Owner,
    thread: &str,
    id: &str,
) -> Result<Option<(Sequence, Item)>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM items WHERE owner = ?1 AND thread = ?2 AND id = ?3");
    Ok(connection.prepare_cached(&sql)?.query_row([owner.as_str(), thread, id], item).optional()?)
}

pub fn page(
    connection: &Connection,
    owner: &Owner,
    thread: &str,
    query: PageQuery,
    hidden: bool,
) -> Result<Page<Item>, StoreError> {
    let (behind, order) = query.direction.sql();
    let sql = format!(
        "SELECT {COLUMNS} FROM items WHERE owner = ?1 AND thread = ?4 AND {behind} AND hidden <= ?5
         ORDER BY sequence {order} LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let values = params![owner.as_str(), query.place(), query.probe(), thread, hidden];
    let rows = statement.query_map(values, item)?;
    Ok(query.page(rows.collect::<Result<_, _>>()?))
}

pub fn delete(connection: &Connection, owner: &Owner, thread: &str, id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM feedback WHERE owner = ?1 AND thread = ?2 AND item = ?3";
    connection.prepare_cached(sql)?.execute([owner.as_str(), thread, id])?;
    let sql = "DELETE FROM items WHERE owner = ?1 AND thread = ?2 AND id = ?3";
    connection.prepare_cached(sql)?.execute([owner.as_str(), thread, id])?;
    Ok(())
}

pub fn clear(connection: &Connection, owner: &Owner, thread: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM feedback WHERE owner = ?1 AND thread = ?2";
    connection.prepare_cached(sql)?.execute([owner.as_str(), thread])?;
    let sql = "DELETE FROM items WHERE owner = ?1 AND thread = ?2";
    connection.prepare_cached(sql)?.execute([owner.as_str(), thread])?;
    Ok(())
}

pub fn delete_behind(connection: &Connection, owner: &Owner, thread: &str, id: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM feedback WHERE owner = ?1 AND thread = ?2 AND item IN (SELECT id FROM items
        WHERE owner = ?1 AND thread = ?2
        AND sequence > (SELECT sequence FROM items WHERE owner = ?1 AND thread = ?2 AND id = ?3))";
    connection.prepare_cached(sql)?.execute([owner.as_str(), thread, id])?;
    let sql = "DELETE FROM items WHERE owner = ?1 AND thread = ?2
        AND sequence > (SELECT sequence FROM items WHERE owner = ?1 AND thread = ?2 AND id = ?3)";
    connection.prepare_cached(sql)?.execute([owner.as_str(), thread, id])?;
    Ok(())
}

fn take_place(connection: &Connection, owner: &Owner, thread: &str) -> Result<Sequence, StoreError> {
    let sql = "UPDATE threads SET next_item = next_item + 1 WHERE owner = ?1 AND id = ?2 RETURNING next_item - 1";
    let taken = connection.prepare_cached(sql)?.query_row([owner.as_str(), thread], |row| row.get(0)).optional()?;
    taken.ok_or(StoreError::NoThread)
}

/// What is said in a stored body; nothing for what cannot be read.
pub(super) fn said(body: &str) -> Option<String> {
    match content::read(body).ok()?.1 {
        Body::User(message) => Some(message.text()),
        Body::Assistant(message) => Some(message.text),
        _ => None,
    }
}

fn item(row: &Row<'_>) -> rusqlite::Result<(Sequence, Item)> {
    let (id, body): (String, String) = (row.get(1)?, row.get(3)?);
    let (origin, body) = content::read(&body).map_err(|error| unknown(3, &error.to_string()))?;
    Ok((row.get(0)?, Item { id: id.into(), created: row.get(4)?, hidden: row.get(2)?, origin, body }))
}
