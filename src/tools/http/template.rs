//! Texts with places for arguments: `{name}` is one, `{{` and `}}` are the braces themselves.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

/// A text with places for arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Argument(String),
}

/// A text that is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// Where in the text.
    pub at: Range<usize>,
    /// What is wrong there.
    pub what: &'static str,
}

/// An argument that cannot stand where the template has it. The words are for the model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(pub String);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A brace without its other half, or nothing that could be a name between them.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(offset) = text[at..].find(['{', '}']) {
            let brace = at + offset;
            literal.push_str(&text[at..brace]);
            let rest = &text[brace..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                at = brace + 2;
                continue;
            }
            let name = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(name, _)| name);
            let Some(name) = name.filter(|name| is_name(name)) else {
                let what = "no argument: write {name}, or {{ and }} for the braces themselves";
                return Err(TemplateError { at: brace..brace + 1, what });
            };
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Argument(name.to_owned()));
            at = brace + name.len() + 2;
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self { pieces })
    }

    /// The names of its arguments.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Argument(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The name of the argument that is all of it.
    pub fn only_argument(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [Piece::Argument(name)] => Some(name),
            _ => None,
        }
    }

    /// The text with these arguments; nothing if one that it needs was left out.
    ///
    /// # Errors
    /// An argument is no text, number or truth value.
    pub fn fill(&self, arguments: &Map<String, Value>) -> Result<Option<String>, Unfit> {
        self.fill_with(arguments, str::to_owned)
    }

    /// The same, with each argument encoded.
    ///
    /// # Errors
    /// An argument is no text, number or truth value.
    pub fn fill_with(
        &self,
        arguments: &Map<String, Value>,
        encode: fn(&str) -> String,
    ) -> Result<Option<String>, Unfit> {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Argument(name) => match word(name, arguments)? {
                    Some(word) => text.push_str(&encode(&word)),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(text))
    }
}

/// An argument as a text; nothing if it was left out or is null.
fn word<'a>(name: &str, arguments: &'a Map<String, Value>) -> Result<Option<Cow<'a, str>>, Unfit> {
    match arguments.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.into())),
        Some(Value::Number(number)) => Ok(Some(number.to_string().into())),
        Some(Value::Bool(flag)) => Ok(Some(flag.to_string().into())),
        Some(Value::Array(_) | Value::Object(_)) => {
            Err(Unfit(format!("The argument `{name}` must be a text, a number, true or false.")))
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || "_-.".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(template: &str, arguments: Value) -> Result<Option<String>, Unfit> {
        let Value::Object(arguments) = arguments else { panic!("an object") };
        Template::parse(template).unwrap().fill(&arguments)
    }

    #[test]
    fn arguments_take_their_places() {
        let arguments = json!({"a": "x{b}", "b": 1.5, "c": false, "none": null, "list": [1]});
        for (template, text) in [
            ("", Some("")),
            ("plain", Some("plain")),
            ("{a}/{b}-{c}", Some("x{b}/1.5-false")),
            ("{{a}} {{{a}}}", Some("{a} {x{b}}")),
            ("{none}", None),
            ("é{missing}", None),
        ] {
            assert_eq!(filled(template, arguments.clone()).unwrap().as_deref(), text, "{template}");
        }
        assert!(filled("{list}", arguments).unwrap_err().0.contains("`list`"));
    }

    #[test]
    fn a_template_with_half_a_brace_is_none() {
        for (text, at) in [("a{b", 1), ("a}b", 1), ("{}", 0), ("{a b}", 0), ("{a}{", 3), ("é{", 2), ("{a{b}}", 0)] {
            assert_eq!(Template::parse(text).unwrap_err().at, at..at + 1, "{text}");
        }
    }
}
