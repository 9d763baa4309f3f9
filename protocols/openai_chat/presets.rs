//! The peculiarities of well-known servers under one name each (upstream notes 2.6). `README.md` has them as a table.

use super::quirks::{CallIds, Efforts, Quirks, ReasoningBack, ReasoningStyle, ThinkTags, ToolChoices};
use crate::chat::Effort;

const THREE: Efforts = Efforts::of(&[Effort::Low, Effort::Medium, Effort::High]);

/// A server of which nothing is known: what nearly all of them take.
pub(super) const GENERIC: Quirks = Quirks {
    token_limit: "max_tokens",
    system_role: "system",
    several_systems: true,
    stream: true,
    stream_usage: true,
    parallel_tools: true,
    strict_tools: false,
    tool_choice: ToolChoices::Full,
    escape_names: true,
    call_ids: CallIds::Keep,
    broken_arguments: false,
    refusal: false,
    files: false,
    audio: false,
    json_schema: true,
    sampling: true,
    top_k: false,
    penalties: true,
    stop: true,
    seed: "seed",
    user: "user",
    reasoning: ReasoningStyle::Effort,
    efforts: THREE,
    reasoning_back: ReasoningBack::None,
    think_tags: ThinkTags::Off,
    api_key_header: false,
};

const OPENAI: Quirks = Quirks {
    token_limit: "max_completion_tokens",
    strict_tools: true,
    broken_arguments: true,
    refusal: true,
    files: true,
    audio: true,
    efforts: Efforts::of(&[Effort::Off, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh]),
    ..GENERIC
};

/// The presets: name, the hosts they belong to, what they set.
pub(super) const PRESETS: &[Preset] = &[
    Preset { name: "generic", hosts: &[], quirks: GENERIC },
    Preset { name: "openai", hosts: &["api.openai.com"], quirks: OPENAI },
    Preset {
        name: "azure",
        hosts: &["openai.azure.com", "services.ai.azure.com"],
        quirks: Quirks { api_key_header: true, ..OPENAI },
    },
    Preset {
        name: "deepseek",
        hosts: &["api.deepseek.com"],
        quirks: Quirks {
            parallel_tools: false,
            json_schema: false,
            seed: "",
            user: "",
            reasoning: ReasoningStyle::Thinking,
            reasoning_back: ReasoningBack::Content,
            ..GENERIC
        },
    },
    Preset {
        name: "groq",
        hosts: &["api.groq.com"],
        quirks: Quirks {
            token_limit: "max_completion_tokens",
            efforts: Efforts::of(&[Effort::Off, Effort::Low, Effort::Medium, Effort::High]),
            ..GENERIC
        },
    },
    Preset {
        name: "mistral",
        hosts: &["api.mistral.ai"],
        quirks: Quirks {
            stream_usage: false,
            tool_choice: ToolChoices::Any,
            call_ids: CallIds::Nine,
            strict_tools: true,
            seed: "random_seed",
            user: "",
            reasoning_back: ReasoningBack::Parts,
            reasoning: ReasoningStyle::None,
            ..GENERIC
        },
    },
    Preset {
        name: "xai",
        hosts: &["api.x.ai"],
        quirks: Quirks { efforts: Efforts::of(&[Effort::Low, Effort::High]), penalties: false, ..GENERIC },
    },
    Preset {
        name: "openrouter",
        hosts: &["openrouter.ai"],
        quirks: Quirks {
            broken_arguments: true,
            files: true,
            audio: true,
            top_k: true,
            reasoning: ReasoningStyle::Object,
            efforts: Efforts::of(&[
                Effort::Off,
                Effort::Minimal,
                Effort::Low,
                Effort::Medium,
                Effort::High,
                Effort::Xhigh,
            ]),
            reasoning_back: ReasoningBack::Details,
            ..GENERIC
        },
    },
    Preset {
        name: "zai",
        hosts: &["api.z.ai", "open.bigmodel.cn"],
        quirks: Quirks {
            parallel_tools: false,
            tool_choice: ToolChoices::Auto,
            json_schema: false,
            penalties: false,
            seed: "",
            user: "user_id",
            reasoning: ReasoningStyle::Thinking,
            reasoning_back: ReasoningBack::Content,
            ..GENERIC
        },
    },
    Preset {
        name: "modelscope",
        hosts: &["dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "api-inference.modelscope.cn"],
        quirks: Quirks { top_k: true, user: "", reasoning: ReasoningStyle::Enable, ..GENERIC },
    },
    Preset {
        name: "moonshot",
        hosts: &["api.moonshot.ai", "api.moonshot.cn"],
        quirks: Quirks {
            parallel_tools: false,
            tool_choice: ToolChoices::NoRequired,
            json_schema: false,
            user: "",
            reasoning: ReasoningStyle::Thinking,
            reasoning_back: ReasoningBack::Content,
            ..GENERIC
        },
    },
    Preset {
        name: "perplexity",
        hosts: &["api.perplexity.ai"],
        quirks: Quirks {
            several_systems: false,
            stream_usage: false,
            parallel_tools: false,
            top_k: true,
            seed: "",
            user: "",
            ..GENERIC
        },
    },
    Preset {
        name: "vllm",
        hosts: &[],
        quirks: Quirks { several_systems: false, top_k: true, reasoning: ReasoningStyle::Template, ..GENERIC },
    },
    Preset {
        name: "llama-cpp",
        hosts: &[],
        quirks: Quirks { several_systems: false, top_k: true, reasoning: ReasoningStyle::Template, ..GENERIC },
    },
    Preset {
        name: "ollama-v1",
        hosts: &["localhost:11434", "127.0.0.1:11434"],
        quirks: Quirks {
            parallel_tools: false,
            efforts: Efforts::of(&[Effort::Off, Effort::Low, Effort::Medium, Effort::High]),
            ..GENERIC
        },
    },
];

/// A named set of quirks.
pub(super) struct Preset {
    /// Its name in the configuration.
    pub name: &'static str,
    /// Hosts at whose base URLs it is taken when the configuration names none.
    pub hosts: &'static [&'static str],
    /// What it sets.
    pub quirks: Quirks,
}

/// The presets' names.
pub(super) const PRESET_NAMES: [&str; PRESETS.len()] = {
    let mut names = [""; PRESETS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = PRESETS[at].name;
        at += 1;
    }
    names
};

/// The preset of a base URL's host, or of a parent of it.
pub(super) fn by_host(base_url: &str) -> Option<&'static Preset> {
    let rest = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    let belongs = |known: &str| host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    PRESETS.iter().find(|preset| preset.hosts.iter().any(|known| belongs(known)))
}
