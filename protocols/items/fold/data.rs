//! Data of the application, and the widgets among it.

use serde_json::{Map, Value};

use super::{Begun, Change, Maker, Style};
use crate::event::{Data, Text};
use crate::items::{Body, KeptData, Widget, data};

/// The kept data of a turn. Bounded by what tools may say.
#[derive(Debug)]
pub(super) struct DataItems {
    style: Style,
    kept: Vec<Kept>,
}

/// Data, and in a dialect with widgets the widget that is made of it.
#[derive(Debug)]
struct Kept {
    begun: Begun,
    data: KeptData,
    widget: Option<(Begun, Widget)>,
    /// True while more will follow, which is stored only when it is there.
    open: bool,
}

impl DataItems {
    pub(super) const fn new(style: Style) -> Self {
        Self { style, kept: Vec::new() }
    }

    /// True if a page sees this as an item.
    pub(super) fn shows(&self, data: &Data) -> bool {
        is_item(data) && (!self.style.page_calls || root(data).is_some())
    }

    /// Takes data in: new, or in the place of what has its name and id.
    pub(super) fn take(&mut self, data: &Data, maker: &mut Maker, out: &mut Vec<Change>) {
        if !is_item(data) {
            return;
        }
        let root = root(data);
        let open = root.is_some() && data.value.get("streaming") == Some(&Value::Bool(true));
        let root = root.filter(|_| self.style.page_calls);
        let same = |kept: &&mut Kept| kept.data.id.is_some() && kept.data.id == data.id && kept.data.name == data.name;
        let Some(kept) = self.kept.iter_mut().find(same) else {
            let widget = root.map(|root| (maker.begin("msg"), widget(data, root)));
            if let (true, Some((begun, widget))) = (open, &widget) {
                out.push(Change::WidgetOpened {
                    item: begun.id.clone(),
                    created: begun.created,
                    root: widget.root.clone(),
                    copy_text: widget.copy_text.clone(),
                });
            }
            let begun = maker.begin("data");
            let kept_data = KeptData { name: data.name.clone(), id: data.id.clone(), value: data.value.clone() };
            let kept = Kept { begun, data: kept_data, widget, open };
            if !open {
                kept.say(self.style, Change::Finished, out);
            }
            self.kept.push(kept);
            return;
        };
        kept.data.value = data.value.clone();
        if let (Some((begun, shown)), Some(root)) = (&mut kept.widget, root) {
            let from = std::mem::replace(shown, widget(data, root));
            if kept.open && from.root != shown.root {
                let (item, to) = (begun.id.clone(), shown.root.clone());
                out.push(Change::WidgetChanged { item, from: from.root, to });
            }
        }
        match (kept.open, open) {
            (true, true) => {}
            (true, false) => kept.say(self.style, Change::Finished, out),
            (false, _) => kept.say(self.style, Change::Replaced, out),
        }
        kept.open &= open;
    }

    /// Nothing more follows.
    pub(super) fn settle(&mut self, out: &mut Vec<Change>) {
        for kept in self.kept.iter_mut().filter(|kept| kept.open) {
            kept.open = false;
            kept.say(self.style, Change::Finished, out);
        }
    }
}

impl Kept {
    /// The items as they are. A dialect with widgets has no form for other data.
    fn say(&self, style: Style, change: fn(Box<crate::items::Item>) -> Change, out: &mut Vec<Change>) {
        if let Some((begun, widget)) = &self.widget {
            out.push(change(Box::new(begun.clone().item(false, Body::Widget(widget.clone())))));
        }
        let body = Body::Data(self.data.clone());
        out.push(change(Box::new(self.begun.clone().item(style.page_calls, body))));
    }
}

/// True for data that stays. What has a meaning of its own is for the moment.
fn is_item(data: &Data) -> bool {
    data.keep && ![data::THREAD_TITLE, data::EFFECT, data::NOTICE].contains(&data.name.as_str())
}

fn root(data: &Data) -> Option<&Map<String, Value>> {
    data.value.get(data::WIDGET)?.as_object()
}

fn widget(data: &Data, root: &Map<String, Value>) -> Widget {
    widget_of(&data.name, &data.value, root)
}

fn widget_of(name: &Text, value: &Value, root: &Map<String, Value>) -> Widget {
    let copy_text = value.get("copy_text").and_then(Value::as_str).map(str::to_owned);
    Widget { root: Value::Object(without_nulls(root)), copy_text, name: name.clone() }
}

impl Widget {
    /// The widget that data of this name and value is, if it is one.
    pub fn of(name: &Text, value: &Value) -> Option<Self> {
        Some(widget_of(name, value, value.get(data::WIDGET)?.as_object()?))
    }
}

/// A widget's tree without its nulls, which are no values of any component: members and elements go, whatever they
/// stand in.
fn without_nulls(object: &Map<String, Value>) -> Map<String, Value> {
    let members = object.iter().filter(|(_, value)| !value.is_null());
    members.map(|(key, value)| (key.clone(), stripped(value))).collect()
}

fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(object) => Value::Object(without_nulls(object)),
        Value::Array(list) => Value::Array(list.iter().filter(|value| !value.is_null()).map(stripped).collect()),
        other => other.clone(),
    }
}
