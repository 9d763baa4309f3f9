//! Who may call: keys and tokens, on everything that the default configuration serves.

mod owners;
mod sockets;
mod tokens;

use std::collections::BTreeSet;

use chatwire::access::KeyHash;
use chatwire::config::plan::Plan;
use chatwire::server::bind;

use crate::support::Gateway;
use crate::support::page::{Answer, Page};

const ANN: &str = "cw_ann_0123456789";
const BOB: &str = "cw_bob_0123456789";
const BOB_NEW: &str = "cw_bob_new_0123456789";
const NARROW: &str = "cw_narrow_0123456789";
const OLD: &str = "cw_old_0123456789";
const PAGE: &str = "http://localhost:3000";

/// The sections of the keys.
fn keys() -> String {
    let hash = |key: &str| KeyHash::of(key.as_bytes());
    format!(
        "[auth.keys.ann]\nsha256 = \"{}\"\n[auth.keys.bob]\nsha256 = [\"{}\", \"{}\"]\n\
         [auth.keys.narrow]\nsha256 = \"{}\"\nroutes = [\"/nowhere\"]\n\
         [auth.keys.old]\nsha256 = \"{}\"\nexpires = 2020-01-01\n",
        hash(ANN),
        hash(BOB),
        hash(BOB_NEW),
        hash(NARROW),
        hash(OLD)
    )
}

/// The default configuration with these changes and sections, on a free port, its store in memory.
fn plan(changes: &[(&str, &str)], sections: &str) -> Plan {
    let mut text = std::fs::read_to_string("gateway.toml").unwrap();
    let usual = [("127.0.0.1:8000", "127.0.0.1:0"), ("[store]\npath = \"chatwire.db\"\n", "")];
    for (from, to) in usual.iter().chain(changes) {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text.push_str("\n[[routes]]\npath = \"/nowhere\"\nprotocol = \"vercel-text\"\nmodel = \"chat-model\"\n");
    text.push_str(sections);
    chatwire::config::parse("gateway.toml", &text, &|_| None).unwrap_or_else(|report| panic!("{report}"))
}

async fn start(plan: Plan) -> Gateway {
    let listening = bind(plan).await.unwrap();
    let (addr, stopper) = (listening.local_addr().unwrap(), listening.stopper());
    Gateway { addr, stopper, task: tokio::spawn(listening.serve()) }
}

/// Sends JSON with this credential.
async fn send(gateway: &Gateway, method: &str, path: &str, key: &str, body: &str) -> Answer {
    let key = if key.is_empty() { String::new() } else { format!("authorization: Bearer {key}\r\n") };
    send_with(gateway, method, path, &key, body).await
}

async fn send_with(gateway: &Gateway, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\norigin: {PAGE}\r\ncontent-type: application/json\r\n\
         connection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    Page::raw(gateway.addr, &request).await.answer().await
}

/// Every path at which something is, with a few below those that have paths below their own.
fn paths(plan: &Plan) -> Vec<String> {
    // A new sort of mount does not compile here, so that it is not forgotten.
    let Plan {
        server: _,
        routes,
        models: _,
        store: _,
        owner: _,
        facts,
        attachments,
        mcp: _,
        inspect,
        auth: _,
        limits: _,
        cache_size: _,
    } = plan;
    let mut paths = Vec::new();
    for route in routes {
        paths.push(route.path.clone());
        if route.memory.is_some() {
            for below in ["x", "sessions", "sessions/x", "api/chats", "ws/chat", "x/stop"] {
                paths.push(format!("{}/{below}", route.path));
            }
        }
    }
    let facts = facts.as_ref().unwrap();
    paths.extend(["", "/f1/save", "/f1/discard", "/x"].map(|below| format!("{}{below}", facts.path)));
    paths.extend(["/tools", "/servers"].map(|below| format!("{}{below}", inspect.as_ref().unwrap().path)));
    let id = format!("/atc_{}", "0".repeat(32));
    let attachments = &attachments.as_ref().unwrap().path;
    paths.extend([format!("{attachments}{id}"), attachments.clone(), format!("{attachments}/x")]);
    let mounts: BTreeSet<&str> = plan.mounts().map(|mount| mount.path).collect();
    assert!(mounts.iter().all(|mount| paths.iter().any(|path| path.starts_with(mount))), "{mounts:?}");
    paths
}

#[tokio::test]
async fn nothing_is_done_without_a_credential_that_is_for_it() {
    let plan = plan(&[], &keys());
    let paths = paths(&plan);
    assert!(paths.len() > 40, "{}", paths.len());
    let gateway = start(plan).await;
    let mut asked = 0;
    for path in &paths {
        for method in ["POST", "GET", "DELETE", "PROPFIND"] {
            let anybody = send(&gateway, method, path, "", "{}").await;
            if anybody.status == 405 {
                assert!(!anybody.header("allow").unwrap().contains(method), "{method} {path}");
                continue;
            }
            asked += 1;
            for (key, status) in [("", 401), ("wrong", 401), (OLD, 401), (NARROW, 403)] {
                let expected = if path == "/nowhere" && key == NARROW { continue } else { status };
                let answer = send(&gateway, method, path, key, "{}").await;
                assert_eq!(answer.status, expected, "{method} {path} with {key:?}: {}", answer.body);
                assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{method} {path}");
                assert!(!answer.body.contains("cw_"), "{}", answer.body);
                answer.json();
            }
            for key in [ANN, BOB, BOB_NEW] {
                let answer = send(&gateway, method, path, key, "{}").await;
                let let_in = answer.header("www-authenticate").is_none() && (100..500).contains(&answer.status);
                assert!(let_in, "{method} {path}: {} {}", answer.status, answer.body);
            }
        }
    }
    assert!(asked > 2 * paths.len(), "{asked} of {}", paths.len());
}

#[tokio::test]
async fn pages_can_read_refusals_and_ask_before_they_send() {
    let plan = plan(&[], &keys());
    let listed: Vec<String> = plan.mounts().map(|mount| mount.path.to_owned()).collect();
    let gateway = start(plan).await;
    let with_cors = listed.iter().filter(|path| !["/chatkit", "/nowhere"].contains(&path.as_str()));
    for path in with_cors {
        let (method, path) = match path.as_str() {
            "/api" => ("GET", "/api/tools"),
            "/facts" => ("GET", "/facts"),
            path => ("POST", path),
        };
        let refused = send(&gateway, method, path, "", "{}").await;
        let allowed = refused.header("access-control-allow-origin");
        assert!(refused.status == 401 && matches!(allowed, Some(PAGE | "*")), "{path}: {}", refused.head);
        let asks = "access-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n";
        let preflight = send_with(&gateway, "OPTIONS", path, asks, "").await;
        assert_eq!(preflight.status, 204, "{path}");
        assert!(preflight.header("access-control-allow-headers").unwrap().contains("authorization"), "{path}");
    }
    for path in ["/health", "/agents/health"] {
        assert_eq!(send(&gateway, "GET", path, "", "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_path_that_is_written_otherwise_opens_nothing() {
    let gateway = start(plan(&[], &keys())).await;
    let spellings = [
        "/ai/text",
        "/ai/text?key=x",
        "/ai/text?anonymous=true",
        "//ai/text",
        "/ai//text",
        "/ai/./text",
        "/ai/x/../text",
        "/ai/%74ext",
        "/ai%2ftext",
        "/AI/TEXT",
        "/ai/text/",
        "/ai/text/.",
        "/ai/text/..",
        "/ai/text/..;/",
        "/ai/text;a=b",
        "/ai/text%00",
        "/ai/text%20",
        "/health/../ai/text",
        "/health%2f..%2fai/text",
        "/agents/health/../../ai/text",
        "/agents/x/health",
        "http://a/ai/text",
    ];
    let body = r#"{"messages":[{"role":"user","content":"Hello"}]}"#;
    for path in spellings {
        for (key, refused) in [("", 401), (NARROW, 403), (OLD, 401)] {
            let answer = send(&gateway, "POST", path, key, body).await;
            assert!([refused, 400, 404, 405].contains(&answer.status), "{path}: {}", answer.status);
        }
    }
    assert_eq!(send(&gateway, "POST", "/ai/text", ANN, body).await.status, 200);
}

#[tokio::test]
async fn only_a_route_that_says_so_may_be_called_by_anybody() {
    let open = [("path = \"/ai/text\"", "path = \"/ai/text\"\nanonymous = true")];
    let gateway = start(plan(&open, &keys())).await;
    let body = r#"{"messages":[{"role":"user","content":"Hello"}]}"#;
    for (path, key, status) in [
        ("/ai/text", "", 200),
        ("/ai/text", ANN, 200),
        ("/ai/text", "wrong", 401),
        ("/ai/text", OLD, 401),
        ("/ai/text", NARROW, 403),
        ("/ai/simple", "", 401),
        ("/attachments", "", 401),
    ] {
        assert_eq!(send(&gateway, "POST", path, key, body).await.status, status, "{path} {key:?}");
    }
}

#[tokio::test]
async fn a_key_is_for_its_models_only() {
    let keys =
        format!("[auth.keys.ann]\nsha256 = \"{}\"\nmodels = [\"title-model\", \"cl*\"]\n", KeyHash::of(ANN.as_bytes()));
    let gateway = start(plan(&[], &keys)).await;
    let stateless = |model: &str| format!(r#"{{{model}"messages":[{{"role":"user","content":"Hello"}}]}}"#);
    let kept = |model: &str| {
        format!(r#"{{{model}"id":"c1","message":{{"id":"u1","role":"user","parts":[{{"type":"text","text":"Hi"}}]}}}}"#)
    };
    for (model, status) in [
        (r#""model":"title-model","#, 200),
        (r#""model":"claude-model","#, 200),
        (r#""model":"local-model","#, 404),
        (r#""model":"unheard","#, 404),
        ("", 403),
    ] {
        let answer = send(&gateway, "POST", "/ai/simple", ANN, &stateless(model)).await;
        assert_eq!(answer.status, status, "{model}: {}", answer.body);
        let answer = send(&gateway, "POST", "/api/memory", ANN, &kept(model)).await;
        assert_eq!(answer.status, status, "kept, {model}: {}", answer.body);
    }
    assert_eq!(send(&gateway, "POST", "/api/chat/claude", ANN, &stateless("")).await.status, 200);
}

#[tokio::test]
async fn who_guesses_keys_is_soon_refused_everything_and_no_other_refusal_is_a_guess() {
    let sections = format!("{}[limits.address]\nrequests = \"2/h\"\n", keys());
    let gateway = start(plan(&[], &sections)).await;
    let ask = async |key: &str| send(&gateway, "POST", "/ai/text", key, "{}").await;
    for (key, status) in [
        ("", 401),
        ("", 401),
        (NARROW, 403),
        (NARROW, 403),
        ("cw_guess_1", 401),
        ("cw_guess_2", 401),
        ("cw_guess_3", 429),
    ] {
        let answer = ask(key).await;
        assert_eq!(answer.status, status, "{key}: {}", answer.body);
        let (challenge, wait) = (answer.header("www-authenticate"), answer.header("retry-after"));
        assert_eq!((challenge.is_some(), wait.is_some()), (status != 429, status == 429), "{key}");
    }
}
