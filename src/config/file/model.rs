//! Models.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::{List, Optional};
use crate::config::read::{At, Read, Required, read_section, section};
use crate::config::report::Problems;
use crate::config::values::{Deadline, FreeTable, Reasoning, Temperature, Whole};

section! {
    /// A model under the name that pages ask for.
    Model, "a model" {
        /// What answers, as "provider/model", tried in this order, or as `{ target = "provider/model", weight = 3 }`, drawn
        /// by weight. As the model of a name that ends in `*`, "provider/*" passes on what stands at the place of the `*`.
        targets: Required<Vec<TargetText>>,
        /// How many more tries there are beside one for each target, as long as nothing of the answer has been passed on.
        /// Default: 2.
        retries: Optional<Whole<0, 10>>,
        /// Longest pause before one. A provider that asks for a longer one is not asked again. Default: "5s".
        max_retry_wait: Optional<Deadline>,
        /// After how much silence the next target is asked as well; the first that says something answers. Costs are those
        /// of both. Default: never.
        hedge: Optional<Deadline>,
        /// Other names that pages may ask for it by.
        aliases: List<String>,
        /// What holds where a page does not say otherwise.
        defaults: Optional<Defaults>,
        /// Members added to every request to the provider, as they are.
        extra: Optional<FreeTable>,
    }
}

section! {
    /// A target with its share of the calls, and how many it may have at a time.
    WeightedTarget, "a target" {
        /// What answers, as "provider/model".
        target: Required<String>,
        /// Its share of the calls; 0 for none but those that the others leave over. Default: 1.
        weight: Optional<Whole<0, 1_000_000>>,
        /// Most calls at a time, also through other models that give this target the same numbers. Its provider's own bound
        /// holds too. Others wait for their place. Default: no limit.
        max_concurrent: Optional<Whole<1, 1_000_000>>,
        /// Most calls that wait for a place of it; the next target is asked for those beyond, or they are refused with
        /// 503. Default: 100.
        max_queue: Optional<Whole<0, 1_000_000>>,
        /// How long a call waits for a place of it. Default: "10s".
        queue_timeout: Optional<Deadline>,
    }
}

section! {
    /// What holds where a page does not say otherwise.
    Defaults, "`defaults`" {
        /// Bound of the answer in tokens.
        max_tokens: Optional<Whole<1, 10_000_000>>,
        /// Sampling temperature.
        temperature: Optional<Temperature>,
        /// How much the model should think.
        reasoning: Optional<Reasoning>,
    }
}

/// A target of a model: its name, or a table with more.
pub struct TargetText {
    /// The name, if it could be read.
    pub name: Option<At<String>>,
    /// Its weight.
    pub weight: Optional<Whole<0, 1_000_000>>,
    /// Most calls that run.
    pub max_concurrent: Optional<Whole<1, 1_000_000>>,
    /// Most calls that wait.
    pub max_queue: Optional<Whole<0, 1_000_000>>,
    /// How long one waits.
    pub queue_timeout: Optional<Deadline>,
}

impl Read for TargetText {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        if value.get_ref().is_table() {
            let WeightedTarget { target, weight, max_concurrent, max_queue, queue_timeout, .. } =
                read_section(value, problems)?;
            return Some(Self { name: target.0, weight, max_concurrent, max_queue, queue_timeout });
        }
        let name = Some(At { value: String::read(value, problems)?, span: value.span() });
        Some(Self { name, weight: None, max_concurrent: None, max_queue: None, queue_timeout: None })
    }
}

impl JsonSchema for TargetText {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "TargetText".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<WeightedTarget>();
        json_schema!({ "anyOf": [{ "type": "string" }, table] })
    }
}
