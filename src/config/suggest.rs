//! The likely right word for a wrong one.

/// The known word nearest to this one, if it is near enough to be meant.
pub fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let bound = lower.chars().count().max(3) / 3;
    let near =
        known.iter().map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), *candidate));
    let nearest = near.min_by_key(|(distance, _)| *distance).filter(|(distance, _)| *distance <= bound);
    nearest.map(|(_, candidate)| candidate).or_else(|| extension(&lower, known))
}

/// The one known word that this one is a part of, as in `openai` for `openai-chat`.
fn extension<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let mut longer = known.iter().filter(|candidate| word.len() >= 3 && candidate.to_lowercase().contains(word));
    let first = longer.next()?;
    longer.next().is_none().then_some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_and_unique_parts_are_suggested() {
        let known = ["openai-chat", "openai-responses", "anthropic", "ollama"];
        for (word, right) in [
            ("opena-chat", Some("openai-chat")),
            ("antropic", Some("anthropic")),
            ("OLLAMA", Some("ollama")),
            ("responses", Some("openai-responses")),
            ("openai", None),
            ("gemini", None),
            ("", None),
        ] {
            assert_eq!(closest(word, &known), right, "{word}");
        }
    }
}
