//! How much may be asked for, over real sockets. Rates are by the hour, so that no test sees time pass.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chatwire::limits::{Budget, LimitRules, Limits, Period, Quota};
use chatwire::turn::Leaving;
use chatwire_protocols::cost::Cost;
use serde_json::{Value, json};

use crate::costs::prices;
use crate::socket::{Socket, chat, setup as socket_setup};
use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, Setup, memory};

const DONE: &str = "text done\nfinish stop\n";

fn hourly(amount: u64) -> Option<Quota> {
    Some(Quota { amount, per: Duration::from_secs(3600) })
}

fn ask() -> Value {
    json!({"user": "hi"})
}

async fn start(change: impl FnOnce(&mut Setup)) -> (Fake, Gateway) {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    change(&mut setup);
    let gateway = setup.start().await;
    (fake, gateway)
}

/// A whole turn that nobody refuses.
async fn turn(fake: &Fake, gateway: SocketAddr, headers: &str) -> Answer {
    let page = Page::post_with(gateway, headers, &ask()).await;
    fake.asked().await.answer(DONE).await;
    let answer = page.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer
}

/// A turn that is refused before the provider is asked.
async fn refused(gateway: SocketAddr, headers: &str) -> Answer {
    let answer = Page::post_with(gateway, headers, &ask()).await.answer().await;
    assert_ne!(answer.status, 200, "{}", answer.body);
    answer
}

fn code(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    (answer.status, body["refused"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned())
}

fn number(answer: &Answer, header: &str) -> u64 {
    answer.header(header).unwrap_or_else(|| panic!("{header} in {}", answer.head)).parse().unwrap()
}

#[tokio::test]
async fn who_has_asked_enough_is_told_when_to_come_again() {
    let requests = Limits { requests: hourly(2), ..Limits::default() };
    let (fake, gateway) = start(|setup| setup.rules.address = requests).await;
    for left in [1, 0] {
        let answer = turn(&fake, gateway.addr, "").await;
        assert_eq!((number(&answer, "ratelimit-limit"), number(&answer, "ratelimit-remaining")), (2, left));
    }
    let answer = refused(gateway.addr, "").await;
    assert_eq!(code(&answer), (429, "too_many_requests".to_owned()));
    assert!((1790..=1800).contains(&number(&answer, "retry-after")), "{}", answer.head);
    assert!((3590..=3600).contains(&number(&answer, "ratelimit-reset")), "{}", answer.head);
    assert_eq!((number(&answer, "ratelimit-limit"), number(&answer, "ratelimit-remaining")), (2, 0));
    assert!(answer.body.contains("from this address; try again in"), "{}", answer.body);
}

#[tokio::test]
async fn each_owner_has_a_limit_of_its_own_and_a_route_one_for_all() {
    let (fake, gateway) = start(|setup| {
        setup.owner = Some("x-user".to_owned());
        setup.rules.owner = Limits { requests: hourly(1), ..Limits::default() };
        setup.limits = Limits { requests: hourly(3), ..Limits::default() };
    })
    .await;
    let (ann, bob) = ("x-user: ann\r\n", "x-user: bob\r\n");
    turn(&fake, gateway.addr, ann).await;
    assert_eq!(code(&refused(gateway.addr, ann).await).0, 429);
    turn(&fake, gateway.addr, bob).await;
    // What was refused took nothing from the route.
    turn(&fake, gateway.addr, "x-user: cid\r\n").await;
    let answer = refused(gateway.addr, "x-user: dan\r\n").await;
    assert!(answer.body.contains("on this route"), "{}", answer.body);
    assert_eq!(code(&refused(gateway.addr, "").await), (401, "unknown_owner".to_owned()));
}

#[tokio::test]
async fn tokens_are_counted_when_they_are_used() {
    let tokens = Limits { tokens: hourly(7), ..Limits::default() };
    let (fake, gateway) = start(|setup| setup.limits = tokens).await;
    // Each has 3 tokens in and 2 out.
    let first = turn(&fake, gateway.addr, "").await;
    assert_eq!((number(&first, "ratelimit-limit"), number(&first, "ratelimit-remaining")), (7, 7));
    turn(&fake, gateway.addr, "").await;
    let answer = refused(gateway.addr, "").await;
    assert_eq!(code(&answer), (429, "too_many_tokens".to_owned()));
    // Three are owed, and one more is wanted.
    let wait = 3600 * 4 / 7;
    assert!((wait - 10..=wait + 1).contains(&number(&answer, "retry-after")), "{}", answer.head);
}

#[tokio::test]
async fn who_leaves_early_pays_for_what_was_said() {
    let tokens = Limits { tokens: hourly(100), ..Limits::default() };
    let (fake, gateway) = start(|setup| setup.limits = tokens).await;
    let mut page = Page::post(gateway.addr, &ask()).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send(&format!("text {}\n", "word".repeat(200))).await;
    page.until("word").await;
    drop(page);
    asked.closed().await;
    // The provider is left before the gateway counts.
    let answer = loop {
        let page = Page::post(gateway.addr, &ask()).await;
        tokio::select! {
            answer = page.answer() => break answer,
            asked = fake.asked() => asked.refuse("500 No", "", "").await,
        }
    };
    assert_eq!(code(&answer), (429, "too_many_tokens".to_owned()));
}

#[tokio::test]
async fn a_place_is_free_again_as_soon_as_its_turn_has_ended() {
    let one = Limits { concurrent: Some(1), ..Limits::default() };
    let (fake, gateway) = start(|setup| setup.limits = one).await;
    for _ in 0..20 {
        let mut page = Page::post(gateway.addr, &ask()).await;
        let mut asked = fake.asked().await;
        let answer = refused(gateway.addr, "").await;
        assert_eq!(code(&answer), (429, "too_many_turns".to_owned()));
        assert_eq!((number(&answer, "retry-after"), answer.header("ratelimit-limit")), (1, None));
        asked.begin().await;
        asked.send(DONE).await;
        asked.end().await;
        // The page has the end of the answer, but not that of the connection.
        page.until("turn_end").await;
        turn(&fake, gateway.addr, "").await;
    }
}

#[tokio::test]
async fn a_turn_that_goes_on_without_its_page_keeps_its_place() {
    let (fake, gateway) = start(|setup| {
        setup.limits = Limits { concurrent: Some(1), ..Limits::default() };
        let mut kept = memory();
        kept.leaving = Leaving::Finish;
        setup.memory = Some(kept);
    })
    .await;
    let say = |thread: &str| json!({"thread": thread, "make": true, "say": "hi"});
    let mut page = Page::post(gateway.addr, &say("a")).await;
    let mut asked = fake.asked().await;
    asked.begin().await;
    asked.send("text begun\n").await;
    page.until("begun").await;
    drop(page);
    let other = Page::post(gateway.addr, &say("b")).await.answer().await;
    assert_eq!(other.status, 429, "{}", other.body);
    // What begins no turn is free.
    let whole = Page::post(gateway.addr, &json!({"op": "thread", "thread": "b"})).await.answer().await;
    assert_eq!(whole.status, 404, "{}", whole.body);
    let resumed = Page::post(gateway.addr, &json!({"op": "resume", "thread": "a"})).await;
    asked.send("finish stop\n").await;
    asked.end().await;
    assert_eq!(resumed.answer().await.end()["event"], "turn_end");
    let page = Page::post(gateway.addr, &say("b")).await;
    fake.asked().await.answer(DONE).await;
    assert_eq!(page.answer().await.end()["event"], "turn_end");
}

#[tokio::test]
async fn a_socket_is_told_in_its_own_words() {
    let fake = Fake::start().await;
    let mut setup = socket_setup(&fake);
    setup.rules.address = Limits { requests: hourly(1), ..Limits::default() };
    let gateway = setup.start().await;
    let id = chat(gateway.addr).await;
    let mut socket = Socket::open(gateway.addr).await;
    socket.subscribe(&id).await;
    socket.say(&id, "one").await;
    fake.asked().await.answer(DONE).await;
    socket.until(&["result"]).await;
    socket.say(&id, "two").await;
    let error = socket.until(&["error"]).await.pop().unwrap();
    assert!(error["error"].as_str().unwrap().contains("too many requests from this address"), "{error}");
}

/// A file that is gone with the test.
pub struct File(pub PathBuf);

impl File {
    pub fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("chatwire-{name}-{}.db", std::process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

#[tokio::test]
async fn a_budget_is_spent_once_also_over_a_restart() {
    let file = File::new("budget");
    let fake = Fake::start().await;
    // Two turns and a half, of 0.34 millionths of a dollar each.
    let budget = Budget { most: Cost(850_000), per: Period::Month };
    let setup = || {
        let mut setup = Setup::new(&[fake.addr]);
        setup.store = Some(file.0.clone());
        setup.owner = Some("x-user".to_owned());
        setup.prices = prices();
        setup.rules =
            LimitRules { owner: Limits { budget: Some(budget), ..Limits::default() }, ..LimitRules::default() };
        setup
    };
    let ann = "x-user: ann\r\n";
    let gateway = setup().start().await;
    turn(&fake, gateway.addr, ann).await;
    turn(&fake, gateway.addr, ann).await;
    gateway.stopper.stop();
    gateway.task.await.unwrap();
    let gateway = setup().start().await;
    turn(&fake, gateway.addr, ann).await;
    let answer = refused(gateway.addr, ann).await;
    assert_eq!(code(&answer), (402, "budget_spent".to_owned()));
    assert!(number(&answer, "retry-after") <= 31 * 86_400);
    turn(&fake, gateway.addr, "x-user: bob\r\n").await;
    gateway.stopper.stop();
    gateway.task.await.unwrap();
    let gateway = setup().start().await;
    assert_eq!(code(&refused(gateway.addr, ann).await).0, 402);
}

#[tokio::test]
async fn what_has_no_price_spends_nothing() {
    let budget = Budget { most: Cost(1), per: Period::Day };
    let (fake, gateway) = start(|setup| setup.limits = Limits { budget: Some(budget), ..Limits::default() }).await;
    for _ in 0..3 {
        turn(&fake, gateway.addr, "").await;
    }
}
