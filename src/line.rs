//! Texts that others wrote, where one line is wanted.

/// The words of a text with single blanks between them: without line breaks, and without characters that nobody sees.
pub fn one_line(text: &str) -> String {
    let unseen = |character: char| character.is_whitespace() || character.is_control();
    text.split(unseen).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
