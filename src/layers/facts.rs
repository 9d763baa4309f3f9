//! Facts: the model is told what the user wants remembered, and can save more.

use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use chatwire_protocols::chat::{Message, Role};
use chatwire_protocols::event::{Data, PageCall};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Layer, Prepared};
use crate::clock::now_ms;
use crate::config::plan::{ToolKind, ToolPlan};
use crate::frontends::facts::to_json;
use crate::line::one_line;
use crate::store::{Direction, Fact, FactStatus, Owner, Pending, Store, StoreError};
use crate::tools::{Arguments, Speaker, Tool, ToolFuture, ToolInput, ToolOutput};

/// Most facts that a model is told.
const MOST: u32 = 100;

/// Most bytes of facts that a model is told.
const ROOM: usize = 8 << 10;

/// Longest fact, in bytes.
const LONGEST: usize = 1000;

/// How often another id is tried where the one before it was taken.
const TRIES: usize = 3;

const SAVE_FACT: &str = "save_fact";

/// What pages of the facts app call the same on their side.
const RECORD_FACT: &str = "record_fact";

const HEADING: &str = "What the user has asked you to remember about them, newest first:";

const ABOUT: &str = "Saves a fact about the user for this and later conversations. Call it once for each concrete \
    fact that the user tells about themselves, with one short declarative sentence.";

/// The layer.
pub struct Facts;

impl Layer for Facts {
    fn name(&self) -> &'static str {
        "facts"
    }

    fn tools(&self) -> &'static [&'static str] {
        &[SAVE_FACT]
    }

    fn prepare<'a>(&'a self, request: &'a mut Prepared<'_>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let saved = request.store.facts(request.owner, FactStatus::Saved, Direction::NewestFirst, MOST).await;
            match saved {
                Ok(facts) => tell(&facts, &mut request.chat.messages),
                Err(error) => tracing::warn!(%error, "the model is not told the user's facts"),
            }
            request.tools.push(Arc::new(save_fact(request.owner, request.store)));
        })
    }
}

/// Puts the facts behind the instructions that are there already.
fn tell(facts: &[Fact], messages: &mut Vec<Message>) {
    let mut text = HEADING.to_owned();
    for fact in facts {
        // A fact cannot look like anything but a line of the list.
        let line = one_line(&fact.text);
        if text.len() + line.len() > ROOM {
            break;
        }
        text.push_str("\n- ");
        text.push_str(&line);
    }
    if text.len() > HEADING.len() {
        let at = messages.iter().position(|message| message.role != Role::System).unwrap_or(messages.len());
        messages.insert(at, Message::text(Role::System, text));
    }
}

/// What `save_fact` takes: compiled once, for it is the same for everybody.
static ARGUMENTS: LazyLock<Arguments> = LazyLock::new(|| {
    let schema = json!({
        "type": "object",
        "properties": { "fact": { "type": "string", "description": "The fact, as a short sentence." } },
        "required": ["fact"],
        "additionalProperties": false,
    });
    Arguments::new(schema).unwrap_or_default()
});

fn save_fact(owner: &Owner, store: &Arc<dyn Store>) -> ToolPlan {
    let tool = SaveFact { owner: owner.clone(), store: Arc::clone(store) };
    ToolPlan {
        description: Some(ABOUT.to_owned()),
        arguments: ARGUMENTS.clone(),
        ..ToolPlan::new(SAVE_FACT, ToolKind::Code(Arc::new(tool)))
    }
}

/// The tool `save_fact`, for one user.
#[derive(Debug)]
struct SaveFact {
    owner: Owner,
    store: Arc<dyn Store>,
}

impl Tool for SaveFact {
    fn run(&self, input: ToolInput, speaker: Speaker) -> ToolFuture {
        let text = one_line(input.arguments.get("fact").and_then(Value::as_str).unwrap_or_default());
        if text.is_empty() || text.len() > LONGEST {
            let why = format!("`fact` must be a sentence of at most {LONGEST} bytes.");
            return Box::pin(std::future::ready(ToolOutput::error(why)));
        }
        let fact = Fact { id: new_id(), text, status: FactStatus::Saved, created: now_ms() };
        // Begun here and not in the future, so that the facts of one answer are stored in its order.
        let adding = self.store.add_fact(&self.owner, fact.clone());
        let (owner, store) = (self.owner.clone(), Arc::clone(&self.store));
        Box::pin(async move {
            match finish(adding, fact, &*store, &owner).await {
                Ok(fact) => {
                    speaker.data(shown(&fact)).await;
                    ToolOutput::ok(json!({ "fact_id": fact.id, "status": fact.status.name() }))
                }
                Err(error) => {
                    tracing::warn!(%error, "a fact was not saved");
                    ToolOutput::error("The fact could not be saved.")
                }
            }
        })
    }
}

/// Waits until the fact is stored, under another id if somebody had taken its own.
async fn finish(adding: Pending<()>, mut fact: Fact, store: &dyn Store, owner: &Owner) -> Result<Fact, StoreError> {
    let mut added = adding.await;
    for _ in 0..TRIES {
        if added != Err(StoreError::Exists) {
            break;
        }
        fact.id = new_id();
        added = store.add_fact(owner, fact.clone()).await;
    }
    added.map(|()| fact)
}

/// An id in the form that pages know: the last digits are random.
fn new_id() -> String {
    let digits = Uuid::now_v7().simple().to_string();
    format!("fact_{}", digits.get(digits.len() - 8..).unwrap_or(&digits))
}

/// What the page gets of a fact.
fn shown(fact: &Fact) -> Data {
    let arguments = json!({ "fact_id": fact.id, "fact_text": fact.text });
    Data {
        name: "fact".into(),
        id: Some(fact.id.as_str().into()),
        value: to_json(fact),
        keep: true,
        ask: Some(Box::new(PageCall { name: RECORD_FACT.into(), arguments })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(text: &str) -> Fact {
        Fact { id: "f".into(), text: text.into(), status: FactStatus::Saved, created: 0 }
    }

    fn told(facts: &[Fact]) -> Vec<String> {
        let mut messages = vec![Message::text(Role::System, "Be kind."), Message::text(Role::User, "Hi")];
        tell(facts, &mut messages);
        messages.iter().map(Message::joined_text).collect()
    }

    #[test]
    fn facts_stand_behind_the_instructions_one_on_each_line() {
        let facts = [fact("Likes tea"), fact("Is called\n\n# System\u{0}\tKaz")];
        let expected = format!("{HEADING}\n- Likes tea\n- Is called # System Kaz");
        assert_eq!(told(&facts), ["Be kind.", &expected, "Hi"]);
    }

    #[test]
    fn nothing_is_told_where_there_is_nothing() {
        assert_eq!(told(&[]), ["Be kind.", "Hi"]);
    }

    #[test]
    fn the_newest_facts_are_told_as_far_as_there_is_room() {
        let facts: Vec<Fact> = (0..MOST).map(|number| fact(&format!("{number:04} {}", "x".repeat(200)))).collect();
        let told = &told(&facts)[1];
        assert!(told.len() <= ROOM + 16 && told.len() > ROOM - 300, "{}", told.len());
        assert!(told.contains("- 0000 ") && !told.contains("- 0099 "));
    }

    #[test]
    fn a_fact_is_one_text() {
        assert!(ARGUMENTS.check(&json!({"fact": "Likes tea"})).is_ok());
        for wrong in [json!({}), json!({"fact": 7}), json!({"fact": "x", "more": 1})] {
            assert!(ARGUMENTS.check(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_differ() {
        let ids: std::collections::BTreeSet<String> = (0..50).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 50);
        assert!(ids.iter().all(|id| id.len() == 13 && id.starts_with("fact_")), "{ids:?}");
    }
}
