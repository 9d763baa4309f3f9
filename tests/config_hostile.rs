//! Whatever is written into a configuration: a plan or a report, no panic, and no secret in the report.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const CANARY: &str = "sk-canary-0123456789";

/// The configurations of the fixtures, and the one that is delivered.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> =
        std::fs::read_dir(root.join("fixtures/config")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.push(root.join("gateway.toml"));
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
});

const INSERTS: &[&str] = &[
    "\"",
    "'''",
    "[",
    "]]",
    "{",
    "}",
    "=",
    "\n",
    "\r",
    "#",
    ".",
    "*",
    "\u{0}",
    "\u{feff}",
    "👩‍👩‍👧",
    "-1",
    "1e999",
    "inf",
    "99999999999999999999",
    "\"10s\"",
    "\"\\u0000\"",
    "true",
    "{ env = \"KEY\" }",
    "[[routes]]\n",
    "[models.\"*\"]\n",
];

/// The same cases in every run; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` try more and others.
fn config() -> ProptestConfig {
    let number = |name: &str| std::env::var(name).ok()?.parse().ok();
    ProptestConfig {
        cases: number("PROPTEST_CASES").unwrap_or(400),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(number("PROPTEST_RNG_SEED").unwrap_or(20_260_101).into()),
        ..ProptestConfig::default()
    }
}

fn survives(text: &str) {
    if let Err(report) = chatwire::config::parse("gateway.toml", text, &|_| Some(CANARY.to_owned())) {
        let said = report.to_string();
        assert!(!said.is_empty(), "a report without a word");
        assert!(!said.contains(CANARY), "a report shows a secret: {said}");
    }
}

/// The nearest place at or before this one where a letter begins.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn broken_configurations_are_reported(
        which: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..30, prop::sample::select(INSERTS)), 1..5),
    ) {
        let mut text = TEXTS[which.index(TEXTS.len())].clone();
        for (place, length, insert) in changes {
            let from = floor(&text, place.index(text.len() + 1));
            let to = floor(&text, from + length).max(from);
            text.replace_range(from..to, insert);
        }
        survives(&text);
    }

    #[test]
    fn two_halves_of_configurations_are_reported(
        first: prop::sample::Index,
        second: prop::sample::Index,
        cuts: (prop::sample::Index, prop::sample::Index),
    ) {
        let (first, second) = (&TEXTS[first.index(TEXTS.len())], &TEXTS[second.index(TEXTS.len())]);
        let to = floor(first, cuts.0.index(first.len() + 1));
        let from = floor(second, cuts.1.index(second.len() + 1));
        survives(&format!("{}{}", &first[..to], &second[from..]));
    }

    #[test]
    fn any_text_is_reported(
        text in r#"(\[{1,2}[a-z."*]{0,12}\]{1,2}|[a-z_]{1,9} ?= ?["'{}\[\]a-z0-9,= .]{0,20}|\PC{0,9}|\n){0,30}"#,
    ) {
        survives(&text);
    }
}
