//! How much callers may ask for: requests and tokens in a time, turns at a time, and dollars in a day or month.
//!
//! ```text
//! who asks ─▶ Limiter::admit ─▶ Admission: a Permit, held while the turn runs, and a Meter that counts what it uses
//!                   │
//!                   └▶ Refused: how long to wait, and how much there was
//! ```
//!
//! A request is asked of all limits that hold for it at once: it takes from each of them, or from none.

mod admission;
mod gcra;
mod limiter;
mod period;
mod spending;
mod subject;
mod table;

pub use admission::{Admission, Meter, Over, Permit, Refused, Standing};
pub use gcra::Quota;
pub use limiter::Limiter;
pub use period::Period;
pub use subject::Who;

use chatwire_protocols::cost::Cost;

/// What holds for a key, an owner, an address or a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a time.
    pub requests: Option<Quota>,
    /// Tokens in a time, those of input and of output.
    pub tokens: Option<Quota>,
    /// Most turns at a time.
    pub concurrent: Option<u32>,
    /// Dollars in a day or month.
    pub budget: Option<Budget>,
}

impl Limits {
    /// True if nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How much money may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// As much as this.
    pub most: Cost,
    /// In each of these.
    pub per: Period,
}

/// What holds for each key, owner and address that nothing else is said of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitRules {
    /// Each key without limits of its own.
    pub key: Limits,
    /// Each owner.
    pub owner: Limits,
    /// Each address.
    pub address: Limits,
}
