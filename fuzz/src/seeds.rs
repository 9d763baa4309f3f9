//! The inputs that a fuzzer begins with, made from the repository itself: the fixtures, and every JSON text in tests and
//! documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{frontends, upstreams};

/// Longest seed: long ones are slow and show nothing new.
const MOST: usize = 8 << 10;

/// Paths below routes that dialects know.
const BELOW: [&str; 12] = [
    "",
    "/ws",
    "/ws/chat",
    "/stream",
    "/stream/direct",
    "/abort?session_id=a%20b",
    "/agent/query-stream-delta",
    "/sessions",
    "/sessions/s1/clear",
    "/api/chats",
    "/api/chats/search?q=a+b",
    "/c1/messages?sdk=4&limit=2",
];

/// Writes a target's seeds into its corpus, unless it has some.
pub fn write(target: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let written = folder.join("seed-0");
    if written.exists() || fs::create_dir_all(&folder).is_err() {
        return;
    }
    for (number, seed) in of(target).into_iter().filter(|seed| seed.len() <= MOST).enumerate() {
        // A seed that cannot be written is one less.
        let _ = fs::write(folder.join(format!("seed-{number}")), seed);
    }
}

fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "decode" => answers(),
        "request" => requests(),
        "socket" => messages(),
        "framing" => files("fixtures", &["sse", "ndjson"]).into_iter().map(|file| behind(&[7], &file)).collect(),
        "config" => files("", &["toml"]),
        "edges" => heads(),
        _ => texts().iter().map(|text| behind(&[7], text.as_bytes())).collect(),
    }
}

/// Every recorded answer, read by every protocol.
fn answers() -> Vec<Vec<u8>> {
    let bodies = files("fixtures", &["sse", "ndjson", "json"]);
    let every = |body: &Vec<u8>| -> Vec<Vec<u8>> {
        (0..upstreams().len()).map(|at| behind(&[at as u8, 0, 7, at as u8, 0], body)).collect()
    };
    bodies.iter().flat_map(every).collect()
}

/// Every JSON text as a request of every dialect, and every path.
fn requests() -> Vec<Vec<u8>> {
    let texts = texts();
    let count = frontends().len();
    let bodies = texts.iter().flat_map(|text| {
        (0..count).map(move |at| behind(&[at as u8, 0, (text.len() % 4) as u8, 0, 0], format!("\n{text}").as_bytes()))
    });
    let paths = BELOW.iter().flat_map(|below| {
        (0..count).flat_map(move |at| (0..5).map(move |method| behind(&[at as u8, 0, 0, 0, method], below.as_bytes())))
    });
    bodies.chain(paths).collect()
}

/// Some messages in a row, at every path of every dialect.
fn messages() -> Vec<Vec<u8>> {
    let texts: Vec<String> = texts().into_iter().filter(|text| text.contains("\"type\"")).collect();
    let mut seeds = Vec::new();
    for some in texts.chunks(3) {
        for at in 0..frontends().len() {
            for below in &BELOW[..3] {
                seeds.push(behind(&[at as u8, 0], format!("{below}\n{}", some.join("\n")).as_bytes()));
            }
        }
    }
    seeds
}

/// Every path with every header, as they stand in the tests of the server; and sets of keys.
fn heads() -> Vec<Vec<u8>> {
    const HEADERS: [&str; 16] = [
        "host: localhost:8000",
        "host: [::1]:8000",
        "host: 127.0.0.1.",
        "host: 0x7f.1",
        "host: localhost\nhost: localhost",
        "x-forwarded-for: 192.0.2.1, 10.0.0.1",
        "x-forwarded-for: 192.0.2.1\nx-forwarded-for: [2001:db8::7]:5555",
        "x-forwarded-for: unknown, ::ffff:10.0.0.1\nx-forwarded-proto: https",
        "forwarded: for=192.0.2.1, for=\"[2001:db8::7]:80\";proto=https",
        "forwarded: For=10.0.0.1;by=10.0.0.1",
        "authorization: Bearer cw_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUI",
        "x-api-key: k\nx-api-key: k",
        "upgrade: websocket\nsec-websocket-protocol: chatwire, chatwire.key.a2V5",
        "authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIiwiaXNzIjoiaSIsImF1ZCI6ImNoYXQiLCJleHAiOjQwMDAwMDAwMDB9.",
        "authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIiwiaXNzIjoiaSIsImF1ZCI6ImNoYXQiLCJleHAiOjQwMDAwMDAwMDB9.AAAA",
        "authorization: Bearer eyJhbGciOiJIUzI1NiIsImNyaXQiOlsiYSJdLCJraWQiOiJhIn0.e30.AAAA",
    ];
    const KEYS: [&str; 3] = [
        r#"{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256","kid":"a"}]}"#,
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","alg":"EdDSA"}]}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#,
    ];
    let paths = BELOW.iter().copied().chain(["/", "/a/../b", "/%2e/a", "/a%2Fb/", "//a", "/a;b", "/caf%C3%A9"]);
    let heads = paths.flat_map(|path| HEADERS.map(|header| format!("{path}\n{header}")));
    let heads = heads.enumerate().map(|(number, head)| behind(&[(number % 4) as u8], head.as_bytes()));
    heads.chain(KEYS.map(|keys| behind(&[0], keys.as_bytes()))).collect()
}

fn behind(head: &[u8], body: &[u8]) -> Vec<u8> {
    [head, body].concat()
}

/// The JSON objects that stand in tests and documents, each on one line.
fn texts() -> Vec<String> {
    let mut found = BTreeSet::new();
    for file in files("", &["rs", "md", "json"]) {
        let file = String::from_utf8_lossy(&file).into_owned();
        for (at, _) in file.match_indices("{\"").filter(|(at, _)| !file[..*at].ends_with(['{', '[', ',', ':'])) {
            let mut values = serde_json::Deserializer::from_str(&file[at..]).into_iter::<serde_json::Value>();
            if let Some(Ok(value)) = values.next() {
                found.insert(value.to_string());
            }
        }
    }
    found.into_iter().collect()
}

/// The files below a folder of the repository with one of these extensions.
fn files(folder: &str, extensions: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.retain(|path| {
        path.extension().and_then(|extension| extension.to_str()).is_some_and(|found| extensions.contains(&found))
    });
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        if path.is_file() {
            out.push(path);
        } else if path.is_dir()
            && !["target", "fuzz", "node_modules", ".git", ".venv"].iter().any(|other| name == *other)
        {
            walk(&path, out);
        }
    }
}
