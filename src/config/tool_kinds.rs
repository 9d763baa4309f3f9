//! What the user writes about each kind of tool that needs more than a word.

use std::borrow::Cow;

use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::file::{HeaderText, Key, List, Optional};
use super::placed::Placed;
use super::read::{At, Named, Read, Required, section};
use super::report::{Problem, Problems};
use super::values::{Size, Switch, Whole};
use crate::tools::http::Take;
use crate::tools::weather::Unit;

section! {
    /// A request to a server of yours for each call.
    Http, "`http`" {
        /// Its address. `{argument}` in its path or query stands for an argument of the call, which must be a required
        /// one.
        url: Required<String>,
        /// Its method. Default: "GET".
        method: Optional<Verb>,
        /// More members of its query: texts with `{argument}`, or secrets as `{ env = "…" }` or `{ file = "…" }`. One
        /// whose argument is left out is left out.
        query: Optional<Named<At<HeaderText>>>,
        /// Its headers, as texts or as `{ env = "…" }` or `{ file = "…" }`.
        headers: Optional<Named<At<HeaderText>>>,
        /// Where the token of `authorization: Bearer …` comes from: an environment variable or a file.
        bearer: Optional<Key>,
        /// Its JSON body: a text that is `{argument}` alone becomes the argument as it is. Default: all arguments with
        /// POST, PUT and PATCH, no body otherwise.
        body: Optional<Placed>,
        /// What of the answer is the result: "whole" (JSON if it says so, else text), "text", or a JSON pointer such as
        /// "/data/0". Default: "whole".
        result: Optional<Take>,
        /// The statuses that go well. Default: all from 200 to 299.
        success: List<Whole<200, 599>>,
        /// Largest answer. Default: "1MiB".
        max_response: Optional<Size>,
    }
}

section! {
    /// A text that a model writes for each call.
    Write, "`write`" {
        /// The model, by its name in this file.
        model: Required<String>,
        /// What it is told to do with the arguments, which it gets as JSON.
        instructions: Required<String>,
    }
}

section! {
    /// The weather at a place, from services that need no key.
    Weather, "`weather`" {
        /// The geocoder, which speaks as Open-Meteo's. Default: "https://geocoding-api.open-meteo.com/v1".
        geocoding_url: Optional<String>,
        /// The geocoder for what that one does not find, which speaks as Nominatim; `false` for none. Default:
        /// "https://nominatim.openstreetmap.org".
        second_geocoding_url: Optional<Switch<String>>,
        /// The forecast, which speaks as Open-Meteo's. Default: "https://api.open-meteo.com/v1".
        forecast_url: Optional<String>,
        /// Whether the weather is invented, so that a demonstration needs no network. Default: false.
        sample: Optional<bool>,
        /// The unit where the model names none. Default: "fahrenheit".
        default_unit: Optional<Unit>,
    }
}

/// The method of a request.
pub struct Verb(pub Method);

const VERBS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

impl Read for Verb {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let word = String::read(value, problems)?;
        let known = VERBS.iter().find(|verb| **verb == word);
        if known.is_none() {
            let problem = Problem::new(value.span(), format!("unknown method `{word}`"));
            problems.push(problem.suggest(&word.to_ascii_uppercase(), "methods", VERBS));
        }
        Method::from_bytes(known?.as_bytes()).ok().map(Self)
    }
}

impl Read for Take {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let word = String::read(value, problems)?;
        match word.as_str() {
            "whole" => Some(Self::Whole),
            "text" => Some(Self::Text),
            pointer if pointer.starts_with('/') => Some(Self::Pointer(word)),
            _ => {
                let problem = Problem::new(value.span(), "not a part of an answer");
                problems.push(problem.help("write \"whole\", \"text\", or a JSON pointer such as \"/data/0\""));
                None
            }
        }
    }
}

/// The words for [`Unit`], as the file writes them.
const UNITS: [&str; 2] = ["celsius", "fahrenheit"];

impl Read for Unit {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let word = String::read(value, problems)?;
        let unit = [Self::Celsius, Self::Fahrenheit].into_iter().find(|unit| unit.name() == word);
        if unit.is_none() {
            let problem = Problem::new(value.span(), format!("unknown unit `{word}`"));
            problems.push(problem.suggest(&word, "units", UNITS));
        }
        unit
    }
}

impl JsonSchema for Unit {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Unit".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": UNITS })
    }
}

impl JsonSchema for Verb {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Verb".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": VERBS })
    }
}

impl JsonSchema for Take {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Take".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(whole|text|/.*)$" })
    }
}
