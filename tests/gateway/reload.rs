//! Reloading the configuration while the gateway runs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use chatwire::config::{self, Reading};
use chatwire::server::{Origin, Outcome, Reloader, bind_reloading};
use serde_json::{Value, json};

use crate::socket::{Socket, chat};
use crate::support::fake::{Asked, Fake};
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, LONG};

const SECRET: &str = "sk-canary-reload-1";

/// A configuration in a folder that goes with the test, and its gateway.
struct Running {
    folder: PathBuf,
    gateway: Gateway,
    reloader: Reloader,
}

impl Running {
    async fn start(text: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("chatwire-reload-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("key"), SECRET).unwrap();
        let path = folder.join("gateway.toml");
        std::fs::write(&path, text).unwrap();
        let Reading { plan, seen } = config::read(&path);
        let plan = plan.unwrap_or_else(|report| panic!("{report}"));
        let origin = Origin { seen, read: Box::new(move || config::read(&path)) };
        let listening = bind_reloading(plan, origin).await.unwrap();
        let (addr, stopper, reloader) = (listening.local_addr().unwrap(), listening.stopper(), listening.reloader());
        let gateway = Gateway { addr, stopper, task: tokio::spawn(listening.serve()) };
        Self { folder, gateway, reloader }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).unwrap();
    }

    async fn reload(&self, text: &str) -> Outcome {
        self.write("gateway.toml", text);
        self.reloader.reload().await
    }

    /// Reloads what must be right, and gives what has changed and what needs a restart.
    async fn changes(&self, text: &str) -> (Vec<String>, Vec<&'static str>) {
        match self.reload(text).await {
            Outcome::InForce { changes, restart } => (changes.iter().map(ToString::to_string).collect(), restart),
            other => panic!("{other:?}"),
        }
    }

    async fn ask(&self) -> Page {
        Page::post(self.gateway.addr, &json!({"messages": [{"role": "user", "content": "hi"}]})).await
    }

    async fn get(&self, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        Page::raw(self.gateway.addr, &request).await.answer().await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Two providers, the model at one of them, and a route that `route` goes on with.
fn config((a, b): (&Fake, &Fake), target: &str, route: &str, rest: &str) -> String {
    let provider = |name: &str, fake: &Fake| {
        format!(
            "[providers.{name}]\nprotocol = \"openai-chat\"\nbase_url = \"http://{}/v1\"\n\
             api_key = {{ file = \"key\" }}\n",
            fake.addr
        )
    };
    format!(
        "{}{}[models.m]\ntargets = [\"{target}/x\"]\n[inspect]\npath = \"/api\"\n{rest}\n\
         [[routes]]\npath = \"/chat\"\nprotocol = \"vercel-text\"\nmodel = \"m\"\n{route}",
        provider("a", a),
        provider("b", b)
    )
}

const LISTEN: &str = "[server]\nlisten = \"127.0.0.1:0\"\n";

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    format!("data: {}\n\n", json!({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}))
}

async fn begin(asked: &mut Asked, text: &str) {
    asked.raw("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await;
    asked.send(&chunk(&json!({"content": text}), None)).await;
}

async fn end(asked: &mut Asked, text: &str) {
    let said = chunk(&json!({"content": text}), None);
    asked.send(&format!("{said}{}data: [DONE]\n\n", chunk(&json!({}), Some("stop")))).await;
    asked.raw("0\r\n\r\n").await;
}

#[tokio::test]
async fn what_runs_goes_on_with_its_plan_and_what_begins_has_the_new_one() {
    let (a, b) = (Fake::start().await, Fake::start().await);
    let extra = "[[routes]]\npath = \"/old\"\nprotocol = \"vercel-text\"\nmodel = \"m\"\n";
    let running = Running::start(&config((&a, &b), "a", extra, LISTEN)).await;
    let mut old = running.ask().await;
    let mut asked = a.asked().await;
    begin(&mut asked, "one ").await;
    old.until("one").await;
    let tool = format!("{LISTEN}[tools.clock]\nfixed = {{ result = \"noon\" }}\n");
    let (changes, restart) = running.changes(&config((&a, &b), "b", "tools = [\"clock\"]\n", &tool)).await;
    let expected =
        ["model `m` changed: targets", "route `/chat` changed: tools", "route `/old` removed", "tool `clock` added"];
    assert_eq!((changes.as_slice(), restart.len()), (expected.map(str::to_owned).as_slice(), 0));
    assert_eq!(running.get("/old").await.status, 404);
    assert_eq!(running.get("/api/tools").await.json()["tools"][0]["name"], "clock");
    let new = running.ask().await;
    let mut other = b.asked().await;
    assert_eq!(other.body["tools"][0]["function"]["name"], "clock");
    begin(&mut other, "new ").await;
    end(&mut other, "answer").await;
    assert_eq!(new.answer().await.body, "new answer");
    end(&mut asked, "two").await;
    assert_eq!(old.answer().await.body, "one two");
}

#[tokio::test]
async fn a_file_with_mistakes_changes_nothing_and_its_report_shows_no_secret() {
    let (a, b) = (Fake::start().await, Fake::start().await);
    let good = config((&a, &b), "a", "", LISTEN);
    let running = Running::start(&good).await;
    let bad = good.replace("api_key = { file = \"key\" }", &format!("api_kee = \"{SECRET}\""));
    for (text, mistakes) in [(bad.as_str(), 2), ("[server", 1), ("[server]\nmax_turns = 0", 1)] {
        match running.reload(text).await {
            Outcome::Mistaken(report) => {
                assert_eq!(report.len(), mistakes, "{report}");
                assert!(!report.to_string().contains(SECRET), "{report}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    // As an editor without room on the disk leaves it.
    assert!(matches!(running.reload("# nothing\n").await, Outcome::Unusable(_)));
    running.write("replay.toml", "[");
    let broken = format!("{good}[providers.r]\nprotocol = \"openai-chat\"\nreplay = {{ folder = \".\" }}\n")
        .replace("\"a/x\"", "\"r/x\"");
    let outcome = running.reload(&broken).await;
    assert!(matches!(outcome, Outcome::Unusable(_)), "{outcome:?}");
    let page = running.ask().await;
    let mut asked = a.asked().await;
    begin(&mut asked, "still ").await;
    end(&mut asked, "here").await;
    assert_eq!(page.answer().await.body, "still here");
    assert_eq!(running.changes(&good).await, (vec![], vec![]), "compared with what is in force");
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_stays() {
    let (a, b) = (Fake::start().await, Fake::start().await);
    let running = Running::start(&config((&a, &b), "a", "", LISTEN)).await;
    let other = "[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 1\nmax_turns = 1\nmax_body = 10\n\
                 [store]\npath = \"chat.db\"\n[attachments]\npath = \"/files\"\n";
    let (changes, restart) = running.changes(&config((&a, &b), "a", "", other)).await;
    let expected =
        ["section `attachments` added", "section `server` changed: listen, max_body, max_connections, max_turns"];
    assert_eq!(changes[..2], expected.map(str::to_owned));
    assert_eq!(restart, ["server.listen", "server.max_connections", "server.max_turns", "store", "attachments"]);
    assert!(!running.folder.join("chat.db").exists());
    assert_eq!(running.get("/files").await.status, 404);
    assert_eq!(running.ask().await.answer().await.status, 413, "the rest holds");
}

#[tokio::test]
async fn a_key_that_is_rotated_in_its_file_is_sent_from_then_on_and_the_connection_is_kept() {
    let (a, b) = (Fake::start().await, Fake::start().await);
    let text = config((&a, &b), "a", "", LISTEN);
    let running = Running::start(&text).await;
    let page = running.ask().await;
    let mut asked = a.asked().await;
    assert!(asked.head.contains(&format!("authorization: Bearer {SECRET}\r\n")), "{}", asked.head);
    begin(&mut asked, "a").await;
    end(&mut asked, "b").await;
    page.answer().await;
    running.write("key", "sk-canary-reload-2\n");
    let (changes, _) = running.changes(&text).await;
    assert_eq!(changes, [format!("file `{}` changed", running.folder.join("key").display())]);
    let page = running.ask().await;
    let mut asked = asked.again().await;
    assert!(asked.head.contains("authorization: Bearer sk-canary-reload-2\r\n"), "{}", asked.head);
    begin(&mut asked, "c").await;
    end(&mut asked, "d").await;
    assert_eq!(page.answer().await.body, "cd");
}

#[tokio::test]
async fn requests_on_one_connection_have_the_plan_of_their_time() {
    let (a, b) = (Fake::start().await, Fake::start().await);
    let running = Running::start(&config((&a, &b), "a", "", LISTEN)).await;
    let request = "GET /new/tools HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut page = Page::raw(running.gateway.addr, request).await;
    page.until("404 Not Found").await;
    running.changes(&config((&a, &b), "a", "", LISTEN).replace("/api", "/new")).await;
    page.write(request).await;
    page.until("200 OK").await;
}

#[tokio::test]
async fn a_gateway_that_stops_or_has_no_file_is_not_reloaded() {
    let (a, b) = (Fake::start().await, Fake::start().await);
    let text = config((&a, &b), "a", "", LISTEN);
    let mut running = Running::start(&text).await;
    running.gateway.stopper.stop();
    assert!(matches!(running.reload(&text).await, Outcome::Never));
    tokio::time::timeout(LONG, &mut running.gateway.task).await.expect("it ends").unwrap();
    let listening = crate::support::Setup::new(&[]).bind().await;
    assert!(matches!(listening.reloader().reload().await, Outcome::Never));
}

#[tokio::test]
async fn an_open_socket_goes_on_with_its_plan_and_the_next_one_has_the_new_one() {
    let (a, b) = (Fake::start().await, Fake::start().await);
    let chats = "[[routes]]\npath = \"/\"\nprotocol = \"agent-ws\"\nmodel = \"m\"\n";
    let running = Running::start(&config((&a, &b), "a", chats, LISTEN)).await;
    let addr = running.gateway.addr;
    let (first, second) = (chat(addr).await, chat(addr).await);
    let mut old = Socket::open(addr).await;
    old.subscribe(&first).await;
    old.expect("history").await;
    old.say(&first, "hi").await;
    let mut asked = a.asked().await;
    begin(&mut asked, "one").await;
    let (changes, _) = running.changes(&config((&a, &b), "b", chats, LISTEN)).await;
    assert_eq!(changes, ["model `m` changed: targets"]);
    end(&mut asked, "two").await;
    assert_eq!(old.until(&["result"]).await.last().unwrap()["success"], true);
    old.say(&first, "again").await;
    let mut asked = asked.again().await;
    begin(&mut asked, "three").await;
    end(&mut asked, "four").await;
    assert_eq!(old.until(&["result"]).await.last().unwrap()["success"], true);
    let mut new = Socket::open(addr).await;
    new.subscribe(&second).await;
    new.expect("history").await;
    new.say(&second, "hi").await;
    let mut asked = b.asked().await;
    begin(&mut asked, "five").await;
    end(&mut asked, "six").await;
    assert_eq!(new.until(&["result"]).await.last().unwrap()["success"], true);
}
