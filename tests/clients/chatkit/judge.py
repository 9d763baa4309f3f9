"""Reads what a gateway sends with the official ChatKit types, as strictly as they can.

As a command it reads lines of `KIND<tab>JSON` and says what is wrong with each: python judge.py < answers.
"""

import json
import sys
from datetime import datetime

from chatkit.types import (
    Attachment,
    Page,
    SyncCustomActionResponse,
    Thread,
    ThreadItem,
    ThreadStreamEvent,
    TranscriptionResult,
)
from pydantic import TypeAdapter, ValidationError

TYPES = {
    "attachment": TypeAdapter(Attachment),
    "event": TypeAdapter(ThreadStreamEvent),
    "items": TypeAdapter(Page[ThreadItem]),
    "thread": TypeAdapter(Thread),
    "threads": TypeAdapter(Page[Thread]),
    "transcript": TypeAdapter(TranscriptionResult),
    "updated": TypeAdapter(SyncCustomActionResponse),
}


class Wrong(Exception):
    """What a gateway does wrong."""


def check(right, *what):
    if not right:
        raise Wrong(" ".join(str(each) for each in what))


def read(kind: str, text: str) -> dict:
    """The JSON as the types know it. It must be what the types would write themselves, to the order of the keys, but for
    widgets: they are trees of the application's own, to which the types would add defaults."""
    if kind == "empty":
        if text != "{}":
            raise Wrong(f"must be {{}}, is {text}")
        return {}
    types = TYPES[kind]
    try:
        parsed = types.validate_json(text, strict=True)
    except ValidationError as error:
        raise Wrong(f"no {kind}: {error}\n{text}") from None
    given = json.loads(text)
    theirs = types.dump_json(parsed, exclude_none=True, context={"exclude_metadata": True})
    ours, theirs = json.dumps(comparable(given)), json.dumps(comparable(json.loads(theirs)))
    if ours != theirs:
        raise Wrong(f"{kind} is written otherwise than by its types:\n  sent     {ours}\n  expected {theirs}")
    return given


def comparable(value):
    """The value with every time as an instant, since there are several ways to write the same one."""
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: instant(each) if key == "created_at" else comparable(each)
        for key, each in value.items()
        if key not in ("widget", "component")
    }


def instant(text: str) -> float:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None and "--package" not in sys.argv:
        raise Wrong(f"{text} has no time zone: a browser would take it for its own")
    return time.timestamp()


def main() -> int:
    wrong = judged = 0
    for line in sys.stdin.buffer.read().decode().rstrip("\n").split("\n"):
        kind, text = line.split("\t", 1)
        judged += 1
        try:
            read(kind, text)
        except Wrong as error:
            wrong += 1
            print(f"wrong: {error}", file=sys.stderr)
    print(f"{judged} judged, {wrong} wrong")
    return 1 if wrong or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
