"""Files of a message, and dictation."""

import base64
import json

from judge import check, read
from page import Page, refused

# A picture of one pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)

BOUNDARY = "a-line-of-no-file"


def form(name, media_type, content):
    """A form with one file, and its media type."""
    disposition = f'content-disposition: form-data; name="file"; filename="{name}"'
    head = f"--{BOUNDARY}\r\n{disposition}\r\ncontent-type: {media_type}\r\n\r\n"
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"


def path_of(page, url):
    """Pages are told whole addresses; all are this gateway's."""
    base = f"http://{page.url.netloc}"
    check(url.startswith(base), f"{url} is not below {base}")
    return url.removeprefix(base)


def announced(page):
    """A picture is announced, sent as a form, named by a message, and served again."""
    made = page.ask("attachment", "attachments.create", name="a dot.png", size=len(PNG), mime_type="image/png")
    upload = made["upload_descriptor"]
    sent = page.fetch(path_of(page, upload["url"]), upload["method"], *form("x", "image/png", PNG))
    check(sent[:2] == (200, "application/json"), sent)
    stored = read("attachment", sent[2].decode())
    check(stored["id"] == made["id"] and "upload_descriptor" not in stored, stored)
    page.say("What is in this?", attachments=[made["id"]])
    first = page.kept()[0]
    check([each["id"] for each in first["attachments"]] == [made["id"]], first)
    check("upload_descriptor" not in first["attachments"][0], first)
    shown = page.fetch(path_of(page, first["attachments"][0]["preview_url"]))
    check(shown == (200, "image/png", PNG), shown[:2])
    again = page.fetch(path_of(page, upload["url"]), upload["method"], *form("x", "image/png", PNG))
    check(again[0] == 409, "an address is good for one file:", again)


def direct(page):
    """A file is sent at once; deleted, it can be named no more."""
    status, _, body = page.fetch("/attachments", "POST", *form("note.txt", "text/plain", b"Buy tea."))
    check(status == 200, status, body)
    sent = read("attachment", body.decode())
    check((sent["type"], sent["name"], sent["mime_type"]) == ("file", "note.txt", "text/plain"), sent)
    page.say("Read this", attachments=[sent["id"]])
    check([each["id"] for each in page.kept()[0]["attachments"]] == [sent["id"]], page.kept()[0])
    other = Page(page.url.geturl())
    _, _, body = page.fetch("/attachments", "POST", *form("note.txt", "text/plain", b"Buy tea."))
    left = read("attachment", body.decode())["id"]
    other.ask("empty", "attachments.delete", attachment_id=left)
    refused(other, 404, "threads.create", input=naming(left))


def too_large(page):
    """30 MB where 20 are allowed: refused when it is announced, and when it is sent."""
    size = 30_000_000
    refused(page, 413, "attachments.create", name="a.txt", size=size, mime_type="text/plain")
    try:
        status, media_type, body = page.fetch("/attachments", "POST", *form("a.txt", "text/plain", b"x" * size))
    except (BrokenPipeError, ConnectionResetError):
        # Refused by its length, before it is read.
        return
    check((status, media_type) == (413, "application/json"), status, media_type)
    check(json.loads(body)["error"]["code"] == "body_too_large", body)


def dictated(page):
    """What the user says comes back as text."""
    sound = base64.b64encode(b"not really a sound").decode()
    answer = page.ask("transcript", "input.transcribe", audio_base64=sound, mime_type="audio/webm;codecs=opus")
    check(answer["text"].strip(), answer)
    refused(page, 415, "input.transcribe", audio_base64=sound, mime_type="text/plain")


def naming(attachment):
    content = [{"type": "input_text", "text": "Read this"}]
    return {"content": content, "attachments": [attachment], "inference_options": {}}


SCENARIOS = [announced, direct, too_large, dictated]
