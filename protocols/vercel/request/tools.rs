//! Tools that a page brings along and runs itself.

use serde_json::{Value, json};

use crate::chat::{ToolChoice, ToolSpec};
use crate::error::CallerError;
use crate::wire::body::Node;

/// Reads the page's tools: schemas by name (assistant-ui), or a list in OpenAI's words (AI SDK 3.4).
///
/// # Errors
/// A tool without a name, or with a schema that is no object.
pub(super) fn specs(root: &Node<'_>) -> Result<Vec<ToolSpec>, CallerError> {
    let mut specs = Vec::new();
    if let Some(tools) = root.get("tools") {
        if tools.value.is_array() {
            for tool in tools.items()?.filter(|tool| !tool.value.is_string()) {
                let function = tool.get("function").unwrap_or(tool);
                specs.push(spec(function.required("name")?.str()?, &function)?);
            }
        } else {
            for name in tools.object()?.keys() {
                specs.push(spec(name, &tools.required(name)?)?);
            }
        }
    }
    if let Some(functions) = root.get("functions") {
        for function in functions.items()? {
            specs.push(spec(function.required("name")?.str()?, &function)?);
        }
    }
    Ok(specs)
}

fn spec(name: &str, tool: &Node<'_>) -> Result<ToolSpec, CallerError> {
    tool.object()?;
    let schema = ["parameters", "inputSchema", "input_schema"].iter().find_map(|key| tool.get(key));
    let parameters = match schema {
        Some(schema) => Value::Object(schema.object()?.clone()),
        None => json!({"type": "object", "properties": {}}),
    };
    Ok(ToolSpec {
        name: name.into(),
        description: tool.get("description").map(|text| text.str().map(str::to_owned)).transpose()?,
        parameters,
        strict: tool.get("strict").map(|flag| flag.flag()).transpose()?,
    })
}

/// Reads whether the model must call a tool.
///
/// # Errors
/// A word that nobody knows.
pub(super) fn choice(root: &Node<'_>) -> Result<ToolChoice, CallerError> {
    let Some(choice) = ["toolChoice", "tool_choice", "function_call"].iter().find_map(|key| root.get(key)) else {
        return Ok(ToolChoice::Auto);
    };
    match choice.value.as_str() {
        Some("auto") => Ok(ToolChoice::Auto),
        Some("none") => Ok(ToolChoice::None),
        Some("required" | "any") => Ok(ToolChoice::Required),
        Some(_) => Err(choice.wrong("must be auto, none, required, or an object that names a tool")),
        None => {
            let named = choice.get("function").unwrap_or_else(|| choice.clone());
            let name = named.get("toolName").map_or_else(|| named.required("name"), Ok)?;
            Ok(ToolChoice::Named(name.str()?.into()))
        }
    }
}
