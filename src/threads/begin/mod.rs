//! What a turn can begin with. Each is checked and becomes a [`Draft`](super::draft::Draft).

mod action;
mod form;
mod message;
mod outputs;
mod retry;

pub use action::act;
pub use form::form;
pub use message::{is_sane_id, message};
pub use outputs::{is_repeated, outputs};
pub use retry::retry;
