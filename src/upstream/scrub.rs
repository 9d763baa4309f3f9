//! Secrets taken out of failures: providers like to repeat the key that they refuse.

use chatwire_protocols::error::Failure;
use serde_json::Value;

use crate::config::plan::Provider;

/// Shorter ones are not looked for: they would be found in any text.
const SHORTEST: usize = 6;

/// What stands where a secret was; and where a text was cut.
const GONE: char = '…';

/// Takes the provider's secrets out of a failure's texts.
pub fn scrub(failure: &mut Failure, provider: &Provider) {
    let secrets = provider.keys.iter().chain(provider.headers.iter().map(|(_, value)| value));
    for spelling in secrets.flat_map(|secret| spellings(secret.expose())) {
        clean(&mut failure.message, &spelling);
        if let Some(type_) = &mut failure.type_ {
            clean(type_, &spelling);
        }
        match &mut failure.code {
            Some(Value::String(code)) => clean(code, &spelling),
            Some(code) if code.to_string().contains(&spelling) => failure.code = None,
            _ => {}
        }
    }
}

/// The secret, the token in `Bearer token`, and both as JSON has them, which is how the body of an error may be shown.
fn spellings(secret: &str) -> Vec<String> {
    let token = secret.split_once(' ').map(|(_, token)| token.trim());
    let mut all = Vec::new();
    for part in [Some(secret), token].into_iter().flatten().filter(|part| part.len() >= SHORTEST) {
        let quoted = Value::from(part).to_string();
        let escaped = &quoted[1..quoted.len() - 1];
        if escaped != part {
            all.push(escaped.to_owned());
        }
        all.push(part.to_owned());
    }
    // The longest first, since one may be a part of another.
    all.sort_by_key(|part| std::cmp::Reverse(part.len()));
    all
}

/// Takes a secret out, also what is left of it where the text was cut.
fn clean(text: &mut String, secret: &str) {
    if text.contains(secret) {
        *text = text.replace(secret, GONE.encode_utf8(&mut [0; 4]));
    }
    let mut cuts: Vec<usize> = text.match_indices(GONE).map(|(at, _)| at).collect();
    cuts.push(text.len());
    for cut in cuts.into_iter().rev() {
        let front = &text[..cut];
        let starts = (SHORTEST..secret.len()).rev().filter_map(|length| secret.get(..length));
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

    fn cleaned(text: &str, secret: &str) -> String {
        let mut text = text.to_owned();
        for spelling in spellings(secret) {
            clean(&mut text, &spelling);
        }
        text
    }

    #[test]
    fn a_secret_is_taken_out_in_every_way_in_which_it_is_repeated() {
        for (text, secret, expected) in [
            ("wrong key sk-012345!", "sk-012345", "wrong key …!"),
            ("wrong key sk-012345!", "Bearer sk-012345", "wrong key …!"),
            ("not Bearer sk-012345", "Bearer sk-012345", "not …"),
            (r#"{"got":"a/\"b\"\\c"}"#, r#"a/"b"\c"#, r#"{"got":"…"}"#),
            ("not a short one", "short", "not a short one"),
        ] {
            assert_eq!(cleaned(text, secret), expected, "{text}");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_left_where_a_text_was_cut() {
        let secret = "sk-é-0123456789";
        for length in (SHORTEST..=secret.len()).filter(|length| secret.is_char_boundary(*length)) {
            let start = &secret[..length];
            let cleaned = |text: &str| cleaned(text, secret).replace("……", "…");
            assert_eq!(cleaned(&format!("wrong {start}")), "wrong …");
            assert_eq!(cleaned(&format!("wrong {start}…")), "wrong …");
            assert_eq!(cleaned(&format!("`{start}…` and `{start}…`")), "`…` and `…`");
        }
        assert_eq!(cleaned("wrong sk-é…", secret), "wrong sk-é…", "so little says nothing");
    }
}
