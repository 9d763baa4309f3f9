//! The seven laws, as they are checked on each turn.

use std::time::Duration;

use chatwire::turn::Leaving;
use chatwire_protocols::items::Body;
use tokio::time::Instant;

use crate::fault::{Expect, Fault, How};
use crate::house::{FIRST_BYTE, IDLE, STEPS, TARGETS, TURN};
use crate::page::Reading;
use crate::provider::Asked;
use crate::reader::{self, End};
use crate::script;
use crate::store::Memory;
use crate::turn::{Disturb, Draw};

/// What a page was told, and what was asked for it.
#[derive(Clone, Debug)]
pub struct Told {
    pub told: reader::Told,
    /// True if the page has seen the end of the body.
    pub over: bool,
    pub idled: bool,
    pub took: Duration,
    pub at: Instant,
    pub asked: Vec<Asked>,
}

impl Told {
    fn corrupt(&self) -> bool {
        self.asked.iter().any(|asked| asked.corrupt)
    }

    /// All that providers have said and pages may be told.
    fn said(&self) -> String {
        self.asked.iter().map(|asked| asked.text.as_str()).collect()
    }

    fn could_be_said(&self) -> String {
        let Some((last, before)) = self.asked.split_last() else { return String::new() };
        let mut text: String = before.iter().map(|asked| asked.text.as_str()).collect();
        text.push_str(&last.full);
        text
    }
}

/// What a page was told.
pub fn page(draw: &Draw, store: &Memory, page: &Told, wrong: &mut Vec<String>) {
    let told = &page.told;
    wrong.extend(told.wrong.iter().map(|what| format!("law 1: {what}")));
    if told.ends.len() > 1 || (page.over && told.ends.len() != 1) {
        wrong.push(format!("law 1: it ends with {:?}", told.ends));
    }
    let items = draw.dialect == "chatkit";
    let seen = |text: &str| if items { visible(text) } else { text.to_owned() };
    if !page.corrupt() && !seen(&page.could_be_said()).starts_with(&seen(&told.text)) {
        wrong.push(format!("law 2: {:?} was said, {:?} was told", page.could_be_said(), told.text));
    }
    let last = page.asked.last();
    // A page that joins may find the turn cancelled by the one that has left.
    let cancelled = draw.keeps && draw.leaving == Leaving::Cancel && !matches!(draw.reading, Reading::All);
    let disturbed = match draw.disturb {
        Disturb::Nothing => false,
        Disturb::Follow(_) => cancelled,
        _ => true,
    };
    if told.ends.first() == Some(&End::Finish) {
        let whole = last.is_some_and(|last| last.complete && last.expect != Expect::Fail);
        // A page that has stopped a turn itself takes a quiet end for what it asked for.
        let quiet = draw.dialect == "chatkit"
            && match draw.disturb {
                Disturb::Stop(_) | Disturb::Again(_) => true,
                Disturb::Follow(_) => cancelled,
                _ => false,
            };
        if !whole && !quiet {
            wrong.push("law 3: it looks finished".to_owned());
        }
        if whole && !quiet && !page.corrupt() && seen(&told.text) != seen(&page.said()) {
            wrong.push(format!("law 3: a part looks whole: {:?} of {:?}", told.text, page.said()));
        }
    }
    let whole = last.is_some_and(|last| last.expect == Expect::Finish && last.complete);
    let in_time = page.took < Duration::from_secs(TURN);
    // ChatKit has no word for a limit: a turn that reached one, of steps or of tokens, before it said anything to be seen
    // ends with an error.
    let steps = page.asked.iter().filter(|asked| asked.complete).count();
    let short = draw.scripts.iter().flat_map(|script| &script.steps).any(|step| step.end == script::End::Length);
    let limited = items && visible(&told.text).is_empty() && (short || steps >= STEPS as usize);
    if page.over
        && whole
        && !limited
        && in_time
        && !page.idled
        && !disturbed
        && !store.hurt()
        && told.ends.first() != Some(&End::Finish)
    {
        wrong.push("a whole answer looks failed".to_owned());
    }
    in_its_time(draw, store, page, wrong);
    for asked in page.asked.iter().rev().skip(1) {
        if asked.token && !asked.complete {
            wrong.push(format!("law 7: asked again behind {asked:?}"));
        }
    }
    if page.asked.len() > STEPS as usize * TARGETS * 4 {
        wrong.push(format!("law 7: asked {} times", page.asked.len()));
    }
}

/// Law 4.
fn in_its_time(draw: &Draw, store: &Memory, page: &Told, wrong: &mut Vec<String>) {
    if !page.over || page.idled {
        return;
    }
    let mut most = Duration::from_secs(TURN + 1);
    if store.hurt() {
        most += Duration::from_secs(60);
    }
    if matches!(draw.disturb, Disturb::Again(_)) {
        most += Duration::from_secs(TURN + 15);
    }
    if page.took > most {
        wrong.push(format!("law 4: it took {:?}", page.took));
    }
    let Some(last) = page.asked.last() else { return };
    let silent = matches!(last.fault, Fault::NoHead | Fault::NeverCloses | Fault::Cut(_, How::Never));
    let wait = page.at.saturating_duration_since(last.at);
    // Behind a whole answer its tools run.
    if silent && !last.complete && !store.hurt() && wait > Duration::from_secs(FIRST_BYTE.max(IDLE) + 1) {
        wrong.push(format!("law 4: nothing came for {wait:?}"));
    }
}

/// Law 5: nothing more is read for a page that does not read, and it is not waited for beyond its patience.
pub fn unread(draw: &Draw, page: &Told, wrong: &mut Vec<String>) {
    let stops = matches!(draw.reading, Reading::Stops(_)) && page.idled && !draw.keeps;
    for asked in page.asked.iter().filter(|asked| stops && asked.fault == Fault::Endless) {
        let more = asked.at.saturating_duration_since(page.at);
        // Two pieces and a keep-alive may be on their way.
        if more > Duration::from_secs(2) && asked.flood > 20 {
            wrong.push(format!("law 5: read for {more:?} for a page that does not read"));
        }
        let held = asked.dropped.map(|dropped| dropped.saturating_duration_since(page.at));
        if draw.pumped.is_some_and(|patience| held.is_some_and(|held| held > patience + Duration::from_secs(25))) {
            wrong.push(format!("law 4: held for {held:?} for a page that does not read"));
        }
    }
}

/// Law 6: nobody is asked for a page that has gone.
pub fn providers(draw: &Draw, store: &Memory, asked: &[Asked], left: Instant, wrong: &mut Vec<String>) {
    for asked in asked {
        let Some(dropped) = asked.dropped else {
            wrong.push(format!("law 6: still asked: {asked:?}"));
            continue;
        };
        let goes_on = draw.keeps && (draw.leaving == Leaving::Finish || store.hurt());
        let late = dropped.saturating_duration_since(left);
        if !goes_on && late > Duration::from_millis(if draw.keeps { 20 } else { 0 }) {
            wrong.push(format!("law 6: asked for {late:?} after the page had left"));
        }
    }
}

/// A blank text is no item, so blanks do not count.
fn visible(text: &str) -> String {
    text.chars().filter(|char| !char.is_whitespace()).collect()
}

/// What is kept of a turn is what its page was told.
pub fn stored(draw: &Draw, store: &Memory, first: &Told, second: Option<&Told>, wrong: &mut Vec<String>) {
    let items = store.all();
    for (at, item) in items.iter().enumerate() {
        if items[..at].iter().any(|other| other.id == item.id) {
            wrong.push(format!("law 7: {} is stored twice", item.id));
        }
    }
    let usage = store.usage_rows();
    for (at, row) in usage.iter().enumerate() {
        if usage[..at].iter().any(|other| (&other.turn, other.step) == (&row.turn, row.step)) {
            wrong.push(format!("law 7: step {} of {} is counted twice", row.step, row.turn));
        }
    }
    let texts: Vec<(&str, &str)> = items
        .iter()
        .filter_map(|item| match &item.body {
            Body::Assistant(message) => Some((item.id.as_str(), message.text.as_str())),
            _ => None,
        })
        .collect();
    // A store that fails for good cannot keep the rest of a text, and its page is told that the turn failed.
    let failed = |page: &Told| store.hurt() && page.told.ends != [End::Finish];
    let pages = [Some(first), second].into_iter().flatten().filter(|page| !failed(page));
    for (id, text) in pages.flat_map(|page| &page.told.done) {
        if !texts.contains(&(id.as_str(), text.as_str())) {
            wrong.push(format!("law 3: {id} was told as done and is not stored so: {text:?} in {texts:?}"));
        }
    }
    let told = |page: &Told| (page.over && !page.idled).then(|| page.told.text.clone());
    let all = match second {
        None => told(first),
        Some(second) => told(first).zip(told(second)).map(|(first, second)| first + &second),
    };
    let kept: String = texts.iter().map(|(_, text)| *text).collect();
    let finished = |page: &Told| page.told.ends == [End::Finish];
    let sure = !store.hurt() || (finished(first) && second.is_none_or(finished));
    // In an interrupted conversation what a page was told stands in the order in which it was said.
    if let Some(all) = all
        && sure
        && visible(&kept) != visible(&all)
        && !matches!(draw.disturb, Disturb::Leave(_))
    {
        wrong.push(format!("law 3: {all:?} was told and {kept:?} is stored"));
    }
}
