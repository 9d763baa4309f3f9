//! What servers say, made fit for logs and pages: without the secrets they were given, in one line, and not too long.

use super::plan::Transport;
use crate::secret::Scrubber;
use crate::tools::output::floor;

/// The secrets of one server.
#[derive(Clone, Debug)]
pub struct Mask(Scrubber);

impl Mask {
    pub fn new(transport: &Transport) -> Self {
        Self(Scrubber::new(transport.secrets()))
    }

    /// The text as one line of at most so many bytes, without secrets.
    pub fn line(&self, text: &str, limit: usize) -> String {
        let mut text = text.to_owned();
        self.0.scrub(&mut text);
        let mut line: String =
            text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
        if line.len() > limit {
            line.truncate(floor(&line, limit));
            line.push('…');
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use crate::tools::mcp::plan::Address;

    #[test]
    fn secrets_are_taken_out_and_lines_are_cut() {
        let secret = |text: &str| ("x".to_owned(), Secret::new(text));
        let headers = vec![secret("Bearer abcdef"), secret("two\nlines"), secret("no")];
        let mask = Mask::new(&Transport::Http(Address { url: String::new(), headers }));
        assert_eq!(
            mask.line("a Bearer abcdef,\ntwo\nlines and \\\"two\\nlines\\\": no", 100),
            "a …, … and \\\"…\\\": no"
        );
        assert_eq!(mask.line("ééé", 5), "éé…");
    }
}
