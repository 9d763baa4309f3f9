//! How servers differ in what they take: one table of settings, which a preset or single options set.
//!
//! Reading answers needs none of this (one tolerant decoder serves all); building requests does (upstream notes
//! 2.6). Every setting is an option of its own that overrides the preset.

use super::presets::{GENERIC, PRESETS, by_host};
use crate::chat::Effort;
use crate::options::Options;

/// A server's peculiarities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quirks {
    /// The member that bounds the answer.
    pub token_limit: &'static str,
    /// The role of system messages.
    pub system_role: &'static str,
    /// Takes more than one system message, and takes them anywhere.
    pub several_systems: bool,
    /// Stream from the provider.
    pub stream: bool,
    /// Takes `stream_options`.
    pub stream_usage: bool,
    /// Takes `parallel_tool_calls`.
    pub parallel_tools: bool,
    /// Takes `strict` in tools.
    pub strict_tools: bool,
    pub tool_choice: ToolChoices,
    /// Escape tool names that are not `[A-Za-z0-9_-]`.
    pub escape_names: bool,
    pub call_ids: CallIds,
    /// Pass on argument text of earlier calls that is no JSON, instead of wrapping it.
    pub broken_arguments: bool,
    /// Takes `refusal` in assistant messages.
    pub refusal: bool,
    /// Takes file parts.
    pub files: bool,
    /// Takes audio parts.
    pub audio: bool,
    /// Takes `response_format` with a schema.
    pub json_schema: bool,
    /// Takes `temperature` and `top_p`.
    pub sampling: bool,
    /// Takes `top_k`.
    pub top_k: bool,
    /// Takes the two penalties.
    pub penalties: bool,
    /// Takes `stop`.
    pub stop: bool,
    /// The member for the seed; empty for none.
    pub seed: &'static str,
    /// The member for the end user's id; empty for none.
    pub user: &'static str,
    pub reasoning: ReasoningStyle,
    /// The efforts it takes.
    pub efforts: Efforts,
    pub reasoning_back: ReasoningBack,
    pub think_tags: ThinkTags,
    /// The key goes into `api-key`.
    pub api_key_header: bool,
}

/// Words of an option and what they mean.
macro_rules! words {
    ($(#[$about:meta])* $name:ident, $list:ident { $($(#[$what:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name { $($(#[$what])* $variant,)* }

        pub(super) const $list: &[&str] = &[$($word),*];

        impl $name {
            fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// Which tool choices a server takes.
    ToolChoices, TOOL_CHOICES {
        /// All of them.
        Full = "full",
        /// No `required` (Moonshot).
        NoRequired = "no-required",
        /// `any` for required, and no choice by name (Mistral).
        Any = "any",
        /// Only what it decides itself.
        Auto = "auto",
    }
}

words! {
    /// What ids of calls a server takes.
    CallIds, CALL_IDS {
        /// Any.
        Keep = "keep",
        /// Nine letters and digits (Mistral).
        Nine = "nine",
    }
}

words! {
    /// How a server is told how much to think (upstream notes 6.4).
    ReasoningStyle, REASONING_STYLES {
        /// Not at all.
        None = "none",
        /// `reasoning_effort`.
        Effort = "effort",
        /// `reasoning: {effort | enabled}` (OpenRouter).
        Object = "object",
        /// `thinking: {type}` (DeepSeek, Z.ai, Moonshot).
        Thinking = "thinking",
        /// `enable_thinking` and `thinking_budget` (Qwen).
        Enable = "enable-thinking",
        /// `chat_template_kwargs: {enable_thinking}` (vLLM, llama.cpp).
        Template = "chat-template",
    }
}

words! {
    /// How earlier reasoning goes back (upstream notes 9.3).
    ReasoningBack, REASONING_BACKS {
        /// It does not.
        None = "none",
        /// `reasoning_content` on every assistant message, empty if there was none.
        Content = "reasoning_content",
        /// `reasoning`.
        Reasoning = "reasoning",
        /// `reasoning_details`, unchanged.
        Details = "reasoning_details",
        /// Thinking parts in a content list (Mistral).
        Parts = "content-parts",
        /// Tags in the content.
        Tags = "think-tags",
    }
}

words! {
    /// Whether content begins with reasoning in tags.
    ThinkTags, THINK_TAGS {
        /// Tags are text.
        Off = "off",
        /// Tags at the very start are reasoning.
        Auto = "auto",
        /// The server leaves the opening tag out: content begins with reasoning.
        Open = "open",
    }
}

/// A set of efforts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Efforts(u8);

impl Efforts {
    const ALL: [Effort; 7] =
        [Effort::Off, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh, Effort::Max];

    pub const fn of(efforts: &[Effort]) -> Self {
        let mut set = 0;
        let mut at = 0;
        while at < efforts.len() {
            set |= 1 << efforts[at] as u8;
            at += 1;
        }
        Self(set)
    }

    /// Reads words with blanks or commas between them; unknown ones do not count.
    fn from_words(words: &str) -> Self {
        let efforts: Vec<Effort> = words.split([' ', ',']).filter_map(Effort::from_name).collect();
        Self::of(&efforts)
    }

    const fn has(self, effort: Effort) -> bool {
        self.0 & (1 << effort as u8) != 0
    }

    /// The nearest effort that is taken: the same, or else less, or else more. Thinking is never turned off or on by
    /// this.
    pub fn nearest(self, wanted: Effort) -> Option<Effort> {
        if wanted == Effort::Off {
            return self.has(wanted).then_some(wanted);
        }
        let (_, thinking) = Self::ALL.split_at(1);
        let below = thinking.iter().rev().find(|effort| **effort <= wanted && self.has(**effort));
        below.or_else(|| thinking.iter().find(|effort| self.has(**effort))).copied()
    }
}

impl Quirks {
    /// The preset that the options name, or the one of the base URL's host, with every option that is given on its
    /// own.
    pub fn read(options: &Options, base_url: &str) -> Self {
        let named = options.text("preset").and_then(|name| PRESETS.iter().find(|preset| preset.name == name));
        let mut quirks = named.or_else(|| by_host(base_url)).map_or(GENERIC, |preset| preset.quirks);
        quirks.flags(options);
        quirks.choices(options);
        quirks
    }

    fn flags(&mut self, options: &Options) {
        for (name, flag) in [
            ("several_systems", &mut self.several_systems),
            ("stream", &mut self.stream),
            ("stream_usage", &mut self.stream_usage),
            ("parallel_tool_calls", &mut self.parallel_tools),
            ("strict_tools", &mut self.strict_tools),
            ("escape_names", &mut self.escape_names),
            ("broken_arguments", &mut self.broken_arguments),
            ("refusal", &mut self.refusal),
            ("files", &mut self.files),
            ("audio", &mut self.audio),
            ("json_schema", &mut self.json_schema),
            ("sampling", &mut self.sampling),
            ("top_k", &mut self.top_k),
            ("penalties", &mut self.penalties),
            ("stop", &mut self.stop),
            ("api_key_header", &mut self.api_key_header),
        ] {
            *flag = options.flag(name).unwrap_or(*flag);
        }
    }

    fn choices(&mut self, options: &Options) {
        fn read<T>(options: &Options, name: &str, from_word: fn(&str) -> Option<T>, place: &mut T) {
            if let Some(value) = options.text(name).and_then(from_word) {
                *place = value;
            }
        }
        let limit = |word: &str| ["max_tokens", "max_completion_tokens"].into_iter().find(|known| *known == word);
        let role = |word: &str| ["system", "developer", "user"].into_iter().find(|known| *known == word);
        read(options, "token_limit", limit, &mut self.token_limit);
        read(options, "system_role", role, &mut self.system_role);
        read(options, "tool_choice", ToolChoices::from_word, &mut self.tool_choice);
        read(options, "call_ids", CallIds::from_word, &mut self.call_ids);
        read(options, "reasoning", ReasoningStyle::from_word, &mut self.reasoning);
        read(options, "efforts", |words| Some(Efforts::from_words(words)), &mut self.efforts);
        read(options, "reasoning_back", ReasoningBack::from_word, &mut self.reasoning_back);
        read(options, "think_tags", ThinkTags::from_word, &mut self.think_tags);
    }
}

#[cfg(test)]
mod tests {
    use super::super::options::OPTIONS;
    use super::super::presets::PRESET_NAMES;
    use super::*;
    use crate::options::OptionKind;

    fn read(json: &str, base_url: &str) -> Quirks {
        Quirks::read(&Options::read(OPTIONS, &serde_json::from_str(json).unwrap()).unwrap(), base_url)
    }

    fn preset(name: &str) -> Quirks {
        PRESETS.iter().find(|preset| preset.name == name).unwrap().quirks
    }

    #[test]
    fn the_preset_is_named_or_told_by_the_host() {
        assert_eq!(read(r#"{"preset":"groq"}"#, "https://api.mistral.ai/v1"), preset("groq"));
        assert_eq!(read("{}", "https://api.mistral.ai/v1"), preset("mistral"));
        assert_eq!(read("{}", "https://me.openai.azure.com/openai/v1?x=y"), preset("azure"));
        assert_eq!(read("{}", "http://localhost:11434/v1/"), preset("ollama-v1"));
        assert_eq!(read("{}", "https://notapi.x.ai.example/v1"), GENERIC);
        assert_eq!(read("{}", "https://evilapi.openai.com/v1"), GENERIC);
    }

    #[test]
    fn every_option_overrides_its_preset() {
        for spec in OPTIONS.iter().filter(|spec| spec.name != "preset") {
            let values: Vec<String> = match spec.kind {
                OptionKind::Flag => vec!["true".into(), "false".into()],
                OptionKind::Choice(words) => words.iter().map(|word| format!("{word:?}")).collect(),
                OptionKind::Text | OptionKind::Integer { .. } => vec![r#""max""#.into(), r#""none""#.into()],
            };
            let read: Vec<Quirks> =
                values.iter().map(|value| read(&format!("{{\"{}\":{value}}}", spec.name), "")).collect();
            for (at, quirks) in read.iter().enumerate() {
                assert!(!read[..at].contains(quirks), "{} does nothing", spec.name);
            }
        }
    }

    #[test]
    fn efforts_become_the_nearest_that_is_taken() {
        let xai = preset("xai").efforts;
        assert_eq!(xai.nearest(Effort::Max), Some(Effort::High));
        assert_eq!(xai.nearest(Effort::Medium), Some(Effort::Low));
        assert_eq!(xai.nearest(Effort::Minimal), Some(Effort::Low));
        assert_eq!(xai.nearest(Effort::Off), None);
        assert_eq!(Efforts::from_words("none, max").nearest(Effort::Off), Some(Effort::Off));
    }

    #[test]
    fn the_readme_lists_every_preset_and_option() {
        let readme = include_str!("README.md");
        for name in PRESET_NAMES.iter().copied().chain(OPTIONS.iter().map(|spec| spec.name)) {
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }
}
