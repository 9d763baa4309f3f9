//! A protocol's options: one table per protocol, from which they are read, checked, explained and documented.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// One option of a protocol.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Its key in the configuration.
    pub name: &'static str,
    /// One sentence for people.
    pub about: &'static str,
    /// What values it takes.
    pub kind: OptionKind,
}

/// What values an option takes.
#[derive(Clone, Copy, Debug)]
pub enum OptionKind {
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A text.
    Text,
    /// A whole number in these bounds.
    Integer {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
}

/// Options as the configuration gives them, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options(BTreeMap<&'static str, Value>);

/// An option that is not known or has a wrong value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OptionError {
    /// The key at fault.
    pub name: String,
    /// True if the key is not known, false if its value is wrong.
    pub unknown: bool,
    /// What is wrong and what would be right.
    pub message: String,
    /// What could stand there: the known keys, or the allowed words.
    pub allowed: Vec<&'static str>,
}

impl Options {
    /// Checks what the configuration gives against a protocol's table.
    ///
    /// # Errors
    /// The first unknown key or wrong value.
    pub fn read(specs: &'static [OptionSpec], given: &Map<String, Value>) -> Result<Self, OptionError> {
        let mut options = BTreeMap::new();
        for (name, value) in given {
            let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
                return Err(OptionError {
                    name: name.clone(),
                    unknown: true,
                    message: format!("unknown option `{name}`"),
                    allowed: specs.iter().map(|spec| spec.name).collect(),
                });
            };
            let wrong = |expected: String, allowed: &[&'static str]| OptionError {
                name: name.clone(),
                unknown: false,
                message: format!("`{name}` must be {expected}"),
                allowed: allowed.to_vec(),
            };
            match spec.kind {
                OptionKind::Flag if !value.is_boolean() => return Err(wrong("true or false".to_owned(), &[])),
                OptionKind::Choice(words) if !value.as_str().is_some_and(|word| words.contains(&word)) => {
                    return Err(wrong(format!("one of {}", words.join(", ")), words));
                }
                OptionKind::Text if !value.is_string() => return Err(wrong("a text".to_owned(), &[])),
                OptionKind::Integer { min, max }
                    if !value.as_u64().is_some_and(|number| (min..=max).contains(&number)) =>
                {
                    return Err(wrong(format!("a whole number from {min} to {max}"), &[]));
                }
                _ => {}
            }
            options.insert(spec.name, value.clone());
        }
        Ok(Self(options))
    }

    /// A flag, if it is given.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// A text or a choice, if it is given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A number, if it is given.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECS: &[OptionSpec] = &[
        OptionSpec { name: "level", about: "", kind: OptionKind::Choice(&["floor", "5"]) },
        OptionSpec { name: "slow", about: "", kind: OptionKind::Flag },
    ];

    fn read(json: &str) -> Result<Options, OptionError> {
        Options::read(SPECS, &serde_json::from_str(json).unwrap())
    }

    #[test]
    fn options_are_checked_against_their_table() {
        let options = read(r#"{"level":"5","slow":true}"#).unwrap();
        assert_eq!((options.text("level"), options.flag("slow")), (Some("5"), Some(true)));
        assert!(read(r#"{"levle":"5"}"#).unwrap_err().unknown);
        assert_eq!(read(r#"{"level":"6"}"#).unwrap_err().allowed, ["floor", "5"]);
        assert!(read(r#"{"slow":1}"#).is_err());
    }
}
