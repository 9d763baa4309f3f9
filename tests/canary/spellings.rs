//! The ways in which a secret may be written.

use std::fmt::Write as _;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use regex::bytes::Regex;

/// No spelling is longer.
pub const LONGEST: usize = 128;

/// The spellings of a list of secrets.
pub struct Spellings {
    all: Regex,
    each: Vec<(String, &'static str)>,
}

/// The spellings of the one list there is.
pub fn of(secrets: &[&'static str]) -> &'static Spellings {
    static SPELLINGS: OnceLock<Spellings> = OnceLock::new();
    SPELLINGS.get_or_init(|| {
        let each: Vec<_> =
            secrets.iter().flat_map(|secret| spell(secret).into_iter().map(|way| (way, *secret))).collect();
        assert!(each.iter().all(|(way, _)| (6..=LONGEST).contains(&way.len())), "{each:?}");
        let all: Vec<_> = each.iter().map(|(way, _)| regex::escape(way)).collect();
        Spellings { all: Regex::new(&all.join("|")).unwrap(), each }
    })
}

impl Spellings {
    /// The secret that is in this.
    pub fn find(&self, bytes: &[u8]) -> Option<&'static str> {
        let found = self.all.find(bytes)?.as_bytes();
        self.each.iter().find(|(way, _)| way.as_bytes() == found).map(|(_, secret)| *secret)
    }
}

/// As it is, in JSON, in JSON in JSON, in a URL, and in base64 behind any other bytes.
pub fn spell(secret: &str) -> Vec<String> {
    let json = |text: &str| {
        let quoted = serde_json::to_string(text).unwrap();
        quoted[1..quoted.len() - 1].to_owned()
    };
    let escaped = json(secret);
    let mut ways = vec![secret.to_owned(), json(&escaped), escaped];
    let percent = |keep: &dyn Fn(u8) -> bool| {
        secret.bytes().fold(String::new(), |mut text, byte| {
            if keep(byte) {
                text.push(char::from(byte));
            } else {
                write!(text, "%{byte:02X}").unwrap();
            }
            text
        })
    };
    let upper = percent(&|byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
    // Some leave the slash, and some write lower-case digits.
    let some = upper.replace("%2F", "/");
    ways.extend([some.to_ascii_lowercase(), upper.to_ascii_lowercase(), some, upper]);
    for front in 0..3 {
        let bytes = [&[0; 3][..front], secret.as_bytes()].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let code = engine.encode(&bytes);
            // The first and the last character may hold bits of what stands around it.
            let end = code.len() - usize::from(bytes.len() % 3 != 0);
            ways.push(code[[0, 2, 3][front]..end].to_owned());
        }
    }
    ways.sort();
    ways.dedup();
    ways
}
