//! What users write of limits and of the cache of answers.

use std::borrow::Cow;

use chatwire_protocols::cost::Cost;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::Spanned;
use toml::de::DeValue;

use super::file::Optional;
use super::read::{Read, Required, section, wrong_type};
use super::report::{Problem, Problems};
use super::values::{Deadline, Period as Time, Size, Whole, Word, integer, parse_duration};
use crate::limits::{Period, Quota};

section! {
    /// How much may be asked for. A request that is over one of its limits is refused at once and takes from none.
    LimitRules, "[limits]" {
        /// Each API key that has no limits of its own.
        key: Optional<Limits>,
        /// Each user.
        owner: Optional<Limits>,
        /// Each address that requests come from, keys or not. Wrong keys count as requests. An IPv6 address stands for
        /// its /64.
        address: Optional<Limits>,
    }
}

section! {
    /// Limits.
    Limits, "limits" {
        /// Requests that begin a turn, such as "60/m": 60 at once, and another one each second. Default: no limit.
        requests: Optional<Rate>,
        /// Tokens of input and output, such as "100000/m". They are counted when a model call has ended, so one request
        /// may go beyond; the next ones wait until that is made up for. Default: no limit.
        tokens: Optional<Rate>,
        /// Most turns at a time. Default: no limit.
        concurrent: Optional<Whole<1, 1_000_000>>,
        /// Most money. Default: no limit.
        budget: Optional<Budget>,
    }
}

section! {
    /// Most money. It counts what `[prices]` knows, when a model call has ended, so turns that run at that moment may go
    /// beyond. What has been spent is stored, and survives a restart.
    Budget, "a budget" {
        /// US dollars, with at most six digits behind the point.
        usd: Required<Dollars>,
        /// In each "day" or "month" of UTC.
        per: Required<Word<Period>>,
    }
}

section! {
    /// Answers that are kept to be given again, in memory. Routes say whether theirs are.
    Cache, "[cache]" {
        /// Most bytes of all. The longest unused go first. Default: "64MiB".
        max_size: Optional<Size>,
    }
}

section! {
    /// Answers of models that are given again when exactly the same is asked.
    RouteCache, "`cache`" {
        /// How old they may be. Default: "10m".
        ttl: Optional<Deadline>,
        /// Longest one that is kept. Default: "256KiB".
        max_entry: Optional<Size>,
        /// Whether all users share them. Default: false, each has his own.
        shared: Optional<bool>,
        /// The pause between the pieces of one, which is shorter where it would take longer than a second in all.
        /// Default: "5ms".
        pace: Optional<Time>,
    }
}

/// So many in a time, such as `"60/m"` or `"500/15m"`.
pub struct Rate(pub Quota);

/// An amount of US dollars.
pub struct Dollars(pub Cost);

/// Most that a rate may say.
const MOST: u64 = 1_000_000_000_000;

fn parse_rate(text: &str) -> Option<Quota> {
    let (amount, per) = text.split_once('/')?;
    let amount = amount.trim().replace('_', "").parse().ok().filter(|amount| (1..=MOST).contains(amount))?;
    let per = per.trim();
    // "60/m" is "60/1m".
    let per = if per.starts_with(|first: char| first.is_ascii_digit()) { per.to_owned() } else { format!("1{per}") };
    let per = parse_duration(&per).filter(|per| !per.is_zero())?;
    Some(Quota { amount, per })
}

impl Read for Rate {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        let DeValue::String(text) = value.get_ref() else {
            return wrong_type(value.span(), "a rate such as \"60/m\"", value.get_ref(), problems);
        };
        let rate = parse_rate(text);
        if rate.is_none() {
            let problem = Problem::new(value.span(), "not a rate");
            problems
                .push(problem.help("write a number above zero and a time: \"5/s\", \"60/m\", \"1000/h\", \"500/15m\""));
        }
        rate.map(Self)
    }
}

impl Read for Dollars {
    fn read(value: &Spanned<DeValue<'_>>, problems: &mut Problems) -> Option<Self> {
        // As it is written: a binary fraction would be another amount.
        let cost = match value.get_ref() {
            DeValue::Integer(number) => integer(number).and_then(|number| number.to_string().parse().ok()),
            DeValue::Float(number) => number.as_str().parse().ok(),
            other => return wrong_type(value.span(), "a number", other, problems),
        };
        if cost.is_none() {
            let problem = Problem::new(value.span(), "not an amount of dollars");
            problems.push(problem.help("write a number from 0 to 1000000 such as 2.5, with at most six decimals"));
        }
        cost.map(Self)
    }
}

impl JsonSchema for Rate {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^ *[0-9_]+ */ *([0-9]* *(ms|s|m|min|h|d) *)+$" })
    }
}

impl JsonSchema for Dollars {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "DollarAmount".into()
    }
    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1_000_000 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_a_number_and_a_time() {
        for (text, rate) in [
            ("60/m", Some((60, 60_000))),
            ("5/s", Some((5, 1_000))),
            ("1 / 250ms", Some((1, 250))),
            ("500/15m", Some((500, 900_000))),
            ("100_000/1h30m", Some((100_000, 5_400_000))),
            ("7/d", Some((7, 86_400_000))),
            ("0/m", None),
            ("60", None),
            ("60/", None),
            ("/m", None),
            ("60/0s", None),
            ("60/week", None),
            ("-1/m", None),
            ("1.5/m", None),
            ("1000000000001/m", None),
        ] {
            let found = parse_rate(text).map(|quota| (quota.amount, quota.per.as_millis()));
            assert_eq!(found, rate, "{text}");
        }
    }
}
