//! What frontends offer beyond a turn.

pub mod facts;
