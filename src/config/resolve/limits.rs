//! Limits, and which answers are kept to be given again.

use std::time::Duration;

use super::value;
use crate::cache::CachePlan;
use crate::config::file::Optional;
use crate::config::limits as file;
use crate::config::plan::ConcurrencyPlan;
use crate::config::values::{Deadline, Whole};
use crate::limits::{Budget, LimitRules, Limits};

const CACHE_SIZE: usize = 64 << 20;

/// The limits of everybody of a sort.
pub fn rules(file: &Optional<file::LimitRules>) -> LimitRules {
    let Some(file) = value(file) else { return LimitRules::default() };
    let limits = |field| limits(field).unwrap_or_default();
    LimitRules { key: limits(&file.key), owner: limits(&file.owner), address: limits(&file.address) }
}

/// Limits, if the file says any, also if they are none.
pub fn limits(file: &Optional<file::Limits>) -> Option<Limits> {
    let file = value(file)?;
    Some(Limits {
        requests: value(&file.requests).map(|rate| rate.0),
        tokens: value(&file.tokens).map(|rate| rate.0),
        concurrent: value(&file.concurrent).map(|most| u32::try_from(most.0).unwrap_or(u32::MAX)),
        budget: value(&file.budget).and_then(|budget| {
            let (usd, per) = (budget.usd.0.as_ref()?, budget.per.0.as_ref()?);
            Some(Budget { most: usd.value.0, per: per.value.0 })
        }),
    })
}

/// How many calls there may be at a time, if there is a bound.
pub fn concurrency(
    most: &Optional<Whole<1, 1_000_000>>,
    queue: &Optional<Whole<0, 1_000_000>>,
    wait: &Optional<Deadline>,
) -> Option<ConcurrencyPlan> {
    let usual = ConcurrencyPlan::default();
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Some(ConcurrencyPlan {
        most: count(value(most)?.0),
        queue: value(queue).map_or(usual.queue, |number| count(number.0)),
        wait: value(wait).map_or(usual.wait, |time| time.0),
    })
}

/// Most bytes of all answers that are kept to be given again.
pub fn cache_size(file: &Optional<file::Cache>) -> usize {
    value(file).and_then(|file| value(&file.max_size)).map_or(CACHE_SIZE, |size| size.0)
}

/// How a route's answers are kept, if they are.
pub fn cache(file: &Optional<file::RouteCache>) -> Option<CachePlan> {
    let file = value(file)?;
    Some(CachePlan {
        ttl: value(&file.ttl).map_or(Duration::from_secs(600), |time| time.0),
        max_entry: value(&file.max_entry).map_or(256 << 10, |size| size.0),
        shared: value(&file.shared).copied().unwrap_or_default(),
        pace: value(&file.pace).map_or(Duration::from_millis(5), |time| time.0),
    })
}
