//! `chatwire check`: is the configuration right?

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::{ConfigArgs, load, print};
use crate::config::plan::Plan;

/// Checks a configuration and says what is in it, or shows every mistake.
pub fn run(args: &ConfigArgs) -> ExitCode {
    match load(args) {
        Ok(plan) => print(&format!("{}: {}\n", args.config.display(), summary(&plan))),
        Err(code) => code,
    }
}

fn summary(plan: &Plan) -> String {
    // An alias is no further model.
    let models = plan.models.iter().filter(|(name, model)| **name == model.name).count();
    let targets = plan.models.values().flat_map(|model| &model.targets);
    let providers: BTreeSet<&str> = targets.map(|target| target.provider.name.as_str()).collect();
    format!(
        "OK, {}, {}, {} in use",
        count(plan.routes.len(), "route"),
        count(models, "model"),
        count(providers.len(), "provider")
    )
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
