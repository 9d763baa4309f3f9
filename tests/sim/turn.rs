//! One turn, or two on one conversation, with everything that goes wrong in it: drawn from one number.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use chatwire::cache::Cache;
use chatwire::config::plan::Route;
use chatwire::limits::Admission;
use chatwire::server::{Pace, Source, Stopper};
use chatwire::store::Owner;
use chatwire::threads::{Asker, NoFiles, Reply, ThreadError, Threads, new_id};
use chatwire::tools::mcp::Servers;
use chatwire::turn::{Busy, Driver, Leaving, Means, Turns, answering, parts};
use chatwire_protocols::chat::ChatRequest;
use chatwire_protocols::event::CancelledBy;
use chatwire_protocols::protocol::{ReplyContext, RequestHead};
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::fault::Fault;
use crate::house::{House, KEPT, OWN, TARGETS, TURN};
use crate::laws::{self, Told};
use crate::page::{self, Reading, Seen};
use crate::provider::{Asked, Providers, SECOND};
use crate::random::Random;
use crate::reader::End;
use crate::script::Script;
use crate::store::{Memory, WRONGS, Wrong};
use crate::wire::{PROTOCOLS, Style};

/// All that is drawn for a turn.
#[derive(Clone, Debug)]
pub struct Draw {
    pub dialect: &'static str,
    pub keeps: bool,
    pub protocol: &'static str,
    pub targets: usize,
    pub scripts: [Script; 2],
    pub faults: Vec<Fault>,
    pub style: Style,
    pub reading: Reading,
    pub disturb: Disturb,
    /// How long a page may take for a piece, where the turn runs in a task of its own.
    pub pumped: Option<Duration>,
    pub leaving: Leaving,
    pub busy: Busy,
    pub wrong: Option<(usize, Wrong)>,
    /// Spoils what has come of it, to see that the laws see it.
    pub tamper: Tamper,
    /// Drives whatever is drawn later.
    pub random: Random,
}

/// Changes what a page has seen, or what was written down of its providers.
pub type Tamper = fn(&mut Seen, &mut Vec<Asked>);

/// Something that happens beside a turn, after so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturb {
    Nothing,
    /// The page leaves.
    Leave(Duration),
    /// The gateway stops.
    Shutdown(Duration),
    /// The user stops the turn.
    Stop(Duration),
    /// The user says something else.
    Again(Duration),
    /// A second page follows.
    Follow(Duration),
}

impl Draw {
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let keeps = random.one_in(3);
        let dialect = if keeps { random.pick(&KEPT) } else { random.pick(&OWN) };
        let faults = (0..1 + random.below(4)).map(|_| Fault::draw(&mut random)).collect();
        let scripts = [Script::draw(&mut random), Script::draw(&mut random)];
        let at = Duration::from_millis(random.pick(&[0, 1, 2, 40, 300, 900, 2000, 8000, 20_000, 45_000]));
        let disturb = match random.below(if keeps { 12 } else { 8 }) {
            0 => Disturb::Leave(at),
            1 => Disturb::Shutdown(at),
            8 => Disturb::Stop(at),
            9 | 10 => Disturb::Again(at),
            11 => Disturb::Follow(at),
            _ => Disturb::Nothing,
        };
        let reading = match random.below(10) {
            0 => Reading::Stops(random.below(12)),
            1 => Reading::Leaves(random.below(12)),
            2 => Reading::Slowly(Duration::from_millis(random.pick(&[1, 100, 3000]))),
            _ => Reading::All,
        };
        let wrong = (keeps && random.one_in(4)).then(|| (random.below(24), random.pick(&WRONGS)));
        Self {
            dialect,
            keeps,
            protocol: random.pick(&PROTOCOLS),
            targets: 1 + random.below(TARGETS),
            scripts,
            faults,
            style: Style { crlf: random.one_in(5) },
            reading,
            disturb,
            pumped: random.one_in(3).then(|| Duration::from_secs(20)),
            leaving: random.pick(&[Leaving::Cancel, Leaving::Finish]),
            busy: random.pick(&[Busy::Wait, Busy::Refuse, Busy::Interrupt]),
            wrong,
            tamper: |_, _| {},
            random,
        }
    }
}

/// How many turns ended how, to see that all of it happens.
#[derive(Debug, Default)]
pub struct Counts {
    finished: u64,
    failed: u64,
    refused: u64,
    stopped: u64,
    left: u64,
    requests: u64,
    bytes: u64,
}

impl Counts {
    fn add(&mut self, seen: &Seen, told: &Told) {
        let count = match told.told.ends.first() {
            _ if seen.status >= 400 => &mut self.refused,
            Some(End::Finish) => &mut self.finished,
            Some(End::Error) => &mut self.failed,
            Some(End::Stopped) => &mut self.stopped,
            None => &mut self.left,
        };
        *count += 1;
        self.requests += told.asked.len() as u64;
        self.bytes += seen.bytes.len() as u64;
    }

    pub fn join(&mut self, other: &Self) {
        self.finished += other.finished;
        self.failed += other.failed;
        self.refused += other.refused;
        self.stopped += other.stopped;
        self.left += other.left;
        self.requests += other.requests;
        self.bytes += other.bytes;
    }
}

/// Where a turn runs.
struct World<'a> {
    draw: &'a Draw,
    route: &'a Route,
    means: Means,
    threads: Arc<Threads>,
    owner: Owner,
    admission: Admission,
    pace: Pace,
    /// The conversation, once it is known.
    thread: RefCell<Option<String>>,
}

/// Runs what was drawn, but not for ever.
pub async fn bounded(house: &mut House, draw: &Draw) -> Vec<String> {
    counted(house, draw, &mut Counts::default()).await
}

/// The same, counted.
pub async fn counted(house: &mut House, draw: &Draw, counts: &mut Counts) -> Vec<String> {
    let never = |_| vec!["law 4: it never ends".to_owned()];
    timeout(Duration::from_secs(3600), run(house, draw, counts)).await.unwrap_or_else(never)
}

/// Runs what was drawn and says which laws were broken.
async fn run(house: &mut House, draw: &Draw, counts: &mut Counts) -> Vec<String> {
    let providers = Providers::new(draw.random.clone(), draw.scripts.clone(), draw.faults.clone(), draw.style);
    house.hub.put(&providers);
    let upstreams = house.upstreams();
    let route = house.routes.get_mut(&(draw.dialect, draw.keeps)).expect("there is a route");
    route.model = house.models.get(&(draw.protocol, draw.targets)).cloned();
    if let Some(memory) = &mut route.memory {
        (memory.leaving, memory.busy) = (draw.leaving, draw.busy);
    }
    let (stopper, stop) = Stopper::new();
    let store = Arc::new(Memory::with(draw.wrong));
    let means = Means {
        store: Arc::clone(&store) as _,
        upstreams,
        stop,
        servers: Arc::new(Servers::default()),
        cache: Arc::new(Cache::new(0)),
    };
    let world = World {
        draw,
        route,
        threads: Arc::new(Threads::new(means.clone(), Turns::new(8))),
        means,
        owner: Owner::local(),
        admission: Admission::default(),
        pace: draw.pumped.map_or(Pace::OfConnection, Pace::OfStream),
        thread: RefCell::default(),
    };
    let begun = Instant::now();
    let (first, second, beside) = (Seen::new(), Seen::new(), Seen::new());
    let mut wrong = Vec::new();
    let mut asked_again = None;
    let page = async {
        let reading = world.page("the first question", draw.reading, &first);
        match draw.disturb {
            Disturb::Leave(after) => drop(timeout(after, reading).await),
            _ => reading.await,
        }
        Instant::now()
    };
    let disturb = world.disturb(&stopper, &second, &beside, &mut asked_again, &mut wrong);
    let (left, ()) = tokio::join!(page, disturb);
    settle().await;
    let over = Instant::now();
    if draw.keeps {
        world.wind_up(&store, &mut wrong).await;
    }
    let mut asked = providers.asked();
    (draw.tamper)(&mut first.borrow_mut(), &mut asked);
    if std::env::var_os("CHATWIRE_SIM_SHOW").is_some() {
        println!("{asked:#?}\n{}", String::from_utf8_lossy(&first.borrow().bytes));
        println!("{}\n{:#?}", String::from_utf8_lossy(&second.borrow().bytes), store.all());
    }
    let judged = |seen: &RefCell<Seen>, begun: Instant, second: bool| Told {
        told: seen.borrow().told(draw.dialect),
        over: seen.borrow().over.is_some(),
        idled: seen.borrow().idled,
        took: seen.borrow().at.saturating_duration_since(begun),
        at: seen.borrow().at,
        asked: asked.iter().filter(|asked| asked.second == second).cloned().collect(),
    };
    laws::page(draw, &store, &judged(&first, begun, false), &mut wrong);
    laws::unread(draw, &judged(&first, begun, false), &mut wrong);
    if let Some(begun) = asked_again {
        laws::page(draw, &store, &judged(&second, begun, true), &mut wrong);
    }
    if matches!(draw.disturb, Disturb::Follow(_)) && beside.borrow().status > 0 {
        laws::page(draw, &store, &judged(&beside, begun, false), &mut wrong);
    }
    laws::providers(draw, &store, &asked, left.max(over), &mut wrong);
    if draw.keeps {
        let page = judged(&first, begun, false);
        laws::stored(draw, &store, &page, asked_again.map(|begun| judged(&second, begun, true)).as_ref(), &mut wrong);
    }
    counts.add(&first.borrow(), &judged(&first, begun, false));
    let alive = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    if alive > 0 {
        wrong.push(format!("{alive} tasks are left"));
    }
    wrong
}

/// Lets all tasks do what they can do now.
pub async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

impl World<'_> {
    /// A page asks and reads its answer.
    async fn page(&self, text: &str, reading: Reading, seen: &RefCell<Seen>) {
        let draw = self.draw;
        let thread = self.thread.borrow().clone();
        let body = House::body(draw.dialect, draw.keeps, thread.as_deref(), text);
        let below = if draw.keeps { House::below(draw.dialect) } else { "" };
        let head = RequestHead { method: "POST", path: &self.route.path, below, query: "" };
        if !draw.keeps {
            let chat = self.route.frontend.parse(&head, body.as_bytes()).expect("the request is right");
            let model = answering(self.route, None, None, None).expect("there is a model");
            let turn = new_id("turn");
            let context = ReplyContext { turn: turn.clone(), message: "msg".into(), ..ReplyContext::default() };
            let reply = self.route.frontend.open(&chat, &context);
            let parts = parts(&self.means, self.route, None, turn, chat, model).await;
            let source = Source::Own(Box::new(Driver::new(parts)));
            return page::read(self.route, reply, source, self.pace, reading, seen).await;
        }
        let ask = self.route.frontend.ask(&head, body.as_bytes()).expect("the request is right");
        // A panic breaks the page's connection, and nothing else.
        let asking = std::panic::AssertUnwindSafe(self.threads.ask(self.asker(), ask)).catch_unwind();
        let Ok(answer) = asking.await else { return };
        match answer {
            Ok(Reply::Turn(follower, wire)) => self.follow(follower, wire, reading, seen).await,
            Ok(_) => panic!("a question is answered by a turn"),
            Err(error) => {
                let status = match error {
                    ThreadError::Caller(error) => error.status,
                    ThreadError::Failed(_) => 500,
                };
                let mut seen = seen.borrow_mut();
                (seen.status, seen.over, seen.at) = (status, Some(End::Finish), Instant::now());
            }
        }
    }

    async fn follow(
        &self,
        follower: chatwire::turn::Follower,
        wire: &'static str,
        reading: Reading,
        seen: &RefCell<Seen>,
    ) {
        let (chat, context) = follower.opening();
        *self.thread.borrow_mut() = context.kept.as_ref().map(|kept| kept.thread.id.clone());
        let reply = self.route.frontend.open(&ChatRequest { wire, ..chat }, &context);
        page::read(self.route, reply, Source::Kept(follower), self.pace, reading, seen).await;
    }

    fn asker(&self) -> Asker<'_> {
        let memory = self.route.memory.as_ref().expect("it keeps");
        Asker {
            owner: &self.owner,
            key: None,
            route: self.route,
            memory,
            files: &NoFiles,
            admission: &self.admission,
            turn: None,
        }
    }

    async fn disturb(
        &self,
        stopper: &Stopper,
        second: &RefCell<Seen>,
        beside: &RefCell<Seen>,
        asked_again: &mut Option<Instant>,
        wrong: &mut Vec<String>,
    ) {
        match self.draw.disturb {
            Disturb::Nothing | Disturb::Leave(_) => {}
            Disturb::Shutdown(after) => {
                sleep(after).await;
                stopper.stop();
                stopper.stop();
            }
            Disturb::Stop(after) => {
                sleep(after).await;
                let Some(thread) = self.thread.borrow().clone() else { return };
                let begun = Instant::now();
                self.threads.turns().stop(&self.owner, &thread, CancelledBy::User).await;
                if begun.elapsed() > Duration::from_secs(15) {
                    wrong.push(format!("law 4: stopping took {:?}", begun.elapsed()));
                }
            }
            Disturb::Again(after) => {
                sleep(after).await;
                if self.thread.borrow().is_some() {
                    *asked_again = Some(Instant::now());
                    self.page(SECOND, Reading::All, second).await;
                }
            }
            Disturb::Follow(after) => {
                sleep(after).await;
                let Some(thread) = self.thread.borrow().clone() else { return };
                if let Some(follower) = self.threads.turns().follow(&self.owner, &thread) {
                    self.follow(follower, "", Reading::All, beside).await;
                }
            }
        }
    }

    /// All turns end, and nothing is left of them.
    async fn wind_up(&self, store: &Memory, wrong: &mut Vec<String>) {
        let patience = Duration::from_secs(TURN + 90);
        if timeout(patience, self.threads.turns().idle()).await.is_err() {
            wrong.push(format!("law 4: turns do not end: {:?}", self.threads.turns()));
        }
        settle().await;
        if !self.threads.turns().is_empty() {
            wrong.push(format!("claims are left: {:?}, {} operations", self.threads.turns(), store.count()));
        }
        self.threads.turns().close(Duration::from_secs(1)).await;
    }
}
