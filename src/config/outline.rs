//! What a configuration says, part by part, and what another one says differently. Values are kept as hashes alone, so
//! that nothing told of them can be a secret.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use toml::de::{DeTable, DeValue};

/// Sections whose entries are parts of their own, by names, and what one of them is called.
const NAMED: [(&str, &str); 5] =
    [("providers", "provider"), ("models", "model"), ("prices", "price"), ("tools", "tool"), ("mcp", "MCP server")];

/// The parts of a configuration file, with a hash for each of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline(BTreeMap<Part, BTreeMap<String, u64>>);

/// A part of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// What it is: a route, a provider, a section, a file.
    pub kind: &'static str,
    /// What the file calls it.
    pub name: String,
}

/// What has become of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It says something else, under these keys.
    Changed(Vec<String>),
}

/// A difference between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What differs.
    pub part: Part,
    /// How.
    pub fate: Fate,
}

impl Outline {
    pub(super) fn new(file: &DeTable<'_>) -> Self {
        let mut parts = BTreeMap::new();
        let mut add = |kind, name: &str, value: &DeValue<'_>| {
            parts.insert(Part { kind, name: name.to_owned() }, keys(value));
        };
        for (section, value) in file {
            let (section, value) = (section.get_ref().as_ref(), value.get_ref());
            let named = NAMED.iter().find(|(name, _)| *name == section);
            match (named, value) {
                (Some((_, kind)), DeValue::Table(entries)) => {
                    entries.iter().for_each(|(name, entry)| add(kind, name.get_ref(), entry.get_ref()));
                }
                (None, DeValue::Array(routes)) if section == "routes" => {
                    let path = |route: &DeValue<'_>| route.get("path")?.get_ref().as_str().map(str::to_owned);
                    for route in routes.iter().map(|route| route.get_ref()) {
                        add("route", &path(route).unwrap_or_default(), route);
                    }
                }
                _ => add("section", section, value),
            }
        }
        Self(parts)
    }

    /// True for a file that says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What this one says that `before` did not, and the other way round.
    pub fn changes_since(&self, before: &Self) -> Vec<Change> {
        let parts: BTreeSet<&Part> = before.0.keys().chain(self.0.keys()).collect();
        let change = |part: &Part| {
            let fate = match (before.0.get(part), self.0.get(part)) {
                (Some(_), None) => Fate::Removed,
                (Some(before), Some(now)) if before != now => {
                    let keys: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
                    let differs = |key: &&String| !key.is_empty() && before.get(*key) != now.get(*key);
                    Fate::Changed(keys.into_iter().filter(differs).cloned().collect())
                }
                (Some(_), Some(_)) => return None,
                (None, _) => Fate::Added,
            };
            Some(Change { part: part.clone(), fate })
        };
        parts.into_iter().filter_map(change).collect()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} `{}`", self.kind, self.name.escape_debug())
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => formatter.write_str("added"),
            Self::Removed => formatter.write_str("removed"),
            Self::Changed(keys) if keys.is_empty() => formatter.write_str("changed"),
            Self::Changed(keys) => write!(formatter, "changed: {}", keys.join(", ").escape_debug()),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.part, self.fate)
    }
}

/// A hash for each key, or for the whole of a value without keys.
fn keys(value: &DeValue<'_>) -> BTreeMap<String, u64> {
    let hash = |value: &DeValue<'_>| {
        let mut hasher = DefaultHasher::new();
        add(value, &mut hasher);
        hasher.finish()
    };
    match value {
        DeValue::Table(table) => {
            table.iter().map(|(key, value)| (key.get_ref().to_string(), hash(value.get_ref()))).collect()
        }
        other => BTreeMap::from([(String::new(), hash(other))]),
    }
}

/// Adds a value to a hash, wherever in the file it stands and in whatever order its keys are.
fn add(value: &DeValue<'_>, hasher: &mut DefaultHasher) {
    std::mem::discriminant(value).hash(hasher);
    match value {
        DeValue::String(text) => text.hash(hasher),
        DeValue::Integer(number) => number.to_string().hash(hasher),
        DeValue::Float(number) => number.to_string().hash(hasher),
        DeValue::Boolean(flag) => flag.hash(hasher),
        DeValue::Datetime(time) => time.to_string().hash(hasher),
        DeValue::Array(items) => {
            items.len().hash(hasher);
            items.iter().for_each(|item| add(item.get_ref(), hasher));
        }
        DeValue::Table(table) => {
            let entries: BTreeMap<&str, &DeValue<'_>> =
                table.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref())).collect();
            entries.len().hash(hasher);
            for (key, value) in entries {
                key.hash(hasher);
                add(value, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> Outline {
        Outline::new(DeTable::parse(text).unwrap().get_ref())
    }

    fn changes(before: &str, now: &str) -> Vec<String> {
        outline(now).changes_since(&outline(before)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn parts_are_named_as_the_file_names_them() {
        let before =
            "[server]\ndrain = \"1s\"\n[providers.a]\nkey = \"k\"\n[mcp.files]\nurl = \"u\"\n[[routes]]\npath = \"/a\"";
        let now = "[server]\ndrain = \"2s\"\nwatch = true\n[providers.b]\nkey = \"k\"\n[tools.t]\nfixed = 1\n\
                   [[routes]]\npath = \"/b\"\n[models.m]\ntargets = []\n";
        assert_eq!(
            changes(before, now),
            [
                "MCP server `files` removed",
                "model `m` added",
                "provider `a` removed",
                "provider `b` added",
                "route `/a` removed",
                "route `/b` added",
                "section `server` changed: drain, watch",
                "tool `t` added",
            ]
        );
    }

    #[test]
    fn order_place_and_writing_are_no_change() {
        let before = "[providers]\na = { x = 1, y = { p = [1, 2], q = 0.5 } }\n[models.m]\nt = \"1\"";
        let now = "# new\n[models]\nm.t = '1'\n[providers.a.y]\nq = 0.5\np = [\n 1, 2 ]\n[providers.a]\nx = 1\n";
        assert!(changes(before, now).is_empty());
    }

    #[test]
    fn each_value_is_told_from_others() {
        for (before, now) in
            [("1", "2"), ("1", "\"1\""), ("[1, 2]", "[2, 1]"), ("[[1], 2]", "[[1, 2]]"), ("true", "false")]
        {
            let of = |value: &str| format!("[models.m]\nkey = {value}\nsame = 1");
            assert_eq!(changes(&of(before), &of(now)), ["model `m` changed: key"], "{before} {now}");
        }
        assert_eq!(changes("[models]\nm = 1", "[models]\nm = 2"), ["model `m` changed"]);
    }

    #[test]
    fn no_value_is_ever_told() {
        let (before, now) = ("[providers.p]\napi_key = \"sk-old\"", "[providers.p]\napi_key = \"sk-new\"");
        assert_eq!(changes(before, now), ["provider `p` changed: api_key"]);
        assert!(!format!("{:?}", outline(now)).contains("sk-"));
    }
}
