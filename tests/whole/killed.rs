//! Pages talk, and the gateway is killed at any moment: whatever they were told is done is there, once, as they were
//! told it, and the conversation goes on.
//!
//! `CHATWIRE_TEST_KILLS` says how often; each run kills at other moments.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::Folder;
use crate::page::{ask, listed, say, send};

const KILLS: u64 = 10;

/// How many pages talk at a time.
const PAGES: u64 = 3;

/// The longest that a gateway lives behind the first message: two or three turns.
const LIFE: u64 = 400_000;

const CONFIG: &str = r#"
[server]
listen = "127.0.0.1:0"

[providers.replay]
protocol = "openai-chat"
replay = { pace = "1ms" }

[providers.thinking]
protocol = "anthropic"
replay = { pace = "1ms" }

[models.m]
targets = ["replay/any"]

[models.title]
targets = ["thinking/any"]

[tools.get_weather]
weather = { sample = true }

[[routes]]
path = "/chatkit"
protocol = "chatkit"
model = "m"
title_model = "title"
on_disconnect = "finish"
tools = ["get_weather"]
"#;

/// Answers of every kind: text, calls with a widget, several of them, thoughts, a failure.
const WORDS: [&str; 6] =
    ["Hello", "What is the weather in Bern?", "Compare two cities", "Please think", "Show me an error", "Fail halfway"];

/// Numbers that nobody can foresee.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// What a page was told of one turn.
struct Told {
    thread: Option<String>,
    events: Vec<Value>,
    whole: bool,
}

fn turn(address: &str, thread: Option<&str>, text: &str) -> Told {
    let heard = send(address, &say(thread, text));
    assert!(matches!(heard.status, 0 | 200), "{}: {}", heard.status, heard.body);
    let events = heard.events();
    let made = events.iter().find(|event| event["type"] == "thread.created");
    let made = made.map(|event| event["thread"]["id"].as_str().unwrap().to_owned());
    Told { thread: made.or_else(|| thread.map(str::to_owned)), events, whole: heard.whole }
}

/// A page that talks until the gateway is gone.
fn talk(address: &str, mut threads: Vec<String>, mut chance: Chance, begun: &std::sync::mpsc::Sender<()>) -> Vec<Told> {
    let mut told = Vec::new();
    loop {
        // As many new threads as old ones that go on.
        let old = threads.get(chance.below(2 * threads.len() as u64 + 1) as usize).cloned();
        let words = WORDS[chance.below(WORDS.len() as u64) as usize];
        let _ = begun.send(());
        let turn = turn(address, old.as_deref(), words);
        threads.extend(turn.thread.clone().filter(|_| old.is_none()));
        let gone = !turn.whole;
        told.push(turn);
        if gone {
            return told;
        }
    }
}

/// Every item that pages were told is done, by its thread and its id, as it was told last.
#[derive(Default)]
struct Known(BTreeMap<String, BTreeMap<String, Value>>);

impl Known {
    fn learn(&mut self, told: &Told) {
        let Some(thread) = &told.thread else { return };
        let items = self.0.entry(thread.clone()).or_default();
        for event in &told.events {
            if event["type"] == "thread.item.done" || event["type"] == "thread.item.replaced" {
                items.insert(event["item"]["id"].as_str().unwrap().to_owned(), event["item"].clone());
            }
        }
    }

    /// Looks at these threads, and at the list of all.
    fn check<'a>(&self, address: &str, threads: impl Iterator<Item = &'a String>) {
        let all: Vec<String> = listed(address, "threads.list", None).iter().map(|row| text(&row["id"])).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "no thread is listed twice");
        for thread in all.iter().filter(|thread| !self.0.contains_key(*thread)) {
            assert!(!listed(address, "items.list", Some(thread)).is_empty(), "{thread} is empty");
        }
        for thread in threads {
            assert!(all.contains(thread), "{thread} is lost");
            let items = listed(address, "items.list", Some(thread));
            assert!(!items.is_empty(), "{thread} is empty");
            let ids: BTreeSet<String> = items.iter().map(|item| text(&item["id"])).collect();
            assert_eq!(ids.len(), items.len(), "an id is there twice in {thread}");
            for (id, told) in &self.0[thread] {
                let kept: Vec<_> = items.iter().filter(|item| item["id"] == id.as_str()).collect();
                assert_eq!(kept, [told], "{id} of {thread}");
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

/// The thread takes another message, and it is answered.
fn goes_on(address: &str, thread: &str) -> Told {
    let told = turn(address, Some(thread), "Hello again");
    assert!(told.whole && !kinds(&told.events).contains(&"error"), "{thread}: {:?}", told.events);
    let done = told.events.iter().filter(|event| event["type"] == "thread.item.done");
    let done: Vec<_> = done.map(|event| event["item"]["type"].as_str().unwrap()).collect();
    assert_eq!((done[0], done.contains(&"assistant_message")), ("user_message", true), "{done:?}");
    told
}

#[test]
fn what_pages_were_told_survives_kills_in_the_middle_of_turns() {
    let kills = std::env::var("CHATWIRE_TEST_KILLS").ok().and_then(|number| number.parse().ok()).unwrap_or(KILLS);
    let (folder, mut chance, mut known) = (Folder::with(CONFIG), Chance::new(), Known::default());
    let (mut turns, mut cut, mut answering) = (0, 0, 0);
    for round in 0..kills {
        let gateway = folder.gateway();
        let (begun, first) = channel();
        let old: Vec<String> = known.0.keys().cloned().collect();
        // A thread belongs to one page, or a page would be told only of its own items.
        let pages: Vec<_> = (0..PAGES)
            .map(|page| {
                let (address, begun, seed) = (gateway.address.clone(), begun.clone(), chance.below(u64::MAX));
                let own = old.iter().skip(page as usize).step_by(PAGES as usize).cloned().collect();
                std::thread::spawn(move || talk(&address, own, Chance(seed), &begun))
            })
            .collect();
        first.recv().unwrap();
        std::thread::sleep(Duration::from_micros(chance.below(LIFE)));
        gateway.kill();
        let mut touched = BTreeSet::new();
        for told in pages.into_iter().flat_map(|page| page.join().unwrap()) {
            turns += 1;
            cut += u64::from(!told.whole);
            let kinds = kinds(&told.events);
            answering += u64::from(!told.whole && kinds.contains(&"thread.item.done"));
            known.learn(&told);
            touched.extend(told.thread);
        }
        let gateway = folder.gateway();
        known.check(&gateway.address, touched.iter());
        if let Some(thread) = touched.iter().nth(chance.below(1 + touched.len() as u64) as usize) {
            known.learn(&goes_on(&gateway.address, thread));
        }
        if round % 10 == 9 || round + 1 == kills {
            known.check(&gateway.address, known.0.keys());
        }
    }
    let items: usize = known.0.values().map(BTreeMap::len).sum();
    println!(
        "{kills} kills: {turns} turns begun, {cut} cut, {answering} of them behind a stored message; \
         {items} items in {} threads were told and are there",
        known.0.len()
    );
    assert!(answering > 0, "some kill came in the middle of a turn");
    let gateway = folder.gateway();
    for thread in known.0.keys().take(10) {
        goes_on(&gateway.address, thread);
    }
    let some = known.0.keys().next().unwrap();
    ask(&gateway.address, "threads.delete", &serde_json::json!({"thread_id": some}));
}
