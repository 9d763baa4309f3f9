//! Whose a row is.

use std::sync::Arc;

/// The user that a row belongs to. There is none without a name, so no query can forget to ask whose rows it wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner(Arc<str>);

/// A text that names no owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an owner is named by 1 to {} visible characters", Owner::LONGEST)]
pub struct NoOwner;

impl Owner {
    /// Longest name, in bytes.
    pub const LONGEST: usize = 256;

    /// The owner of this name, without blanks around it.
    ///
    /// # Errors
    /// The name is empty, too long, or has control characters in it.
    pub fn new(name: &str) -> Result<Self, NoOwner> {
        let name = name.trim();
        let fits = (1..=Self::LONGEST).contains(&name.len()) && !name.contains(char::is_control);
        if fits { Ok(Self(name.into())) } else { Err(NoOwner) }
    }

    /// The one owner of a gateway that tells no users apart.
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_cannot_be_empty_long_or_unprintable() {
        for name in ["", "  ", "a\nb", "\u{0}", &"x".repeat(Owner::LONGEST + 1)] {
            assert_eq!(Owner::new(name), Err(NoOwner), "{name:?}");
        }
        assert_eq!(Owner::new(" kaz@example.com ").unwrap().as_str(), "kaz@example.com");
    }
}
