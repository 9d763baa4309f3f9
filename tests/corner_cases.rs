//! The table of corner cases in `protocols/README.md` names tests that exist.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

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

/// The file of this name: from the root, in the protocols' package, or anywhere with this end of its path.
fn find_file(root: &Path, name: &str, all: &[PathBuf]) -> Option<PathBuf> {
    let direct = [root.join(name), root.join("protocols").join(name), root.join("src").join(name)];
    direct.into_iter().find(|path| path.is_file()).or_else(|| all.iter().find(|path| path.ends_with(name)).cloned())
}

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let skipped = path.file_name().is_some_and(|name| name == "target" || name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !skipped {
            source_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What is wrong with a reference; `None` if it is right or no reference.
fn complaint(root: &Path, reference: &str, all: &[PathBuf]) -> Option<String> {
    if let Some(case) = reference.strip_prefix("fixtures/golden/") {
        let there = root.join("fixtures/golden").join(case).is_dir();
        return (!there).then(|| format!("there is no golden case {case}"));
    }
    let (file, test) = reference.split_once("::")?;
    let test = test.rsplit("::").next()?.trim();
    let Some(path) = find_file(root, file, all) else { return Some(format!("there is no file {file}")) };
    let source = fs::read_to_string(path).unwrap();
    let there = source.contains(&format!("fn {test}("));
    (!there).then(|| format!("{file} has no test {test}"))
}

#[test]
fn every_test_in_the_corner_case_table_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(root.join("protocols/README.md")).unwrap();
    let mut all = Vec::new();
    source_files(root, &mut all);
    let rows = rows(&table);
    let numbers: Vec<usize> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=CASES).collect::<Vec<_>>(), "every case has one row, in order");
    let mut wrong = Vec::new();
    let mut open = 0;
    for Row { number, shown_by } in &rows {
        let references: Vec<&str> = quoted(shown_by).filter(|word| word.contains("::") || word.contains('/')).collect();
        wrong.extend(
            references
                .iter()
                .filter_map(|reference| complaint(root, reference, &all))
                .map(|what| format!("case {number}: {what}")),
        );
        let said = ["later:", "none:", "—"].iter().any(|word| shown_by.starts_with(word));
        if references.is_empty() && !said {
            wrong.push(format!("case {number}: neither a test nor a reason: {shown_by}"));
        }
        open += usize::from(references.is_empty());
    }
    println!("{} of {CASES} corner cases name a test", CASES - open);
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
    let all = vec![root.join("tests/corner_cases.rs")];
    assert_eq!(complaint(root, "corner_cases.rs::tests::a_missing_test_is_found_out", &all), None);
    assert!(complaint(root, "tests/corner_cases.rs::no_such_test", &all).is_some());
    assert!(complaint(root, "tests/no_such_file.rs::x", &all).is_some());
    assert!(complaint(root, "fixtures/golden/no-such-case", &all).is_some());
}
