//! Facts: told to the model, saved by it, shown to the page, and decided about over REST.

use std::path::Path;

use chatwire::layers::{LAYERS, Layer};
use chatwire::server::bind;
use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, Setup, origins};

fn facts_layer() -> Vec<&'static dyn Layer> {
    LAYERS.iter().copied().filter(|layer| layer.name() == "facts").collect()
}

/// A gateway whose route has the layer and whose users are told apart by `x-user`.
async fn with_facts(fake: &Fake) -> Gateway {
    let mut setup = Setup::new(&[fake.addr]);
    setup.layers = facts_layer();
    setup.owner = Some("x-user".to_owned());
    setup.start().await
}

async fn rest(gateway: &Gateway, user: &str, method: &str, path: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{user}content-length: 0\r\nconnection: close\r\n\r\n");
    Page::raw(gateway.addr, &head).await.answer().await
}

const KAZ: &str = "x-user: kaz\r\n";
const MIA: &str = "x-user: mia\r\n";

/// Asks as this user, with these calls of the model before its answer; gives the page's answer and what the model was
/// told at first.
async fn ask(gateway: &Gateway, fake: &Fake, user: &str, calls: &[&str]) -> (Answer, Value) {
    let page = Page::post_with(gateway.addr, user, &json!({"user": "hi"})).await;
    let mut asked = fake.asked().await;
    let told = asked.body.clone();
    if !calls.is_empty() {
        let lines = calls.iter().enumerate().map(|(at, arguments)| format!("call c{at} save_fact {arguments}\n"));
        asked.answer(&format!("{}finish tool_calls\n", lines.collect::<String>())).await;
        asked = fake.asked().await;
    }
    asked.answer("text done\nfinish stop\n").await;
    (page.answer().await, told)
}

async fn listed(gateway: &Gateway, user: &str) -> Vec<Value> {
    let answer = rest(gateway, user, "GET", "/facts").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["facts"].as_array().unwrap().clone()
}

fn texts(facts: &[Value]) -> Vec<&str> {
    facts.iter().map(|fact| fact["text"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_of_other_origins_decide_about_no_facts() {
    let fake = Fake::start().await;
    let gateway = with_facts(&fake).await;
    ask(&gateway, &fake, KAZ, &[r#"{"fact":"Likes tea"}"#]).await;
    let id = listed(&gateway, KAZ).await[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/facts/{id}/discard");
    let from = |origin: &str| format!("{KAZ}origin: {origin}\r\n");
    assert_eq!(rest(&gateway, &from("https://evil.example"), "POST", &path).await.status, 403);
    assert_eq!(texts(&listed(&gateway, KAZ).await), ["Likes tea"]);
    assert_eq!(rest(&gateway, &from("http://a"), "POST", &path).await.status, 200, "its own host");
    assert!(listed(&gateway, KAZ).await.is_empty());
}

#[tokio::test]
async fn several_facts_of_one_message_all_reach_the_page_and_the_list() {
    let fake = Fake::start().await;
    let gateway = with_facts(&fake).await;
    let calls = [r#"{"fact":"Is called Kaz"}"#, r#"{"fact":"Likes\n tea"}"#, r#"{"fact":"Lives in Kyoto"}"#];
    let (answer, told) = ask(&gateway, &fake, KAZ, &calls).await;
    assert_eq!(told["tools"], json!(["save_fact"]));
    let events = answer.events();
    let data: Vec<Value> = events.iter().filter(|event| event["event"] == "data").cloned().collect();
    let values: Vec<Value> = data.iter().map(|event| event["value"].clone()).collect();
    assert_eq!(texts(&values), ["Is called Kaz", "Likes tea", "Lives in Kyoto"]);
    assert_eq!(values, listed(&gateway, KAZ).await);
    for event in &data {
        let fact = &event["value"];
        let keys: Vec<&str> = fact.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "text", "status", "createdAt"]);
        let created = fact["createdAt"].as_str().unwrap();
        assert!(created.starts_with("20") && created.len() == 26 && !created.ends_with('Z'), "{created}");
        assert_eq!((&event["name"], &event["id"], &event["keep"]), (&json!("fact"), &fact["id"], &json!(true)));
        let result = json!({"fact_id": fact["id"], "status": "saved"});
        assert!(events.iter().any(|event| event["event"] == "tool_result" && event["output"] == result), "{result}");
    }
    assert_eq!(answer.end()["event"], "turn_end");
}

#[tokio::test]
async fn saved_facts_are_told_to_the_model_newest_first_until_they_are_discarded() {
    let fake = Fake::start().await;
    let gateway = with_facts(&fake).await;
    let (_, told) = ask(&gateway, &fake, KAZ, &[r#"{"fact":"One"}"#, r#"{"fact":"Two"}"#]).await;
    assert_eq!(told["messages"], json!([["user", ["hi"]]]), "nothing is known yet");
    let told = ask(&gateway, &fake, KAZ, &[]).await.1;
    assert_eq!(told["messages"][0][0], "system");
    assert!(told["messages"][0][1][0].as_str().unwrap().ends_with(":\n- Two\n- One"), "{told}");
    let id = listed(&gateway, KAZ).await[1]["id"].as_str().unwrap().to_owned();
    rest(&gateway, KAZ, "POST", &format!("/facts/{id}/discard")).await;
    let told = ask(&gateway, &fake, KAZ, &[]).await.1;
    assert!(told["messages"][0][1][0].as_str().unwrap().ends_with(":\n- One"), "{told}");
    let told = ask(&gateway, &fake, MIA, &[]).await.1;
    assert_eq!(told["messages"], json!([["user", ["hi"]]]), "another user's facts are nobody's business");
}

#[tokio::test]
async fn a_route_without_the_layer_knows_no_facts() {
    let fake = Fake::start().await;
    let gateway = Setup::new(&[fake.addr]).start().await;
    let (answer, told) = ask(&gateway, &fake, "", &[r#"{"fact":"One"}"#]).await;
    assert_eq!((&told["tools"], &told["messages"]), (&json!([]), &json!([["user", ["hi"]]])));
    assert!(answer.body.contains("There is no tool named `save_fact`."), "{}", answer.body);
    assert_eq!(listed(&gateway, "").await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_call_without_a_sentence_saves_nothing_and_tells_the_model() {
    let fake = Fake::start().await;
    let gateway = with_facts(&fake).await;
    let long = format!(r#"{{"fact":"{}"}}"#, "x".repeat(1001));
    for arguments in ["{}", r#"{"fact":" \n "}"#, r#"{"fact":7}"#, &long] {
        let (answer, _) = ask(&gateway, &fake, KAZ, &[arguments]).await;
        let events = answer.events();
        let result = events.iter().find(|event| event["event"] == "tool_result").unwrap();
        assert_eq!(result["outcome"], "error", "{arguments}");
        assert!(!answer.names().contains(&"data".to_owned()));
    }
    assert_eq!(listed(&gateway, KAZ).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_decision_gives_the_fact_and_can_be_taken_back() {
    let fake = Fake::start().await;
    let gateway = with_facts(&fake).await;
    ask(&gateway, &fake, KAZ, &[r#"{"fact":"One"}"#]).await;
    let saved = listed(&gateway, KAZ).await[0].clone();
    let path = |verb: &str| format!("/facts/{}/{verb}", saved["id"].as_str().unwrap());
    let answer = rest(&gateway, KAZ, "POST", &path("discard")).await;
    let mut discarded = saved.clone();
    discarded["status"] = json!("discarded");
    assert_eq!((answer.status, answer.json()), (200, json!({"fact": discarded})));
    assert_eq!(listed(&gateway, KAZ).await, Vec::<Value>::new());
    let answer = rest(&gateway, KAZ, "POST", &path("save")).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"fact": saved})));
    assert_eq!(listed(&gateway, KAZ).await, [saved]);
}

#[tokio::test]
async fn a_fact_of_another_user_looks_exactly_unknown() {
    let fake = Fake::start().await;
    let gateway = with_facts(&fake).await;
    ask(&gateway, &fake, KAZ, &[r#"{"fact":"One"}"#]).await;
    let id = listed(&gateway, KAZ).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed(&gateway, MIA).await, Vec::<Value>::new());
    for verb in ["save", "discard"] {
        let foreign = rest(&gateway, MIA, "POST", &format!("/facts/{id}/{verb}")).await;
        let unknown = rest(&gateway, MIA, "POST", &format!("/facts/fact_00000000/{verb}")).await;
        assert_eq!((foreign.status, foreign.json()), (404, json!({"detail": "Fact not found"})));
        assert_eq!((unknown.status, unknown.json()), (404, json!({"detail": "Fact not found"})));
    }
    assert_eq!(listed(&gateway, KAZ).await.len(), 1);
}

#[tokio::test]
async fn a_request_that_names_no_user_or_two_is_refused() {
    let fake = Fake::start().await;
    let gateway = with_facts(&fake).await;
    for user in ["", "x-user:  \r\n", "x-user: kaz\r\nx-user: mia\r\n"] {
        let answer = rest(&gateway, user, "GET", "/facts").await;
        assert_eq!(answer.status, 401, "{user:?}: {}", answer.body);
        let answer = Page::post_with(gateway.addr, user, &json!({"user": "hi"})).await.answer().await;
        assert_eq!(answer.status, 401, "{user:?}: {}", answer.body);
    }
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_the_same_form() {
    let gateway = Setup::new(&[]).start().await;
    for path in ["/facts/", "/facts/x", "/facts/x/forget"] {
        let answer = rest(&gateway, "", "GET", path).await;
        assert_eq!((answer.status, answer.json()), (404, json!({"detail": "Not Found"})), "{path}");
    }
    let neighbour = rest(&gateway, "", "GET", "/factsheet").await;
    assert_eq!(neighbour.json()["error"]["code"], "not_found", "not a path of facts");
    for (method, path, allowed) in [("POST", "/facts", "GET, HEAD, OPTIONS"), ("GET", "/facts/x/save", "POST, OPTIONS")]
    {
        let answer = rest(&gateway, "", method, path).await;
        assert_eq!((answer.status, answer.json()), (405, json!({"detail": "Method Not Allowed"})));
        assert_eq!(answer.header("allow"), Some(allowed));
    }
}

#[tokio::test]
async fn pages_of_listed_origins_may_ask_and_decide() {
    let mut setup = Setup::new(&[]);
    setup.cors.origins = origins(&["https://page.example"]);
    let gateway = setup.start().await;
    let origin = "origin: https://page.example\r\n";
    for (path, methods) in [("/facts", "GET, HEAD, OPTIONS"), ("/facts/x/save", "POST, OPTIONS")] {
        let asking = format!("{origin}access-control-request-method: POST\r\n");
        let answer = rest(&gateway, &asking, "OPTIONS", path).await;
        assert_eq!((answer.status, answer.header("access-control-allow-methods")), (204, Some(methods)));
    }
    let answer = rest(&gateway, origin, "POST", "/facts/x/save").await;
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (404, Some("https://page.example")),
        "errors too"
    );
    let answer = rest(&gateway, "origin: https://evil.example\r\n", "GET", "/facts").await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn facts_are_there_after_a_restart_and_a_newer_file_stops_the_start() {
    let path = std::env::temp_dir().join(format!("chatwire-restart-{}.db", std::process::id()));
    let setup = |fake: &Fake| {
        let mut setup = Setup::new(&[fake.addr]);
        setup.layers = facts_layer();
        setup.store = Some(path.clone());
        setup
    };
    let fake = Fake::start().await;
    let gateway = setup(&fake).start().await;
    ask(&gateway, &fake, "", &[r#"{"fact":"One"}"#]).await;
    gateway.stopper.stop();
    gateway.task.await.unwrap();
    let gateway = setup(&fake).start().await;
    assert_eq!(texts(&listed(&gateway, "").await), ["One"]);
    gateway.stopper.stop();
    gateway.task.await.unwrap();
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let Err(error) = setup(&fake).try_bind().await else { panic!("a newer file is refused") };
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    let message = error.to_string();
    assert!(message.contains("newer Chatwire") && message.contains("chatwire-restart"), "{message}");
}

/// The default configuration's routes, one after the other: each provider's recording saves two facts.
#[tokio::test]
async fn the_recordings_of_all_providers_save_facts_on_pages_of_every_dialect() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway.toml")).unwrap();
    let mut plan = chatwire::config::parse("gateway.toml", &text, &|_| None).unwrap();
    (plan.store, plan.server.listen) = (None, ([127, 0, 0, 1], 0).into());
    plan.server.hosts = Some(vec!["*".to_owned()]);
    let listening = bind(plan).await.unwrap();
    let (addr, stopper) = (listening.local_addr().unwrap(), listening.stopper());
    let gateway = Gateway { addr, stopper, task: tokio::spawn(listening.serve()) };
    let ui = json!({"messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": WORDS}]}],
        "trigger": "submit-message", "id": "c"});
    let plain =
        |model: &str| json!({"model": model, "session_id": "s", "messages": [{"role": "user", "content": WORDS}]});
    let cases = [
        ("/api/chat", ui.clone(), "\"type\":\"data-fact\""),
        ("/api/chat/claude", ui.clone(), "\"type\":\"data-fact\""),
        ("/api/chat/local", ui, "\"type\":\"data-fact\""),
        ("/ai/v4", plain("chat-model-reasoning"), "\n2:[{\"type\":\"fact\""),
        ("/api/chat/stream/direct", plain("chat-model"), "\"type\":\"tool_result\""),
    ];
    for (at, (path, body, mark)) in cases.into_iter().enumerate() {
        let body = body.to_string();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = Page::raw(gateway.addr, &head).await.answer().await;
        assert_eq!(answer.body.matches(mark).count(), 2, "{path}: {}", answer.body);
        let facts = listed(&gateway, "").await;
        assert_eq!(texts(&facts)[2 * at..], ["The user's name is Kaz.", "The user lives in Kyoto."], "{path}");
    }
}

const WORDS: &str = "My name is Kaz and I live in Kyoto";
