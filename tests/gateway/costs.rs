//! What a turn costs, as its page is told.

use std::sync::Arc;

use chatwire::config::plan::{Model, ModelDefaults, Prices, RetryPlan, ToolKind, ToolPlan};
use chatwire::tools::{Summaries, Writer};
use chatwire_protocols::cost::Price;
use serde_json::{Value, json};

use crate::support::fake::Fake;
use crate::support::page::{Answer, Page};
use crate::support::{Setup, fixed, priced_at, summaries, tool};

/// Every step here has 3 tokens in and 2 out: 340 thousandths of a millionth of a dollar.
pub fn prices() -> Prices {
    let rate = |text: &str| text.parse().unwrap();
    let mut prices = Prices::default();
    let price = Price { input: rate("0.08"), output: rate("0.05"), cached_input: None, cache_write: None };
    prices.add("model-*", price);
    prices.add("*", Price { input: rate("1000"), ..price });
    prices
}

/// A turn of two model calls.
async fn turn(change: impl FnOnce(&mut Setup), body: &Value) -> Answer {
    let fake = Fake::start().await;
    let mut setup = Setup::new(&[fake.addr]);
    setup.tools = vec![fixed("f", json!(1))];
    change(&mut setup);
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, body).await;
    fake.asked().await.answer("call c f {}\nfinish tool_calls\n").await;
    fake.asked().await.answer("text done\nfinish stop\n").await;
    page.answer().await
}

fn costs(answer: &Answer) -> Vec<Value> {
    let ends = answer.events().into_iter().filter(|event| event["usage"].is_object());
    ends.map(|event| event["usage"]["cost"].clone()).collect()
}

#[tokio::test]
async fn a_turn_costs_what_its_model_calls_cost() {
    let answer = turn(|setup| setup.prices = prices(), &json!({"user": "hi"})).await;
    assert_eq!(costs(&answer), [json!(3.4e-7), json!(3.4e-7), json!(6.8e-7)]);
}

#[tokio::test]
async fn what_is_not_known_is_not_told_as_nought() {
    let answer = turn(|_| {}, &json!({"user": "hi"})).await;
    assert_eq!(costs(&answer), [Value::Null, Value::Null, Value::Null]);
}

/// A turn in which another model writes: what a tool gives, or a summary of it. Gives what the turn cost.
async fn beside(tool: ToolPlan, known: bool, writes: &str) -> Value {
    let (fake, writer) = (Fake::start().await, Fake::start().await);
    let mut setup = Setup::new(&[fake.addr]);
    setup.prices = prices();
    let model = priced_at(writer.addr, "model-w", if known { prices() } else { Prices::default() });
    setup.tools = vec![match tool.kind {
        ToolKind::Write(_) => {
            let writes = Writer { model, instructions: "Write.".to_owned() };
            ToolPlan { kind: ToolKind::Write(Arc::new(writes)), ..tool }
        }
        _ => {
            setup.summaries = Some(Arc::new(Summaries { model, ..Summaries::clone(&summaries(writer.addr)) }));
            tool
        }
    }];
    let gateway = setup.start().await;
    let page = Page::post(gateway.addr, &json!({"user": "hi"})).await;
    fake.asked().await.answer("call c f {}\nfinish tool_calls\n").await;
    writer.asked().await.answer(writes).await;
    fake.asked().await.answer("text done\nfinish stop\n").await;
    page.answer().await.end()["usage"]["cost"].clone()
}

#[tokio::test]
async fn a_turn_costs_also_what_other_models_write_in_it() {
    let long = || fixed("f", json!("x".repeat(100)));
    let written = || {
        let nobody = Arc::new(Model {
            name: String::new(),
            targets: Vec::new(),
            defaults: ModelDefaults::default(),
            retry: RetryPlan::NONE,
            hedge: None,
        });
        tool("f", ToolKind::Write(Arc::new(Writer { model: nobody, instructions: String::new() })))
    };
    for made in [long, written] as [fn() -> ToolPlan; 2] {
        assert_eq!(beside(made(), true, "text short\nfinish stop\n").await, json!(1.02e-6));
        assert_eq!(beside(made(), false, "text short\nfinish stop\n").await, Value::Null);
        // It has failed before its counts came, so nobody knows what it cost.
        assert_eq!(beside(made(), true, "text half\n").await, Value::Null);
    }
}

#[tokio::test]
async fn pages_with_a_place_for_it_are_told() {
    let body = json!({"session_id": "s", "messages": [{"role": "user", "content": "hi"}]});
    let callback = |setup: &mut Setup| setup.speaks = Some("callback-sse");
    let told = turn(
        |setup| {
            callback(setup);
            setup.prices = prices();
        },
        &body,
    )
    .await;
    assert!(told.body.contains(r#""completion_tokens":4,"cost":0.00000068}"#), "{}", told.body);
    let untold = turn(callback, &body).await;
    assert!(untold.body.contains(r#""completion_tokens":4}"#), "{}", untold.body);
    let body = json!({"messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]});
    let told = turn(
        |setup| {
            setup.speaks = Some("vercel-auto");
            setup.prices = prices();
        },
        &body,
    )
    .await;
    assert!(told.body.contains(r#""cost":6.8e-7"#), "{}", told.body);
}

#[test]
fn the_longest_beginning_of_a_models_name_has_its_price() {
    let prices = prices();
    let input = |name: &str| prices.of(name).map(|price| price.input);
    assert_eq!(input("model-0"), "0.08".parse().ok());
    assert_eq!(input("other"), "1000".parse().ok());
    assert_eq!(Prices::default().of("model-0"), None);
}
