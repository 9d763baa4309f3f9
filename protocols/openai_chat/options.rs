//! The options of this upstream: one for every quirk.

use super::presets::PRESET_NAMES;
use super::quirks::{CALL_IDS, REASONING_BACKS, REASONING_STYLES, THINK_TAGS, TOOL_CHOICES};
use crate::options::{OptionKind, OptionSpec};

/// The options of this upstream.
pub(super) const OPTIONS: &[OptionSpec] = &[
    choice(
        "preset",
        "The server's peculiarities under one name; without it, the base URL's host decides.",
        &PRESET_NAMES,
    ),
    choice("token_limit", "The member that bounds the answer.", &["max_tokens", "max_completion_tokens"]),
    choice("system_role", "The role of system messages.", &["system", "developer", "user"]),
    flag("several_systems", "Whether the server takes several system messages, and takes them anywhere."),
    flag("stream", "Whether to ask the provider for a stream; some thinking models answer in no other way."),
    flag("stream_usage", "Whether to ask for token counts with `stream_options`; some servers refuse it."),
    flag("parallel_tool_calls", "Whether the server takes `parallel_tool_calls`."),
    flag("strict_tools", "Whether the server takes `strict` in tools."),
    choice("tool_choice", "Which tool choices the server takes.", TOOL_CHOICES),
    flag("escape_names", "Whether tool names are escaped to letters, digits, `_` and `-`, and back."),
    choice("call_ids", "What ids of calls the server takes.", CALL_IDS),
    flag("broken_arguments", "Whether argument text of earlier calls that is no JSON is sent as it is."),
    flag("refusal", "Whether the server takes `refusal` in assistant messages."),
    flag("files", "Whether the server takes file parts."),
    flag("audio", "Whether the server takes audio parts."),
    flag("json_schema", "Whether the server takes a schema for the form of the answer."),
    flag("sampling", "Whether the server takes `temperature` and `top_p`; OpenAI's reasoning models do not."),
    flag("top_k", "Whether the server takes `top_k`."),
    flag("penalties", "Whether the server takes the presence and frequency penalties."),
    flag("stop", "Whether the server takes `stop`."),
    choice("reasoning", "How the server is told how much to think.", REASONING_STYLES),
    OptionSpec {
        name: "efforts",
        about: "The reasoning efforts that the server takes, for example `none low high`; others become the nearest.",
        kind: OptionKind::Text,
    },
    choice("reasoning_back", "How earlier reasoning goes back to the server.", REASONING_BACKS),
    choice("think_tags", "Whether content begins with reasoning in `<think>` tags.", THINK_TAGS),
    flag("api_key_header", "Whether the key goes into the header `api-key` instead of `authorization`."),
];

const fn flag(name: &'static str, about: &'static str) -> OptionSpec {
    OptionSpec { name, about, kind: OptionKind::Flag }
}

const fn choice(name: &'static str, about: &'static str, words: &'static [&'static str]) -> OptionSpec {
    OptionSpec { name, about, kind: OptionKind::Choice(words) }
}
