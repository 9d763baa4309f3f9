//! The house dialects over real sockets: what their pages ask, and what they get.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "../canary/mod.rs"]
mod canary;
#[path = "../support/mod.rs"]
mod support;

mod brought;
mod callback;
mod queries;
mod sessions;

use std::sync::Arc;

use chatwire::config::plan::{Memory, Plan, Route};
use chatwire::server::bind;
use chatwire_protocols::options::Options;
use serde_json::Value;

use support::fake::Fake;
use support::page::{Answer, Page};
use support::{Gateway, Setup, memory};

/// A gateway with one route of a house dialect, and its model.
struct House {
    gateway: Gateway,
    fake: Fake,
}

impl House {
    /// At this path, with these options.
    async fn start(protocol: &str, path: &str, options: Value) -> Self {
        Self::with(protocol, path, options, |_| {}, memory()).await
    }

    async fn with(protocol: &str, path: &str, options: Value, change: impl FnOnce(&mut Setup), memory: Memory) -> Self {
        let fake = Fake::start().await;
        let mut setup = Setup::new(&[fake.addr]);
        setup.memory = Some(memory);
        change(&mut setup);
        let listening = bind(plan(setup, protocol, path, &options)).await.unwrap();
        let (addr, stopper) = (listening.local_addr().unwrap(), listening.stopper());
        let gateway = Gateway { addr, stopper, task: tokio::spawn(listening.serve()) };
        Self { gateway, fake }
    }

    /// A request on its way.
    async fn open(&self, method: &str, path: &str, body: &str) -> Page {
        self.open_as("", method, path, body).await
    }

    async fn open_as(&self, headers: &str, method: &str, path: &str, body: &str) -> Page {
        let media = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{media}{headers}connection: close\r\n");
        Page::raw(self.gateway.addr, &format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.open(method, path, body).await.answer().await
    }

    /// A turn in which the model says these lines; gives the page's answer, and what the model was told.
    async fn turn(&self, path: &str, body: &Value, lines: &str) -> (Answer, Value) {
        let page = self.open("POST", path, &body.to_string()).await;
        let asked = self.fake.asked().await;
        let told = asked.body["messages"].clone();
        asked.answer(&format!("{lines}\n")).await;
        (page.answer().await, told)
    }
}

/// The setup's plan with its route in this dialect.
fn plan(setup: Setup, protocol: &str, path: &str, options: &Value) -> Plan {
    let mut plan = setup.plan();
    let route = Arc::into_inner(plan.routes.pop().unwrap()).expect("nobody else has it");
    let protocol = chatwire_protocols::find(protocol).unwrap();
    let spec = protocol.frontend.as_ref().unwrap();
    let options = Options::read(spec.options, options.as_object().unwrap()).unwrap();
    let path = path.to_owned();
    plan.routes.push(Arc::new(Route { path, protocol, frontend: (spec.make)(&options), ..route }));
    plan.facts = None;
    plan
}

/// The frames of a stream.
fn frames(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let lines = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn types(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}
