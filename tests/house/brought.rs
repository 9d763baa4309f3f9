//! Providers that pages of `callback-sse` bring themselves, from the configuration's own words to the wire.

use std::net::SocketAddr;

use chatwire::server::bind;
use serde_json::{Value, json};

use crate::support::Gateway;
use crate::support::fake::{Asked, Fake};
use crate::support::page::{Answer, Page};

/// The key of the configured provider, and a header of its.
const KEY: &str = "sk-configured";
const HEADER: &str = "configured-header";

struct Brought {
    gateway: Gateway,
    configured: Fake,
    theirs: Fake,
}

impl Brought {
    /// A route that keeps its sessions and takes this provider of a page, which the fence would refuse otherwise.
    async fn start() -> Self {
        let (configured, theirs) = (Fake::start().await, Fake::start().await);
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\
             [providers.p]\nprotocol = \"openai-chat\"\nbase_url = \"http://{}/v1\"\napi_key = {{ env = \"KEY\" }}\n\
             headers = {{ x-extra = \"{HEADER}\" }}\n\
             [models.m]\ntargets = [\"p/m\"]\n\
             [tools.look]\nfixed = {{ result = \"blue\" }}\n\
             [fence]\nallow = [\"http://{1}\"]\n\
             [[routes]]\npath = \"/api/chat\"\nprotocol = \"callback-sse\"\nmemory = true\nmodel = \"m\"\n\
             tools = [\"look\"]\nallow_base_urls = [\"http://{1}\"]\n",
            configured.addr, theirs.addr
        );
        let key = |name: &str| (name == "KEY").then(|| KEY.to_owned());
        let plan = chatwire::config::parse("gateway.toml", &text, &key).unwrap_or_else(|report| panic!("{report}"));
        let listening = bind(plan).await.unwrap();
        let (addr, stopper) = (listening.local_addr().unwrap(), listening.stopper());
        Self { gateway: Gateway { addr, stopper, task: tokio::spawn(listening.serve()) }, configured, theirs }
    }

    /// What a page says of a provider at this address.
    fn config(addr: SocketAddr, key: Option<&str>) -> Value {
        json!({"base_url": format!("http://{addr}/own/v1"), "api_key": key, "model_name": "m"})
    }

    async fn post(&self, path: &str, body: &Value) -> Page {
        let body = body.to_string();
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n");
        Page::raw(
            self.gateway.addr,
            &format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        )
        .await
    }
}

async fn send(mut asked: Asked, delta: &Value, finish: &str) {
    let chunk = json!({"id": "c", "object": "chat.completion.chunk", "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
    let body = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
    asked.raw(&format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
}

fn authorization(asked: &Asked) -> Option<&str> {
    let mut lines = asked.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value)
}

/// What goes to a brought provider has nothing of the configuration in it.
fn check(asked: &Asked, key: Option<&str>) {
    assert!(asked.head.starts_with("POST /own/v1/chat/completions"), "{}", asked.head);
    let bearer = key.map(|key| format!("Bearer {key}"));
    assert_eq!(authorization(asked), bearer.as_deref());
    for secret in [KEY, HEADER] {
        assert!(!asked.head.contains(secret) && !asked.body.to_string().contains(secret), "{}", asked.head);
    }
}

async fn whole(page: Page, key: Option<&str>) -> Answer {
    let answer = page.answer().await;
    assert!(answer.status == 200 && answer.body.contains("\"complete\""), "{}", answer.body);
    assert!(key.is_none_or(|key| !answer.body.contains(key)), "{}", answer.body);
    answer
}

#[tokio::test]
async fn a_kept_turn_and_a_direct_one_go_there_with_the_pages_key_alone() {
    let brought = Brought::start().await;
    for key in [Some("sk-page"), None] {
        for (path, said) in [
            ("/api/chat/stream", json!({"content": "hi"})),
            ("/api/chat/stream/direct", json!({"messages": [{"role": "user", "content": "hi"}]})),
        ] {
            let mut body = said;
            body["session_id"] = json!(format!("{path} {}", key.is_some()));
            body["model_config"] = Brought::config(brought.theirs.addr, key);
            let page = brought.post(path, &body).await;
            // Both calls of the turn: behind a tool it is asked again.
            let asked = brought.theirs.asked().await;
            check(&asked, key);
            let call =
                json!({"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}});
            send(asked, &json!({"tool_calls": [call]}), "tool_calls").await;
            let asked = brought.theirs.asked().await;
            check(&asked, key);
            assert!(asked.body["messages"].to_string().contains("blue"), "{}", asked.body);
            send(asked, &json!({"content": "from there"}), "stop").await;
            assert!(whole(page, key).await.body.contains("from there"));
        }
    }
    // The next message of a session that says nothing of it goes where the configuration says.
    let body = json!({"session_id": "/api/chat/stream true", "content": "and now?"});
    let page = brought.post("/api/chat/stream", &body).await;
    let asked = brought.configured.asked().await;
    assert_eq!(authorization(&asked), Some(format!("Bearer {KEY}").as_str()));
    assert!(asked.head.contains(HEADER) && asked.body["messages"].to_string().contains("from there"));
    assert!(!asked.body.to_string().contains("sk-page"));
    send(asked, &json!({"content": "from here"}), "stop").await;
    whole(page, Some("sk-page")).await;
}

#[tokio::test]
async fn one_that_is_not_listed_is_never_asked_and_nothing_is_kept_of_it() {
    let brought = Brought::start().await;
    for (path, said) in [
        ("/api/chat/stream", json!({"content": "secret plan"})),
        ("/api/chat/stream/direct", json!({"messages": [{"role": "user", "content": "secret plan"}]})),
    ] {
        for addr in [brought.configured.addr, "169.254.169.254:80".parse().unwrap()] {
            let mut body = said.clone();
            body["session_id"] = json!("s");
            body["model_config"] = Brought::config(addr, Some("sk-page"));
            let answer = brought.post(path, &body).await.answer().await;
            assert_eq!(answer.status, 400, "{}", answer.body);
            assert!(!answer.body.contains("sk-page"), "{}", answer.body);
        }
    }
    let page = brought.post("/api/chat/stream", &json!({"session_id": "s", "content": "hi"})).await;
    let asked = brought.configured.asked().await;
    assert!(!asked.body.to_string().contains("secret plan"), "{}", asked.body);
    send(asked, &json!({"content": "from here"}), "stop").await;
    whole(page, None).await;
}
