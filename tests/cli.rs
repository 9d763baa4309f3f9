//! The `chatwire` command as it is run.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod canary;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use canary::Place;

const KEY: &str = "sk-canary-0123456789";

/// What it prints is searched for secrets.
fn chatwire(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatwire"));
    let output = command.args(args).env_remove("OPENAI_API_KEY").env("CANARY", KEY).output().unwrap();
    canary::look(Place::Output, &output.stdout);
    canary::look(Place::Output, &output.stderr);
    output
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn text_of(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// A configuration file of the test's own.
fn file(name: &str, content: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("gateway.toml"), content).unwrap();
    folder.join("gateway.toml")
}

#[test]
fn check_shows_a_mistake_with_file_line_caret_and_the_right_word() {
    let path = file("mistake", "[server]\nlisten = \"127.0.0.1:0\"\nmax_bdy = \"1MiB\"\n");
    let path = path.to_str().unwrap();
    let output = chatwire(&["check", "--config", path]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(
        text(&output.stderr),
        format!(
            "error: unknown key `max_bdy` in [server]\n --> {path}:3:1\n  |\n3 | max_bdy = \"1MiB\"\n  | ^^^^^^^\n  |\n  \
             = help: did you mean `max_body`?\n\nerror: 1 mistake in {path}\n"
        )
    );
}

#[test]
fn no_command_shows_a_secret_of_a_file_right_or_wrong() {
    let right = "[providers.p]\nprotocol = \"openai-chat\"\nbase_url = \"http://127.0.0.1:1/v1\"\n\
        api_key = { env = \"CANARY\" }\n[models.m]\ntargets = [\"p/m\"]\n";
    let env = "{ env = \"CANARY\" }";
    let written = format!("\"{KEY}\"");
    let wrong = [
        right.replace(env, &written),
        right.replace("CANARY", KEY),
        right.replace(env, &format!("[{env}, {written}]")),
        right.replace("api_key", "api_kee").replace(env, &written),
        right.replace(env, &format!("\"{KEY}")),
        right
            .replace("[models.m]", &format!("headers = {{ x-a = {{ env = \"CANARY\", x = {written} }} }}\n[models.m]")),
    ];
    for (number, text) in [right.to_owned()].iter().chain(&wrong).enumerate() {
        let path = file(&format!("secret-{number}"), text);
        for command in ["check", "routes"] {
            let output = chatwire(&[command, "--config", path.to_str().unwrap()]);
            assert_eq!(output.status.success(), number == 0, "{text}: {}", text_of(&output));
        }
    }
}

#[test]
fn check_says_what_is_in_a_right_configuration() {
    let path = file("right", "[server]\nlisten = \"127.0.0.1:0\"\n\n[tools.get_location]\npage = {}\n");
    let path = path.to_str().unwrap();
    let output = chatwire(&["check", "--config", path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), format!("{path}: OK, 0 routes, 0 models, 0 providers in use\n"));
}

#[test]
fn check_finds_the_default_configuration_right() {
    let output = chatwire(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "gateway.toml: OK, 13 routes, 6 models, 4 providers in use\n");
}

#[test]
fn routes_prints_the_table_of_the_default_configuration() {
    let output = chatwire(&["routes"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), fs::read_to_string("fixtures/config/gateway.routes").unwrap());
}

#[test]
fn routes_of_a_configuration_without_any_has_the_built_in_one() {
    let path = file("empty", "");
    let output = chatwire(&["routes", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("GET     /health  built in"), "{}", text(&output.stdout));
}

#[test]
fn every_command_on_a_file_that_is_not_there_fails_and_names_it() {
    for command in ["check", "routes", "serve"] {
        let output = chatwire(&[command, "--config", "no/such/file.toml"]);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with("error: cannot read `no/such/file.toml`: No such file"), "{command}: {stderr}");
        assert!(stderr.contains("--config FILE"), "{command}: {stderr}");
    }
}

#[test]
fn a_file_that_is_not_utf8_is_refused_with_its_line() {
    let path = file("latin1", "");
    fs::write(&path, b"[server]\n# caf\xe9\n").unwrap();
    let output = chatwire(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("line 2 is not UTF-8"), "{}", text(&output.stderr));
}

#[test]
fn schema_prints_json() {
    let output = chatwire(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["server"]["$ref"], "#/$defs/Server");
}

#[test]
fn help_and_version_are_no_failures() {
    for args in [&["--help"][..], &["--version"], &["transcode", "--help"]] {
        let output = chatwire(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(text(&output.stdout).contains("chatwire"), "{args:?}");
    }
}

#[test]
fn a_wrong_command_line_is_refused_with_the_right_word() {
    for (args, right) in [
        (&["chekc"][..], "check"),
        (&["check", "--confg", "x"], "--config"),
        (&["transcode", "--from", "openai-chat"], "--to"),
        (&["serve", "--listen", "nowhere"], "--listen"),
        (&["golden"], "DIR"),
    ] {
        let output = chatwire(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(text(&output.stderr).contains(right), "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_key_is_made_with_the_lines_that_take_it() {
    let output = chatwire(&["key", "my page"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    let key = lines.iter().find(|line| line.starts_with("cw_")).unwrap();
    let section = text(&output.stdout).split_once("# For the configuration.\n").unwrap().1;
    let plan = chatwire::config::parse("gateway.toml", section, &|_| None).unwrap();
    let auth = plan.auth.unwrap();
    assert_eq!(auth.key(key.as_bytes()).unwrap().name, "my page");
    assert!(!section.contains(key), "the configuration has the hash only");
    assert_ne!(text(&chatwire(&["key"]).stdout), text(&chatwire(&["key"]).stdout));
}
