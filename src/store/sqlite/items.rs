//! Items of threads.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::unknown;
use crate::store::{Item, ItemKind, Owner, Page, PageQuery, Sequence, StoreError};

const COLUMNS: &str = "sequence, id, kind, body, created_at";

pub fn append(connection: &Connection, owner: &Owner, thread: &str, item: &Item) -> Result<Sequence, StoreError> {
    let sequence = take_place(connection, owner, thread)?;
    let sql = "INSERT INTO items (owner, thread, sequence, id, kind, hidden, body, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    connection.prepare_cached(sql)?.execute(params![
        owner.as_str(),
        thread,
        sequence,
        item.id,
        item.kind.name(),
        item.kind == ItemKind::Hidden,
        item.body.to_string(),
        item.created
    ])?;
    Ok(sequence)
}

pub fn put(connection: &Connection, owner: &Owner, thread: &str, item: &Item) -> Result<Sequence, StoreError> {
    let sql = "UPDATE items SET kind = ?4, hidden = ?5, body = ?6 WHERE owner = ?1 AND thread = ?2 AND id = ?3
        RETURNING sequence";
    let mut statement = connection.prepare_cached(sql)?;
    let hidden = item.kind == ItemKind::Hidden;
    let values = params![owner.as_str(), thread, item.id, item.kind.name(), hidden, item.body.to_string()];
    match statement.query_row(values, |row| row.get(0)).optional()? {
        Some(sequence) => Ok(sequence),
        None => append(connection, owner, thread, item),
    }
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

pub fn delete(connection: &Connection, owner: &Owner, thread: &str, id: &str) -> Result<bool, StoreError> {
    let sql = "DELETE FROM items WHERE owner = ?1 AND thread = ?2 AND id = ?3";
    Ok(connection.prepare_cached(sql)?.execute([owner.as_str(), thread, id])? > 0)
}

fn take_place(connection: &Connection, owner: &Owner, thread: &str) -> Result<Sequence, StoreError> {
    let sql = "UPDATE threads SET next_item = next_item + 1 WHERE owner = ?1 AND id = ?2 RETURNING next_item - 1";
    let taken = connection.prepare_cached(sql)?.query_row([owner.as_str(), thread], |row| row.get(0)).optional()?;
    taken.ok_or(StoreError::NoThread)
}

fn item(row: &Row<'_>) -> rusqlite::Result<(Sequence, Item)> {
    let (word, body): (String, String) = (row.get(2)?, row.get(3)?);
    let kind = ItemKind::ALL.into_iter().find(|kind| kind.name() == word).ok_or_else(|| unknown(2, &word))?;
    let body = serde_json::from_str(&body).map_err(|error| unknown(3, &error.to_string()))?;
    Ok((row.get(0)?, Item { id: row.get(1)?, kind, body, created: row.get(4)? }))
}
