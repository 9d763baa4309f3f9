//! Names and types of files, as far as they may be believed.

/// Which media types are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Types(Vec<String>);

/// Types that are taken where the configuration names none.
pub const USUAL: [&str; 9] = [
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "application/pdf",
    "application/json",
    "text/csv",
    "text/markdown",
    "text/plain",
];

impl Types {
    /// These: whole ones, all of a sort (`image/*`), or all (`*/*`). Nothing if one of them is no type.
    pub fn new(names: &[String]) -> Option<Self> {
        let fits = |name: &String| {
            let name = essence(name)?;
            let (sort, rest) = name.split_once('/')?;
            (rest == "*" && !sort.contains('*') || name == "*/*" || !name.contains('*')).then_some(name)
        };
        names.iter().map(fits).collect::<Option<_>>().map(Self)
    }

    /// True for a type that is taken.
    pub fn allow(&self, media_type: &str) -> bool {
        let sort = media_type.split('/').next().unwrap_or_default();
        let is = |known: &String| match known.strip_suffix("/*") {
            Some("*") => true,
            Some(all) => all == sort,
            None => known == media_type,
        };
        self.0.iter().any(is)
    }
}

impl Default for Types {
    fn default() -> Self {
        Self(USUAL.map(str::to_owned).to_vec())
    }
}

/// A media type in small letters and without its parameters, if it is one.
pub fn essence(media_type: &str) -> Option<String> {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+*".contains(&byte);
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(letter);
    let (sort, rest) = essence.split_once('/')?;
    (essence.len() <= 127 && is_word(sort) && is_word(rest)).then_some(essence)
}

/// How many of the first bytes tell what a picture is.
pub const TELLING: usize = 12;

type Begins = fn(&[u8]) -> bool;

/// Pictures that no browser runs anything in, and how their bytes begin.
const PICTURES: [(&str, Begins); 4] = [
    ("image/png", |bytes| bytes.starts_with(b"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", |bytes| bytes.starts_with(b"\xff\xd8\xff")),
    ("image/gif", |bytes| bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a")),
    ("image/webp", |bytes| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP")),
];

/// True for a type that may be shown inside a page, its bytes having been looked at.
pub fn is_picture(media_type: &str) -> bool {
    PICTURES.iter().any(|(known, _)| *known == media_type)
}

/// Whether bytes may be of the type that is said of them: only pictures are looked at.
pub fn is_plausible(media_type: &str, first: &[u8]) -> bool {
    PICTURES.iter().find(|(known, _)| *known == media_type).is_none_or(|(_, begins)| begins(first))
}

/// Longest name that is kept, in bytes.
const LONGEST: usize = 200;

/// The last part of a name, without what a reader could not see or a system could take for something else.
pub fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let unseen = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    let mut clean: String = last.chars().filter(|letter| !unseen(*letter)).collect();
    while clean.len() > LONGEST {
        clean.pop();
    }
    let clean = clean.trim().trim_matches('.').trim();
    if clean.is_empty() { "file".to_owned() } else { clean.to_owned() }
}

/// The header that says how a file is shown, and under which name it is kept.
pub fn disposition(media_type: &str, name: &str) -> String {
    let way = if is_picture(media_type) { "inline" } else { "attachment" };
    let mut header = format!("{way}; filename*=UTF-8''");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            header.push(char::from(byte));
        } else {
            header.push_str(&format!("%{byte:02X}"));
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_paths_and_have_nothing_hidden_in_them() {
        let cases = [
            ("a.png", "a.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\x.txt", "x.txt"),
            ("..", "file"),
            ("a/..", "file"),
            ("", "file"),
            (" .htaccess ", "htaccess"),
            ("a\u{0}b\r\nc", "abc"),
            ("gpj.\u{202E}exe", "gpj.exe"),
            ("ünï.txt", "ünï.txt"),
        ];
        for (name, expected) in cases {
            assert_eq!(clean_name(name), expected, "{name:?}");
        }
        assert!(clean_name(&"é".repeat(500)).len() <= LONGEST);
    }

    #[test]
    fn types_are_whole_or_all_of_a_sort() {
        let types = |names: &[&str]| Types::new(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let some = types(&["Image/*", "text/plain; charset=utf-8"]).unwrap();
        for (media_type, allowed) in
            [("image/avif", true), ("text/plain", true), ("text/html", false), ("imagex/png", false)]
        {
            assert_eq!(some.allow(media_type), allowed, "{media_type}");
        }
        assert!(types(&["*/*"]).unwrap().allow("a/b"));
        for wrong in ["png", "*/png", "image/p*", "/", "a/b c", "a/"] {
            assert_eq!(types(&[wrong]), None, "{wrong}");
        }
    }

    #[test]
    fn a_picture_begins_like_one() {
        assert!(is_plausible("image/png", b"\x89PNG\r\n\x1a\n...."));
        assert!(is_plausible("image/webp", b"RIFF\x10\0\0\0WEBP"));
        for media_type in ["image/png", "image/jpeg", "image/gif", "image/webp"] {
            for bytes in [&b""[..], b"<html>", b"RIFF\x10\0\0\0AVI ", b"\x89PNG"] {
                assert!(!is_plausible(media_type, bytes), "{media_type} {bytes:?}");
            }
        }
        assert!(is_plausible("text/plain", b"<html>"));
    }

    #[test]
    fn only_pictures_are_shown_inside_a_page() {
        assert_eq!(disposition("image/png", "a b\"é.png"), "inline; filename*=UTF-8''a%20b%22%C3%A9.png");
        assert_eq!(disposition("image/svg+xml", "a.svg"), "attachment; filename*=UTF-8''a.svg");
        assert_eq!(disposition("text/html", "a"), "attachment; filename*=UTF-8''a");
    }
}
