//! The text of a web page: what a reader would see, in lines. Linear in the page's length, whatever it holds.

/// Elements whose text is not for readers.
const SILENT: [&str; 8] = ["script", "style", "noscript", "template", "svg", "math", "iframe", "head"];

/// Elements that stand on lines of their own.
const BLOCKS: [&str; 32] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "td",
    "tr",
    "ul",
];

/// Entities that text is full of; others stay as they are.
const ENTITIES: [(&str, &str); 12] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("ndash", "–"),
    ("mdash", "—"),
    ("hellip", "…"),
    ("rsquo", "’"),
    ("lsquo", "‘"),
    ("copy", "©"),
];

/// Longest entity, in bytes.
const ENTITY: usize = 10;

/// The title and the text of a page.
pub fn text_of(page: &str) -> String {
    let mut out = Text::default();
    let mut rest = page;
    if let Some(title) = title(page) {
        out.say(title);
        out.end_line();
        out.end_line();
    }
    while let Some(at) = rest.find('<') {
        out.say(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(behind) = rest.strip_prefix("!--") {
            rest = behind.split_once("-->").map_or("", |(_, behind)| behind);
            continue;
        }
        let name = rest.trim_start_matches('/');
        let name =
            name.get(..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())).unwrap_or_default();
        let name = name.to_ascii_lowercase();
        if name.is_empty() && !rest.starts_with(['!', '?', '/']) {
            // A sign, not a tag.
            out.say("<");
            continue;
        }
        let closes = rest.starts_with('/');
        rest = rest.split_once('>').map_or("", |(_, behind)| behind);
        if !closes && SILENT.contains(&name.as_str()) {
            rest = behind_end(rest, &name);
        } else if BLOCKS.contains(&name.as_str()) {
            out.end_line();
            if name == "li" && !closes {
                out.say("- ");
            }
        }
    }
    out.say(rest);
    out.finish()
}

fn title(page: &str) -> Option<&str> {
    let at = find(page, "<title")?;
    let (_, behind) = page.get(at..)?.split_once('>')?;
    behind.split_once('<').map(|(title, _)| title)
}

/// What stands behind the end of an element whose content is skipped.
fn behind_end<'a>(rest: &'a str, name: &str) -> &'a str {
    let Some(at) = find(rest, &format!("</{name}")) else { return "" };
    rest.get(at..).and_then(|end| end.split_once('>')).map_or("", |(_, behind)| behind)
}

/// Finds small letters, whatever their size in the page.
fn find(page: &str, word: &str) -> Option<usize> {
    let word = word.as_bytes();
    page.as_bytes().windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
}

#[derive(Default)]
struct Text {
    done: String,
    line: String,
}

impl Text {
    /// Adds text, with its blanks made single and its entities read.
    fn say(&mut self, text: &str) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if first == '&'
                && let Some((said, behind)) = entity(rest)
            {
                said.chars().for_each(|character| self.push(character));
                rest = behind;
                continue;
            }
            self.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }

    fn push(&mut self, character: char) {
        if !character.is_whitespace() {
            self.line.push(character);
        } else if !self.line.is_empty() && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
    }

    fn end_line(&mut self) {
        let line = self.line.trim_end();
        if !line.is_empty() && line != "-" {
            self.done.push_str(line);
            self.done.push('\n');
        }
        self.line.clear();
    }

    fn finish(mut self) -> String {
        self.end_line();
        self.done
    }
}

fn entity(text: &str) -> Option<(String, &str)> {
    let end = text.bytes().take(ENTITY).position(|byte| byte == b';')?;
    let (name, behind) = (text.get(1..end)?, text.get(end + 1..)?);
    let number = name.strip_prefix('#').and_then(|number| match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => number.parse().ok(),
    });
    let said = match number {
        Some(number) => char::from_u32(number)?.to_string(),
        None => ENTITIES.iter().find(|(known, _)| *known == name)?.1.to_owned(),
    };
    Some((said, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_what_its_reader_sees() {
        for (page, text) in [
            ("plain", "plain\n"),
            ("<p>One</p><p>Two  \n three</p>", "One\nTwo three\n"),
            ("<ul><li>a<li>b</ul>", "- a\n- b\n"),
            ("<HEAD><TITLE>T &amp; U</TITLE><style>p{}</style></HEAD><body>x", "T & U\nx\n"),
            ("a<script>if (a<b) { '</p>' }</script>b", "ab\n"),
            ("a<!-- <p>no</p> -->b", "ab\n"),
            ("1 < 2 &lt; 3 &#233; &#x2014; &unknown; &", "1 < 2 < 3 é — &unknown; &\n"),
            ("<b>bo</b>ld<br>next", "bold\nnext\n"),
            ("open <", "open <\n"),
            ("open <a href='x", "open\n"),
            ("<script>never closed", ""),
        ] {
            assert_eq!(text_of(page), text, "{page}");
        }
    }

    #[test]
    fn a_page_made_to_be_slow_is_not() {
        for page in ["<".repeat(1 << 20), "<!--".repeat(1 << 18), "&".repeat(1 << 20), "<script>".repeat(1 << 17)] {
            assert!(text_of(&page).len() <= page.len() + 1);
        }
    }
}
