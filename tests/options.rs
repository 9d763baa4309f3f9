//! `docs/options.md` holds the option tables of the registry, and `docs/providers.md` knows every preset.
//! `BLESS=1 cargo test --test options` writes the tables anew.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use chatwire_protocols::PROTOCOLS;
use chatwire_protocols::options::{OptionKind, OptionSpec};
use chatwire_protocols::protocol::Protocol;

const HEAD: &str = "# Options of every protocol

Options stand in the configuration under `options`, of a provider or of a route:
`options = { preset = \"groq\", stop = false }`. An option that is left out does what it says behind *default*, or what the
preset says. `chatwire check` finds words that are not here. [providers.md](providers.md) and [nextjs.md](nextjs.md) say
when to use which.

These tables are written from the program by `BLESS=1 cargo test --test options`; do not edit them by hand.
";

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

fn tables() -> String {
    let mut text = HEAD.to_owned();
    let upstream = |protocol: &Protocol| protocol.upstream.as_ref().map(|side| side.options);
    let frontend = |protocol: &Protocol| protocol.frontend.as_ref().map(|side| side.options);
    side(&mut text, "Protocols of providers", upstream);
    side(&mut text, "Protocols of pages", frontend);
    text
}

fn side(text: &mut String, title: &str, options: impl Fn(&Protocol) -> Option<&'static [OptionSpec]>) {
    write!(text, "\n## {title}\n").unwrap();
    for protocol in PROTOCOLS {
        let Some(specs) = options(protocol) else { continue };
        write!(text, "\n### `{}`\n\n{}.", protocol.name, protocol.about.trim_end_matches('.')).unwrap();
        let aliases: Vec<String> = protocol.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        if !aliases.is_empty() {
            write!(text, " Also called {}.", aliases.join(", ")).unwrap();
        }
        if specs.is_empty() {
            text.push_str(" It has no options.\n");
            continue;
        }
        text.push_str("\n\n| option | values | what it says |\n|---|---|---|\n");
        for spec in specs {
            writeln!(text, "| `{}` | {} | {} |", spec.name, values(&spec.kind), plain(spec.about)).unwrap();
        }
    }
}

fn values(kind: &OptionKind) -> String {
    match kind {
        OptionKind::Flag => "`true`, `false`".to_owned(),
        OptionKind::Choice(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        OptionKind::Text => "a text".to_owned(),
        OptionKind::Integer { min, max } => format!("a whole number from {min} to {max}"),
    }
}

/// A sentence as Markdown shows it: no tags, no new cells.
fn plain(about: &str) -> String {
    let quote = |(at, piece): (usize, &str)| if at % 2 == 0 { piece.replace('<', "&lt;") } else { piece.to_owned() };
    let pieces: Vec<String> = about.split('`').enumerate().map(quote).collect();
    pieces.join("`").replace('|', "\\|")
}

#[test]
fn the_option_tables_of_the_documentation_are_those_of_the_program() {
    let (path, expected) = (docs("options.md"), tables());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let place = written.lines().zip(expected.lines()).position(|(written, expected)| written != expected);
    let place = place.unwrap_or_else(|| written.lines().count().min(expected.lines().count())) + 1;
    assert!(written == expected, "docs/options.md is not up to date from line {place}; write it anew with BLESS=1");
}

#[test]
fn the_providers_page_knows_every_preset_and_every_providers_protocol() {
    let page = fs::read_to_string(docs("providers.md")).unwrap();
    let specs = PROTOCOLS.iter().filter_map(|protocol| protocol.upstream.as_ref()).flat_map(|side| side.options);
    let presets = specs.filter(|spec| spec.name == "preset").flat_map(|spec| match spec.kind {
        OptionKind::Choice(words) => words.iter().copied(),
        _ => panic!("presets are words"),
    });
    let protocols = PROTOCOLS.iter().filter(|protocol| protocol.upstream.is_some()).map(|protocol| protocol.name);
    let missing: Vec<&str> = presets.chain(protocols).filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/providers.md says nothing of {missing:?}");
}
