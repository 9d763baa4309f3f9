//! The file's schema: made, brought up to date, or refused.

use rusqlite::{Connection, Row};

use crate::store::StoreError;

/// Every step from an empty file to today's schema. Never changed once released: what is new is a new step.
const MIGRATIONS: [&str; 5] = [
    include_str!("../migrations/0001_start.sql"),
    include_str!("../migrations/0002_threads.sql"),
    include_str!("../migrations/0003_sessions.sql"),
    include_str!("../migrations/0004_cost.sql"),
    include_str!("../migrations/0005_spending.sql"),
];

/// Marks a file as ours: "CHWR".
const APPLICATION: i32 = 0x4348_5752;

/// Brings the schema up to date, in one transaction. A file that is newer or not ours is left as it is.
pub fn migrate(connection: &Connection) -> Result<(), StoreError> {
    if version(connection)? == MIGRATIONS.len() {
        return Ok(());
    }
    // Another process may do the same at this moment: the second one finds the work done.
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let migrated = migrate_locked(connection);
    connection.execute_batch(if migrated.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
    migrated
}

fn migrate_locked(connection: &Connection) -> Result<(), StoreError> {
    for migration in MIGRATIONS.iter().skip(version(connection)?) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", MIGRATIONS.len())?;
    Ok(())
}

/// How many steps the file has behind it.
pub fn version(connection: &Connection) -> Result<usize, StoreError> {
    // One statement, for another process may be at work.
    let sql = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
        FROM pragma_application_id, pragma_user_version";
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (application, version, tables): (i32, i32, u32) = connection.query_row(sql, [], row)?;
    match (application, u32::try_from(version)) {
        (0, Ok(0)) if tables == 0 => Ok(0),
        (APPLICATION, Ok(found)) if found as usize > MIGRATIONS.len() => {
            Err(StoreError::Newer { found, known: MIGRATIONS.len() as u32 })
        }
        (APPLICATION, Ok(found)) => Ok(found as usize),
        _ => Err(StoreError::Foreign),
    }
}
