//! What servers say, made fit for logs and pages: without the secrets they were given, in one line, and not too long.

use super::plan::Transport;
use crate::tools::output::floor;

/// Shorter values are no secrets, and blanking them out would leave nothing to read.
const SHORTEST: usize = 4;

/// The secrets of one server.
#[derive(Clone)]
pub struct Mask(Vec<String>);

impl Mask {
    pub fn new(transport: &Transport) -> Self {
        let mut secrets: Vec<String> = transport.secrets().flat_map(|secret| parts(secret.expose())).collect();
        // The longest first, since one may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    /// The text as one line of at most so many bytes, without secrets.
    pub fn line(&self, text: &str, limit: usize) -> String {
        let mut line: String =
            text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
        for secret in &self.0 {
            if line.contains(secret.as_str()) {
                line = line.replace(secret.as_str(), "***");
            }
        }
        if line.len() > limit {
            line.truncate(floor(&line, limit));
            line.push('…');
        }
        line
    }
}

/// The value, and the token in `Bearer token`.
fn parts(value: &str) -> impl Iterator<Item = String> {
    let token = value.split_once(' ').map(|(_, token)| token.trim());
    [Some(value), token].into_iter().flatten().filter(|part| part.len() >= SHORTEST).map(str::to_owned)
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Mask(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::tools::mcp::plan::Address;

    #[test]
    fn secrets_are_blanked_out_and_lines_are_cut() {
        let secret = |text: &str| ("x".to_owned(), Secret::new(text));
        let headers = vec![secret("Bearer abcdef"), secret("abcdefgh"), secret("no")];
        let mask = Mask::new(&Transport::Http(Address { url: String::new(), headers }));
        assert_eq!(mask.line("a Bearer abcdef, abcdefgh\nand abcdef: no", 100), "a ***, *** and ***: no");
        assert_eq!(mask.line("ééé", 5), "éé…");
    }
}
