"""The same thread in other dialects: the simplified frames, and a page of the AI SDK."""

import json

from judge import TYPES, Wrong, check
from page import Page


def simple(page):
    """Three kinds of frames under one event name; what is done is what the thread holds."""
    events = list(simple_turn(page, "What is the weather in Bern?"))
    items = [event["item"] for event in events if event["type"] == "thread_item.done"]
    page.screen.thread = {"id": items[0]["thread_id"]}
    kept = page.kept()
    check(items == kept, "kept", kept, "shown", items)
    deltas = "".join(event["delta"] for event in events if event["type"] == "text.delta")
    texts = [part["text"] for item in kept if item["type"] == "assistant_message" for part in item["content"]]
    check(deltas == "".join(texts), "the text is the sum of its deltas")
    check("widget" in [item["type"] for item in items], "a widget")
    call = list(simple_turn(page, "Use my location"))[-1]
    check((call["type"], call["name"]) == ("client_tool_call", "get_location"), call)
    check(set(call) == {"type", "name", "arguments", "id", "call_id"}, call)


def simple_turn(page, text):
    message = {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}}
    body = {"type": "threads.create", "params": {"input": message}}
    status, media_type, answer = page.fetch("/simple", "POST", json.dumps(body).encode())
    check((status, media_type) == (200, "text/event-stream"), status, answer)
    for frame in answer.decode().removesuffix("\n\n").split("\n\n"):
        if not frame.startswith("event: thread.stream\ndata: {"):
            raise Wrong(f"no frame: {frame!r}")
        event = json.loads(frame.split("\n", 1)[1].removeprefix("data: "))
        if event["type"] == "thread_item.done":
            TYPES["event"].validate_python({"type": "thread.item.done", "item": event["item"]})
        yield event


def ai_sdk(page):
    """An AI SDK page on the same store reads the same messages, and what it says is in the thread."""
    page.say("Hello")
    page.say("What is the weather in Bern?")
    ours = [(item["type"].removesuffix("_message"), said(item)) for item in page.kept() if "content" in item]
    theirs = [(message["role"], text) for message in ai_messages(page) for text in message_texts(message)]
    check(theirs == ours, "the AI SDK page reads", theirs, "and this page", ours)
    message = {"id": "from-elsewhere", "role": "user", "parts": [{"type": "text", "text": "And a third"}]}
    body = {"id": page.thread, "trigger": "submit-message", "message": message}
    status, _, answer = page.fetch("/ai", "POST", json.dumps(body).encode())
    check(status == 200 and answer.endswith(b"data: [DONE]\n\n"), status, answer)
    again = Page(page.url.geturl())
    again.screen.thread = page.screen.thread
    kept = [item for item in again.kept() if "content" in item]
    check([said(item) for item in kept[: len(ours)]] == [text for _, text in ours], "what was there has changed")
    check(kept[len(ours)]["id"] == "from-elsewhere" and said(kept[len(ours)]) == "And a third", kept)
    check(kept[-1]["type"] == "assistant_message", kept)


def said(item):
    return "".join(part["text"] for part in item["content"])


def ai_messages(page):
    status, _, body = page.fetch(f"/ai/{page.thread}/messages")
    check(status == 200, status, body)
    return json.loads(body)["messages"]


def message_texts(message):
    return [part["text"] for part in message["parts"] if part["type"] == "text"]


SCENARIOS = [simple, ai_sdk]
