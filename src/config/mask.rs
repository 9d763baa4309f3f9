//! The file's text as reports show it: what may be a secret is blanked out, at its length, so that places stay right.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The text without secrets, for a file that could be parsed.
pub fn mask_table(text: &str, table: &DeTable<'_>) -> String {
    let mut secrets = Vec::new();
    for (key, value) in table {
        let providers = entries(value).filter(|_| key.get_ref() == "providers");
        for (_, provider) in providers {
            collect_provider(provider, &mut secrets);
        }
        let tools = entries(value).filter(|_| key.get_ref() == "tools");
        for (_, http) in tools.flat_map(|(_, tool)| entries(tool)).filter(|(kind, _)| *kind == "http") {
            collect_http(http, &mut secrets);
        }
        let workspace = entries(value).filter(|_| key.get_ref() == "workspace");
        workspace.for_each(|(part, value)| collect_workspace(part, value, &mut secrets));
        let servers = entries(value).filter(|_| key.get_ref() == "mcp");
        for (_, server) in servers {
            collect_http(server, &mut secrets);
        }
        for (part, value) in entries(value).filter(|_| key.get_ref() == "auth") {
            collect_auth(part, value, &mut secrets);
        }
        collect(key.get_ref(), value, &mut secrets);
    }
    blank(text, &secrets)
}

/// The text without secrets, for a file that is no valid TOML: more is blanked out than need be.
pub fn mask_text(text: &str) -> String {
    let mut secrets = Vec::new();
    let mut position = 0;
    let mut until: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        let start = position;
        position += line.len();
        if let Some(quotes) = until {
            secrets.push(start..line.find(quotes).map_or(position, |end| start + end));
            until = until.filter(|quotes| !line.contains(quotes));
            continue;
        }
        let Some(quote) = line.find(['"', '\'']) else { continue };
        let (before, value) = line.split_at(quote);
        if is_suspect(before) || has_key_shape(value.trim_matches(['"', '\'', ' '])) {
            secrets.push(start + quote..position);
            until = ["\"\"\"", "'''"].into_iter().find(|quotes| value.matches(quotes).count() == 1);
        }
    }
    blank(text, &secrets)
}

/// The keys of a provider whose values are known to be harmless, or are looked at on their own.
const HARMLESS: [&str; 9] = [
    "protocol",
    "base_url",
    "replay",
    "timeouts",
    "max_concurrent",
    "max_queue",
    "queue_timeout",
    "circuit_breaker",
    "options",
];

/// A misspelt `api_key` is a key all the same, so a provider's unknown keys count as secrets.
fn collect_provider(provider: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    for (key, value) in entries(provider) {
        match key {
            _ if HARMLESS.contains(&key) => {}
            "headers" => entries(value).for_each(|(_, header)| collect_source(header, secrets)),
            _ => collect_source(value, secrets),
        }
    }
}

/// The headers of a tool's request or of an MCP server, its query where a value comes from elsewhere, and the
/// environment variables of a program.
fn collect_http(http: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    for (key, value) in entries(http) {
        match key {
            "headers" | "env" => entries(value).for_each(|(_, value)| collect_source(value, secrets)),
            "query" => {
                let sources = entries(value).filter(|(_, value)| value.get_ref().is_table());
                sources.for_each(|(_, value)| collect_source(value, secrets));
            }
            "bearer" => collect_source(value, secrets),
            _ => {}
        }
    }
}

/// The environment of commands, and what goes along with a search.
fn collect_workspace(part: &str, value: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    for (key, value) in entries(value) {
        match (part, key) {
            ("bash", "environment") => entries(value).for_each(|(_, variable)| collect_source(variable, secrets)),
            ("search", "http") => collect_http(value, secrets),
            _ => {}
        }
    }
}

/// The harmless keys of an API key. Whoever writes the key itself under a name of their own has written a secret.
const OF_API_KEY: [&str; 6] = ["routes", "models", "owner", "expires", "limits", "file"];

fn collect_auth(part: &str, value: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    match part {
        "keys" => {
            for (_, key) in entries(value) {
                collect_api_key(key, secrets);
            }
        }
        "jwt" => {
            entries(value).filter(|(key, _)| *key == "secret").for_each(|(_, value)| collect_source(value, secrets))
        }
        _ => {}
    }
}

fn collect_api_key(key: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    if !key.get_ref().is_table() {
        return collect_all(key, secrets);
    }
    for (name, value) in entries(key).filter(|(name, _)| !OF_API_KEY.contains(name)) {
        match (name, value.get_ref()) {
            ("env", DeValue::String(variable)) if is_variable(variable) => {}
            ("sha256", DeValue::String(hash)) if is_hash(hash) => {}
            ("sha256", DeValue::Array(list)) => {
                let hash = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().is_some_and(is_hash);
                list.iter().filter(|item| !hash(item)).for_each(|item| collect_all(item, secrets));
            }
            _ => collect_all(value, secrets),
        }
    }
}

/// A hash may be seen; what stands in its place may be the key.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Only the name of a variable or a file may be seen.
fn collect_source(value: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    if let DeValue::Array(list) = value.get_ref() {
        return list.iter().for_each(|item| collect_source(item, secrets));
    }
    if !value.get_ref().is_table() {
        return collect_all(value, secrets);
    }
    for (key, value) in entries(value) {
        let harmless = key == "file" || (key == "env" && value.get_ref().as_str().is_some_and(is_variable));
        if !harmless {
            collect_all(value, secrets);
        }
    }
}

fn collect(key: &str, value: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::String(text) if is_suspect(key) || has_key_shape(text) => secrets.push(value.span()),
        DeValue::String(text) => secrets.extend(credentials(text).map(|_| value.span())),
        DeValue::Array(list) => list.iter().for_each(|item| collect(key, item, secrets)),
        DeValue::Table(_) => entries(value).for_each(|(key, value)| collect(key, value, secrets)),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

fn collect_all(value: &Spanned<DeValue<'_>>, secrets: &mut Vec<Range<usize>>) {
    match value.get_ref() {
        DeValue::Array(list) => list.iter().for_each(|item| collect_all(item, secrets)),
        DeValue::Table(_) => entries(value).for_each(|(_, value)| collect_all(value, secrets)),
        _ => secrets.push(value.span()),
    }
}

fn entries<'a>(value: &'a Spanned<DeValue<'_>>) -> impl Iterator<Item = (&'a str, &'a Spanned<DeValue<'a>>)> {
    let table = value.get_ref().as_table();
    table.into_iter().flat_map(|table| table.iter().map(|(key, value)| (key.get_ref().as_ref(), value)))
}

/// What an address holds between its scheme and its host.
pub fn credentials(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    authority.rsplit_once('@').map(|(credentials, _)| credentials)
}

/// True for what can be the name of an environment variable.
pub fn is_variable(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// True if one of the words in it names a secret.
fn is_suspect(key: &str) -> bool {
    const WORDS: [&str; 12] = [
        "bearer",
        "key",
        "apikey",
        "token",
        "secret",
        "password",
        "passwd",
        "authorization",
        "auth",
        "cookie",
        "credential",
        "credentials",
    ];
    let mut words = key.split(|character: char| !character.is_ascii_alphanumeric());
    words.any(|word| WORDS.iter().any(|secret| word.eq_ignore_ascii_case(secret)))
}

/// True for what begins like a provider's key.
fn has_key_shape(text: &str) -> bool {
    ["sk-", "sk_", "gsk_", "xai-", "hf_", "AIza", "Bearer ", "Basic "].iter().any(|prefix| text.starts_with(prefix))
}

fn blank(text: &str, secrets: &[Range<usize>]) -> String {
    let mut secrets: Vec<_> = secrets.iter().collect();
    secrets.sort_by_key(|span| span.start);
    let mut secrets = secrets.into_iter().peekable();
    let mut hidden = 0;
    let mut shown = String::with_capacity(text.len());
    for (position, character) in text.char_indices() {
        while let Some(span) = secrets.next_if(|span| span.start <= position) {
            hidden = hidden.max(span.end);
        }
        if position < hidden && !matches!(character, '\n' | '\r' | '"' | '\'') {
            shown.extend(std::iter::repeat_n('*', character.len_utf8()));
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str) -> String {
        mask_table(text, DeTable::parse(text).unwrap().get_ref())
    }

    #[test]
    fn what_may_be_a_secret_is_blanked_out_at_its_length() {
        for (text, shown) in [
            ("[providers.a]\napi_key = \"s3\u{e9}\"", "[providers.a]\napi_key = \"****\""),
            (
                "[providers.a]\napi_keys = [\"abc\", { env = \"A_KEY\" }]",
                "[providers.a]\napi_keys = [\"***\", { env = \"A_KEY\" }]",
            ),
            ("[providers.a]\napi_kye = \"abc\"", "[providers.a]\napi_kye = \"***\""),
            ("[providers.a]\nheaders = { x = \"abc\" }", "[providers.a]\nheaders = { x = \"***\" }"),
            ("[providers.a]\napi_key = { env = \"A_KEY\" }", "[providers.a]\napi_key = { env = \"A_KEY\" }"),
            ("[providers.a]\napi_key = { env = \"a-1\" }", "[providers.a]\napi_key = { env = \"***\" }"),
            ("[provders.a]\napi_key = \"abc\"", "[provders.a]\napi_key = \"***\""),
            ("x = \"sk-abc\"", "x = \"******\""),
            ("max_tokens = \"100\"", "max_tokens = \"100\""),
            (
                "[tools.a.http]\nheaders = { x = \"abc\" }\nbearer = \"abc\"\nquery = { x = \"abc\" }",
                "[tools.a.http]\nheaders = { x = \"***\" }\nbearer = \"***\"\nquery = { x = \"abc\" }",
            ),
            ("[workspace.bash]\nenvironment = { X = \"abc\" }", "[workspace.bash]\nenvironment = { X = \"***\" }"),
            (
                "[workspace.search]\nhttp = { headers = { x = \"abc\" } }",
                "[workspace.search]\nhttp = { headers = { x = \"***\" } }",
            ),
            (
                "[mcp.a]\ncommand = \"a\"\nenv = { x = \"abc\", y = { env = \"Y\" } }\nbearer = \"abc\"",
                "[mcp.a]\ncommand = \"a\"\nenv = { x = \"***\", y = { env = \"Y\" } }\nbearer = \"***\"",
            ),
            (
                "[auth.keys.a]\nkey = \"abc\"\nsha256 = \"abc\"\nenv = \"A_KEY\"\nowner = \"ann\"",
                "[auth.keys.a]\nkey = \"***\"\nsha256 = \"***\"\nenv = \"A_KEY\"\nowner = \"ann\"",
            ),
            ("[auth.keys]\na = \"abc\"", "[auth.keys]\na = \"***\""),
            ("[auth.jwt]\nsecret = \"abc\"", "[auth.jwt]\nsecret = \"***\""),
            ("x = \"http://me:it@host/a\"", "x = \"*******************\""),
        ] {
            assert_eq!(masked(text), shown);
        }
    }

    #[test]
    fn a_file_that_is_no_toml_shows_no_secret_either() {
        let text = "api_key = \"abc\nother = \"fine\"\ntoken = '''\nsecret\n'''\nx = \"seen";
        assert_eq!(mask_text(text), "api_key = \"***\nother = \"fine\"\ntoken = '''\n******\n'''\nx = \"seen");
    }
}
