"""A ChatKit page without a screen: sends operations, and has every answer judged."""

import http.client
import json
from urllib.parse import urlsplit

from judge import Wrong, check, read
from screen import Screen

# The longest that an answer may keep silent, in seconds.
PATIENCE = 30


class Refused(Exception):
    """The gateway refuses an operation."""

    def __init__(self, status, code):
        super().__init__(f"{status} {code}")
        self.status, self.code = status, code


class Page:
    """One page at one endpoint."""

    def __init__(self, url: str):
        self.url = urlsplit(url)
        self.screen = Screen()

    @property
    def thread(self) -> str:
        return self.screen.thread["id"]

    def post(self, body: bytes, method="POST", path=None, media_type="application/json"):
        connection = http.client.HTTPConnection(self.url.hostname, self.url.port, timeout=PATIENCE)
        connection.request(method, path or self.url.path, body, {"content-type": media_type})
        return connection, connection.getresponse()

    def fetch(self, path: str, method="GET", body=b"", media_type="application/json"):
        """Anything else of the gateway: the status, the media type and the bytes."""
        connection, response = self.post(body, method, path, media_type)
        try:
            return response.status, response.headers.get_content_type(), response.read()
        finally:
            connection.close()

    def send(self, body: bytes, method="POST"):
        """The answer, if it is JSON."""
        connection, response = self.post(body, method)
        try:
            return self.document(response)
        finally:
            connection.close()

    def document(self, response) -> str:
        text = response.read().decode()
        media_type = response.headers.get_content_type()
        if media_type != "application/json":
            raise Wrong(f"{response.status} {media_type} instead of JSON: {text}")
        if response.status == 200:
            return text
        error = json.loads(text)["error"]
        if not (isinstance(error["code"], str) and isinstance(error["message"], str)) or response.status < 400:
            raise Wrong(f"{response.status}: {text}")
        raise Refused(response.status, error["code"])

    def ask(self, kind: str, operation: str, /, **params) -> dict:
        """An operation with one answer of this kind."""
        return read(kind, self.send(json.dumps({"type": operation, "params": params}).encode()))

    def turn(self, operation: str, /, **params) -> list:
        """An operation with a stream: its events, each looked at by the judge and shown on the screen."""
        connection, response = self.post(json.dumps({"type": operation, "params": params}).encode())
        try:
            if response.headers.get_content_type() != "text/event-stream":
                raise Wrong(f"no stream but {self.document(response)}")
            events = [read("event", data) for data in frames(response.read())]
        finally:
            connection.close()
        self.screen.begin()
        for event in events:
            self.screen.event(event)
        self.screen.end()
        return events

    def say(self, text: str, **more) -> list:
        """A message, in a new thread if there is none yet."""
        message = {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}} | more
        if self.screen.thread is None:
            return self.turn("threads.create", input=message)
        return self.turn("threads.add_user_message", thread_id=self.thread, input=message)

    def give(self, result) -> list:
        """What the page's tool gives."""
        return self.turn("threads.add_client_tool_output", thread_id=self.thread, result=result)

    def kept(self) -> list:
        """All items of the thread, oldest first, page by page."""
        items, after = [], None
        while True:
            page = self.ask("items", "items.list", thread_id=self.thread, limit=3, order="asc", after=after)
            items += page["data"]
            if not page["has_more"]:
                return items
            after = page["after"]


def frames(body: bytes):
    """The data of each event: one line, exactly framed. Comments keep idle streams open."""
    text = body.decode()
    if not text.endswith("\n\n"):
        raise Wrong(f"the stream ends inside a frame: {text[-100:]!r}")
    for frame in text[:-2].split("\n\n"):
        if frame.startswith(":") and "\n" not in frame:
            continue
        if not frame.startswith("data: {") or "\n" in frame or "\r" in frame:
            raise Wrong(f"no frame: {frame!r}")
        yield frame.removeprefix("data: ")


def refused(page, status, operation, /, **params):
    """The operation is refused with this status."""
    body = json.dumps({"type": operation, "params": params}).encode()
    answer = outcome(lambda: page.send(body))
    check(answer == status, f"{operation} {params} is answered with {answer}, not {status}")


def outcome(send):
    """The status of a refusal, or what came instead."""
    try:
        return send()
    except Refused as refusal:
        return refusal.status
    except Wrong as wrong:
        return wrong
