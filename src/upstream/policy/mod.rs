//! What is decided about calls, without IO: the clock and the randomness come in.

mod backoff;
mod breaker;
mod budget;
mod dice;
mod keys;
mod order;
mod rules;

pub use backoff::pause;
pub use breaker::{Breaker, Pass};
pub use budget::Budget;
pub use dice::Dice;
pub use keys::Keys;
pub use order::order;
pub use rules::{Rule, Says};
