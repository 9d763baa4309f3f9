"""python conversation.py http://127.0.0.1:PORT/PATH ...: a ChatKit page at each of these endpoints goes through its
whole life, and the official types judge every event and answer. Prints what is wrong; exit status 1 if anything is.

The words are those of the gateway's replay provider; gateway.toml of this folder serves it. With --package, what the
package's own server is known to do otherwise is not looked at: that is how these scripts themselves are tried.
"""

import json
import sys
import traceback

import dialects
import files
import widgets
from judge import Wrong, check
from page import Page, Refused, outcome, refused

PACKAGE = "--package" in sys.argv
GATEWAY = not PACKAGE


def opening(events):
    """What a stream begins with, up to the turn's own events."""
    kinds = [event["type"] for event in events]
    return kinds[: kinds.index("stream_options") + 1]


def kinds(items):
    return [item["type"] for item in items if item["type"] != "end_of_turn"]


def text_of(item):
    return "".join(part["text"] for part in item["content"])


def as_shown(page):
    """What is kept is what the page was shown, in that order."""
    kept = page.kept()
    shown = list(page.screen.items.values())
    check([item["id"] for item in kept] == [item["id"] for item in shown], "kept", kinds(kept), "shown", kinds(shown))
    for one, other in zip(kept, shown, strict=True):
        # A page marks a call as completed by itself.
        same = one["type"] == "client_tool_call" or one == other
        check(same, f"kept {json.dumps(one)}, shown {json.dumps(other)}")
        check(one["thread_id"] == page.thread, "an item of another thread")
    first = page.ask("thread", "threads.get_by_id", thread_id=page.thread)
    check(first["items"]["data"] == kept[:20] and first["items"]["has_more"] == (len(kept) > 20), "threads.get_by_id")
    return kept


def talk(page):
    """Messages are answered, in a thread that is made with the first."""
    begin = opening(page.say("Hello"))
    check(begin == ["thread.created", "thread.item.done", "stream_options"], begin)
    check(kinds(as_shown(page)) == ["user_message", "assistant_message"], kinds(page.kept()))
    begin = opening(page.say("Hello again", quoted_text="Hello", inference_options={"tool_choice": None}))
    check(begin == ["thread.item.done", "stream_options"], begin)
    kept = as_shown(page)
    check(kinds(kept) == ["user_message", "assistant_message"] * 2, kinds(kept))
    check(kept[-2]["type"] != "user_message" or kept[-2]["quoted_text"] == "Hello", kept)
    check(all(text_of(item).strip() for item in kept if item["type"] == "assistant_message"), "an empty answer")


def tags(page):
    """A message may mention things, and leaves out what it does not need."""
    tag = {"type": "input_tag", "id": "t1", "text": "Ann", "data": {"email": None}, "group": "People"}
    page.turn("threads.create", input={"content": [tag], "attachments": [], "inference_options": {}, "unknown": 1})
    said = as_shown(page)[0]
    check(said["content"] == [tag | {"interactive": False}], said)
    if GATEWAY:
        page.say("Hello", attachments=None, inference_options=None)


def fact(page):
    """A fact reaches the page as a call, whose output goes back to the model."""
    events = page.say("My name is Kaz")
    call = next(event["item"] for event in reversed(events) if event["type"] == "thread.item.done")
    check((call["type"], call["status"], call["name"]) == ("client_tool_call", "pending", "record_fact"), call)
    check(events[-1]["type"] in ("thread.item.done", "thread.updated"), "the call ends the stream")
    check(opening(page.give({"success": True})) == ["stream_options"], "no event for the completed call")
    kept = as_shown(page)
    done = next(item for item in kept if item["id"] == call["id"])
    check(done["status"] == "completed" and done["output"] == {"success": True}, done)
    check(kinds(kept)[-1] == "assistant_message", kinds(kept))
    if GATEWAY:
        fact_id = call["arguments"]["fact_id"]
        saved = page.fetch(f"/facts/{fact_id}/save", "POST")
        listed = json.loads(page.fetch("/facts")[2])["facts"]
        check(saved[0] == 200 and fact_id in [fact["id"] for fact in listed], saved, listed)


def location(page):
    """The model may call what only the page can do; nobody else's output is taken."""
    page.say("Use my location")
    call = list(page.screen.items.values())[-1]
    check(call["type"] == "client_tool_call" and call["name"] == "get_location", call)
    page.give({"city": "Thun"})
    kept = as_shown(page)
    check(kinds(kept)[-1] == "assistant_message", kinds(kept))
    refused(page, 409, "threads.add_client_tool_output", thread_id=page.thread, result={"city": "Bern"})
    check(page.kept() == kept, "a late output changed the thread")


def left_waiting(page):
    """A message may come instead of an output."""
    page.say("Use my location")
    page.say("Hello")
    check(kinds(page.kept())[-1] == "assistant_message", kinds(page.kept()))


def thoughts(page):
    """Thoughts are a workflow that is finished before the answer begins."""
    page.say("Please think first")
    shown = kinds(as_shown(page))
    check(shown == ["user_message", "workflow", "assistant_message"], shown)


def weather(page):
    """Tools of the gateway run without the page."""
    page.say("What is the weather in Bern?")
    shown = kinds(as_shown(page))
    check("client_tool_call" not in shown and shown[-1] == "assistant_message", shown)


def retry(page):
    """Everything behind a message goes, and it is answered anew."""
    page.say("Hello")
    page.say("Hello again")
    first, answer = list(page.screen.items)[:2]
    for row in list(page.screen.items)[1:]:
        del page.screen.items[row]
    begin = opening(page.turn("threads.retry_after_item", thread_id=page.thread, item_id=first))
    check(begin == ["stream_options"], begin)
    kept = as_shown(page)
    check(kinds(kept) == ["user_message", "assistant_message"] and kept[1]["id"] != answer, kept)


def threads(page):
    """Threads are listed, named, judged and deleted."""
    page.say("Hello")
    other = Page(page.url.geturl())
    other.say("Hello")
    listed = page.ask("threads", "threads.list", limit=9999, order="desc")["data"]
    ids = [thread["id"] for thread in listed]
    check(ids.index(other.thread) < ids.index(page.thread), "the newest thread comes first")
    one = page.ask("threads", "threads.list", limit=1)
    check([thread["id"] for thread in one["data"]] == ids[:1] and one["has_more"], one)
    behind = page.ask("threads", "threads.list", limit=1, after=one["after"])
    check([thread["id"] for thread in behind["data"]] == ids[1:2], behind)
    named = page.ask("thread", "threads.update", thread_id=page.thread, title="Named")
    check(named["title"] == "Named" and named["items"]["data"] == [], named)
    check(page.ask("thread", "threads.get_by_id", thread_id=page.thread)["title"] == "Named", "the title is kept")
    answer = list(page.screen.items)[1]
    page.ask("empty", "items.feedback", thread_id=page.thread, item_ids=[answer], kind="positive")
    page.ask("empty", "threads.delete", thread_id=page.thread)
    listed = page.ask("threads", "threads.list", limit=9999)["data"]
    check(page.thread not in [thread["id"] for thread in listed], "a deleted thread is listed")
    if GATEWAY:
        refused(page, 404, "threads.get_by_id", thread_id=page.thread)


def failure(page):
    """A provider's failure is an error on the page, and the next message is answered."""
    page.say("Hello")
    try:
        page.say("Show me an error" if GATEWAY else "Please trigger an error")
        check(page.screen.error is not None, "no error event")
    except Refused as refusal:
        # A failure before the first event may be told before the stream.
        check(refusal.status == 503, refusal)
    again = Page(page.url.geturl())
    again.screen.thread = page.screen.thread
    again.say("Hello")
    check(kinds(page.kept())[-1] == "assistant_message", kinds(page.kept()))


def refusals(page):
    """What is wrong is refused before a stream, as JSON, and nothing of it is kept."""
    page.say("Hello")
    kept, many = page.kept(), len(page.ask("threads", "threads.list", limit=9999)["data"])
    hello = {"content": [{"type": "input_text", "text": "Hello"}], "attachments": [], "inference_options": {}}
    known, unknown = {"thread_id": page.thread}, {"thread_id": "thr_unknown"}
    for status, operation, params in [
        (400, "threads.destroy", {}),
        (400, "threads.create", {}),
        (400, "threads.create", {"input": "Hello"}),
        (400, "threads.create", {"input": hello | {"content": []}}),
        (400, "threads.create", {"input": hello | {"content": [{"type": "input_image"}]}}),
        (404, "threads.create", {"input": hello | {"attachments": ["atc_unknown"]}}),
        (404, "threads.add_user_message", unknown | {"input": hello}),
        (400, "threads.add_user_message", known),
        (404, "threads.add_user_message", known | {"input": hello | {"attachments": ["atc_unknown"]}}),
        (409, "threads.add_client_tool_output", known | {"result": 1}),
        (404, "threads.add_client_tool_output", unknown | {"result": 1}),
        (404, "threads.retry_after_item", known | {"item_id": "msg_unknown"}),
        (404, "threads.custom_action", known | {"item_id": "msg_unknown", "action": {"type": "x"}}),
        (404, "threads.sync_custom_action", known | {"item_id": "msg_unknown", "action": {"type": "x"}}),
        (404, "threads.get_by_id", unknown),
        (404, "items.list", unknown),
        (400, "items.list", known | {"limit": -1}),
        (400, "threads.list", {"order": "up"}),
        (400, "items.feedback", known | {"item_ids": ["a"], "kind": "meh"}),
        (400, "threads.update", known | {"title": ""}),
        (404, "threads.update", unknown | {"title": "x"}),
        (400, "attachments.create", {"name": "a", "size": -1, "mime_type": "a/b"}),
        (400, "input.transcribe", {"audio_base64": "?", "mime_type": "audio/mp4"}),
    ]:
        refused(page, status, operation, **params)
    for body, method, status in [(b"", "POST", 400), (b"{", "POST", 400), (b"[]", "POST", 400), (b"{}", "PUT", 405)]:
        answer = outcome(lambda body=body, method=method: page.send(body, method))
        check(answer == status, f"{method} {body} is answered with {answer}, not {status}")
    check(page.kept() == kept, "a refused operation changed the thread")
    check(len(page.ask("threads", "threads.list", limit=9999)["data"]) == many, "a refused operation made a thread")


SCENARIOS = [talk, tags, fact, weather, retry, threads, failure]
OURS = [thoughts, location, left_waiting, refusals, *files.SCENARIOS, *widgets.SCENARIOS, *dialects.SCENARIOS]


def main() -> int:
    urls = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if not urls:
        print(__doc__)
        return 2
    wrong = 0
    for url in urls:
        for scenario in SCENARIOS + (OURS if GATEWAY else []):
            try:
                scenario(Page(url))
                said = "ok"
            except (Wrong, Refused) as error:
                said = f"WRONG: {error}"
            except Exception:  # noqa: BLE001 - whatever it is, it is a finding
                said = f"WRONG: {traceback.format_exc(limit=-2)}"
            wrong += said != "ok"
            print(f"{url} {scenario.__name__}: {said}")
    print(f"{wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
