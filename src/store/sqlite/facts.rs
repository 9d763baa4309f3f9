//! Facts.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::unknown;
use crate::store::{Direction, Fact, FactStatus, MOST_FACTS, Owner, StoreError};

pub fn add(connection: &Connection, owner: &Owner, fact: &Fact) -> Result<(), StoreError> {
    let count: u32 = connection
        .prepare_cached("SELECT count(*) FROM facts WHERE owner = ?1")?
        .query_row([owner.as_str()], |row| row.get(0))?;
    if count >= MOST_FACTS {
        make_room(connection, owner)?;
    }
    connection
        .prepare_cached("INSERT INTO facts (owner, id, text, status, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![owner.as_str(), fact.id, fact.text, fact.status.name(), fact.created])?;
    Ok(())
}

/// Forgets the oldest fact that is discarded.
fn make_room(connection: &Connection, owner: &Owner) -> Result<(), StoreError> {
    let sql = "DELETE FROM facts WHERE owner = ?1 AND sequence =
        (SELECT min(sequence) FROM facts WHERE owner = ?1 AND status = ?2)";
    let deleted = connection.prepare_cached(sql)?.execute(params![owner.as_str(), FactStatus::Discarded.name()])?;
    if deleted == 0 { Err(StoreError::TooMany("facts")) } else { Ok(()) }
}

pub fn set_status(
    connection: &Connection,
    owner: &Owner,
    id: &str,
    status: FactStatus,
) -> Result<Option<Fact>, StoreError> {
    let sql = "UPDATE facts SET status = ?3 WHERE owner = ?1 AND id = ?2 RETURNING id, text, status, created_at";
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(params![owner.as_str(), id, status.name()], fact).optional()?)
}

pub fn list(
    connection: &Connection,
    owner: &Owner,
    status: FactStatus,
    direction: Direction,
    limit: u32,
) -> Result<Vec<Fact>, StoreError> {
    let order = direction.sql().1;
    let sql = format!(
        "SELECT id, text, status, created_at FROM facts WHERE owner = ?1 AND status = ?2
         ORDER BY sequence {order} LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let facts = statement.query_map(params![owner.as_str(), status.name(), limit], fact)?;
    Ok(facts.collect::<Result<_, _>>()?)
}

fn fact(row: &Row<'_>) -> rusqlite::Result<Fact> {
    let word: String = row.get(2)?;
    let status = FactStatus::ALL.into_iter().find(|status| status.name() == word);
    let status = status.ok_or_else(|| unknown(2, &word))?;
    Ok(Fact { id: row.get(0)?, text: row.get(1)?, status, created: row.get(3)? })
}
