//! Providers that requests bring themselves: fenced, and without anything of the configuration.

use std::net::{IpAddr, Ipv4Addr};

use chatwire::config::plan::OwnProviders;
use chatwire::tools::fence::{Fence, Lookup};
use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Gateway, KEY, Setup};

async fn start(fake: &Fake, own_providers: Option<OwnProviders>) -> Gateway {
    let mut setup = Setup::new(&[fake.addr]);
    setup.speaks = Some("callback-sse");
    setup.own_providers = own_providers;
    setup.start().await
}

fn origin(fake: &Fake) -> String {
    format!("http://{}", fake.addr)
}

/// Any address, for the origins alone that are listed.
fn open(origins: &[String]) -> Option<OwnProviders> {
    Some(OwnProviders { origins: origins.to_vec(), fence: Fence::new(origins.to_vec()) })
}

async fn post(gateway: &Gateway, config: &Value) -> Page {
    let body = json!({"session_id": "s", "messages": [{"role": "user", "content": "hi"}], "model_config": config});
    Page::post(gateway.addr, &body).await
}

async fn refused(gateway: &Gateway, config: Value, place: &str) -> Answer {
    let answer = post(gateway, &config).await.answer().await;
    assert_eq!(answer.status, 400, "{config}: {}", answer.body);
    assert!(answer.body.contains(place) && !answer.body.contains("sk-page"), "{}", answer.body);
    answer
}

#[tokio::test]
async fn no_request_brings_a_provider_where_none_is_listed() {
    let (fake, theirs) = (Fake::start().await, Fake::start().await);
    let gateway = start(&fake, None).await;
    for config in [
        json!({"base_url": format!("{}/v1", origin(&theirs)), "api_key": "sk-page"}),
        json!({"base_url": format!("{}/v1", origin(&fake))}),
    ] {
        refused(&gateway, config, "model_config.base_url").await;
    }
    let answer = refused(&gateway, json!({"api_key": "sk-page"}), "model_config.api_key").await;
    assert!(answer.body.contains("may not bring their own provider"), "{}", answer.body);
}

#[tokio::test]
async fn a_listed_provider_gets_the_requests_key_and_nothing_of_the_configuration() {
    for (key, expected) in [(json!("sk-page"), Some("bearer sk-page")), (Value::Null, None)] {
        let (fake, theirs) = (Fake::start().await, Fake::start().await);
        let gateway = start(&fake, open(&[origin(&theirs)])).await;
        let config = json!({"base_url": format!("{}/v7", origin(&theirs)), "api_key": key, "model_name": "any/large"});
        let page = post(&gateway, &config).await;
        let asked = theirs.asked().await;
        let head = asked.head.to_ascii_lowercase();
        assert!(head.starts_with("post /v7"), "{head}");
        assert!(!head.contains(KEY) && !head.contains("x-extra"), "{head}");
        let authorization = head.lines().find_map(|line| line.strip_prefix("authorization: "));
        assert_eq!(authorization, expected);
        assert_eq!(asked.body["model"], "large");
        asked.answer("text from there\nfinish stop\n").await;
        assert!(page.answer().await.body.contains("from there"));
    }
}

#[tokio::test]
async fn a_key_alone_goes_to_a_configured_provider_that_is_listed() {
    let fake = Fake::start().await;
    let gateway = start(&fake, open(&[origin(&fake)])).await;
    let page = post(&gateway, &json!({"api_key": "sk-page"})).await;
    let asked = fake.asked().await;
    assert!(asked.head.contains("Bearer sk-page") && !asked.head.contains(KEY), "{}", asked.head);
    asked.answer("text hello\nfinish stop\n").await;
    assert!(page.answer().await.body.contains("hello"));
    let elsewhere = start(&fake, open(&["https://api.example.com".to_owned()])).await;
    refused(&elsewhere, json!({"api_key": "sk-page"}), "model_config.api_key").await;
    refused(&gateway, json!({"api_key": "sk-page\nx: y"}), "model_config.api_key").await;
}

#[tokio::test]
async fn other_addresses_and_those_inside_are_refused() {
    let fake = Fake::start().await;
    let inside = ["http://169.254.169.254", "http://10.0.0.1", "http://[::ffff:127.0.0.1]", "https://api.example.com"];
    let origins: Vec<String> = inside.iter().map(|origin| reqwest_origin(origin)).collect();
    let gateway = start(&fake, Some(OwnProviders { origins, fence: Fence::default() })).await;
    for url in [
        "http://169.254.169.254/latest",
        "http://10.0.0.1/v1",
        "http://[::ffff:127.0.0.1]/v1",
        "http://api.example.com/v1",
        "https://api.example.com:444/v1",
        "https://api.example.com.evil.example/v1",
        "https://api.example.com@evil.example/v1",
        "https://user:secret@api.example.com/v1",
        "https://api.example.com/v1?x=",
        "https://api.example.com/v1#",
        "file:///etc/passwd",
        "v1",
    ] {
        refused(&gateway, json!({"base_url": url, "api_key": "sk-page"}), "model_config.base_url").await;
    }
}

fn reqwest_origin(origin: &str) -> String {
    reqwest::Url::parse(origin).unwrap().origin().ascii_serialization()
}

#[tokio::test]
async fn a_listed_name_that_leads_inside_is_closed_where_it_is_looked_up() {
    let (fake, inside) = (Fake::start().await, Fake::start().await);
    let origin = format!("http://api.example.com:{}", inside.addr.port());
    let here = Lookup::new(|_| async { Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]) });
    let fence = Fence::with_lookup(Vec::new(), here);
    let gateway = start(&fake, Some(OwnProviders { origins: vec![origin.clone()], fence })).await;
    let answer = post(&gateway, &json!({"base_url": origin, "api_key": "sk-page"})).await.answer().await;
    assert_eq!(answer.status, 502, "{}", answer.body);
    assert!(!answer.body.contains("127.0.0.1") && !answer.body.contains("sk-page"), "{}", answer.body);
}

#[tokio::test]
async fn a_redirect_of_a_brought_provider_is_not_followed() {
    let (fake, theirs, inside) = (Fake::start().await, Fake::start().await, Fake::start().await);
    let gateway = start(&fake, open(&[origin(&theirs), origin(&inside)])).await;
    let page = post(&gateway, &json!({"base_url": origin(&theirs), "api_key": "sk-page"})).await;
    let to = format!("location: {}/v1\r\n", origin(&inside));
    theirs.asked().await.refuse("307 Temporary Redirect", &to, "").await;
    assert_eq!(page.answer().await.status, 502);
}
