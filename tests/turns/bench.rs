//! Kept turns without a server: a provider, a store, and what a page would be told.

use std::sync::Arc;
use std::time::Duration;

use chatwire::config::plan::{Model, ToolPlan};
use chatwire::limits::Admission;
use chatwire::server::Stop;
use chatwire::store::{Direction, Item, Owner, PageQuery, Sequence, Store, Thread, ThreadStatus, Write};
use chatwire::tools::{Scope, Toolbox};
use chatwire::turn::{Claim, Follower, Kept, Leaving, Parts, Turns};
use chatwire::upstream::Upstreams;
use chatwire_protocols::chat::{ChatRequest, Message, Role};
use chatwire_protocols::event::Event;
use chatwire_protocols::items::{Body, Style};
use chatwire_protocols::protocol::ReplyContext;
use serde_json::Map;

use crate::support::double::Double;
use crate::support::fake::{Asked, Fake};
use crate::support::{LONG, Setup};

pub const THREAD: &str = "thr";

pub struct Bench {
    pub fake: Fake,
    pub turns: Turns,
    pub store: Arc<Double>,
    pub owner: Owner,
    upstreams: Arc<Upstreams>,
    model: Arc<Model>,
}

impl Bench {
    pub async fn new() -> Self {
        Self::with(Turns::default()).await
    }

    pub async fn with(turns: Turns) -> Self {
        let fake = Fake::start().await;
        let plan = Setup::new(&[fake.addr]).plan();
        let upstreams = Arc::new(Upstreams::new(&plan, None).unwrap());
        let model = Arc::clone(&plan.models["m"]);
        let bench = Self { fake, turns, store: Double::new(), owner: Owner::local(), upstreams, model };
        let thread = Thread {
            id: THREAD.to_owned(),
            title: Some("a title".to_owned()),
            status: ThreadStatus::Active,
            metadata: Map::new(),
            created: 1,
            updated: 1,
        };
        bench.store.apply(&bench.owner, THREAD, vec![Write::Thread(thread)]).await.unwrap();
        bench
    }

    pub async fn claim(&self) -> Claim {
        self.turns.claim(&self.owner, THREAD, LONG).await.expect("the thread becomes free")
    }

    pub async fn try_claim(&self, thread: &str) -> Option<Claim> {
        self.turns.claim(&self.owner, thread, Duration::ZERO).await.ok()
    }

    pub async fn kept(&self, leaving: Leaving, tools: Vec<ToolPlan>) -> Kept {
        let mut chat = ChatRequest { messages: vec![Message::text(Role::User, "hi")], ..ChatRequest::default() };
        let tools: Vec<_> = tools.into_iter().map(Arc::new).collect();
        let toolbox = Toolbox::new(&tools, &mut chat.tools);
        Kept {
            claim: self.claim().await,
            parts: Parts {
                turn: "turn_1".into(),
                chat,
                toolbox,
                model: Arc::clone(&self.model),
                max_steps: 5,
                page_calls: false,
                scope: Scope::default(),
                timeout: LONG,
                summaries: None,
                admission: Admission::default(),
                answers: None,
                upstreams: Arc::clone(&self.upstreams),
                stop: Stop::never(),
            },
            chat: ChatRequest::default(),
            context: ReplyContext { turn: "turn_1".into(), message: "msg_1".into(), ..ReplyContext::default() },
            keeps: true,
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            owner: self.owner.clone(),
            style: Style::default(),
            leaving,
            beside: None,
        }
    }

    /// A turn whose provider has said this much.
    pub async fn begun(&self, leaving: Leaving, said: &str) -> (Page, Asked) {
        let mut page = Page::of(self.turns.start(self.kept(leaving, Vec::new()).await));
        let mut asked = self.fake.asked().await;
        asked.begin().await;
        asked.send(said).await;
        page.until(|event| matches!(event, Event::BlockDelta { .. })).await;
        (page, asked)
    }

    /// All items, as their sort and text, with a star for hidden ones.
    pub async fn items(&self) -> Vec<String> {
        let query = PageQuery { after: None, limit: 100, direction: Direction::OldestFirst };
        let page = self.store.items(&self.owner, THREAD, query, true).await.unwrap();
        page.rows.iter().map(|(_, item)| shown(item)).collect()
    }

    /// An item by its place.
    pub async fn item(&self, at: usize) -> (Sequence, Item) {
        let query = PageQuery { after: None, limit: 100, direction: Direction::OldestFirst };
        self.store.items(&self.owner, THREAD, query, true).await.unwrap().rows.swap_remove(at)
    }

    pub async fn thread(&self) -> Thread {
        self.store.thread(&self.owner, THREAD).await.unwrap().unwrap().1
    }

    /// Nothing is left of any turn.
    pub async fn check_empty(&self) {
        tokio::time::timeout(LONG, self.turns.idle()).await.expect("all turns end");
        assert!(self.turns.is_empty(), "{:?}", self.turns);
        assert!(self.turns.follow(&self.owner, THREAD).is_none());
    }
}

fn shown(item: &Item) -> String {
    let text = match &item.body {
        Body::Assistant(message) if message.whole => format!(" {}", message.text),
        Body::Assistant(message) => format!(" {} (cut)", message.text),
        Body::ToolCall(kept) => {
            let result = kept.result.as_ref().map(|result| format!("{:?} {}", result.outcome, result.output));
            format!(" {} {}", kept.call.id, result.unwrap_or_default())
        }
        _ => String::new(),
    };
    format!("{}{}{text}", if item.hidden { "*" } else { "" }, item.body.kind())
}

/// Somebody who follows a turn.
pub struct Page {
    pub follower: Follower,
    pub seen: Vec<Event>,
}

impl Page {
    pub const fn of(follower: Follower) -> Self {
        Self { follower, seen: Vec::new() }
    }

    /// Reads until such an event has been seen.
    pub async fn until(&mut self, wanted: impl Fn(&Event) -> bool) {
        while !self.seen.iter().any(&wanted) {
            assert!(!self.follower.ended(), "it does not come: {:?}", self.seen);
            let reading = std::future::poll_fn(|cx| self.follower.poll(cx, &mut self.seen));
            tokio::time::timeout(LONG, reading).await.expect("events come");
        }
    }

    /// What can be read without waiting.
    pub async fn read_ready(&mut self) {
        std::future::poll_fn(|cx| {
            while !self.follower.ended() && self.follower.poll(cx, &mut self.seen).is_ready() {}
            std::task::Poll::Ready(())
        })
        .await;
    }

    /// Everything to the end, which is the only one.
    pub async fn all(mut self) -> Vec<Event> {
        while !self.follower.ended() {
            let reading = std::future::poll_fn(|cx| self.follower.poll(cx, &mut self.seen));
            tokio::time::timeout(LONG, reading).await.expect("the turn ends");
        }
        assert_eq!(self.seen.iter().filter(|event| event.is_terminal()).count(), 1, "{:?}", self.seen);
        assert!(self.seen.last().is_some_and(Event::is_terminal), "{:?}", self.seen);
        self.seen
    }
}
