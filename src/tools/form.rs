//! A tool by which the model asks the user.

use serde_json::{Value, json};

/// What the model is told where the file says nothing else.
pub const DESCRIPTION: &str = "Asks the user questions and gives the answers. Use it when you cannot go on without \
    something that only the user knows, and ask all of it at once.";

/// The arguments, as [`Form::of_call`](chatwire_protocols::items::Form::of_call) reads them.
pub fn parameters() -> Value {
    let question = json!({
        "type": "object",
        "properties": {
            "id": { "type": "string", "maxLength": 64, "description": "A short name for the answer." },
            "question": { "type": "string", "minLength": 1, "maxLength": 1000 },
            "description": { "type": "string", "maxLength": 1000, "description": "What helps to answer it." },
            "options": {
                "type": "array",
                "items": { "type": "string", "minLength": 1, "maxLength": 200 },
                "maxItems": 50,
                "description": "The answers to choose from. Without it the user writes one.",
            },
            "multiple": { "type": "boolean", "description": "Whether several options may be chosen." },
        },
        "required": ["question"],
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "properties": { "questions": { "type": "array", "items": question, "minItems": 1, "maxItems": 20 } },
        "required": ["questions"],
        "additionalProperties": false,
    })
}
