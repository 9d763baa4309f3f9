//! What has been spent of budgets.

use chatwire_protocols::cost::Cost;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::store::{Spending, StoreError};

/// A sum beyond what a row can hold stays at its end.
pub fn add(connection: &Connection, row: &Spending) -> Result<(), StoreError> {
    let sql = "INSERT INTO spending (subject, period, cost) VALUES (?1, ?2, ?3)
        ON CONFLICT (subject, period) DO UPDATE SET cost = cost + min(excluded.cost, ?4 - cost)";
    let cost = row.cost.0.min(i64::MAX as u64);
    connection.prepare_cached(sql)?.execute(params![row.subject, row.period, cost, i64::MAX])?;
    Ok(())
}

pub fn find(connection: &Connection, subject: &str, period: &str) -> Result<Cost, StoreError> {
    let sql = "SELECT cost FROM spending WHERE subject = ?1 AND period = ?2";
    let cost = connection.prepare_cached(sql)?.query_row([subject, period], |row| row.get::<_, u64>(0)).optional()?;
    Ok(Cost(cost.unwrap_or(0)))
}
