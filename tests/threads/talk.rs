//! A page that talks, and the model that answers it.

use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, Setup, memory};

pub const KAZ: &str = "x-user: kaz\r\n";
pub const MIA: &str = "x-user: mia\r\n";

/// A gateway that keeps conversations, and its model.
pub struct Talk {
    pub gateway: Gateway,
    pub fake: Fake,
    pub user: &'static str,
}

impl Talk {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with changes of the setup.
    pub async fn with(change: impl FnOnce(&mut Setup)) -> Self {
        let fake = Fake::start().await;
        let mut setup = Setup::new(&[fake.addr]);
        setup.memory = Some(memory());
        setup.owner = Some("x-user".to_owned());
        change(&mut setup);
        Self { gateway: setup.start().await, fake, user: KAZ }
    }

    /// What no model is asked for.
    pub async fn ask(&self, body: &Value) -> Answer {
        Page::post_with(self.gateway.addr, self.user, body).await.answer().await
    }

    /// The same, which must go well.
    pub async fn get(&self, body: &Value) -> Value {
        let answer = self.ask(body).await;
        assert_eq!(answer.status, 200, "{body}: {}", answer.body);
        answer.json()
    }

    /// A turn in which the model says these lines; gives the page's answer, and what the model was told.
    pub async fn turn(&self, body: &Value, lines: &str) -> (Answer, Value) {
        let page = Page::post_with(self.gateway.addr, self.user, body).await;
        let asked = self.fake.asked().await;
        let told = asked.body["messages"].clone();
        asked.answer(&format!("{lines}\n")).await;
        let answer = page.answer().await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        (answer, told)
    }

    /// A new thread with one message and its answer; gives its id.
    pub async fn thread(&self, say: &str) -> String {
        let (answer, _) = self.turn(&json!({ "say": say }), "text ok\nfinish stop").await;
        id_of(&answer)
    }

    /// A new thread whose answer calls these tools, which the page runs.
    pub async fn calls(&self, names: &[&str]) -> (String, Answer) {
        let calls = names.iter().enumerate().map(|(at, name)| format!("call c{at} {name} {{}}\n"));
        let lines = format!("{}finish tool_calls", calls.collect::<String>());
        let (answer, _) = self.turn(&json!({ "say": "hi" }), &lines).await;
        (id_of(&answer), answer)
    }

    /// All items of a thread.
    pub async fn items(&self, thread: &str) -> Vec<Value> {
        let answer = self.get(&json!({ "op": "messages", "thread": thread })).await;
        answer["rows"].as_array().unwrap().clone()
    }

    /// The items of this kind.
    pub async fn kind(&self, thread: &str, kind: &str) -> Vec<Value> {
        let mut items = self.items(thread).await;
        items.retain(|item| item["body"]["kind"] == kind);
        items
    }
}

/// The thread of a reply.
pub fn id_of(answer: &Answer) -> String {
    opening(answer)["thread"]["id"].as_str().unwrap_or_else(|| panic!("{}", answer.body)).to_owned()
}

/// What a reply says of the conversation at its beginning.
pub fn opening(answer: &Answer) -> Value {
    let first = answer.events().into_iter().next().unwrap_or_else(|| panic!("no opening: {answer:?}"));
    assert_eq!(first["event"], "opening", "{}", answer.body);
    first["kept"].clone()
}
