//! A protocol with its options as one word, as commands and golden files name it: `vercel-ui-stream@ui_level=6`.

use std::sync::Arc;

use chatwire_protocols::options::{OptionSpec, Options};
use chatwire_protocols::protocol::{Frontend, Protocol, Upstream};
use serde_json::{Map, Value};

/// A word that names no protocol, or not with these options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DialectError(String);

/// What a provider of this name speaks.
///
/// # Errors
/// The name is unknown, the protocol is spoken by pages only, or it has no such option.
pub fn upstream(word: &str) -> Result<Arc<dyn Upstream>, DialectError> {
    let (protocol, given) = named(word, "decode", |protocol| protocol.upstream.is_some())?;
    let Some(spec) = &protocol.upstream else { return Err(wrong_side(protocol, "providers")) };
    Ok((spec.make)(&options(protocol, spec.options, given)?))
}

/// What a page of this name speaks.
///
/// # Errors
/// The name is unknown, the protocol is spoken by providers only, or it has no such option.
pub fn frontend(word: &str) -> Result<Arc<dyn Frontend>, DialectError> {
    let (protocol, given) = named(word, "write", |protocol| protocol.frontend.is_some())?;
    let Some(spec) = &protocol.frontend else { return Err(wrong_side(protocol, "pages")) };
    Ok((spec.make)(&options(protocol, spec.options, given)?))
}

/// The names of all protocols that fit, in the registry's order.
pub fn names(fits: impl Fn(&Protocol) -> bool) -> Vec<&'static str> {
    chatwire_protocols::PROTOCOLS.iter().filter(|protocol| fits(protocol)).map(|protocol| protocol.name).collect()
}

fn named<'a>(
    word: &'a str,
    verb: &str,
    fits: impl Fn(&Protocol) -> bool,
) -> Result<(&'static Protocol, &'a str), DialectError> {
    let (name, given) = word.split_once('@').unwrap_or((word, ""));
    match chatwire_protocols::find(name) {
        Some(protocol) => Ok((protocol, given)),
        None => {
            let known = names(fits);
            let hint = nearest(name, &known)
                .map_or_else(|| format!("known are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
            Err(DialectError(format!("no protocol to {verb} is called `{name}`; {hint}")))
        }
    }
}

fn wrong_side(protocol: &Protocol, speakers: &str) -> DialectError {
    DialectError(format!("{speakers} do not speak `{}`", protocol.name))
}

fn options(protocol: &Protocol, specs: &'static [OptionSpec], given: &str) -> Result<Options, DialectError> {
    let mut table = Map::new();
    for pair in given.split(',').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, "true"));
        let value = match value {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            other => option_value(specs, name, other),
        };
        table.insert(name.to_owned(), value);
    }
    Options::read(specs, &table).map_err(|error| {
        let hint = match (error.unknown, nearest(&error.name, &error.allowed)) {
            (true, Some(near)) => format!("; did you mean `{near}`?"),
            (true, None) if error.allowed.is_empty() => "; it has none".to_owned(),
            (true, None) => format!("; it has {}", error.allowed.join(", ")),
            (false, _) => String::new(),
        };
        DialectError(format!("`{}`: {}{hint}", protocol.name, error.message))
    })
}

/// A number where the option is one; `5` can be a word of a choice as well.
fn option_value(specs: &[OptionSpec], name: &str, text: &str) -> Value {
    use chatwire_protocols::options::OptionKind;
    let number = specs.iter().any(|spec| spec.name == name && matches!(spec.kind, OptionKind::Integer { .. }));
    match text.parse::<u64>() {
        Ok(value) if number => value.into(),
        _ => text.into(),
    }
}

/// The known word that is nearest to a mistyped one, if any is near: a third of its letters may be wrong, and a word
/// that begins with what was typed is always near.
fn nearest<'a>(typed: &str, known: &[&'a str]) -> Option<&'a str> {
    if typed.is_empty() {
        return None;
    }
    let begins = known.iter().find(|word| word.starts_with(typed));
    let close = || known.iter().map(|word| (distance(typed, word), word)).min_by_key(|(distance, _)| *distance);
    begins
        .or_else(|| close().filter(|(distance, word)| *distance <= word.len().max(typed.len()) / 3).map(|near| near.1))
        .copied()
}

/// How many letters must be added, left out or changed to make one word of the other.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (above, a) in left.chars().enumerate() {
        let mut diagonal = above;
        let mut last = above + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(right.chars()) {
            let best = (diagonal + usize::from(a != b)).min(last + 1).min(*cell + 1);
            diagonal = *cell;
            *cell = best;
            last = best;
        }
        if let Some(first) = row.first_mut() {
            *first = above + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_letters() {
        for (left, right, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("", "abc", 3),
            ("abc", "abd", 1),
            ("abc", "ac", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
            assert_eq!(distance(right, left), expected, "{right} {left}");
        }
    }

    #[test]
    fn a_mistyped_name_gets_the_likely_one() {
        let known = ["openai-chat", "openai-responses", "anthropic", "ollama"];
        assert_eq!(nearest("antropic", &known), Some("anthropic"));
        assert_eq!(nearest("openai_chat", &known), Some("openai-chat"));
        assert_eq!(nearest("openai", &known), Some("openai-chat"));
        assert_eq!(nearest("gemini", &known), None);
        assert_eq!(nearest("", &known), None);
    }

    #[test]
    fn an_unknown_protocol_is_an_error_with_words_to_go_on() {
        let Err(error) = upstream("gemini") else { panic!("gemini is no protocol") };
        assert!(error.to_string().contains("`gemini`"), "{error}");
    }
}
