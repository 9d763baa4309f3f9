//! A provider without a network, which does what a test has written down for each request, in virtual time. And turns
//! that ask it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use chatwire::config::plan::{Model, Plan, Source};
use chatwire::limits::Admission;
use chatwire::server::Stop;
use chatwire::tools::{Scope, Toolbox};
use chatwire::turn::{Driver, Parts};
use chatwire::upstream::{AnswerBody, Opening, Pieces, StandIn, Upstreams};
use chatwire_protocols::chat::{ChatRequest, Message, Role};
use chatwire_protocols::error::{Failure, FailureKind};
use chatwire_protocols::event::Event;
use chatwire_protocols::protocol::UpstreamRequest;
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};

use super::Setup;

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// Answers with these lines.
    Says(&'static str),
    /// Fails before an answer begins.
    Fails(FailureKind),
    /// The same, and says when to come back.
    FailsFor(FailureKind, Duration),
    /// Says nothing, for ever.
    Nothing,
    /// Does this later.
    Later(Duration, Box<Self>),
    /// Answers with these pieces, with so much time between them, and then says nothing.
    Drips(&'static [&'static str], Duration),
}

/// A provider.
#[derive(Debug)]
pub struct Scripted {
    script: Mutex<VecDeque<Does>>,
    /// What it does when the script is over.
    then: Mutex<Does>,
    asked: Mutex<Vec<Instant>>,
    /// How many answers are being given.
    open: Arc<()>,
}

impl Scripted {
    pub fn new(script: impl IntoIterator<Item = Does>, then: Does) -> Arc<Self> {
        let script = Mutex::new(script.into_iter().collect());
        Arc::new(Self { script, then: Mutex::new(then), asked: Mutex::default(), open: Arc::default() })
    }

    /// One that always does the same.
    pub fn always(does: Does) -> Arc<Self> {
        Self::new([], does)
    }

    pub fn good() -> Arc<Self> {
        Self::always(GOOD)
    }

    /// How often it was asked.
    pub fn times(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// The pauses between the requests.
    pub fn pauses(&self) -> Vec<Duration> {
        self.asked.lock().unwrap().windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// How many requests are being answered.
    pub fn open(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }

    /// Does this from now on.
    pub fn becomes(&self, does: Does) {
        *self.then.lock().unwrap() = does;
    }
}

pub const GOOD: Does = Does::Says("text good\nfinish stop\n");

impl StandIn for Scripted {
    fn answer(&self, _: UpstreamRequest) -> Opening {
        self.asked.lock().unwrap().push(Instant::now());
        let next = self.script.lock().unwrap().pop_front();
        let does = next.unwrap_or_else(|| self.then.lock().unwrap().clone());
        let open = Arc::clone(&self.open);
        Box::pin(async move { perform(does, open).await })
    }
}

async fn perform(mut does: Does, open: Arc<()>) -> Result<AnswerBody, Box<Failure>> {
    while let Does::Later(time, next) = does {
        sleep(time).await;
        does = *next;
    }
    let pieces: Pieces = match does {
        Does::Says(text) => Box::pin(stream::iter([Ok(Bytes::from(text))])),
        Does::Fails(kind) => return Err(Failure::boxed(kind, "as scripted")),
        Does::FailsFor(kind, wait) => {
            let mut failure = Failure::boxed(kind, "as scripted");
            failure.retry_after = Some(wait);
            return Err(failure);
        }
        Does::Nothing | Does::Later(..) => std::future::pending().await,
        Does::Drips(pieces, time) => {
            let pieces = stream::iter(pieces).then(move |piece| async move {
                sleep(time).await;
                Ok(Bytes::from_static(piece.as_bytes()))
            });
            Box::pin(pieces.chain(stream::pending()))
        }
    };
    let pieces = pieces.map(move |piece| {
        let _open = &open;
        piece
    });
    Ok(AnswerBody::Pieces(Box::pin(pieces)))
}

/// Providers behind one model, and what turns know of them together.
pub struct Bench {
    model: Arc<Model>,
    upstreams: Arc<Upstreams>,
    turns: Mutex<u32>,
    pub timeout: Duration,
}

/// What came of a turn.
#[derive(Debug)]
pub struct Outcome {
    pub text: String,
    pub failure: Option<Failure>,
    pub tried: String,
    pub took: Duration,
}

impl Bench {
    pub fn new(providers: &[Arc<Scripted>], change: impl FnOnce(&mut Setup)) -> Self {
        Self::of(&plan(providers, change), None)
    }

    /// The same providers under another plan.
    pub fn reloaded(&self, plan: &Plan) -> Self {
        Self::of(plan, Some(&self.upstreams))
    }

    fn of(plan: &Plan, old: Option<&Upstreams>) -> Self {
        Self {
            model: Arc::clone(&plan.models["m"]),
            upstreams: Arc::new(Upstreams::new(plan, old).unwrap()),
            turns: Mutex::new(0),
            timeout: Duration::from_secs(600),
        }
    }

    pub fn driver(&self) -> Driver {
        let mut turns = self.turns.lock().unwrap();
        *turns += 1;
        Driver::new(Parts {
            turn: format!("turn_{turns}").into(),
            chat: ChatRequest { messages: vec![Message::text(Role::User, "hi")], ..ChatRequest::default() },
            toolbox: Toolbox::default(),
            scope: Scope::default(),
            model: Arc::clone(&self.model),
            max_steps: 1,
            page_calls: false,
            timeout: self.timeout,
            summaries: None,
            upstreams: Arc::clone(&self.upstreams),
            stop: Stop::never(),
            admission: Admission::default(),
            answers: None,
        })
    }

    /// A turn, to its end.
    pub async fn turn(&self) -> Outcome {
        let begin = Instant::now();
        let mut driver = self.driver();
        let mut events = Vec::new();
        while !driver.ended() {
            std::future::poll_fn(|cx| driver.poll(cx, &mut events)).await;
        }
        let mut outcome =
            Outcome { text: String::new(), failure: None, tried: driver.tried().to_string(), took: begin.elapsed() };
        for event in events {
            match event {
                Event::BlockDelta { text, .. } => outcome.text.push_str(&text),
                Event::Failed(failure) => outcome.failure = Some(*failure),
                _ => {}
            }
        }
        outcome
    }
}

/// What turns with these providers are made from.
pub fn plan(providers: &[Arc<Scripted>], change: impl FnOnce(&mut Setup)) -> Plan {
    let mut setup = Setup::new(&[]);
    setup.sources =
        providers.iter().map(|provider| Source::StandIn(Arc::clone(provider) as Arc<dyn StandIn>)).collect();
    setup.retry = chatwire::config::plan::RetryPlan::default();
    change(&mut setup);
    setup.plan()
}

impl Outcome {
    pub fn kind(&self) -> Option<FailureKind> {
        self.failure.as_ref().map(|failure| failure.kind)
    }
}
