//! The table of corner cases in `protocols/README.md` is whole, and names tests that exist.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// How many corner cases there are.
const CASES: usize = 174;

struct Row {
    number: usize,
    shown_by: String,
}

fn rows(table: &str) -> Vec<Row> {
    table
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.trim_end().strip_suffix('|')?.split('|').map(str::trim);
            let number = cells.next()?.parse().ok()?;
            Some(Row { number, shown_by: cells.nth(1)?.to_owned() })
        })
        .collect()
}

/// What stands between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// What is wrong with a reference, if anything is.
fn complaint(root: &Path, reference: &str) -> Option<String> {
    if let Some(case) = reference.strip_prefix("fixtures/golden/") {
        let there = !case.is_empty() && root.join("fixtures/golden").join(case).join("events.jsonl").is_file();
        return (!there).then(|| format!("there is no golden case {case}"));
    }
    let Some((file, test)) = reference.split_once("::") else { return Some(format!("{reference} is no test")) };
    let Ok(source) = fs::read_to_string(root.join(file)) else { return Some(format!("there is no file {file}")) };
    (!has_test(&source, test)).then(|| format!("{file} has no test {test}"))
}

/// Whether a file has a function of this name that is marked as a test.
fn has_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let begins = [format!("fn {name}("), format!("async fn {name}(")];
    lines.iter().enumerate().any(|(at, line)| {
        let marks = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        begins.iter().any(|begin| line.starts_with(begin)) && marks.into_iter().any(|mark| is_test_mark(mark))
    })
}

fn is_test_mark(line: &str) -> bool {
    ["#[test]", "#[tokio::test]", "#[tokio::test("].iter().any(|mark| line.starts_with(mark))
}

/// What is wrong with a row's last cell: it names tests, or begins with a reason why there are none, or both.
fn complaints(root: &Path, cell: &str) -> Vec<String> {
    let mut wrong: Vec<String> = quoted(cell).filter_map(|reference| complaint(root, reference)).collect();
    let words: String = cell.split('`').step_by(2).collect();
    let reason = ["later:", "none:"].iter().find_map(|mark| words.trim().strip_prefix(mark)).map(str::trim);
    match reason {
        Some(reason) if reason.split_whitespace().count() < 2 => wrong.push(format!("says too little: {cell}")),
        Some(_) => {}
        None if !words.trim().is_empty() => wrong.push(format!("neither a test nor a reason: {words}")),
        None if quoted(cell).next().is_none() => wrong.push("says nothing".to_owned()),
        None => {}
    }
    wrong
}

#[test]
fn every_corner_case_names_tests_that_exist_or_says_why_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("protocols/README.md")).unwrap();
    let rows = rows(&table);
    let numbers: Vec<usize> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=CASES).collect::<Vec<_>>(), "every case has one row, in order");
    let wrong: Vec<String> = rows
        .iter()
        .flat_map(|row| complaints(root, &row.shown_by).into_iter().map(|what| format!("case {}: {what}", row.number)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn references_are_told_from_other_words() {
    let row = rows("| 7 | a | `x/y.rs::z` and `word` |\n| # | b | c |\n|---|---|---|\nplain\n");
    assert_eq!((row.len(), row[0].number), (1, 7));
    assert_eq!(quoted(&row[0].shown_by).collect::<Vec<_>>(), ["x/y.rs::z", "word"]);
}

#[test]
fn a_missing_test_is_found_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wrong = |cell: &str| complaints(root, cell).len();
    assert_eq!(wrong("`tests/corner_cases.rs::a_missing_test_is_found_out`"), 0);
    assert_eq!(wrong("`tests/corner_cases.rs::a_missing_test_is_found_out` later: the other half"), 0);
    assert_eq!(wrong("none: it cannot happen here"), 0);
    for cell in [
        "—",
        "",
        "later:",
        "none: no",
        "shown elsewhere",
        "`tests/corner_cases.rs`",
        "`corner_cases.rs::a_missing_test_is_found_out`",
        "`tests/corner_cases.rs::no_such_test` later: all of it",
        "`tests/corner_cases.rs::complaints`",
        "`tests/no_such_file.rs::x`",
        "`fixtures/golden/no-such-case`",
        "`fixtures/golden/`",
    ] {
        assert_eq!(wrong(cell), 1, "{cell}");
    }
}
