//! Small readers and writers: arguments of calls, strings of JSON, base64, percent-encoding.

use bytes::BytesMut;
use chatwire_protocols::event::Text;
use chatwire_protocols::wire::json::{self, Arguments, Carry, Raw};
use chatwire_protocols::wire::{address, base64, body};
use serde_json::Value;

use crate::{Input, cuts};

/// Checks one input.
///
/// # Panics
/// Something does not hold.
pub fn check(data: &[u8]) {
    let mut input = Input(data);
    let seed = input.byte();
    let bytes = input.0;
    assert_eq!(base64::decode(&base64::encode(bytes)).as_deref(), Some(bytes), "base64 loses something");
    let _ = body::object(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };

    if let Some(decoded) = base64::decode(text) {
        assert!(decoded.len() <= text.len());
    }
    if let Some(decoded) = address::decode(text) {
        assert!(decoded.len() <= text.len());
    }
    let _ = address::parameter(text, "id");
    if address::check_id("id", text).is_ok() {
        assert!(!text.is_empty() && !text.contains(char::is_control));
    }
    if let Some(object) = Arguments::text(text) {
        assert!(serde_json::from_str::<Value>(&object).is_ok_and(|value| value.is_object()), "arguments are no object");
    }

    let mut out = BytesMut::new();
    json::write_string(&mut out, text);
    assert_eq!(serde_json::from_slice::<String>(&out).as_deref().ok(), Some(text), "a string is written wrong");
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        out.clear();
        json::write_escaping_separators(&mut out, text);
        assert_eq!(serde_json::from_slice::<Value>(&out).ok(), Some(value), "escaping changes a value");
        assert!(!std::str::from_utf8(&out).is_ok_and(|text| text.contains('\u{2028}')));
    }
    raw(text, seed);
}

/// A string of JSON reads as serde reads it; and cut between its letters, halves of surrogates are joined.
fn raw(text: &str, seed: u8) {
    if let Ok(raw) = serde_json::from_str::<Raw<'_>>(text) {
        let _ = (raw.count(), raw.is_null(), raw.owned());
        if let Ok(expected) = serde_json::from_str::<String>(text) {
            assert_eq!(raw.str().as_deref(), Some(expected.as_str()), "a string is read wrong");
        }
    }
    let mut carry = Carry::default();
    let mut out = Text::default();
    for piece in cuts(text.as_bytes(), seed).into_iter().filter_map(|piece| std::str::from_utf8(piece).ok()) {
        let quoted = format!("\"{piece}\"");
        if let Some(inside) = serde_json::from_str::<Raw<'_>>(&quoted).ok().and_then(Raw::string) {
            inside.unescape_into(&mut carry, &mut out);
        }
    }
    carry.flush(&mut out);
}
