"""What a page sees, written down so that two runs read the same, and compared with the golden file."""

import difflib
import json
import os
import re
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"

# Members whose values are of this run alone. Ids get numbers, so that the same id still reads the same.
TIMES = {"timestamp", "created_at", "updated_at"}
NUMBERS = {"duration_ms", "duration"}
MADE_ID = re.compile(r"\b(msg|thr|step|think)_[0-9a-f]{32}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Wrong(Exception):
    """Something is not as it must be."""


def check(right, *what):
    if not right:
        raise Wrong(" ".join(str(each) for each in what))


class Transcript:
    """One file of what was seen."""

    def __init__(self, name: str):
        self.path = GOLDEN / f"{name}.txt"
        self.lines = []
        self.ids = {}

    def title(self, text: str):
        self.lines += ([""] if self.lines else []) + [f"# {text}"]

    def request(self, method: str, path: str, body=None):
        told = "" if body is None else " " + (body if isinstance(body, str) else dump(body))
        self.lines.append(self.plain(f"> {method} {path}{told}"))

    def document(self, status: int, text: str):
        self.lines.append(f"< {status} " + dump(self.steady(json.loads(text))))

    def frames(self, frames: list):
        """A stream; deltas of one text are one line."""
        for frame in joined(frames):
            self.lines.append("< " + (frame if isinstance(frame, str) else dump(self.steady(frame))))

    def steady(self, value, key=None):
        if isinstance(value, dict):
            return {name: self.steady(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.steady(each) for each in value]
        if key in TIMES:
            check(TIME.fullmatch(value), key, value)
            return "TIME"
        if key in NUMBERS:
            check(isinstance(value, int) and 0 <= value < 600_000, key, value)
            return "NUMBER"
        return self.plain(value) if isinstance(value, str) else value

    def plain(self, text: str) -> str:
        def numbered(found):
            return self.ids.setdefault(found[0], f"{found[1]}_{len(self.ids) + 1}")

        return MADE_ID.sub(numbered, text)

    def judge(self):
        """Compares with the golden file, or with BLESS=1 writes it."""
        seen = "\n".join(self.lines) + "\n"
        if os.environ.get("BLESS"):
            self.path.write_text(seen, encoding="utf-8")
            return
        golden = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
        diff = difflib.unified_diff(golden.splitlines(), seen.splitlines(), self.path.name, "seen", lineterm="")
        check(golden == seen, "\n" + "\n".join(diff))


def dump(value) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def joined(frames: list) -> list:
    out = []
    for frame in frames:
        member = delta_of(frame)
        if member and out and delta_of(out[-1]) == member:
            holder, key = member[1:]
            last = out[-1][holder] if holder else out[-1]
            last[key] += (frame[holder] if holder else frame)[key]
            for name in ("accumulated", "content"):
                if holder and name in frame:
                    out[-1][name] = frame[name]
        else:
            out.append(json.loads(json.dumps(frame)))
    return out


def delta_of(frame):
    """Which member of a frame is more of the text before it."""
    kind = frame.get("type") if isinstance(frame, dict) else None
    if kind == "chunk":
        return (kind, "data", "content")
    if kind in ("text_delta", "thinking_delta"):
        return (kind, None, "delta")
    return None
