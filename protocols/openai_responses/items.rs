//! The items of a response and which event belongs to which.
//!
//! The key is `output_index`: item ids change from event to event at some servers (corner case 134). An item that no
//! event announced is made by the first event that speaks of it (corner cases 113 and 137), and what the done events
//! and the final response repeat adds only what is missing (corner cases 33 and 34).

use serde_json::{Map, Value};

use super::calls::{Call, client_kind};
use super::hosted::Hosted;
use super::text::{Channel, Done, Parts, mark};
use super::wire;
use crate::blocks::Blocks;
use crate::error::{Failure, FailureKind};
use crate::event::{BlockKind, Event, Mark, ToolKind, Warning};
use crate::protocol::{DecodeContext, Limits};
use crate::wire::json::Raw;

/// What an item is, as far as its events differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Message,
    Reasoning,
    Call,
    Hosted,
}

/// Which text an event continues.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextKey {
    /// The item's `output_index`; without one it is the latest item.
    output: Option<u64>,
    channel: Channel,
    part: u32,
}

impl TextKey {
    /// The text that an event names.
    pub(super) fn of(event: &wire::Event<'_>, channel: Channel) -> Self {
        Self { output: event.output_index.count(), channel, part: part_index(event, channel) }
    }
}

#[derive(Debug)]
struct Item {
    index: u32,
    id: Option<crate::event::Text>,
    /// An event announced it, so another announcement is another item.
    announced: bool,
    /// Its text came whole; that is all the end it has where nothing announced it.
    told: bool,
    done: bool,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Message(Parts),
    Reasoning(Parts),
    Call(Call),
    Hosted(Hosted),
}

impl Item {
    const fn family(&self) -> Family {
        match self.body {
            Body::Message(_) => Family::Message,
            Body::Reasoning(_) => Family::Reasoning,
            Body::Call(_) => Family::Call,
            Body::Hosted(_) => Family::Hosted,
        }
    }
}

/// All items of one response.
#[derive(Debug)]
pub(super) struct Items {
    blocks: Blocks,
    list: Vec<Item>,
    limits: Limits,
    differs: bool,
}

impl Items {
    pub(super) fn new(context: &DecodeContext) -> Self {
        Self { blocks: Blocks::new(context), list: Vec::new(), limits: context.limits, differs: false }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// True if there are calls that somebody else than the provider must run.
    pub(super) fn has_calls(&self) -> bool {
        self.list.iter().any(|item| matches!(&item.body, Body::Call(call) if call.is_open()))
    }

    /// True if every item has had its own end.
    pub(super) fn all_done(&self) -> bool {
        self.list.iter().all(|item| item.done || (item.told && !item.announced))
    }

    /// True once, if the provider's final text was not the one it had streamed.
    pub(super) fn take_differs(&mut self) -> bool {
        std::mem::take(&mut self.differs)
    }

    /// An item is announced.
    pub(super) fn added(&mut self, event: &wire::Event<'_>, out: &mut Vec<Event>) -> Done {
        let Some(item) = event.item.parse::<wire::Item<'_>>() else { return Ok(()) };
        let index = event.output_index.count().map_or(self.list.len() as u32, |index| index as u32);
        let family = family(&item);
        let known = self.find(index, family).filter(|at| {
            let known = &self.list[*at];
            !known.announced || (item.id.text().is_some() && known.id == item.id.text())
        });
        let at = match known {
            Some(at) => at,
            None => self.create(index, &item, event.item, out)?,
        };
        self.list[at].announced = true;
        self.describe(at, &item, out)
    }

    /// An item is complete.
    pub(super) fn done(&mut self, event: &wire::Event<'_>, out: &mut Vec<Event>) -> Done {
        let Some(item) = event.item.parse::<wire::Item<'_>>() else { return Ok(()) };
        let index = self.index(event.output_index.count());
        let at = match self.find(index, family(&item)) {
            Some(at) => at,
            None => self.create(index, &item, event.item, out)?,
        };
        let whole = &*wire::word(item.status) != "incomplete";
        self.complete(at, &item, event.item, whole, out)
    }

    /// The complete list of the final response: gives what of it is new. `whole` says whether the response is.
    pub(super) fn all(&mut self, output: Raw<'_>, whole: bool, resumed: bool, out: &mut Vec<Event>) -> Done {
        let items: Vec<(Raw<'_>, wire::Item<'_>)> =
            wire::list(output).into_iter().filter_map(|raw| Some((raw, raw.parse()?))).collect();
        let mut known = self.same(&items);
        if !resumed {
            self.same_by_order(&items, &mut known);
        }
        for (at, (raw, item)) in items.iter().enumerate() {
            let at = match known[at] {
                Some(at) => at,
                None => self.create(at as u32, item, *raw, out)?,
            };
            let whole = match &*wire::word(item.status) {
                "completed" => true,
                "incomplete" => false,
                _ => whole,
            };
            self.complete(at, item, *raw, whole, out)?;
        }
        Ok(())
    }

    /// Ends what is still open: as whole where the response was.
    pub(super) fn end(&mut self, whole: bool, out: &mut Vec<Event>) -> Done {
        for at in 0..self.list.len() {
            let item = &mut self.list[at];
            if item.done {
                continue;
            }
            item.done = true;
            match &mut item.body {
                Body::Message(parts) | Body::Reasoning(parts) => parts.end(whole, &mut self.blocks, out),
                Body::Call(call) => call.cut(whole, &mut self.blocks, out)?,
                Body::Hosted(hosted) => hosted.cut(&mut self.blocks, out),
            }
        }
        // What a late event has begun again behind its item's end.
        self.blocks.end_all(whole, out);
        Ok(())
    }

    /// Ends what is still open, after a failure.
    pub(super) fn cut(&mut self, out: &mut Vec<Event>) {
        self.blocks.end_all(false, out);
    }

    /// A piece of a text.
    pub(super) fn text(&mut self, key: TextKey, piece: Raw<'_>, out: &mut Vec<Event>) -> Done {
        let TextKey { output, channel, part } = key;
        let at = self.item(output, family_of(channel), out)?;
        let (parts, blocks) = self.parts(at);
        let Some(parts) = parts else { return Ok(()) };
        parts.delta(channel, part, piece, blocks, out)?;
        self.bound(at)
    }

    /// The whole of a text.
    pub(super) fn text_done(
        &mut self,
        event: &wire::Event<'_>,
        channel: Channel,
        whole: Raw<'_>,
        annotations: Raw<'_>,
        out: &mut Vec<Event>,
    ) -> Done {
        let at = self.item(event.output_index.count(), family_of(channel), out)?;
        let (parts, blocks) = self.parts(at);
        let Some(parts) = parts else { return Ok(()) };
        let index = part_index(event, channel);
        parts.whole(channel, index, whole, blocks, out)?;
        parts.citations(index, annotations, blocks, out);
        self.note_difference(at);
        self.list[at].told = true;
        Ok(())
    }

    /// A citation.
    pub(super) fn cite(&mut self, event: &wire::Event<'_>, out: &mut Vec<Event>) -> Done {
        let Some(citation) = wire::citation(event.annotation) else { return Ok(()) };
        let at = self.item(event.output_index.count(), Family::Message, out)?;
        let (parts, blocks) = self.parts(at);
        let Some(parts) = parts else { return Ok(()) };
        parts.cite(part_index(event, Channel::Text), citation, blocks, out)?;
        self.bound(at)
    }

    /// A piece of a call's input.
    pub(super) fn input(
        &mut self,
        event: &wire::Event<'_>,
        family: Family,
        custom: bool,
        out: &mut Vec<Event>,
    ) -> Done {
        let at = self.call(event, family, custom, out)?;
        let limit = self.limits.arguments;
        match at.map(|at| &mut self.list[at].body) {
            Some(Body::Call(call)) => call.delta(event.delta, limit, &mut self.blocks, out),
            Some(Body::Hosted(hosted)) => hosted.delta(event.delta, &mut self.blocks, out),
            _ => Ok(()),
        }
    }

    /// The whole of a call's input.
    pub(super) fn input_done(
        &mut self,
        event: &wire::Event<'_>,
        family: Family,
        whole: Raw<'_>,
        out: &mut Vec<Event>,
    ) -> Done {
        let at = self.call(event, family, false, out)?;
        match at.map(|at| &mut self.list[at].body) {
            Some(Body::Call(call)) => call.whole(whole, &mut self.blocks, out),
            Some(Body::Hosted(hosted)) => hosted.whole(whole, &mut self.blocks, out),
            _ => Ok(()),
        }
    }

    /// A provider-run call says how far it is.
    pub(super) fn progress(&self, event: &wire::Event<'_>, state: &str, out: &mut Vec<Event>) {
        let at = self.find(self.index(event.output_index.count()), Family::Hosted);
        if let Some(Item { body: Body::Hosted(hosted), done: false, .. }) = at.and_then(|at| self.list.get(at)) {
            hosted.progress(state, &self.blocks, out);
        }
    }
}

impl Items {
    fn index(&self, output: Option<u64>) -> u32 {
        output.map_or_else(|| self.list.last().map_or(0, |item| item.index), |index| index as u32)
    }

    fn find(&self, index: u32, family: Family) -> Option<usize> {
        self.list.iter().rposition(|item| item.index == index && item.family() == family)
    }

    fn parts(&mut self, at: usize) -> (Option<&mut Parts>, &mut Blocks) {
        let parts = match self.list.get_mut(at).map(|item| &mut item.body) {
            Some(Body::Message(parts) | Body::Reasoning(parts)) => Some(parts),
            _ => None,
        };
        (parts, &mut self.blocks)
    }

    /// The text item that an event speaks of, made if it is new.
    fn item(&mut self, output: Option<u64>, family: Family, out: &mut Vec<Event>) -> Result<usize, Box<Failure>> {
        let index = self.index(output);
        match self.find(index, family) {
            Some(at) => Ok(at),
            None => {
                let kind = if family == Family::Reasoning { "\"reasoning\"" } else { "\"message\"" };
                self.create(index, &wire::Item { kind: Raw::new(kind), ..wire::Item::default() }, Raw::default(), out)
            }
        }
    }

    /// The call that an event speaks of; a client-run one is made if it is new, a hosted one without its kind is not.
    fn call(
        &mut self,
        event: &wire::Event<'_>,
        family: Family,
        custom: bool,
        out: &mut Vec<Event>,
    ) -> Result<Option<usize>, Box<Failure>> {
        let index = self.index(event.output_index.count());
        let known = self.find(index, family);
        if known.is_some() || family != Family::Call {
            return Ok(known);
        }
        let kind = if custom { "\"custom_tool_call\"" } else { "\"function_call\"" };
        let item = wire::Item { kind: Raw::new(kind), ..wire::Item::default() };
        self.create(index, &item, Raw::default(), out).map(Some)
    }

    fn create(
        &mut self,
        index: u32,
        item: &wire::Item<'_>,
        raw: Raw<'_>,
        out: &mut Vec<Event>,
    ) -> Result<usize, Box<Failure>> {
        if self.list.len() >= self.limits.blocks as usize {
            let message = format!("the answer has more than {} items", self.limits.blocks);
            return Err(Failure::boxed(FailureKind::Malformed, message));
        }
        let kind = wire::word(item.kind);
        let body = match family(item) {
            Family::Message => Body::Message(Parts::default()),
            Family::Reasoning => Body::Reasoning(Parts::default()),
            Family::Call => Body::Call(Call::new(call_kind(&kind), index)),
            Family::Hosted => Body::Hosted(Hosted::start(&kind, index, item, raw, &mut self.blocks, out)?),
        };
        self.list.push(Item { index, id: None, announced: false, told: false, done: false, body });
        Ok(self.list.len() - 1)
    }

    /// Takes over what an item says of itself before it is complete.
    fn describe(&mut self, at: usize, item: &wire::Item<'_>, out: &mut Vec<Event>) -> Done {
        let known = &mut self.list[at];
        if known.id.is_none() {
            known.id = item.id.text();
        }
        match &mut known.body {
            Body::Message(parts) => {
                parts.mark_with(message_marks(item));
                Ok(())
            }
            Body::Call(call) => call.describe(item, &mut self.blocks, out),
            Body::Reasoning(_) | Body::Hosted(_) => Ok(()),
        }
    }

    /// Gives what of a complete item is new, and ends it.
    fn complete(&mut self, at: usize, item: &wire::Item<'_>, raw: Raw<'_>, whole: bool, out: &mut Vec<Event>) -> Done {
        self.describe(at, item, out)?;
        let known = &mut self.list[at];
        let first = !std::mem::replace(&mut known.done, true);
        known.announced = true;
        match &mut known.body {
            Body::Message(parts) => {
                parts.all(item.content, &mut self.blocks, out)?;
                parts.end(whole, &mut self.blocks, out);
            }
            Body::Reasoning(parts) => {
                parts.all(item.summary, &mut self.blocks, out)?;
                parts.all(item.content, &mut self.blocks, out)?;
                if first {
                    remember_reasoning(parts, raw, &mut self.blocks, out)?;
                }
                parts.end(whole, &mut self.blocks, out);
            }
            Body::Call(call) if first => call.end(item, raw, whole, &mut self.blocks, out)?,
            Body::Hosted(hosted) if first => hosted.end(item, raw, &mut self.blocks, out)?,
            Body::Call(_) | Body::Hosted(_) => {}
        }
        self.note_difference(at);
        self.bound(at)
    }

    /// The streamed items that are the same as those of the final list: by id, else by place.
    fn same(&self, items: &[(Raw<'_>, wire::Item<'_>)]) -> Vec<Option<usize>> {
        let same = |(place, (_, item)): (usize, &(Raw<'_>, wire::Item<'_>))| {
            let (id, family) = (item.id.text(), family(item));
            let by_id = || self.list.iter().position(|known| known.id == id && known.family() == family);
            id.is_some().then(by_id).flatten().or_else(|| self.find(place as u32, family))
        };
        items.iter().enumerate().map(same).collect()
    }

    /// The rest of them, where neither ids nor places agree: one after the other, as far as the kinds do.
    fn same_by_order(&self, items: &[(Raw<'_>, wire::Item<'_>)], known: &mut [Option<usize>]) {
        for place in 0..items.len() {
            if known[place].is_none() {
                let family = family(&items[place].1);
                let free = |(at, item): &(usize, &Item)| item.family() == family && !known.contains(&Some(*at));
                let next = self.list.iter().enumerate().find(free).map(|(at, _)| at);
                known[place] = next;
            }
        }
    }

    fn note_difference(&mut self, at: usize) {
        if let (Some(parts), _) = self.parts(at) {
            let differs = std::mem::take(&mut parts.differs);
            self.differs |= differs;
        }
    }

    /// Parts are bounded as blocks are.
    fn bound(&mut self, at: usize) -> Done {
        let limit = self.limits.blocks;
        match self.parts(at).0 {
            Some(parts) if parts.len() > limit as usize => {
                Err(Failure::boxed(FailureKind::Malformed, format!("an item has more than {limit} parts")))
            }
            _ => Ok(()),
        }
    }
}

fn family(item: &wire::Item<'_>) -> Family {
    match &*wire::word(item.kind) {
        "message" => Family::Message,
        // A compaction is only ever sent back, as a reasoning item without text is.
        "reasoning" | "compaction" => Family::Reasoning,
        "function_call" | "custom_tool_call" => Family::Call,
        "tool_search_call" if &*wire::word(item.execution) != "client" => Family::Hosted,
        kind if client_kind(kind).is_some() => Family::Call,
        _ => Family::Hosted,
    }
}

const fn family_of(channel: Channel) -> Family {
    match channel {
        Channel::Text | Channel::Refusal => Family::Message,
        Channel::Summary | Channel::Thought => Family::Reasoning,
    }
}

fn call_kind(kind: &str) -> ToolKind {
    match kind {
        "function_call" => ToolKind::Function,
        "custom_tool_call" => ToolKind::Custom,
        other => ToolKind::Other(other.into()),
    }
}

fn part_index(event: &wire::Event<'_>, channel: Channel) -> u32 {
    let index = if channel == Channel::Summary { event.summary_index } else { event.content_index };
    index.count().unwrap_or(0) as u32
}

fn message_marks(item: &wire::Item<'_>) -> Vec<Mark> {
    let marks = [("id", item.id.text()), ("phase", item.phase.text())];
    marks.into_iter().filter_map(|(key, value)| Some(mark(key, value?.as_str()))).collect()
}

/// Keeps the whole item on its first block, on an empty one where it has no text: without it, the next request of a
/// tool loop would have to leave the model's thoughts out (upstream notes 9.3, corner case 102).
fn remember_reasoning(parts: &Parts, raw: Raw<'_>, blocks: &mut Blocks, out: &mut Vec<Event>) -> Done {
    let item: Option<Map<String, Value>> = raw.value();
    let open = parts.first_open(blocks);
    let block = match open {
        Some(block) => block,
        None if parts.is_empty() => blocks.start(BlockKind::Reasoning { summary: true }, out)?,
        None => return Ok(()),
    };
    if let Some(item) = item {
        blocks.mark(block, mark("item", item), out);
    }
    if open.is_none() {
        blocks.end(block, true, out);
    }
    Ok(())
}

/// Says that the final text was another than the streamed one; what was streamed has been read and stands.
pub(super) fn difference() -> Event {
    Warning::event(
        "final-text-differs",
        "the provider's final text is not the one it streamed; the streamed one stands",
    )
}
