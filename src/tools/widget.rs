//! Widgets made of what a tool gives: a `.widget` file holds a template that renders to the widget's tree.

use std::fmt;

use jsonschema::Validator;
use minijinja::{Environment, UndefinedBehavior};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Most work of one rendering, in instructions of the template engine: a loop without end is cut.
const FUEL: u64 = 1_000_000;

const NAME: &str = "widget";

/// Trees begin with one of these.
const ROOTS: [&str; 3] = ["Card", "ListView", "Basic"];

/// A widget's template.
pub struct WidgetTemplate {
    environment: Environment<'static>,
    schema: Option<Validator>,
}

/// The file.
#[derive(Deserialize)]
struct File {
    template: String,
    #[serde(default, rename = "jsonSchema")]
    schema: Option<Value>,
}

/// What a widget is made of.
#[derive(Clone, Debug)]
pub struct Filling<'a> {
    /// The call's arguments.
    pub arguments: &'a Value,
    /// The result, or as much of its text as there is.
    pub result: &'a Value,
    /// True while more is to come.
    pub streaming: bool,
}

impl WidgetTemplate {
    /// Reads the text of a `.widget` file.
    ///
    /// # Errors
    /// It is not JSON of that form, or its template or its schema is wrong: a sentence that says so.
    pub fn read(text: &str) -> Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|error| format!("not a widget file: {error}"))?;
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(FUEL));
        environment
            .add_template_owned(NAME, file.template)
            .map_err(|error| format!("its template is wrong: {}", detail(&error)))?;
        let schema = match file.schema {
            None => None,
            Some(schema) => {
                Some(jsonschema::validator_for(&schema).map_err(|error| format!("its jsonSchema is wrong: {error}"))?)
            }
        };
        Ok(Self { environment, schema })
    }

    /// Renders the widget. The members of the result, if it is an object, are the template's variables; beside them
    /// stand `arguments`, `result` and `streaming`.
    ///
    /// # Errors
    /// The data does not fit the template, or what it renders to is no widget: a sentence for the log.
    pub fn render(&self, filling: &Filling<'_>) -> Result<Value, String> {
        let mut values = filling.result.as_object().cloned().unwrap_or_else(Map::new);
        if let Some(schema) = self.schema.as_ref().filter(|_| !filling.streaming)
            && let Some(error) = schema.iter_errors(&Value::Object(values.clone())).next()
        {
            return Err(format!("the data does not fit: {} at {:?}", error, error.instance_path().to_string()));
        }
        values.insert("arguments".to_owned(), filling.arguments.clone());
        values.insert("result".to_owned(), filling.result.clone());
        values.insert("streaming".to_owned(), filling.streaming.into());
        let template = self.environment.get_template(NAME).map_err(|error| detail(&error))?;
        let text = template.render(Value::Object(values)).map_err(|error| detail(&error))?;
        let root: Value = serde_json::from_str(&text).map_err(|error| format!("it renders to no JSON: {error}"))?;
        let known = root.get("type").and_then(Value::as_str).is_some_and(|name| ROOTS.contains(&name));
        if known { Ok(root) } else { Err(format!("its root is none of {}", ROOTS.join(", "))) }
    }
}

impl Filling<'_> {
    /// The widget's data for the page, as [`chatwire_protocols::items::data::WIDGET`] says.
    pub fn data(&self, root: &Value) -> Value {
        let mut value = json!({ "widget": root, "streaming": self.streaming });
        if let (false, Some(text)) = (self.streaming, self.result.as_str()) {
            value["copy_text"] = text.into();
        }
        value
    }
}

/// An engine's error in one line.
fn detail(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    format!("{error}{line}")
}

impl fmt::Debug for WidgetTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WidgetTemplate")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str, schema: &Value) -> Result<WidgetTemplate, String> {
        WidgetTemplate::read(
            &json!({"version": "1.0", "name": "n", "template": text, "jsonSchema": schema}).to_string(),
        )
    }

    fn rendered(text: &str, schema: &Value, result: &Value) -> Result<Value, String> {
        let filling = Filling { arguments: &json!({"topic": "tea"}), result, streaming: false };
        template(text, schema).unwrap().render(&filling)
    }

    #[test]
    fn members_of_the_result_and_the_arguments_are_variables() {
        let text = r#"{"type": "Card", "children": [
            {"type": "Title", "value": {{ title | tojson }}},
            {% for row in rows %}{"type": "Text", "value": {{ row | tojson }}},{% endfor %}
            {"type": "Caption", "value": {{ ("About " ~ arguments.topic) | tojson }}}]}"#;
        let root = rendered(text, &json!({}), &json!({"title": "A \"b\" <c>", "rows": ["1", "2"]})).unwrap();
        assert_eq!(root["children"][0]["value"], "A \"b\" <c>");
        assert_eq!(root["children"][2]["value"], "2");
        assert_eq!(root["children"][3]["value"], "About tea");
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_no_panic() {
        let schema = json!({"type": "object", "required": ["title"]});
        let card = r#"{"type": "Card", "children": []}"#;
        for (text, schema, result, why) in [
            (card, schema, json!({"x": 1}), "the data does not fit"),
            (r#"{"type": "Card", "value": "{{ result }}"}"#, json!({}), json!("a \" b"), "no JSON"),
            (r#"{"type": "Window"}"#, json!({}), json!({}), "its root is none of"),
            ("[]", json!({}), json!({}), "its root is none of"),
            (
                "{% for i in range(9000) %}{% for j in range(9000) %}x{% endfor %}{% endfor %}",
                json!({}),
                json!(1),
                "fuel",
            ),
            (r#"{{ result.x.y() }}"#, json!({}), json!({}), "undefined"),
        ] {
            let error = rendered(text, &schema, &result).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(template("{% if %}", &json!({})).unwrap_err().contains("line 1"));
        assert!(template("{}", &json!({"type": 7})).unwrap_err().contains("jsonSchema"));
        assert!(WidgetTemplate::read("{}").unwrap_err().contains("template"));
    }
}
