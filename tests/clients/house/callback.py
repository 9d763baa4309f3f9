"""python callback.py http://127.0.0.1:PORT: a page of the typed-callback chat server uses every endpoint and gets every
frame. What it sees is compared with golden/callback*.txt; BLESS=1 writes them. Exit status 1 if anything is wrong.
"""

import asyncio

from page import ask, kinds, play, stream, told
from transcript import Transcript, check

BASE = "/callback/api/chat"


def message(session: str, content: str, **more) -> dict:
    return {"session_id": session, "content": content, **more}


def direct(session: str, content: str, **more) -> dict:
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": content}]
    return {"session_id": session, "messages": said, **more}


async def talks(http):
    seen = Transcript("callback")
    for about, content in [
        ("A text", "Hello"),
        ("A tool", "What is the weather in Bern?"),
        ("Two tools", "Compare two cities"),
        ("Thoughts have no frame", "Think about it"),
        ("Letters of all kinds", "Unicode, please"),
        ("A failure behind the first words", "Please break in the middle"),
        ("An answer that is cut", "cut off"),
    ]:
        seen.title(about)
        frames = await told(http, seen, f"{BASE}/stream", message("tour", content))
        check(kinds(frames)[-1] in ("complete", "error"), kinds(frames))
    seen.title("Settings of one request, in both spellings")
    for config in ("model_config", "ai_model_config"):
        settings = {"model_name": "anthropic", "temperature": 0.5, "max_tokens": 99}
        await told(http, seen, f"{BASE}/stream", message("tour", "weather", **{config: settings}))
    seen.title("Messages that stand for themselves")
    await told(http, seen, f"{BASE}/stream/direct", direct("tour", "What is the weather in Rome?"))
    seen.title("The same without sessions")
    await told(http, seen, "/plain/api/chat/stream/direct", direct("tour", "Hello"))
    seen.title("Older pages")
    await told(http, seen, "/older/api/chat/stream", message("tour", "What is the weather in Bern?"))
    await told(http, seen, "/older/api/chat/stream", message("tour", "Please break in the middle"))
    seen.judge()


async def shows(http):
    """What a page lists beside its messages: tools, servers, health."""
    seen = Transcript("callback-lists")
    status, tools = await ask(http, seen, "GET", "/api/tools")
    check(status == 200 and [tool["name"] for tool in tools["tools"]] == ["get_weather"], tools)
    status, servers = await ask(http, seen, "GET", "/api/servers")
    check(status == 200 and servers == {"servers": []}, servers)
    status, health = await ask(http, seen, "GET", "/health")
    check(status == 200, health)
    seen.judge()


async def mistakes(http):
    seen = Transcript("callback-mistakes")
    for path, body in [
        ("/stream", ""),
        ("/stream", "[1]"),
        ("/stream", '{"session_id"'),
        ("/stream", {"content": "hi"}),
        ("/stream", message("", "hi")),
        ("/stream", message("x\u0000", "hi")),
        ("/stream", {"session_id": 5, "content": "hi"}),
        ("/stream", {"session_id": "s"}),
        ("/stream", message("s", "")),
        ("/stream", message("s", "hi", model_config=7)),
        ("/stream", message("s", "hi", model_config={"model_name": "nobody's"})),
        ("/stream", message("s", "hi", model_config={"temperature": 2.5})),
        ("/stream", message("s", "hi", ai_model_config={"max_tokens": 0})),
        ("/stream", message("s", "hi", model_config={"base_url": "http://169.254.169.254/latest"})),
        ("/stream", message("s", "hi", model_config={"api_key": "sk-mine"})),
        ("/stream", message("s", "error, please")),
        ("/stream/direct", {"session_id": "s", "messages": []}),
        ("/stream/direct", {"session_id": "s", "messages": [{"role": "robot", "content": "hi"}]}),
        ("/stream/direct", direct("s", "hi", model_config={"base_url": "http://localhost"})),
        ("/abort", {}),
        ("/nowhere", {}),
    ]:
        status, answer = await ask(http, seen, "POST", BASE + path, body)
        check(status >= 400 and answer["type"] == "error" and answer["data"]["error"], answer)
        check("sk-mine" not in str(answer) and "169.254" not in str(answer), answer)
    await ask(http, seen, "GET", f"{BASE}/stream")
    seen.judge()


async def stops(http):
    """A stop from another connection, for both kinds of answer, named in the body and in the query."""
    seen = Transcript("callback-stop")
    seen.title("Nothing runs")
    await ask(http, seen, "POST", f"{BASE}/abort", {"session_id": "stop"})
    slow = {"model_name": "slow"}
    for path, body, abort in [
        ("/stream", message("stop", "a long one", model_config=slow), ("/abort", {"session_id": "stop"})),
        ("/stream/direct", direct("stop", "a long one", model_config=slow), ("/abort?session_id=stop", None)),
    ]:
        seen.title(f"A stop of {path}")
        frames = []
        async for frame in stream(http, BASE + path, body):
            frames.append(frame)
            if len(frames) == 5:
                await ask(http, seen, "POST", BASE + abort[0], abort[1])
        check(set(kinds(frames)[:-1]) == {"chunk"} and kinds(frames)[-1] == "complete", kinds(frames))
        last = frames[-1]["data"]["message"]
        said = "".join(frame["data"]["content"] for frame in frames[:-1])
        check(last["content"] == said and said, "what was said is whole:", last["content"], said)
        check(last["finish_reason"] == "cancelled", last)
        check(len(frames) < 60, "it went on behind the stop:", len(frames))
    seen.judge()


async def side_by_side(http):
    """Two sessions at once, each with its own frames."""
    async def one(session, content):
        return [frame async for frame in stream(http, f"{BASE}/stream", message(session, content))]

    alone = await one("alone", "What is the weather in Bern?")
    text = alone[-1]["data"]["message"]["content"]
    results = await asyncio.gather(*(one(f"side-{n}", "What is the weather in Bern?") for n in range(8)))
    for frames in results:
        check(kinds(frames) == kinds(alone) and frames[-1]["data"]["message"]["content"] == text, kinds(frames))
    ids = {frames[-1]["data"]["message"]["id"] for frames in results}
    check(len(ids) == 8, "every message has an id of its own:", ids)


if __name__ == "__main__":
    play("callback", (talks, shows, mistakes, stops, side_by_side))
