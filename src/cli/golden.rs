//! `chatwire golden`: checks golden files, or writes them.

use std::io::{self, Write};
use std::process::ExitCode;

use super::{GoldenArgs, failure};
use crate::golden::{self, Report};

/// Runs the command: 0 if every file is as it should be.
pub fn run(args: &GoldenArgs) -> ExitCode {
    match golden::run(&args.dir, args.bless) {
        Ok(report) => {
            let told = tell(&report, &mut io::stdout().lock());
            ExitCode::from(u8::from(told.is_err() || !is_good(&report)))
        }
        Err(error) => failure(&format!("{}: {error}", args.dir.display())),
    }
}

/// A run without a single file checked or written proves nothing.
fn is_good(report: &Report) -> bool {
    report.failures.is_empty() && report.passed + report.blessed.len() > 0
}

fn tell(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for failure in &report.failures {
        writeln!(out, "{}", failure.place)?;
        for line in failure.what.lines() {
            writeln!(out, "    {line}")?;
        }
    }
    for place in &report.blessed {
        writeln!(out, "wrote {place}")?;
    }
    if report.passed + report.failures.len() + report.blessed.len() == 0 {
        writeln!(out, "no cases here: a case is a folder with a file `upstream.PROTOCOL.sse`, .ndjson or .json")?;
    }
    write!(out, "{} passed, {} failed", report.passed, report.failures.len())?;
    if !report.blessed.is_empty() {
        write!(out, ", {} written", report.blessed.len())?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden::Mismatch;

    fn told(report: &Report) -> String {
        let mut out = Vec::new();
        tell(report, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_summary_counts_and_the_differences_are_indented() {
        let failures = vec![Mismatch { place: "a/b.out".to_owned(), what: "- x\n+ y\n".to_owned() }];
        let report = Report { passed: 3, failures, blessed: vec!["c/d.out".to_owned()] };
        assert_eq!(told(&report), "a/b.out\n    - x\n    + y\nwrote c/d.out\n3 passed, 1 failed, 1 written\n");
        assert!(!is_good(&report));
    }

    #[test]
    fn a_folder_without_cases_is_no_success() {
        assert!(told(&Report::default()).starts_with("no cases here"));
        assert!(!is_good(&Report::default()));
    }
}
