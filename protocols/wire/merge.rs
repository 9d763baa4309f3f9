//! Members from elsewhere put into a request body.

use serde_json::{Map, Value};

/// Puts the members of `from` into `into`. Objects are merged member by member, so that one added option does not
/// throw the others away; lists of `tools` are joined, so that a provider's own tools can be added to the page's;
/// anything else replaces what was there.
pub fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, new) in from {
        match (into.get_mut(key), new) {
            (Some(Value::Object(held)), Value::Object(new)) => merge(held, new),
            (Some(Value::Array(held)), Value::Array(new)) if key == "tools" => held.extend(new.iter().cloned()),
            (Some(held), new) => *held = new.clone(),
            (None, new) => {
                into.insert(key.clone(), new.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_merged_tools_joined_and_the_rest_replaced() {
        let mut body = json!({"options": {"a": 1, "b": 2}, "tools": [1], "stop": ["x"], "n": 1});
        let from = json!({"options": {"b": 3}, "tools": [2], "stop": ["y"], "n": null, "more": {"c": []}});
        merge(body.as_object_mut().unwrap(), from.as_object().unwrap());
        assert_eq!(
            body,
            json!({"options": {"a": 1, "b": 3}, "tools": [1, 2], "stop": ["y"], "n": null, "more": {"c": []}})
        );
    }
}
