//! Answers that are given again when exactly the same is asked.

use std::time::Duration;

use chatwire::cache::CachePlan;
use chatwire::server::bind;
use regex::Regex;
use serde_json::{Value, json};

use crate::costs::prices;
use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, LONG, Setup, fixed};

const PLAN: CachePlan = CachePlan { ttl: LONG, max_entry: 64 << 10, shared: false, pace: Duration::from_millis(1) };

fn ask() -> Value {
    json!({"user": "hi"})
}

async fn start(change: impl FnOnce(&mut Setup)) -> (Fake, Gateway) {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.cache = Some(PLAN);
    change(&mut setup);
    let gateway = setup.start().await;
    (fake, gateway)
}

async fn asked(fake: &Fake, gateway: &Gateway, headers: &str, body: &Value, answers: &[&str]) -> Answer {
    let page = Page::post_with(gateway.addr, headers, body).await;
    for answer in answers {
        fake.asked().await.answer(answer).await;
    }
    page.answer().await
}

fn cache(answer: &Answer) -> Option<&str> {
    answer.header("x-chatwire-cache")
}

#[tokio::test]
async fn the_second_answer_is_the_first_without_the_provider_and_costs_nothing() {
    let (fake, gateway) = start(|setup| {
        setup.prices = prices();
        setup.tools = vec![fixed("f", json!(1))];
    })
    .await;
    let said = ["text I look.\ncall c f {}\nfinish tool_calls\n", "text One\nopen  of two\nfinishing\n"];
    let first = asked(&fake, &gateway, "", &ask(), &said).await;
    let second = asked(&fake, &gateway, "", &ask(), &[]).await;
    assert_eq!((cache(&first), cache(&second)), (Some("miss"), Some("hit")));
    let told = |answer: &Answer| {
        let mut events = answer.events();
        for event in &mut events {
            event.as_object_mut().unwrap().remove("turn");
            if let Some(usage) = event.get_mut("usage").and_then(Value::as_object_mut) {
                usage.remove("cost");
            }
        }
        events
    };
    assert_eq!(told(&first), told(&second));
    assert_eq!(
        (first.end()["usage"]["cost"].as_f64(), second.end()["usage"]["cost"].as_f64()),
        (Some(6.8e-7), Some(0.0))
    );
}

#[tokio::test]
async fn an_answer_that_is_not_whole_is_not_kept() {
    for bad in ["text half\n", "text half\nfail on purpose\n", "finish stop\n", "text x\nfinish pause\n"] {
        let (fake, gateway) = start(|setup| setup.max_steps = 1).await;
        let first = asked(&fake, &gateway, "", &ask(), &[bad]).await;
        assert_ne!(cache(&first), Some("hit"), "{bad}");
        let second = asked(&fake, &gateway, "", &ask(), &["text good\nfinish stop\n"]).await;
        assert_eq!((cache(&second), second.text().as_str()), (Some("miss"), "good"), "{bad}");
        let third = asked(&fake, &gateway, "", &ask(), &[]).await;
        assert_eq!((cache(&third), third.text().as_str()), (Some("hit"), "good"), "{bad}");
    }
}

#[tokio::test]
async fn a_long_answer_is_not_kept() {
    let (fake, gateway) = start(|setup| setup.cache = Some(CachePlan { max_entry: 2000, ..PLAN })).await;
    let long = format!("text {}\nfinish stop\n", "x".repeat(2000));
    for _ in 0..2 {
        assert_eq!(cache(&asked(&fake, &gateway, "", &ask(), &[&long]).await), Some("miss"));
    }
}

#[tokio::test]
async fn nobody_is_given_what_another_has_asked_unless_all_may() {
    for shared in [false, true] {
        let (fake, gateway) = start(|setup| {
            setup.owner = Some("x-user".to_owned());
            setup.cache = Some(CachePlan { shared, ..PLAN });
        })
        .await;
        let said = ["text hers\nfinish stop\n"];
        asked(&fake, &gateway, "x-user: ann\r\n", &ask(), &said).await;
        let his: &[&str] = if shared { &[] } else { &["text his\nfinish stop\n"] };
        let his = asked(&fake, &gateway, "x-user: bob\r\n", &ask(), his).await;
        assert_eq!(his.text(), if shared { "hers" } else { "his" });
        assert_eq!(asked(&fake, &gateway, "x-user: ann\r\n", &ask(), &[]).await.text(), "hers");
    }
}

#[tokio::test]
async fn who_wants_another_answer_gets_one_and_that_is_kept() {
    let (fake, gateway) = start(|setup| setup.speaks = Some("vercel-auto")).await;
    let body = |trigger: &str| {
        let message = json!({"id": "u", "role": "user", "parts": [{"type": "text", "text": "hi"}]});
        json!({"id": "c", "trigger": trigger, "messages": [message]})
    };
    let (submit, again) = (body("submit-message"), body("regenerate-message"));
    asked(&fake, &gateway, "", &submit, &["text one\nfinish stop\n"]).await;
    let other = asked(&fake, &gateway, "", &again, &["text two\nfinish stop\n"]).await;
    assert_eq!(cache(&other), Some("miss"));
    let last = asked(&fake, &gateway, "", &submit, &[]).await;
    assert!(cache(&last) == Some("hit") && last.body.contains("two"), "{}", last.body);
}

/// Two dialects on one gateway.
async fn two() -> (Fake, Gateway) {
    let fake = Fake::start().await;
    let text = format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        [providers.p]
        protocol = "openai-chat"
        base_url = "http://{}/v1"
        [models.m]
        targets = ["p/gpt"]
        [[routes]]
        path = "/chatkit"
        protocol = "chatkit"
        model = "m"
        cache = {{ pace = "1ms" }}
        [[routes]]
        path = "/ai"
        protocol = "vercel-auto"
        model = "m"
        cache = {{ ttl = "1h", max_entry = "1MiB", pace = "0ms" }}
        "#,
        fake.addr
    );
    let plan = chatwire::config::parse("gateway.toml", &text, &|_| None).unwrap_or_else(|report| panic!("{report}"));
    let listening = bind(plan).await.unwrap();
    let (addr, stopper) = (listening.local_addr().unwrap(), listening.stopper());
    (fake, Gateway { addr, stopper, task: tokio::spawn(listening.serve()) })
}

/// Asks in a dialect; `known` if the provider must not be asked. Gives the stream without what differs each time.
async fn say(fake: &Fake, gateway: &Gateway, path: &str, known: bool) -> String {
    let body = match path {
        "/chatkit" => json!({"type": "threads.create", "params": {"input": {
            "content": [{"type": "input_text", "text": "Say it."}], "attachments": [], "inference_options": {},
        }}}),
        _ => json!({"id": "c", "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "Say it."}]}]}),
    }
    .to_string();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n");
    let page = Page::raw(gateway.addr, &format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    if !known {
        let chunk = |delta: &str, finish: &str| {
            format!(
                "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt\",\"choices\":[{{\"index\":0,\
                 \"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
            )
        };
        let pieces = ["So ", "it is ", "said: ünï."].map(|text| chunk(&json!({"content": text}).to_string(), "null"));
        let body = format!("{}{}data: [DONE]\n\n", pieces.concat(), chunk("{}", "\"stop\""));
        let mut asked = fake.asked().await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
        asked.raw(&format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    }
    let answer = page.answer().await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    if path == "/ai" {
        assert_eq!(cache(&answer), Some(if known { "hit" } else { "miss" }));
    }
    let ids = Regex::new(r"[0-9a-f]{32}|\d{4}-\d\d-\d\dT[0-9:.+Z]*").unwrap();
    ids.replace_all(&answer.body, "…").into_owned()
}

#[tokio::test]
async fn what_was_asked_in_one_dialect_is_known_in_the_other_in_its_own_words() {
    let (fake, gateway) = two().await;
    let chatkit = say(&fake, &gateway, "/chatkit", false).await;
    let ai = say(&fake, &gateway, "/ai", true).await;
    let (fake, gateway) = two().await;
    assert_eq!(say(&fake, &gateway, "/ai", false).await, ai, "as if the provider had said it");
    assert_eq!(say(&fake, &gateway, "/chatkit", true).await, chatkit, "the same the other way round");
    for (stream, words) in [(&ai, r#""delta":"it is ""#), (&chatkit, r#""delta":"it is ""#)] {
        assert!(stream.contains(words), "{stream}");
    }
}
