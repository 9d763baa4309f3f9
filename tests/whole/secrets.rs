//! A configuration full of secrets, and everybody who knows one tells it: in errors, in logs, in mistakes of the file.
//! Whatever is in an answer or in the log, which has all levels, fails the test's process.

use std::io::Write as _;
use std::net::TcpListener;

use chatwire::access::KeyHash;
use serde_json::json;

use crate::Folder;
use crate::canary::{HEADER, looked};
use crate::page::{Heard, exchange};
use crate::provider::request;

const KEY: &str = "sk-canary-0123456789";
const PAGE: &str = "cw_canary_0123456789";
const MCP: &str = "canary-0123456789";
const TOOL: &str = "canary-token-0123";

/// A server that refuses everything with the whole head of what it was asked, as JSON and as text by turns.
fn parrot() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the test's process.
    std::thread::spawn(move || {
        for (number, socket) in listener.incoming().enumerate() {
            let Ok(mut socket) = socket else { return };
            let (head, _) = request(&socket);
            assert!(!head.contains(PAGE), "the page's key stays here: {head}");
            let body = match number % 3 {
                0 => json!({"error": {"message": format!("wrong: {head}"), "code": "no"}}).to_string(),
                1 => format!("wrong: {head}"),
                _ => json!({"headers": head}).to_string(),
            };
            let length = body.len();
            let _ = write!(
                socket,
                "HTTP/1.1 401 No\r\nconnection: close\r\nwww-authenticate: {KEY}\r\ncontent-length: {length}\r\n\r\n{body}"
            );
        }
    });
    address
}

fn config(address: &str) -> String {
    format!(
        r#"
[server]
watch = false
[auth.keys.page]
sha256 = "{hash}"
[inspect]
path = "/api"
[providers.p]
protocol = "openai-chat"
base_url = "{address}/v1"
api_key = {{ file = "key" }}
headers = {{ x-tenant = {{ file = "header" }} }}
[models.m]
targets = ["p/m"]
[mcp.broken]
command = "sh"
args = ["-c", "echo log of $TOKEN >&2; echo answer of $TOKEN; echo end of $TOKEN >&2"]
env = {{ TOKEN = {{ file = "mcp" }} }}
[mcp.far]
url = "{address}/mcp"
bearer = {{ file = "tool" }}
[[routes]]
path = "/chat"
protocol = "callback-sse"
model = "m"
tools = ["mcp:broken", "mcp:far"]
"#,
        hash = KeyHash::of(PAGE.as_bytes())
    )
}

#[test]
fn nobody_is_told_a_secret_of_the_configuration() {
    let config = config(&parrot());
    let folder = Folder::with(&config);
    for (name, secret) in [("key", KEY), ("header", HEADER), ("mcp", MCP), ("tool", TOOL)] {
        std::fs::write(folder.0.join(name), secret).unwrap();
    }
    let before = looked();
    let (gateway, mut log) = folder.logging();
    let ask = |headers: &str, method: &str, path: &str, body: &str| -> Heard {
        let heard = exchange(&gateway.address, headers, method, path, body);
        assert!(heard.status > 0 && heard.whole, "{method} {path}");
        heard
    };
    log.until("an MCP server logs");
    let body = json!({"session_id": "s", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let right = format!("authorization: Bearer {PAGE}\r\n");
    for _ in 0..3 {
        let heard = ask(&right, "POST", "/chat", &body);
        assert!(heard.body.contains("error"), "{}", heard.body);
        log.until("attempts=");
    }
    for headers in [format!("authorization: Bearer {PAGE}x\r\n"), format!("x-api-key: {KEY}\r\n"), String::new()] {
        assert_eq!(ask(&headers, "POST", "/chat", &body).status, 401);
    }
    assert_eq!(ask("", "POST", &format!("/chat?key={PAGE}"), &body).status, 401);
    assert_eq!(ask(&right, "POST", "/chat", &format!("{{\"messages\": \"{PAGE}")).status, 400);
    let servers = ask(&right, "GET", "/api/servers", "");
    assert!(servers.body.contains("\"far\""), "{}", servers.body);
    ask(&right, "GET", "/api/tools", "");
    ask("", "GET", "/health", "");
    // A secret where a name of something else belongs, as it is, and in a file that is no TOML.
    for mistake in [
        config.replace("{ file = \"key\" }", &format!("\"{KEY}\"")),
        config.replace("{ file = \"key\" }", &format!("{{ env = \"{KEY}\" }}")),
        config.replace("{ file = \"key\" }", &format!("{{ file = \"key\", value = \"{KEY}\" }}")),
        config.replace("api_key = { file = \"key\" }", &format!("api_kee = \"{KEY}\"")),
        config.replace("api_key = { file = \"key\" }", &format!("api_key = \"{KEY}")),
    ] {
        assert_ne!(mistake, config);
        folder.configure(&mistake);
        gateway.signal("HUP");
        log.until("the configuration stays as it was");
    }
    drop(gateway);
    let looked = looked();
    assert!(looked.log_lines > before.log_lines + 20 && looked.answer_bytes > before.answer_bytes, "{looked:?}");
}
