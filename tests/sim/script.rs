//! What a model says in a turn.

use crate::random::Random;

/// Everything that a model says, one step for each time it is asked.
#[derive(Clone, Debug)]
pub struct Script {
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub said: Vec<Said>,
    pub end: End,
}

#[derive(Clone, Debug)]
pub enum Said {
    Text(Vec<String>),
    Thought(Vec<String>),
    Call { id: String, tool: &'static str, arguments: Vec<String> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Stop,
    Calls,
    Length,
}

/// Texts that have broken something somewhere.
const PIECES: [&str; 18] = [
    "Hello",
    " world",
    "\u{1f600}",
    "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}",
    "漢字かな",
    "\"quoted\"",
    "\\back\\",
    "\n",
    "\r\n\r\n",
    "data: [DONE]\n\n",
    "event: error\ndata: {}\n\n",
    "d:{\"finishReason\":\"stop\"}\n",
    "3:\"no\"\n",
    "{\"a\":[1,",
    "\u{2028}\u{feff}",
    "</script>",
    "\u{0301}",
    "[DONE]",
];

/// The tools that are called: `page` is the page's, `nobody` is no tool.
pub const TOOLS: [&str; 8] = ["quick", "slow", "fails", "hangs", "panics", "streams", "page", "nobody"];

impl Script {
    pub fn draw(random: &mut Random) -> Self {
        let mut steps = Vec::new();
        for step in 0..1 + random.below(3) {
            let calls = random.one_in(2);
            steps.push(Step::draw(random, step, calls));
            if !calls {
                break;
            }
        }
        if steps.last().is_none_or(|step| step.end == End::Calls) {
            steps.push(Step::draw(random, steps.len(), false));
        }
        Self { steps }
    }

    /// A text that ends well.
    pub fn text(pieces: &[&str]) -> Self {
        let said = vec![Said::Text(pieces.iter().map(|piece| (*piece).to_owned()).collect())];
        Self { steps: vec![Step { said, end: End::Stop }] }
    }
}

impl Step {
    fn draw(random: &mut Random, step: usize, calls: bool) -> Self {
        let mut said = Vec::new();
        if random.one_in(3) {
            said.push(Said::Thought(pieces(random)));
        }
        if !calls || random.one_in(2) {
            said.push(Said::Text(pieces(random)));
        }
        if !calls {
            let end = if random.one_in(8) { End::Length } else { End::Stop };
            return Self { said, end };
        }
        for call in 0..1 + random.below(3) {
            said.push(Said::Call {
                id: format!("call_{step}_{call}"),
                tool: random.pick(&TOOLS),
                arguments: arguments(random),
            });
        }
        Self { said, end: End::Calls }
    }

    pub fn text(&self) -> String {
        let texts = self.said.iter().filter_map(|said| match said {
            Said::Text(pieces) => Some(pieces.concat()),
            Said::Thought(_) | Said::Call { .. } => None,
        });
        texts.collect()
    }
}

fn pieces(random: &mut Random) -> Vec<String> {
    (0..1 + random.below(8)).map(|_| random.pick(&PIECES).to_owned()).collect()
}

fn arguments(random: &mut Random) -> Vec<String> {
    let whole =
        random.pick(&["{}", "{\"city\":\"Zürich\",\"days\":[1,2]}", "{\"text\":\"a \\\"b\\\" \\ud83d\\ude00\"}"]);
    let mut rest = whole;
    let mut cut = Vec::new();
    while !rest.is_empty() {
        let mut at = 1 + random.below(rest.len());
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        cut.push(rest[..at].to_owned());
        rest = &rest[at..];
    }
    cut
}
