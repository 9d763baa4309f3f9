//! A configuration: a plan or a report, and no secret in the report.

const CANARY: &str = "sk-canary-0123456789";

/// Checks one input.
///
/// # Panics
/// Something does not hold.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Files that a configuration names are read: what is random must not name them.
    if text.contains("file") || text.contains("folder") || text.contains("/dev") || text.contains("widget") {
        return;
    }
    if let Err(report) = chatwire::config::parse("gateway.toml", text, &|_| Some(CANARY.to_owned())) {
        let said = report.to_string();
        assert!(!said.is_empty());
        assert!(text.contains(CANARY) || !said.contains(CANARY), "a report shows a secret");
    }
}
