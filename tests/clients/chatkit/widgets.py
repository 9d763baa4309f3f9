"""Widgets: streamed, shown by a tool, and used."""

from judge import check


def widget_of(page):
    return next(item for item in page.kept() if item["type"] == "widget")


def streamed(page):
    """A text grows inside a widget; what was shown is what is kept."""
    events = page.say("Send an email")
    updates = [event["update"]["type"] for event in events if event["type"] == "thread.item.updated"]
    deltas = updates.count("widget.streaming_text.value_delta")
    check(deltas > 5, f"{deltas} deltas")
    kept = widget_of(page)
    check(kept == page.screen.items[kept["id"]], "kept", kept)
    text = kept["widget"]["children"][1]
    check(text["value"].strip() and text["value"] == kept["copy_text"] and not text.get("streaming"), kept)


def used(page):
    """An action puts the tool's new widget in the place of the old, and the model is not asked."""
    page.say("What is the weather in Bern?")
    before = page.kept()
    card = widget_of(page)
    action = {"type": "weather.refresh", "payload": {"location": "Rome"}}
    events = page.turn("threads.custom_action", thread_id=page.thread, item_id=card["id"], action=action)
    kinds = [event["type"] for event in events]
    check("thread.item.replaced" in kinds and "thread.item.done" not in kinds, kinds)
    after = widget_of(page)
    check(after["id"] == card["id"] and after["widget"] != card["widget"], "the card of Rome", after)
    check([item["id"] for item in page.kept()] == [item["id"] for item in before], "items came or went")
    check(after == page.screen.items[card["id"]], "kept", after)


def used_at_once(page):
    """The same where the page waits for the answer."""
    page.say("What is the weather in Bern?")
    card = widget_of(page)
    action = {"type": "weather.refresh", "payload": {"location": "Oslo"}}
    params = {"thread_id": page.thread, "item_id": card["id"], "action": action}
    updated = page.ask("updated", "threads.sync_custom_action", **params)["updated_item"]
    check(updated["id"] == card["id"] and updated == widget_of(page), updated)


def told(page):
    """The model is told of an action that says so, and answers."""
    page.say("What is the weather in Bern?")
    card = widget_of(page)
    action = {"type": "weather.tell", "payload": {"location": "Rome"}}
    page.turn("threads.custom_action", thread_id=page.thread, item_id=card["id"], action=action)
    kinds = [item["type"] for item in page.kept() if item["type"] != "end_of_turn"]
    check(kinds[-1] == "assistant_message", kinds)
    check(kinds.count("user_message") == 1, "what the model is told is hidden:", kinds)


SCENARIOS = [streamed, used, used_at_once, told]
