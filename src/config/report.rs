//! What is wrong with a configuration, shown with the place of each mistake.

use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::suggest::closest;

/// A place in the file, in bytes.
pub type Span = Range<usize>;

/// Every mistake found in one configuration file.
///
/// Its text shows each with file, line and caret. Values that look like secrets are blanked out in the lines shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    name: String,
    /// The file's text with secrets blanked out, byte for byte as long as the original.
    shown: String,
    problems: Vec<Problem>,
}

impl Report {
    /// A report on the file of this name; `shown` is its text without secrets.
    pub(super) fn new(name: &str, shown: String, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.as_ref().map_or(0, |span| span.start));
        Self { name: name.to_owned(), shown, problems }
    }

    /// A report on a file that could not be read at all.
    pub(super) fn unreadable(name: &str, why: &str) -> Self {
        let problem =
            Problem::nowhere(format!("cannot read `{name}`: {why}")).help("name another file with `--config FILE`");
        Self::new(name, String::new(), vec![problem])
    }

    /// How many mistakes there are.
    pub const fn len(&self) -> usize {
        self.problems.len()
    }

    /// True if there is none, which no report that is handed out ever is.
    pub const fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The report as text for people, in terminal colours if asked.
    pub fn render(&self, colours: bool) -> String {
        let renderer = if colours { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for problem in &self.problems {
            text.push_str(&self.render_one(&renderer, problem));
            text.push_str("\n\n");
        }
        let mistakes = if self.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", self.len()) };
        let summary = format!("{}: {mistakes}, nothing was started", self.name);
        text.push_str(&renderer.render(&[Group::with_title(Level::ERROR.primary_title(summary))]));
        text.push('\n');
        text
    }

    fn render_one(&self, renderer: &Renderer, problem: &Problem) -> String {
        let title = Level::ERROR.primary_title(problem.title.as_str());
        let help = problem.help.iter().map(|help| Level::HELP.message(help.as_str()));
        let Some(span) = &problem.span else {
            return renderer.render(&[title.elements(help)]);
        };
        let mut mark = AnnotationKind::Primary.span(self.within(span));
        if let Some(label) = &problem.label {
            mark = mark.label(label.as_str());
        }
        let also = problem.also.iter();
        let also = also.map(|(span, label)| AnnotationKind::Context.span(self.within(span)).label(label.as_str()));
        let source = Snippet::source(self.shown.as_str()).path(self.name.as_str()).annotation(mark).annotations(also);
        renderer.render(&[title.element(source).elements(help)])
    }

    /// The span, cut to its first line and to the text there is.
    fn within(&self, span: &Span) -> Span {
        let start = span.start.min(self.shown.len());
        let end = span.end.clamp(start, self.shown.len());
        let line = self.shown.get(start..end).and_then(|text| text.find('\n'));
        start..line.map_or(end, |line| start + line)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

/// One mistake. Its texts never hold a value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    title: String,
    span: Option<Span>,
    label: Option<String>,
    also: Vec<(Span, String)>,
    help: Vec<String>,
}

impl Problem {
    /// A mistake at a place.
    pub fn new(span: Span, title: impl Into<String>) -> Self {
        Self { span: Some(span), ..Self::nowhere(title) }
    }

    fn nowhere(title: impl Into<String>) -> Self {
        Self { title: title.into(), span: None, label: None, also: Vec::new(), help: Vec::new() }
    }

    /// With words beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// With another place that has to do with it.
    pub fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also.push((span, label.into()));
        self
    }

    /// With a way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// With the likely right word, or else all of the words that could stand there.
    pub fn suggest<'a>(self, word: &str, what: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        match closest(word, &known) {
            Some(right) => self.help(format!("did you mean `{right}`?")),
            None if known.is_empty() => self.help(format!("there are no {what}")),
            None => self.help(format!("{what}: {}", known.join(", "))),
        }
    }
}

/// The mistakes found so far.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a mistake.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}
