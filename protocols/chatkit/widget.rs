//! What is new of a widget (ChatKit notes 7.5).

use std::collections::BTreeSet;

use serde_json::Value;

/// The way from one state of a widget to the next.
#[derive(Debug, PartialEq)]
pub(super) enum Step<'a> {
    /// The page needs all of the new one.
    Whole,
    /// Nothing but these texts has grown.
    Texts(Vec<GrownText<'a>>),
}

/// A text of a widget that has grown at its end.
#[derive(Debug, PartialEq)]
pub(super) struct GrownText<'a> {
    /// The component's id.
    pub(super) component: &'a str,
    /// What is new.
    pub(super) tail: &'a str,
    /// True unless the component says that it goes on.
    pub(super) done: bool,
}

/// The shortest way. A text that nothing can name has no way of its own to grow, nor has one that a page would not find
/// or could take for another: then all of the widget is sent.
pub(super) fn step<'a>(from: &'a Value, to: &'a Value) -> Step<'a> {
    let mut grown = Vec::new();
    if !walk(from, to, true, &mut grown) {
        return Step::Whole;
    }
    if !grown.is_empty() {
        let (mut ids, mut twice) = (BTreeSet::new(), BTreeSet::new());
        count_ids(to, &mut ids, &mut twice);
        if grown.iter().any(|text| twice.contains(text.component)) {
            return Step::Whole;
        }
    }
    Step::Texts(grown)
}

/// Collects the texts that have grown; false if anything else differs. A page finds a component along `children`.
fn walk<'a>(from: &'a Value, to: &'a Value, reachable: bool, grown: &mut Vec<GrownText<'a>>) -> bool {
    match (from, to) {
        (Value::Object(old), Value::Object(new)) => {
            let streams = matches!(new.get("type").and_then(Value::as_str), Some("Text" | "Markdown"));
            old.len() == new.len()
                && new.iter().all(|(key, value)| match (old.get(key), value) {
                    (None, _) => false,
                    (Some(Value::String(before)), Value::String(after)) if before != after => {
                        let tail = after.strip_prefix(before.as_str());
                        let id = new.get("id").and_then(Value::as_str);
                        match (tail, id) {
                            (Some(tail), Some(component)) if streams && reachable && key == "value" => {
                                let done = new.get("streaming") != Some(&Value::Bool(true));
                                grown.push(GrownText { component, tail, done });
                                true
                            }
                            _ => false,
                        }
                    }
                    (Some(before), after) => walk(before, after, reachable && key == "children", grown),
                })
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| walk(old, new, reachable, grown))
        }
        _ => from == to,
    }
}

fn count_ids<'a>(value: &'a Value, ids: &mut BTreeSet<&'a str>, twice: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(object) => {
            if let Some(id) = object.get("id").and_then(Value::as_str)
                && !ids.insert(id)
            {
                twice.insert(id);
            }
            object.values().for_each(|value| count_ids(value, ids, twice));
        }
        Value::Array(list) => list.iter().for_each(|value| count_ids(value, ids, twice)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn card(children: &Value) -> Value {
        json!({"type": "Card", "children": children})
    }

    fn text(id: Option<&str>, value: &str) -> Value {
        let mut text = json!({"type": "Text", "value": value});
        if let Some(id) = id {
            text["id"] = id.into();
        }
        text
    }

    #[test]
    fn texts_that_grow_are_sent_as_their_tails() {
        let from =
            card(&json!([text(Some("a"), "x"), {"type": "Row", "children": [text(Some("b"), "")]}, text(None, "z")]));
        let to =
            card(&json!([text(Some("a"), "xy"), {"type": "Row", "children": [text(Some("b"), "é")]}, text(None, "z")]));
        let grown = |component, tail| GrownText { component, tail, done: true };
        assert_eq!(step(&from, &to), Step::Texts(vec![grown("a", "y"), grown("b", "é")]));
        assert_eq!(step(&to, &to), Step::Texts(Vec::new()));
    }

    #[test]
    fn a_text_that_goes_on_is_not_done() {
        let markdown = |value: &str| json!({"type": "Markdown", "id": "m", "value": value, "streaming": true});
        let (from, to) = (markdown(""), markdown("# T"));
        assert_eq!(step(&from, &to), Step::Texts(vec![GrownText { component: "m", tail: "# T", done: false }]));
    }

    #[test]
    fn anything_else_is_sent_whole() {
        let from = card(&json!([text(Some("a"), "xy")]));
        for to in [
            card(&json!([text(Some("a"), "x")])),
            card(&json!([text(Some("b"), "xy")])),
            card(&json!([text(None, "xyz")])),
            card(&json!([text(Some("a"), "xy"), text(None, "")])),
            card(&json!([{"type": "Title", "id": "a", "value": "xyz"}])),
            card(&json!([{"type": "Text", "id": "a", "value": "xyz", "streaming": false}])),
            json!({"type": "Card", "size": "sm", "children": [text(Some("a"), "xyz")]}),
            json!({"type": "Basic", "children": [text(Some("a"), "xyz")]}),
            json!(5),
        ] {
            assert_eq!(step(&from, &to), Step::Whole, "{to}");
        }
        let unnamed = |value| card(&json!([text(None, value)]));
        assert_eq!(step(&unnamed("x"), &unnamed("xy")), Step::Whole, "nothing can name it");
        let twins = |value| card(&json!([text(Some("a"), value), text(Some("a"), "q")]));
        assert_eq!(step(&twins("x"), &twins("xy")), Step::Whole, "two have its name");
        let off_the_tree = |value| json!({"type": "Card", "status": text(Some("a"), value)});
        assert_eq!(step(&off_the_tree("x"), &off_the_tree("xy")), Step::Whole, "a page would not find it");
        let confirm = |value: &str| json!({"type": "Card", "confirm": {"label": value}});
        assert_eq!(step(&confirm("a"), &confirm("ab")), Step::Whole);
    }
}
