//! Reading TOML values with their places: every mistake is noted, and reading goes on with what is right.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Problem, Problems, Span};

/// A type that a TOML value can be read as.
pub trait Read: Sized {
    /// Reads the value; where it is wrong, notes why and gives nothing.
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self>;
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

/// A key that must be there. Nothing if it is not or its value is wrong, which has been noted.
pub struct Required<T>(pub Option<At<T>>);

/// Entries under names of the user's choice, in the order of the file.
pub struct Named<T>(pub Vec<Entry<T>>);

/// A named entry.
pub struct Entry<T> {
    /// Its name, with the place of the name.
    pub name: At<String>,
    /// What stands under it.
    pub value: T,
}

/// A table with known keys.
pub trait Section: Sized {
    /// What it is, with its article, for messages.
    const WHAT: &'static str;

    /// Takes its fields, in the order of its documentation.
    fn fields(fields: &mut Fields<'_, '_>) -> Self;

    /// False if a value in it was wrong or missing, which has been noted.
    fn is_sound(&self) -> bool;
}

/// A table while its keys are taken one after the other.
pub struct Fields<'a, 'p> {
    table: &'a DeTable<'a>,
    header: Span,
    what: &'static str,
    known: Vec<&'static str>,
    sound: bool,
    problems: &'p mut Problems,
}

impl<'a, 'p> Fields<'a, 'p> {
    fn new(table: &'a DeTable<'a>, header: Span, what: &'static str, problems: &'p mut Problems) -> Self {
        Self { table, header, what, known: Vec::new(), sound: true, problems }
    }

    /// Takes a key.
    pub fn take<T: Field>(&mut self, key: &'static str) -> T {
        self.known.push(key);
        T::take(self, key)
    }

    /// False if a value taken so far was wrong or missing.
    pub const fn sound(&self) -> bool {
        self.sound
    }

    fn value<T: Read>(&mut self, key: &str) -> Option<At<T>> {
        let value = self.table.get(key)?;
        let read = T::read(value, self.problems);
        self.sound &= read.is_some();
        read.map(|read| At { value: read, span: value.span() })
    }

    /// Notes every key that was not taken.
    fn finish(self) {
        for (key, _) in self.table {
            let word: &str = key.get_ref();
            if !self.known.contains(&word) {
                let problem = Problem::new(key.span(), format!("unknown key `{word}` in {}", self.what));
                self.problems.push(problem.suggest(word, "known keys", self.known.iter().copied()));
            }
        }
    }
}

/// What a field of a section can be: a key that may be there or one that must.
pub trait Field: Sized {
    /// Takes it.
    fn take(fields: &mut Fields<'_, '_>, key: &'static str) -> Self;
}

impl<T: Read> Field for Option<At<T>> {
    fn take(fields: &mut Fields<'_, '_>, key: &'static str) -> Self {
        fields.value(key)
    }
}

impl<T: Read> Field for Required<T> {
    fn take(fields: &mut Fields<'_, '_>, key: &'static str) -> Self {
        if !fields.table.contains_key(key) {
            fields.sound = false;
            let title = format!("{} needs a key `{key}`", fields.what);
            fields.problems.push(Problem::new(fields.header.clone(), title).label(format!("`{key}` is missing")));
        }
        Self(fields.value(key))
    }
}

/// Reads a whole file as one section.
pub fn read_document<T: Section>(table: &DeTable<'_>, problems: &mut Problems) -> T {
    read_fields(table, 0..0, problems)
}

/// Reads a table as a section. A section with mistakes is still a section: what is wrong in it is left out.
pub fn read_section<T: Section>(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<T> {
    match value.get_ref() {
        DeValue::Table(table) => Some(read_fields(table, value.span(), problems)),
        other => wrong_type(value.span(), "a table", other, problems),
    }
}

fn read_fields<T: Section>(table: &DeTable<'_>, header: Span, problems: &mut Problems) -> T {
    let mut fields = Fields::new(table, header, T::WHAT, problems);
    let section = T::fields(&mut fields);
    fields.finish();
    section
}

/// Notes that a value is of a wrong type.
pub fn wrong_type<T>(span: Span, expected: &str, found: &DeValue<'_>, problems: &mut Problems) -> Option<T> {
    let label = format!("expected {expected}, found {}", type_name(found));
    problems.push(Problem::new(span, "wrong type").label(label));
    None
}

/// A TOML type with its article.
pub const fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl<T: Read> Read for At<T> {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        Some(Self { value: T::read(value, problems)?, span: value.span() })
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        match value.get_ref() {
            DeValue::Array(list) => Some(list.iter().filter_map(|item| T::read(item, problems)).collect()),
            other => wrong_type(value.span(), "a list", other, problems),
        }
    }
}

impl<T: Read> Read for Named<T> {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            return wrong_type(value.span(), "a table", value.get_ref(), problems);
        };
        let entry = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| {
            let name = At { value: key.get_ref().to_string(), span: key.span() };
            Some(Entry { name, value: T::read(value, problems)? })
        };
        Some(Self(table.iter().filter_map(entry).collect()))
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Required<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let entry = generator.subschema_for::<T>();
        schemars::json_schema!({ "type": "object", "additionalProperties": entry })
    }
}

/// Declares a section once: its fields, how they are read and, through their documentation, its JSON Schema.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident, $what:literal { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
            #[schemars(skip)]
            sound: bool,
        }

        impl $crate::config::read::Section for $name {
            const WHAT: &'static str = $what;

            fn fields(fields: &mut $crate::config::read::Fields<'_, '_>) -> Self {
                $(let $field = fields.take(stringify!($field));)*
                Self { $($field,)* sound: fields.sound() }
            }

            fn is_sound(&self) -> bool {
                self.sound
            }
        }

        impl $crate::config::read::Read for $name {
            fn read(
                value: &toml::Spanned<toml::de::DeValue<'_>>,
                problems: &mut $crate::config::report::Problems,
            ) -> Option<Self> {
                $crate::config::read::read_section(value, problems)
            }
        }
    };
}
pub(super) use section;
