//! What a session has cost, as pages read it.

use serde_json::{Map, Value, json};

use crate::cost::Cost;
use crate::event;
use crate::operation::ModelUsage;

/// What a session has cost.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionUsage(Vec<ModelUsage>);

impl SessionUsage {
    pub(super) fn new(known: &[ModelUsage]) -> Self {
        Self(known.to_vec())
    }

    /// Counts one more model call.
    pub(super) fn add(&mut self, model: &str, usage: &event::Usage) {
        let at = self.0.iter().position(|known| known.model == model).unwrap_or_else(|| {
            let cost = Some(Cost::default());
            self.0.push(ModelUsage { model: model.to_owned(), cost, ..ModelUsage::default() });
            self.0.len() - 1
        });
        let known = &mut self.0[at];
        known.calls += 1;
        known.input = known.input.saturating_add(usage.input.unwrap_or(0));
        known.output = known.output.saturating_add(usage.output.unwrap_or(0));
        known.cost = known.cost.zip(usage.cost).map(|(known, more)| known.plus(more));
    }

    /// The object of the wire. Its `cost` is known if that of every call is; it is never told as zero instead.
    pub(super) fn value(&self) -> Value {
        let sum = |count: fn(&ModelUsage) -> u64| self.0.iter().map(count).fold(0, u64::saturating_add);
        let by_model: Map<String, Value> = self.0.iter().map(|usage| (usage.model.clone(), of_model(usage))).collect();
        let costs = self.0.iter().map(|usage| usage.cost);
        let cost = costs.reduce(|sum, cost| Some(sum?.plus(cost?))).flatten();
        json!({
            "total_tokens": sum(total),
            "total_prompt_tokens": sum(|usage| usage.input),
            "total_completion_tokens": sum(|usage| usage.output),
            "by_model": by_model,
            "cost": cost,
        })
    }
}

fn of_model(usage: &ModelUsage) -> Value {
    #[allow(clippy::cast_precision_loss)]
    let average = if usage.calls == 0 { 0.0 } else { total(usage) as f64 / usage.calls as f64 };
    json!({
        "model": usage.model,
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": total(usage),
        "invocations": usage.calls,
        "average_tokens_per_invocation": average,
        "cost": usage.cost,
    })
}

const fn total(usage: &ModelUsage) -> u64 {
    usage.input.saturating_add(usage.output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_add_up_by_model() {
        let known = ModelUsage { model: "a".to_owned(), calls: 1, input: 10, output: 5, ..ModelUsage::default() };
        let mut usage = SessionUsage::new(&[known]);
        let call = |input, output| event::Usage { input, output, ..event::Usage::default() };
        usage.add("a", &call(Some(2), Some(1)));
        usage.add("b", &call(None, Some(3)));
        let value = usage.value();
        assert_eq!(value["total_tokens"], 21);
        assert_eq!(value["total_prompt_tokens"], 12);
        assert_eq!(value["total_completion_tokens"], 9);
        assert_eq!(
            value["by_model"]["a"].to_string(),
            r#"{"model":"a","prompt_tokens":12,"completion_tokens":6,"total_tokens":18,"invocations":2,"average_tokens_per_invocation":9.0,"cost":null}"#
        );
        assert_eq!(value["by_model"]["b"]["invocations"], 1);
        assert_eq!(value["cost"], Value::Null);
    }

    #[test]
    fn a_session_costs_what_all_its_calls_cost_if_that_is_known() {
        let call = |cost: Option<u64>| event::Usage { cost: cost.map(Cost), ..event::Usage::default() };
        let mut usage = SessionUsage::default();
        usage.add("a", &call(Some(4_000_000_000)));
        usage.add("b", &call(Some(500_000_000)));
        assert_eq!(usage.value()["cost"], json!(0.0045));
        assert_eq!(usage.value()["by_model"]["b"]["cost"], json!(0.0005));
        usage.add("b", &call(None));
        assert_eq!(usage.value()["cost"], Value::Null);
    }

    #[test]
    fn nothing_is_a_usage_of_nothing() {
        let nothing = SessionUsage::default().value();
        assert_eq!((&nothing["total_tokens"], &nothing["by_model"]), (&json!(0), &json!({})));
    }
}
