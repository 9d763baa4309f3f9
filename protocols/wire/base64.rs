//! Standard base64: pages send files in it, some providers want their words instead, and models read files in it.

/// The bytes; padding and line breaks are optional. `None` for anything that is not base64.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    let text = text.trim_end().trim_end_matches('=');
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        bits = bits << 6 | u32::from(sextet(byte)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xFF) as u8);
        }
    }
    (held < 6).then_some(bytes)
}

/// The text of these bytes, with padding.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * place) & 0x3F) as usize];
            text.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn what_is_written_is_read_again() {
        for (bytes, text) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("abcd", "YWJjZA==")] {
            assert_eq!(encode(bytes.as_bytes()), text);
        }
        let all: Vec<u8> = (0..=255).collect();
        for from in 0..all.len() {
            assert_eq!(decode(&encode(&all[from..])).as_deref(), Some(&all[from..]));
        }
    }

    #[test]
    fn every_length_is_read_with_and_without_padding() {
        for (text, bytes) in
            [("", ""), ("YQ==", "a"), ("YWI", "ab"), ("YWJj\n", "abc"), ("YWJj\r\nZA==\n", "abcd"), ("w6k=", "é")]
        {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text:?}");
        }
        assert_eq!(decode("//+/").as_deref(), Some(&[0xFF, 0xFF, 0xBF][..]));
        for wrong in ["a", "YQ=a", "Y-_Q", "é"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }
}
