//! A server that does what a test wants: a copy of the test program, started again.

use std::io::{BufRead as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Tells a copy of this program what to do.
pub const SCRIPT: &str = "CHATWIRE_TEST_MCP_SCRIPT";

/// Where a copy connects to, so that the test sees it end.
pub const LIFE: &str = "CHATWIRE_TEST_MCP_LIFE";

/// Not a test of its own: what the started process does.
#[test]
fn fake_server() {
    let Ok(script) = std::env::var(SCRIPT) else { return };
    let life = std::env::var(LIFE).ok().map(|address| TcpStream::connect(address).unwrap());
    match script.as_str() {
        "dead" => std::process::exit(7),
        "silent" => std::io::stdin().lock().lines().for_each(drop),
        "babble" => babble(),
        "holder" => loop {
            std::thread::park();
        },
        _ => Server { script, ..Server::default() }.serve(),
    }
    drop(life);
    std::process::exit(0);
}

#[derive(Default)]
struct Server {
    script: String,
    /// Calls that were called off, and one that waits for such a one.
    called_off: Vec<Value>,
    waits: Option<Value>,
    more_tools: bool,
}

fn write(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody reads any more: the test is over.
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}

fn babble() {
    loop {
        write("this is no MCP");
    }
}

fn notify(method: &str, params: &Value) {
    write(&json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string());
}

fn answer(id: &Value, result: &Value) {
    write(&json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string());
}

fn answer_text(id: &Value, text: &str) {
    answer(id, &json!({"content": [{"type": "text", "text": text}]}));
}

fn refuse(id: &Value, message: &str) {
    write(&json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": message}}).to_string());
}

fn tool(name: &str) -> Value {
    json!({"name": name, "description": format!("Does {name}."), "inputSchema": {"type": "object"}})
}

impl Server {
    fn serve(mut self) {
        write("a greeting that is no MCP");
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let message: Value = serde_json::from_str(&line).unwrap();
            let (id, params) = (&message["id"], &message["params"]);
            match message["method"].as_str().unwrap_or_default() {
                "initialize" if self.script == "refuses" => {
                    refuse(id, &format!("not with {}", std::env::var("TOKEN").unwrap()));
                }
                "initialize" => answer(
                    id,
                    &json!({
                        "protocolVersion": params["protocolVersion"],
                        "capabilities": {"tools": {"listChanged": true}},
                        "serverInfo": {"name": "fake", "version": "1"},
                    }),
                ),
                "tools/list" => self.list(id, params),
                "tools/call" => self.call(id, params),
                "notifications/cancelled" => {
                    self.called_off.push(params["requestId"].clone());
                    self.tell_called_off();
                }
                other if !id.is_null() => refuse(id, &format!("no method {other}")),
                _ => {}
            }
        }
    }

    fn list(&self, id: &Value, params: &Value) {
        let page: usize = params["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
        match self.script.as_str() {
            "many" => {
                let tools: Vec<Value> = (0..1000).map(|at| tool(&format!("t{}", page * 1000 + at))).collect();
                let next = (page < 4).then(|| (page + 1).to_string());
                answer(id, &json!({"tools": tools, "nextCursor": next}));
            }
            "endless" => answer(id, &json!({"tools": [], "nextCursor": "7"})),
            "unlisted" => {}
            "wrong" => {
                let with = |name: &str, schema: Value| json!({"name": name, "inputSchema": schema});
                let tools = json!([
                    tool("good"),
                    with("text", json!("a text")),
                    with("list", json!({"type": "array"})),
                    with("sting", json!({"type": "object", "properties": {"a": {"type": "sting"}}})),
                    with("elsewhere", json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}})),
                    with("large", json!({"type": "object", "description": "x".repeat(100_000)})),
                    {"name": "nothing"},
                    {"inputSchema": {"type": "object"}},
                    7,
                    tool("good"),
                    with("untyped", json!({})),
                    tool("a.b/c d"),
                    tool("a b.c/d"),
                    tool(&"long".repeat(30)),
                ]);
                answer(id, &json!({"tools": tools}));
            }
            _ => {
                let mut tools: Vec<Value> = CALLS.iter().map(|name| tool(name)).collect();
                tools.extend(self.more_tools.then(|| tool("later")));
                answer(id, &json!({"tools": tools}));
            }
        }
    }

    fn call(&mut self, id: &Value, params: &Value) {
        let arguments = &params["arguments"];
        let progress = |progress: f64, message: &str| {
            let token = &params["_meta"]["progressToken"];
            notify(
                "notifications/progress",
                &json!({"progressToken": token, "progress": progress, "total": 3, "message": message}),
            );
        };
        match params["name"].as_str().unwrap() {
            "echo" => answer_text(id, &arguments.to_string()),
            "env" => {
                let mut names: Vec<String> = std::env::vars().map(|(name, value)| format!("{name}={value}")).collect();
                names.sort();
                answer_text(id, &names.join("\n"));
            }
            "folder" => answer_text(id, &std::env::current_dir().unwrap().display().to_string()),
            "exit" => std::process::exit(3),
            "hang" => progress(1.0, &format!("process {} hangs", std::process::id())),
            "called_off" => {
                self.waits = Some(id.clone());
                self.tell_called_off();
            }
            "progress" => {
                for step in [1.0, 2.0, 1.5, 3.0] {
                    progress(step, "");
                    // Each in a reading of its own, so that none overtakes another.
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                answer_text(id, "done");
            }
            "garble" => {
                write("{\"jsonrpc\": \"2.0\", \"id\":");
                write(&json!({"jsonrpc": "2.0", "id": 987_654, "result": {}}).to_string());
                write("[1, 2]");
                answer(id, &json!({"surprise": true}));
            }
            "logs" => {
                for _ in 0..3000 {
                    notify("notifications/message", &json!({"level": "info", "data": "x"}));
                    eprintln!("log of {}", std::env::var("TOKEN").unwrap_or_default());
                }
                answer_text(id, "logged");
            }
            "talks_for_ever" => {
                std::thread::spawn(|| {
                    loop {
                        notify("notifications/message", &json!({"level": "info", "data": "x"}));
                    }
                });
                answer_text(id, "begun");
            }
            "babbles_for_ever" => {
                std::thread::spawn(babble);
            }
            "large" => answer_text(id, &"y".repeat(1 << 20)),
            "too_large" => answer_text(id, &"y".repeat(17 << 20)),
            "image" => answer(
                id,
                &json!({"content": [
                    {"type": "text", "text": "a dot"},
                    {"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"},
                ]}),
            ),
            "fails" => {
                answer(id, &json!({"content": [{"type": "text", "text": "no such place"}], "isError": true}));
            }
            "refuses" => refuse(id, &format!("wrong\n{}", std::env::var("TOKEN").unwrap_or_default())),
            "grows" => {
                self.more_tools = true;
                notify("notifications/tools/list_changed", &json!({}));
                answer_text(id, "grown");
            }
            "starts_another" => {
                let child = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "server::fake_server", "--nocapture"])
                    .env(SCRIPT, "holder")
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                // It must outlive us.
                drop(child);
                answer_text(id, "started");
            }
            other => refuse(id, &format!("no tool {other}")),
        }
    }

    fn tell_called_off(&mut self) {
        if let Some(id) = self.waits.take_if(|_| !self.called_off.is_empty()) {
            answer_text(&id, &format!("{} called off", self.called_off.len()));
        }
    }
}

const CALLS: [&str; 18] = [
    "echo",
    "env",
    "folder",
    "exit",
    "hang",
    "called_off",
    "progress",
    "garble",
    "logs",
    "talks_for_ever",
    "babbles_for_ever",
    "large",
    "too_large",
    "image",
    "fails",
    "refuses",
    "grows",
    "starts_another",
];
