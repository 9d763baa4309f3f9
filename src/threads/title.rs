//! What a thread is called: by the first words of its first message, or by what a small model makes of it. What a user
//! calls it stays.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chatwire_protocols::chat::{ChatRequest, Message, Role};
use chatwire_protocols::event::{Data, Spent};
use chatwire_protocols::items::{Said, Thread, UserMessage, data};
use serde_json::json;

use super::{Threads, new_id};
use crate::clock::now_ms;
use crate::config::plan::Model;
use crate::limits::Meter;
use crate::line::one_line;
use crate::store::{Owner, StoreError, UsageRow, Write};
use crate::turn::Aside;

/// Longest title that is made here, in characters.
const LONGEST: usize = 60;

/// Longest title that a user may give, in characters.
pub const LONGEST_GIVEN: usize = 200;

/// Most of a message that the model reads for its title, in characters.
const MOST_READ: usize = 2000;

const MOST_TOKENS: u64 = 30;

/// Most of the model's answer that is looked at, in bytes.
const MOST_SAID: usize = 1000;

const DEADLINE: Duration = Duration::from_secs(20);

const ASKING: &str = "Give a title for a conversation that begins with the user's next message: at most six words, in \
    the language of the message, without quotation marks and without a full stop. Do not answer the message. Say \
    nothing but the title.";

/// The naming of a thread beside its first turn.
pub struct Naming {
    owner: Owner,
    thread: String,
    words: String,
    model: Option<Arc<Model>>,
    meter: Meter,
}

impl Naming {
    /// By these words of the user, or by what the model makes of them.
    pub fn new(owner: &Owner, thread: &Thread, words: String, model: Option<Arc<Model>>) -> Self {
        Self { owner: owner.clone(), thread: thread.id.clone(), words, model, meter: Meter::default() }
    }

    /// The same; what the model costs is counted here.
    pub fn counted_by(self, meter: Meter) -> Self {
        Self { meter, ..self }
    }

    /// Finds a name and stores it; gives what a page is told of it.
    pub fn run(self, threads: Arc<Threads>) -> Pin<Box<dyn Future<Output = Option<Data>> + Send>> {
        Box::pin(async move {
            let made = match &self.model {
                Some(model) => self.ask(&threads, Arc::clone(model)).await,
                None => None,
            };
            let title = made.or_else(|| of_message(&self.words))?;
            match threads.name(&self.owner, &self.thread, title, false).await {
                Ok(named) => told(&named?),
                Err(error) => {
                    tracing::warn!(%error, "a thread was not named");
                    None
                }
            }
        })
    }

    /// Asks a model for a title; nothing if it gives none in time.
    async fn ask(&self, threads: &Threads, model: Arc<Model>) -> Option<String> {
        let mut chat = ChatRequest {
            messages: vec![Message::text(Role::System, ASKING), Message::text(Role::User, &*self.words)],
            stream: true,
            ..ChatRequest::default()
        };
        chat.settings.max_tokens = Some(MOST_TOKENS);
        let mut aside =
            Aside::new(Arc::clone(&threads.means.upstreams), model, chat, DEADLINE).counted_by(self.meter.clone());
        let said = aside.text(MOST_SAID).await;
        if let Some(spent) = aside.spent() {
            self.count(threads, &spent).await;
        }
        match said {
            Ok(text) => of_model(&text),
            Err(failure) => {
                tracing::warn!(failure = failure.kind.label(), "a title was not made");
                None
            }
        }
    }

    /// Counts it with the thread. It is no call of the turn, which may be over by now.
    async fn count(&self, threads: &Threads, spent: &Spent) {
        let thread = Some(self.thread.clone());
        let row = UsageRow::of(&new_id("title"), thread, &spent.model, &spent.usage, now_ms());
        if let Err(error) = threads.store().add_usage(&self.owner, row).await {
            tracing::error!(%error, "what a title has cost is not counted");
        }
    }
}

impl Threads {
    /// Calls a thread so; a name that it has stays unless `anyway`. Nothing if it has not been changed or is not there.
    pub(super) async fn name(
        &self,
        owner: &Owner,
        thread: &str,
        title: String,
        anyway: bool,
    ) -> Result<Option<Thread>, StoreError> {
        let _alone = self.naming.lock().await;
        let Some((_, mut found)) = self.store().thread(owner, thread).await? else { return Ok(None) };
        if found.title.is_some() && !anyway {
            return Ok(None);
        }
        found.title = Some(title);
        found.updated = now_ms();
        // The first write fails if the thread has been deleted meanwhile: the second would make it again.
        let writes = vec![Write::Touch { updated: found.updated }, Write::Thread(found.clone())];
        match self.store().apply(owner, thread, writes).await {
            Err(StoreError::NoThread) => Ok(None),
            named => named.map(|()| Some(found)),
        }
    }
}

/// What of a message a title can be made of.
pub fn words(message: &UserMessage) -> Option<String> {
    let said = message.content.iter().filter_map(|said| match said {
        Said::Text { text } => Some(text.as_str()),
        Said::Tag(tag) => Some(tag.text.as_str()),
        Said::File(_) | Said::Data(_) => None,
    });
    let files = message.attachments.iter().map(|attachment| attachment.name.as_str());
    let words: String = said.collect::<Vec<_>>().join(" ").chars().take(MOST_READ).collect();
    let words = if words.trim().is_empty() { files.take(1).collect() } else { words };
    (!words.trim().is_empty()).then_some(words)
}

/// The first words of a message as a title: cut between two words where that is possible.
pub fn of_message(words: &str) -> Option<String> {
    let line = one_line(words);
    if line.chars().count() <= LONGEST {
        return Some(line).filter(|line| !line.is_empty());
    }
    // One character is left for the mark of the cut.
    let cut: String = line.chars().take(LONGEST - 1).collect();
    let whole_word = line.chars().nth(LONGEST - 1) == Some(' ');
    let kept = if whole_word { cut.as_str() } else { cut.rsplit_once(' ').map_or(cut.as_str(), |(kept, _)| kept) };
    Some(format!("{}…", kept.trim_end_matches(|last: char| last.is_ascii_punctuation() || last == ' ')))
}

/// What a model said, as a title.
fn of_model(said: &str) -> Option<String> {
    let first = said.lines().map(one_line).find(|line| !line.is_empty())?;
    let quotes =
        |character: char| matches!(character, '"' | '\'' | '`' | '*' | '#' | '“' | '”' | '„' | '«' | '»' | ' ');
    let bare = first.trim_matches(quotes).trim_end_matches('.').trim_matches(quotes);
    of_message(bare)
}

fn told(thread: &Thread) -> Option<Data> {
    let value = json!({ "title": thread.title.as_ref()? });
    Some(Data { name: data::THREAD_TITLE.into(), id: None, value, keep: false, ask: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_words_of_a_message() {
        let long = "word ".repeat(30);
        let cases = [
            ("Hi", Some("Hi")),
            ("  How\nare \t you?\u{0}  ", Some("How are you?")),
            (" \n ", None),
            (long.as_str(), Some("word word word word word word word word word word word word…")),
        ];
        for (words, title) in cases {
            assert_eq!(of_message(words).as_deref(), title, "{words:?}");
        }
    }

    #[test]
    fn no_title_is_longer_than_a_line() {
        let texts =
            ["x".repeat(500), "é ".repeat(200), format!("{} yes", "x".repeat(59)), "ß".repeat(60), "a, b. ".repeat(40)];
        for text in texts {
            let title = of_message(&text).unwrap();
            assert!((1..=LONGEST).contains(&title.chars().count()), "{title}");
        }
        assert_eq!(of_message(&"ß".repeat(60)), Some("ß".repeat(60)));
        assert_eq!(of_message(&format!("{} yes", "x".repeat(59))), Some(format!("{}…", "x".repeat(59))));
    }

    #[test]
    fn what_a_model_says_becomes_one_line_without_quotes() {
        let cases = [
            ("\"Weather in Paris.\"", Some("Weather in Paris")),
            ("\n\n## **Weather**\nand more", Some("Weather")),
            ("“Wetter”", Some("Wetter")),
            ("  ", None),
            ("\"\"", None),
        ];
        for (said, title) in cases {
            assert_eq!(of_model(said).as_deref(), title, "{said:?}");
        }
    }
}
