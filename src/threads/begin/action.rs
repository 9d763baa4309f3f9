//! The user did something with a widget.

use chatwire_protocols::error::CallerError;
use chatwire_protocols::event::{Data, Event, FinishReason, ToolOutcome, output_text};
use chatwire_protocols::items::{Body, Item, Note, Widget, data};
use chatwire_protocols::operation::Act;
use serde_json::json;

use crate::clock::now_ms;
use crate::config::plan::ActionPlan;
use crate::threads::acting::Ran;
use crate::threads::draft::{Draft, Next, ThreadHandle, said};
use crate::threads::error::{invalid, no_item};
use crate::threads::{ThreadError, new_id};

/// Longest words on an action for the model, in characters.
const LONGEST_NOTE: usize = 4000;

/// What an action has come to.
#[derive(Debug, Default)]
pub struct Acted {
    /// The widget as it is now, if there is one.
    pub item: Option<Item>,
    /// What the tool said and gave.
    pub ran: Ran,
}

/// Runs an action and gives the thread with its widget.
pub async fn act(handle: ThreadHandle<'_>, act: &Act) -> Result<(Draft, Acted), ThreadError> {
    let sender = match &act.item {
        None => None,
        Some(id) => Some(handle.item(id).await?.ok_or_else(no_item)?.1),
    };
    if sender.as_ref().is_some_and(|item| !matches!(item.body, Body::Widget(_))) {
        return Err(invalid("item_id", "is not a widget"));
    }
    let plan = action(&handle, act)?;
    let ran = handle.threads.run_action(handle.asker, handle.thread, plan, act).await?;
    let mut draft = handle.draft(None).await?;
    let made = ran.data.iter().rev().find_map(|data| Some((data, Widget::of(&data.name, &data.value)?)));
    let item = made.map(|(data, widget)| match sender {
        Some(sender) => replace(&mut draft, sender, widget, data),
        None => {
            let item = item_of(Body::Widget(widget), "wid");
            draft.shown.push(item.clone());
            draft.add(item.clone());
            item
        }
    });
    if plan.say {
        let text: String = words(act, &ran).chars().take(LONGEST_NOTE).collect();
        draft.add(Item { hidden: true, ..item_of(Body::Note(Note { text }), "note") });
    } else {
        draft.next = Next::Said(said(beside(&ran), FinishReason::Stop));
    }
    Ok((draft, Acted { item, ran }))
}

/// The action of this name on the route.
fn action<'a>(handle: &ThreadHandle<'a>, act: &Act) -> Result<&'a ActionPlan, ThreadError> {
    let known = handle.asker.memory.actions.get(&act.name);
    known.ok_or_else(|| CallerError::new(404, "unknown_action", "there is no such action").into())
}

/// Puts a widget in the place of another, and its data in the place of the data that the other was made from: dialects
/// without widgets show that.
fn replace(draft: &mut Draft, sender: Item, widget: Widget, data: &Data) -> Item {
    let source = draft.items.iter().rev().find(|item| match (&item.body, &sender.body) {
        (Body::Data(kept), Body::Widget(shown)) => Widget::of(&kept.name, &kept.value).as_ref() == Some(shown),
        _ => false,
    });
    if let Some(mut source) = source.cloned()
        && let Body::Data(kept) = &mut source.body
        && kept.name == data.name
    {
        kept.value.clone_from(&data.value);
        draft.put(source);
    }
    let item = Item { body: Body::Widget(widget), ..sender };
    draft.replaced.push(item.clone());
    draft.put(item.clone());
    item
}

fn item_of(body: Body, kind: &str) -> Item {
    Item { id: new_id(kind), created: now_ms(), hidden: false, origin: None, body }
}

/// What the model is told of an action.
fn words(act: &Act, ran: &Ran) -> String {
    let Act { name, payload, .. } = act;
    let came = match ran.output.outcome {
        ToolOutcome::Ok => "It gave",
        ToolOutcome::Error | ToolOutcome::Denied | ToolOutcome::Interrupted => "It failed",
    };
    format!("The user chose the action {name} of a widget, with {payload}. {came}: {}", output_text(&ran.output.output))
}

/// What goes to the page beside the widget: for this moment, and why it failed if it did.
fn beside(ran: &Ran) -> Vec<Event> {
    let moment = ran.data.iter().filter(|data| !data.keep).cloned().map(|data| Event::Data(Box::new(data)));
    let failed = (ran.output.outcome != ToolOutcome::Ok).then(|| {
        let value = json!({ "level": "danger", "message": output_text(&ran.output.output) });
        Event::Data(Box::new(Data { name: data::NOTICE.into(), id: None, value, keep: false, ask: None }))
    });
    moment.chain(failed).collect()
}
