//! Sampling and limits that a page may ask for, on the top level or in assistant-ui's `callSettings`.

use crate::chat::{Effort, Settings};
use crate::error::CallerError;
use crate::wire::body::Node;

const MAX_TOKENS: &[&str] = &["maxOutputTokens", "maxTokens", "max_tokens", "max_completion_tokens"];
const TEMPERATURE: &[&str] = &["temperature"];
const TOP_P: &[&str] = &["topP", "top_p"];
const TOP_K: &[&str] = &["topK", "top_k"];
const STOP: &[&str] = &["stopSequences", "stop"];
const SEED: &[&str] = &["seed"];
const PRESENCE: &[&str] = &["presencePenalty", "presence_penalty"];
const FREQUENCY: &[&str] = &["frequencyPenalty", "frequency_penalty"];
const EFFORT: &[&str] = &["reasoningEffort", "reasoning_effort"];
const ALL: [&[&str]; 9] = [MAX_TOKENS, TEMPERATURE, TOP_P, TOP_K, STOP, SEED, PRESENCE, FREQUENCY, EFFORT];

/// True if a member of the body of this name is a setting.
pub(super) fn is_one(name: &str) -> bool {
    ALL.iter().any(|names| names.contains(&name))
}

/// Reads the settings.
///
/// # Errors
/// One has a wrong type.
pub(super) fn read(root: &Node<'_>) -> Result<Settings, CallerError> {
    let nested = root.get("callSettings");
    let find = |names: &[&str]| {
        names.iter().find_map(|name| root.get(name).or_else(|| nested.as_ref().and_then(|all| all.get(name))))
    };
    let number = |names: &[&str]| find(names).map(|node| node.number()).transpose();
    let count = |names: &[&str]| find(names).map(|node| node.count()).transpose();
    Ok(Settings {
        max_tokens: count(MAX_TOKENS)?,
        temperature: number(TEMPERATURE)?,
        top_p: number(TOP_P)?,
        top_k: count(TOP_K)?,
        stop: find(STOP).map_or(Ok(Vec::new()), |node| stops(&node))?,
        seed: find(SEED).map(|node| node.value.as_i64().ok_or_else(|| node.expected("a whole number"))).transpose()?,
        presence_penalty: number(PRESENCE)?,
        frequency_penalty: number(FREQUENCY)?,
        reasoning: find(EFFORT).map(|node| effort(&node)).transpose()?,
        ..Settings::default()
    })
}

/// One text, or several.
fn stops(node: &Node<'_>) -> Result<Vec<String>, CallerError> {
    match node.value.as_str() {
        Some(text) => Ok(vec![text.to_owned()]),
        None => node.items()?.map(|item| item.str().map(str::to_owned)).collect(),
    }
}

fn effort(node: &Node<'_>) -> Result<Effort, CallerError> {
    Effort::from_name(node.str()?).ok_or_else(|| node.expected("one of none, minimal, low, medium, high, xhigh, max"))
}
