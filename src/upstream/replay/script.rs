//! What is played when: `replay.toml`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use chatwire_protocols::chat::{ChatRequest, Part, Role};
use serde::Deserialize;

/// Longest value in characters that is taken from a user's text.
const LONGEST: usize = 100;

/// The scripts, in the order of the file: the first that fits is played.
#[derive(Debug, Default, Deserialize)]
pub struct Scripts {
    /// True if files that are not in the folder are those that are built in.
    #[serde(default)]
    pub built_in: bool,
    #[serde(default)]
    scripts: Vec<Script>,
}

/// One script.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Script {
    /// The scenario: the name of its files.
    pub name: String,
    /// Any of these in the last text of the user chooses it.
    #[serde(default)]
    pub words: Vec<String>,
    /// The file that is played, if it is not called like the scenario.
    pub file: Option<String>,
    /// The body, instead of a file.
    pub body: Option<String>,
    /// What the recording's `{{name}}` stand for, where the user's text says nothing else.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// The words of the user's text behind which such a value stands, up to the end of its sentence or an "and".
    #[serde(default)]
    pub catch: BTreeMap<String, String>,
    /// This in the model's name chooses it, where no words choose another. Of several, the longest counts.
    pub model: Option<String>,
    /// The script that is played behind the results of this one's calls.
    pub after: Option<String>,
    /// The HTTP status, if it is not 200.
    pub status: Option<u16>,
    /// Headers of an answer with an error status.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The pause between events in milliseconds.
    pub pace: Option<u64>,
    /// The body comes in pieces of so many bytes, not event by event.
    pub pieces: Option<NonZeroUsize>,
    /// What stands between its events that is none of the recording.
    pub insert: Option<Insert>,
    /// Where and how it ends too early.
    pub stop: Option<Stop>,
}

/// A text between two events of a recording.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Insert {
    /// Behind how many events.
    pub after: usize,
    /// The text.
    pub text: String,
}

/// An early end.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Behind how many pieces of the body. Without it there is not even a head.
    pub after: Option<usize>,
    /// In which way.
    pub how: Break,
}

/// How an answer breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Break {
    /// The body ends as if it were whole.
    End,
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
    /// Nothing more comes, and the connection stays open.
    Stall,
}

/// What is played.
#[derive(Debug)]
pub struct Choice<'a> {
    /// The file, without the protocol's folder and the extension.
    pub file: &'a str,
    /// The script, if there is one.
    pub script: Option<&'a Script>,
    /// What the recording's `{{name}}` stand for.
    pub values: BTreeMap<String, String>,
}

impl Script {
    fn values(&self, text: &str) -> BTreeMap<String, String> {
        let caught = self.catch.iter().filter_map(|(name, words)| Some((name.clone(), behind(text, words)?)));
        self.set.clone().into_iter().chain(caught).collect()
    }
}

impl Scripts {
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Script> {
        self.scripts.iter()
    }

    /// What to play for a conversation: chosen by the user's last text, then by the model's name; and behind tool
    /// results, what follows that.
    pub fn choose(&self, chat: &ChatRequest, model: &str) -> Choice<'_> {
        let (text, rounds) = last_question(chat);
        let by_words = |script: &&Script| script.words.iter().any(|word| says(&text, word));
        let by_model = |script: &&Script| script.model.as_ref().is_some_and(|part| model.contains(part.as_str()));
        let longest = |script: &&Script| std::cmp::Reverse(script.model.as_ref().map_or(0, String::len));
        let named = || self.scripts.iter().filter(by_model).min_by_key(longest);
        let first = self.scripts.iter().find(by_words).or_else(named);
        let mut name = first.map_or(super::DEFAULT, |script| script.name.as_str());
        for _ in 0..rounds {
            name = self.named(name).and_then(|script| script.after.as_deref()).unwrap_or(super::DEFAULT);
        }
        let script = self.named(name);
        let file = script.and_then(|script| script.file.as_deref()).unwrap_or(name);
        Choice { file, script, values: first.map(|script| script.values(&text)).unwrap_or_default() }
    }

    fn named(&self, name: &str) -> Option<&Script> {
        self.scripts.iter().find(|script| script.name == name)
    }
}

/// True if `text` has these words in it, in any case, and not merely as a part of longer ones.
fn says(text: &str, words: &str) -> bool {
    let (text, words) = (text.to_lowercase(), words.to_lowercase());
    let ends = |edge: Option<char>| edge.is_none_or(|letter| !letter.is_alphanumeric());
    text.match_indices(&words)
        .any(|(at, _)| ends(text[..at].chars().next_back()) && ends(text[at + words.len()..].chars().next()))
}

/// What stands behind these words, up to the end of the sentence or an "and".
fn behind(text: &str, words: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let from = lower.find(&words.to_ascii_lowercase())? + words.len();
    let rest = text.get(from..)?;
    let ends = rest.find(['.', '?', '!', ',', ';', '\n']).into_iter().chain(lower.get(from..)?.find(" and "));
    let value = rest.get(..ends.min().unwrap_or(rest.len()))?.trim();
    (!value.is_empty()).then(|| value.chars().take(LONGEST).collect())
}

/// The user's last text, and how many rounds of tool results follow it.
fn last_question(chat: &ChatRequest) -> (String, usize) {
    let at = chat.messages.iter().rposition(|message| message.role == Role::User);
    let Some((question, behind)) = at.and_then(|at| chat.messages.get(at..)?.split_first()) else {
        return (String::new(), 0);
    };
    let result = |part: &Part| matches!(part, Part::ToolResult(_));
    let rounds = behind.chunk_by(|left, right| left.role == right.role);
    let rounds = rounds.filter(|round| round.iter().any(|message| message.parts.iter().any(result)));
    (question.joined_text(), rounds.count())
}

#[cfg(test)]
mod tests {
    use chatwire_protocols::chat::{Message, ResultPart};
    use chatwire_protocols::event::{Runs, ToolOutcome};

    use super::*;

    const INDEX: &str = r#"
        [[scripts]]
        name = "tool"
        words = ["Weather"]
        after = "sunny"
        set = { place = "Bern" }
        catch = { place = "weather in" }
        [[scripts]]
        name = "dark"
        file = "theme"
        words = ["dark theme"]
        set = { theme = "dark" }
        [[scripts]]
        name = "reasoning"
        model = "reasoning"
        [[scripts]]
        name = "long-reasoning"
        model = "long-reasoning"
        [[scripts]]
        name = "busy"
        words = ["busy", "429"]
        status = 429
        headers = { retry-after = "7" }
    "#;

    fn chosen(text: &str, model: &str, results: usize) -> String {
        let scripts = Scripts::parse(INDEX).unwrap();
        let mut messages = vec![Message::text(Role::User, text)];
        for _ in 0..results {
            let result = ResultPart {
                call: "c".into(),
                name: "f".into(),
                outcome: ToolOutcome::Ok,
                output: 1.into(),
                files: Vec::new(),
                runs: Runs::Gateway,
            };
            messages.push(Message::text(Role::Assistant, "x"));
            messages.push(Message::new(Role::Tool, vec![Part::ToolResult(result)]));
        }
        let chat = ChatRequest { messages, ..ChatRequest::default() };
        let choice = scripts.choose(&chat, model);
        choice.values.into_values().fold(choice.file.to_owned(), |file, value| format!("{file} {value}"))
    }

    #[test]
    fn what_the_user_names_is_caught() {
        assert_eq!(chosen("Tell me the weather in Paris, please", "m", 0), "tool Paris");
        assert_eq!(chosen("The weather in Rome and tea", "m", 1), "sunny Rome");
        assert_eq!(chosen("The weather in ...", "m", 0), "tool Bern");
        assert_eq!(chosen("dark theme", "m", 0), "theme dark");
    }

    #[test]
    fn words_choose_before_the_models_name() {
        assert_eq!(chosen("the WEATHER please", "reasoning-1", 0), "tool Bern");
        assert_eq!(chosen("hello", "a-reasoning-1", 0), "reasoning");
        assert_eq!(chosen("hello", "a-long-reasoning-1", 0), "long-reasoning");
        assert_eq!(chosen("are you busy?", "m", 0), "busy");
        assert_eq!(chosen("hello", "m", 0), "text");
        assert_eq!(chosen("busybody", "m", 0), "text");
    }

    #[test]
    fn what_follows_a_tool_is_played_behind_its_result() {
        assert_eq!(chosen("weather", "m", 1), "sunny Bern");
        assert_eq!(chosen("weather", "m", 2), "text Bern");
    }
}
