//! How much a caller may ask for.

/// What holds for a key, an owner, an address or a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most turns at a time.
    pub concurrent: Option<u32>,
}
