//! Secrets taken out of texts of others: providers and servers like to repeat the key that they refuse.

use std::fmt;

use serde_json::Value;

use super::Secret;

/// Shorter secrets are not looked for: they would be found in any text.
const SHORTEST: usize = 4;

/// Less of a secret says nothing, where a text was cut within it.
const SHORTEST_START: usize = 6;

/// What stands where a secret was; and where a text was cut.
const GONE: char = '…';

/// Takes some secrets out of texts.
#[derive(Clone)]
pub struct Scrubber {
    /// The spellings of all secrets, the longest first, since one may be a part of another.
    spellings: Vec<Secret>,
}

impl Scrubber {
    /// One for these secrets.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let mut spellings: Vec<Secret> = secrets.into_iter().flat_map(spellings).collect();
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.expose().len()));
        Self { spellings }
    }

    /// Takes the secrets out, also what is left of one where the text was cut.
    pub fn scrub(&self, text: &mut String) {
        for spelling in &self.spellings {
            scrub(text, spelling.expose());
        }
    }

    /// True if a secret stands in the text.
    pub fn finds(&self, text: &str) -> bool {
        self.spellings.iter().any(|spelling| text.contains(spelling.expose()))
    }
}

impl fmt::Debug for Scrubber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Scrubber(…)")
    }
}

/// The secret, the token in `Bearer token`, and both as JSON has them, which is how the body of an error may be shown.
fn spellings(secret: &Secret) -> Vec<Secret> {
    let secret = secret.expose();
    let token = secret.split_once(' ').map(|(_, token)| token.trim());
    let mut all = Vec::new();
    for part in [Some(secret), token].into_iter().flatten().filter(|part| part.len() >= SHORTEST) {
        let quoted = Value::from(part).to_string();
        let escaped = &quoted[1..quoted.len() - 1];
        if escaped != part {
            all.push(Secret::new(escaped));
        }
        all.push(Secret::new(part));
    }
    all
}

fn scrub(text: &mut String, secret: &str) {
    if text.contains(secret) {
        *text = text.replace(secret, GONE.encode_utf8(&mut [0; 4]));
    }
    let mut cuts: Vec<usize> = text.match_indices(GONE).map(|(at, _)| at).collect();
    cuts.push(text.len());
    for cut in cuts.into_iter().rev() {
        let front = &text[..cut];
        let starts = (SHORTEST_START..secret.len()).rev().filter_map(|length| secret.get(..length));
        if let Some(rest) = starts.into_iter().find_map(|start| front.strip_suffix(start)).map(str::len) {
            text.replace_range(rest..cut, "");
            if rest == text.len() {
                text.push(GONE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubbed(text: &str, secrets: &[&str]) -> String {
        let secrets: Vec<_> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        let (scrubber, mut text) = (Scrubber::new(&secrets), text.to_owned());
        scrubber.scrub(&mut text);
        assert!(!scrubber.finds(&text), "{text}");
        text
    }

    #[test]
    fn a_secret_is_taken_out_in_every_way_in_which_it_is_repeated() {
        for (text, secret, expected) in [
            ("wrong key sk-012345!", "sk-012345", "wrong key …!"),
            ("wrong key sk-012345!", "Bearer sk-012345", "wrong key …!"),
            ("not Bearer sk-012345", "Bearer sk-012345", "not …"),
            (r#"{"got":"a/\"b\"\\c"}"#, r#"a/"b"\c"#, r#"{"got":"…"}"#),
            ("first\nsecond and first\\nsecond", "first\nsecond", "… and …"),
            ("not an odd one", "odd", "not an odd one"),
        ] {
            assert_eq!(scrubbed(text, &[secret]), expected, "{text}");
        }
    }

    #[test]
    fn of_secrets_within_each_other_nothing_is_left() {
        let secrets = ["Bearer abcdef", "abcdefgh", "no"];
        assert_eq!(scrubbed("a Bearer abcdef, abcdefgh and abcdef: no", &secrets), "a …, … and …: no");
    }

    #[test]
    fn nothing_of_a_secret_is_left_where_a_text_was_cut() {
        let secret = "sk-é-0123456789";
        for length in (SHORTEST_START..=secret.len()).filter(|length| secret.is_char_boundary(*length)) {
            let start = &secret[..length];
            let scrubbed = |text: &str| scrubbed(text, &[secret]).replace("……", "…");
            assert_eq!(scrubbed(&format!("wrong {start}")), "wrong …");
            assert_eq!(scrubbed(&format!("wrong {start}…")), "wrong …");
            assert_eq!(scrubbed(&format!("`{start}…` and `{start}…`")), "`…` and `…`");
        }
        assert_eq!(scrubbed("wrong sk-é…", &[secret]), "wrong sk-é…", "so little says nothing");
    }
}
