//! JSON with places for arguments: a text that is one place alone becomes the argument as it is, whatever its type.

use std::ops::Range;

use serde_json::{Map, Value};

use super::template::{Template, TemplateError, Unfit};

/// JSON with places for arguments.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// An object.
    Object(Vec<(String, Self)>),
    /// An array.
    Array(Vec<Self>),
    /// A text with places.
    Text(Template),
    /// Anything else.
    Plain(Value),
}

/// A text in it that is no template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeError {
    /// The JSON pointer of the text.
    pub place: String,
    /// Where in the text.
    pub at: Range<usize>,
    /// What is wrong there.
    pub what: &'static str,
}

impl Shape {
    /// Reads the templates in it.
    ///
    /// # Errors
    /// A text is no template.
    pub fn parse(value: &Value) -> Result<Self, ShapeError> {
        let inside = |key: &str, value: &Value| {
            Self::parse(value).map_err(|error| {
                let key = key.replace('~', "~0").replace('/', "~1");
                ShapeError { place: format!("/{key}{}", error.place), ..error }
            })
        };
        Ok(match value {
            Value::Object(members) => {
                let member = |(key, value): (&String, &Value)| Ok((key.clone(), inside(key, value)?));
                Self::Object(members.iter().map(member).collect::<Result<_, _>>()?)
            }
            Value::Array(items) => {
                let item = |(at, value): (usize, &Value)| inside(&at.to_string(), value);
                Self::Array(items.iter().enumerate().map(item).collect::<Result<_, _>>()?)
            }
            Value::String(text) => Self::Text(Template::parse(text).map_err(|error| {
                let TemplateError { at, what } = error;
                ShapeError { place: String::new(), at, what }
            })?),
            other => Self::Plain(other.clone()),
        })
    }

    /// The names of its arguments, each with the JSON pointer of its text.
    pub fn arguments(&self) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        self.collect(&mut String::new(), &mut found);
        found
    }

    fn collect<'a>(&'a self, place: &mut String, found: &mut Vec<(String, &'a str)>) {
        let within = place.len();
        match self {
            Self::Object(members) => {
                for (key, member) in members {
                    place.push('/');
                    place.push_str(&key.replace('~', "~0").replace('/', "~1"));
                    member.collect(place, found);
                    place.truncate(within);
                }
            }
            Self::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    place.push_str(&format!("/{at}"));
                    item.collect(place, found);
                    place.truncate(within);
                }
            }
            Self::Text(template) => found.extend(template.arguments().map(|name| (place.clone(), name))),
            Self::Plain(_) => {}
        }
    }

    /// The JSON with these arguments. What needs an argument that was left out is left out.
    ///
    /// # Errors
    /// An argument inside a longer text is no text, number or truth value.
    pub fn fill(&self, arguments: &Map<String, Value>) -> Result<Value, Unfit> {
        Ok(self.fill_part(arguments)?.unwrap_or(Value::Null))
    }

    fn fill_part(&self, arguments: &Map<String, Value>) -> Result<Option<Value>, Unfit> {
        Ok(match self {
            Self::Object(members) => {
                let mut filled = Map::new();
                for (key, member) in members {
                    if let Some(value) = member.fill_part(arguments)? {
                        filled.insert(key.clone(), value);
                    }
                }
                Some(Value::Object(filled))
            }
            Self::Array(items) => {
                let filled = items.iter().filter_map(|item| item.fill_part(arguments).transpose());
                Some(Value::Array(filled.collect::<Result<_, _>>()?))
            }
            Self::Text(template) => match template.only_argument() {
                Some(name) => arguments.get(name).cloned(),
                None => template.fill(arguments)?.map(Value::String),
            },
            Self::Plain(value) => Some(value.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_keep_their_types_and_what_was_left_out_is_left_out() {
        let shape = json!({
            "query": {"list": "{list}", "text": "{{{n}}} of {n}"},
            "none": "{none}",
            "also_none": "x{none}",
            "null": "{null}",
            "items": [1, "{n}", "{none}", true],
        });
        let shape = Shape::parse(&shape).unwrap();
        let Value::Object(arguments) = json!({"list": [1, {"a": "{n}"}], "n": 2, "null": null}) else { panic!() };
        let filled = json!({
            "query": {"list": [1, {"a": "{n}"}], "text": "{2} of 2"},
            "null": null,
            "items": [1, 2, true],
        });
        assert_eq!(shape.fill(&arguments).unwrap(), filled);
        let named = shape.arguments();
        assert_eq!((named.len(), &named[0]), (8, &("/query/list".to_owned(), "list")));
    }

    #[test]
    fn a_text_that_is_no_template_says_where() {
        let error = Shape::parse(&json!({"a/b": [{"c": "ab{"}]})).unwrap_err();
        assert_eq!((error.place.as_str(), error.at), ("/a~1b/0/c", 2..3));
    }
}
