"""A page, or a client library, of a house backend: plain requests and SSE read line by line, as they do it."""

import asyncio
import json
import sys
import traceback

import httpx

from transcript import Transcript, Wrong, check

# The longest that an answer may keep silent, in seconds.
PATIENCE = 30


def client(address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=address, timeout=PATIENCE)


async def ask(http: httpx.AsyncClient, seen: Transcript, method: str, path: str, body=None):
    """A request with one document as its answer; gives its status and the document."""
    seen.request(method, path, body)
    if isinstance(body, str):
        response = await http.request(method, path, content=body, headers={"content-type": "application/json"})
    elif body is None:
        response = await http.request(method, path)
    else:
        response = await http.request(method, path, json=body)
    check(response.headers["content-type"] == "application/json", path, response.headers)
    seen.document(response.status_code, response.text)
    return response.status_code, response.json()


async def stream(http: httpx.AsyncClient, path: str, body: dict):
    """The frames of a stream as they come; comments are texts."""
    async with http.stream("POST", path, json=body) as response:
        if response.status_code != 200:
            raise Wrong(f"{response.status_code}: {await response.aread()}")
        head = response.headers
        check(head["content-type"] == "text/event-stream; charset=utf-8", head)
        check(head["cache-control"] == "no-cache, no-transform" and head["x-accel-buffering"] == "no", head)
        blank = True
        async for line in response.aiter_lines():
            if line == "":
                blank = True
                continue
            check(blank, "a frame of two lines:", line)
            blank = False
            if line.startswith(": "):
                if line != ": keep-alive":
                    yield line
            else:
                check(line.startswith("data: "), line)
                check("\\u00" not in line, "escaped letters:", line)
                yield json.loads(line[6:])
        check(blank, "the last frame is cut")


async def told(http: httpx.AsyncClient, seen: Transcript, path: str, body: dict) -> list:
    """A whole stream, written down."""
    seen.request("POST", path, body)
    frames = [frame async for frame in stream(http, path, body)]
    seen.frames(frames)
    return frames


def kinds(frames: list) -> list:
    return [frame["type"] for frame in frames if isinstance(frame, dict)]


def play(page: str, scenarios: tuple) -> None:
    """Plays all scenarios against the gateway that the command line names. Exit status 1 if anything is wrong."""

    async def all_of_them() -> int:
        wrong = 0
        async with client(sys.argv[1]) as http:
            for scenario in scenarios:
                try:
                    await scenario(http)
                    print(f"{page} {scenario.__name__}: as it must be")
                except Exception:
                    wrong += 1
                    traceback.print_exc()
        return 1 if wrong else 0

    sys.exit(asyncio.run(all_of_them()))
