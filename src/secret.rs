//! Text that must never be shown.

mod scrub;

use std::fmt;

use zeroize::Zeroizing;

pub use scrub::Scrubber;

/// A secret. It cannot be printed, only [`Secret::expose`] gives it out, and its memory is overwritten when it goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use zeroize::{Zeroize as _, ZeroizeOnDrop};

    use super::*;

    /// What memory holds behind a drop cannot be read without `unsafe`: so it is shown that the drop is the one of
    /// `zeroize`, and that this one leaves nothing.
    #[test]
    fn a_secret_is_overwritten() {
        fn goes_clean(_: &impl ZeroizeOnDrop) {}
        let Secret(mut text) = Secret::new("sk-012345");
        goes_clean(&text);
        text.zeroize();
        assert!(text.is_empty());
        assert_eq!(format!("{:?}", Secret::new("sk-012345")), "Secret(…)");
    }
}
