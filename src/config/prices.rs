//! What users write of prices.

use std::borrow::Cow;

use chatwire_protocols::cost::Rate;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::file::Optional;
use super::read::{Read, Required, section, wrong_type};
use super::report::{Problem, Problems};
use super::values::integer;

section! {
    /// What a model's tokens cost, in US dollars for a million of them, with at most six digits behind the point.
    Price, "a price" {
        /// Input that is neither read from a cache nor written to one.
        input: Required<Dollars>,
        /// Output, reasoning included.
        output: Required<Dollars>,
        /// Input read from a cache. Without it, the cost of a call that does so is not known.
        cached_input: Optional<Dollars>,
        /// Input written to a cache. Without it, the cost of a call that does so is not known.
        cache_write: Optional<Dollars>,
    }
}

/// An amount of US dollars for a million tokens.
pub struct Dollars(pub Rate);

impl Read for Dollars {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        // As it is written: a binary fraction would be another price.
        let rate = match value.get_ref() {
            DeValue::Integer(number) => integer(number).and_then(|number| number.to_string().parse().ok()),
            DeValue::Float(number) => number.as_str().parse().ok(),
            other => return wrong_type(value.span(), "a number", other, problems),
        };
        if rate.is_none() {
            let problem = Problem::new(value.span(), "not a price").label("dollars for a million tokens");
            problems.push(problem.help("write a number from 0 to 1000000 such as 2.5, with at most six decimals"));
        }
        rate.map(Self)
    }
}

impl JsonSchema for Dollars {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Dollars".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1_000_000 })
    }
}
