//! What a turn tried: which targets were asked and what came of it. For the log, and for a header of the reply.

use std::fmt;

use chatwire_protocols::event::Text;

/// Most entries; what comes later is counted.
const MOST: usize = 16;

/// Longest name of a target that is shown.
const LONGEST: usize = 100;

/// What came of asking a target: a failure's label, or one of these.
pub mod outcome {
    /// It answers.
    pub const OK: &str = "ok";
    /// It was not asked: its circuit is open.
    pub const OPEN: &str = "open";
    /// It was not asked: it has as many calls as it may.
    pub const BUSY: &str = "busy";
    /// The connection was lost before an answer began; it is made anew.
    pub const LOST: &str = "lost";
    /// Another target was asked as well and spoke first.
    pub const SLOWER: &str = "slower";
}

/// What was tried. Its words are a closed set: no addresses, and nothing that a provider says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    entries: Vec<(Text, &'static str)>,
    more: usize,
}

impl Tried {
    /// Notes what came of asking a target.
    pub fn note(&mut self, provider: &str, model: &str, outcome: &'static str) {
        self.push((name(provider, model), outcome));
    }

    /// An answer that had begun broke off.
    pub fn broke_off(&mut self, provider: &str, model: &str, outcome: &'static str) {
        if self.more == 0 && self.entries.last().is_some_and(|(_, last)| *last == outcome::OK) {
            self.entries.pop();
        }
        self.note(provider, model, outcome);
    }

    /// Adds what another call of the turn tried.
    pub fn append(&mut self, other: &Self) {
        other.entries.iter().for_each(|entry| self.push(entry.clone()));
        self.more += other.more;
    }

    /// True if the first target that was asked answered, and no other was asked.
    pub fn is_plain(&self) -> bool {
        self.more == 0 && self.entries.iter().all(|(_, what)| *what == outcome::OK)
    }

    fn push(&mut self, entry: (Text, &'static str)) {
        // The steps of a turn stay with the target that answers.
        if entry.1 == outcome::OK && self.entries.last() == Some(&entry) {
            return;
        }
        if self.entries.len() < MOST {
            self.entries.push(entry);
        } else {
            self.more += 1;
        }
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (target, outcome)) in self.entries.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(formatter, "{comma}{target}={outcome}")?;
        }
        if self.more > 0 {
            write!(formatter, ", more={}", self.more)?;
        }
        Ok(())
    }
}

/// A target's name as a header can hold it: names of models may come from pages.
fn name(provider: &str, model: &str) -> Text {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/@+".contains(&byte);
    let mut name = Text::default();
    for byte in provider.bytes().chain(*b"/").chain(model.bytes()).take(LONGEST) {
        if plain(byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn it_is_one_line_that_a_header_can_hold() {
        let mut tried = Tried::default();
        tried.note("a", "gpt-4o", "rate_limit");
        assert!(!tried.is_plain());
        tried.note("b", "x=\r\n, \u{e9}", outcome::OK);
        assert_eq!(tried.to_string(), "a/gpt-4o=rate_limit, b/x%3D%0D%0A%2C%20%C3%A9=ok");
        assert!(HeaderValue::from_str(&tried.to_string()).is_ok());
    }

    #[test]
    fn it_is_bounded_and_steps_are_not_repeated() {
        let mut tried = Tried::default();
        for _ in 0..100 {
            let mut step = Tried::default();
            step.note("a", "b", outcome::OK);
            tried.append(&step);
        }
        assert_eq!((tried.to_string().as_str(), tried.is_plain()), ("a/b=ok", true));
        tried.broke_off("a", "b", "cut");
        assert_eq!(tried.to_string(), "a/b=cut");
        for _ in 0..100 {
            tried.note(&"x".repeat(1000), "b", "cut");
        }
        assert!(tried.to_string().ends_with(", more=85") && tried.to_string().len() < 2000);
    }
}
