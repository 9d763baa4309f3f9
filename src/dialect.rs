//! A protocol with its options as one word, as commands and golden files name it: `vercel-ui-stream@ui_level=6`.

use std::sync::Arc;

use chatwire_protocols::options::{OptionSpec, Options};
use chatwire_protocols::protocol::{Frontend, Protocol, Upstream};
use serde_json::{Map, Value};

use crate::config::suggest::closest;

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
            let hint = closest(name, &known)
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
        let hint = match (error.unknown, closest(&error.name, &error.allowed)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_protocol_is_an_error_with_words_to_go_on() {
        let Err(error) = upstream("gemini") else { panic!("gemini is no protocol") };
        assert!(error.to_string().contains("`gemini`"), "{error}");
    }
}
