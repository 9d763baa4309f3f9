//! The lines of `/api/chat`, borrowed as they stand (upstream notes 5.2). Every member is read as raw JSON first, so
//! that a member of an unexpected type costs no more than itself.

use serde::Deserialize;

use crate::wire::json::Raw;

/// One line of the answer, or the whole of it where it does not stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) model: Raw<'a>,
    #[serde(borrow)]
    pub(super) created_at: Raw<'a>,
    #[serde(borrow)]
    pub(super) message: Raw<'a>,
    #[serde(borrow)]
    pub(super) done: Raw<'a>,
    #[serde(borrow)]
    pub(super) done_reason: Raw<'a>,
    #[serde(borrow)]
    pub(super) error: Raw<'a>,
}

/// What a line says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Raw<'a>,
    #[serde(borrow)]
    pub(super) thinking: Raw<'a>,
    #[serde(borrow)]
    pub(super) tool_calls: Raw<'a>,
}

/// A tool call, whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) id: Raw<'a>,
    #[serde(borrow)]
    pub(super) function: Raw<'a>,
}

/// What is called.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) index: Raw<'a>,
    #[serde(borrow)]
    pub(super) name: Raw<'a>,
    #[serde(borrow)]
    pub(super) arguments: Raw<'a>,
}
