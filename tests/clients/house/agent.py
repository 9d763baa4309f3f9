"""python agent.py http://127.0.0.1:PORT: a client of the agent's session server uses every endpoint and gets every frame.
What it sees is compared with golden/agent*.txt; BLESS=1 writes them. Exit status 1 if anything is wrong.
"""

import asyncio
from urllib.parse import quote

from page import ask, kinds, play, stream, told
from transcript import Transcript, check

WHOLE, STEPS, DELTAS = "/agent/query", "/agent/query-stream", "/agent/query-stream-delta"


def question(session, text: str) -> dict:
    return {"message": text} if session is None else {"message": text, "session_id": session}


def in_order(frames: list):
    """What holds for every stream."""
    check(frames[-1] == ": done", "the last bytes:", frames[-1])
    seen = kinds(frames)
    check(seen[-2:] == ["final", "usage"] or seen[-1] == "error", seen)
    check(seen.count("final") + seen.count("error") == 1, seen)
    check(seen.count("step_start") == seen.count("step_complete"), seen)
    check(seen.count("thinking_start") == seen.count("thinking_end"), seen)
    for frame in frames[:-1]:
        check(("timestamp" in frame) == (frame["type"] not in ("usage", "error")), frame)
    times = [frame["timestamp"] for frame in frames[:-1] if "timestamp" in frame]
    check(times == sorted(times), "times go on:", times)


async def sessions(http):
    seen = Transcript("agent-sessions")
    _, made = await ask(http, seen, "POST", "/sessions", {"system_prompt": "Be brief."})
    session = made["session_id"]
    _, bare = await ask(http, seen, "POST", "/sessions")
    await ask(http, seen, "GET", "/sessions")
    await ask(http, seen, "POST", WHOLE, question(session, "Hello"))
    await ask(http, seen, "GET", f"/sessions/{session}")
    await ask(http, seen, "GET", f"/agent/usage/{session}")
    await ask(http, seen, "GET", "/health")
    await ask(http, seen, "POST", f"/sessions/{session}/clear")
    await ask(http, seen, "GET", f"/sessions/{session}")
    for name in (session, bare["session_id"]):
        await ask(http, seen, "DELETE", f"/sessions/{name}")
    seen.title("Gone")
    for method, path in [("GET", "/sessions/"), ("DELETE", "/sessions/"), ("GET", "/agent/usage/")]:
        status, _ = await ask(http, seen, method, path + session)
        check(status == 404, status)
    await ask(http, seen, "POST", f"/sessions/{session}/clear")
    await ask(http, seen, "GET", "/sessions")
    seen.title("An id of the client's own, with a path in it")
    name = "../../etc/passwd ü"
    await ask(http, seen, "POST", WHOLE, question(name, "Hello"))
    await ask(http, seen, "GET", f"/sessions/{quote(name, safe='')}")
    await ask(http, seen, "DELETE", f"/sessions/{quote(name, safe='')}")
    seen.judge()


async def questions(http):
    for base, name in [("", "agent"), ("/claude", "agent-claude")]:
        seen = Transcript(name)
        for about, text in [
            ("A text", "Hello"),
            ("A tool", "What is the weather in Bern?"),
            ("Two tools", "Compare two cities"),
            ("Thoughts", "Think about it"),
            ("Letters of all kinds", "Unicode, please"),
            ("A failure behind the first words", "Please break in the middle"),
            ("A failure before", "error, please"),
        ]:
            for path in (STEPS, DELTAS):
                seen.title(f"{about}: {path}")
                in_order(await told(http, seen, base + path, question(None, text)))
            seen.title(f"{about}: {WHOLE}")
            await ask(http, seen, "POST", base + WHOLE, question(None, text))
        seen.judge()


async def mistakes(http):
    seen = Transcript("agent-mistakes")
    for path in (WHOLE, STEPS, DELTAS):
        for body in ["", "[]", "{", {}, {"message": 5}, {"message": " "}, question(7, "hi"), question("x" * 257, "hi")]:
            status, answer = await ask(http, seen, "POST", path, body)
            check(status == 422 and isinstance(answer["detail"], str), status, answer)
    await ask(http, seen, "POST", "/sessions", {"system_prompt": ["a"]})
    for method, path in [("GET", WHOLE), ("PUT", "/sessions"), ("POST", "/sessions/a"), ("GET", "/agent"), ("POST", "/")]:
        status, _ = await ask(http, seen, method, path)
        check(status in (404, 405), status)
    seen.judge()


async def full(http):
    seen = Transcript("agent-full")
    _, first = await ask(http, seen, "POST", "/small/sessions")
    await ask(http, seen, "POST", f"/small{WHOLE}", question("mine", "Hello"))
    for path, body in [
        ("/sessions", {}),
        (WHOLE, question("more", "Hello")),
        (STEPS, question("more", "Hello")),
        (DELTAS, question(None, "Hello")),
    ]:
        status, _ = await ask(http, seen, "POST", "/small" + path, body)
        check(status == 503, status)
    await ask(http, seen, "GET", "/small/health")
    await ask(http, seen, "POST", f"/small{WHOLE}", question("mine", "Hello"))
    await ask(http, seen, "DELETE", f"/small/sessions/{first['session_id']}")
    await ask(http, seen, "POST", "/small/sessions")
    seen.judge()


async def stops(http):
    """A session is deleted while its question is being answered."""
    seen = Transcript("agent-stop")
    frames = []
    async for frame in stream(http, f"/slow{DELTAS}", question("stop", "a long one")):
        frames.append(frame)
        if len(frames) == 5:
            await ask(http, seen, "DELETE", "/slow/sessions/stop")
    in_order(frames)
    check(kinds(frames)[-3:] == ["hidden", "step_complete", "error"] and len(frames) < 60, kinds(frames))
    seen.frames([frame for frame in frames[-4:]])
    seen.judge()


async def side_by_side(http):
    """Sessions go on beside each other, the questions of one session one after the other."""
    async def one(session, text):
        return [frame async for frame in stream(http, f"/slow{DELTAS}", question(session, text))]

    alone = await one("alone", "Hello")
    results = await asyncio.gather(*(one(f"side-{n}", "Hello") for n in range(8)))
    for frames in results:
        in_order(frames)
        check(kinds(frames) == kinds(alone), kinds(frames))
    both = await asyncio.gather(one("same", "Hello"), one("same", "Hello"))
    spans = sorted((frames[0]["timestamp"], frames[-3]["timestamp"]) for frames in both)
    check(spans[0][1] <= spans[1][0], "one after the other:", spans)
    last = max(frames[-2]["usage"]["by_model"]["slow"]["invocations"] for frames in both)
    check(last == 2, "the second one counts the first:", last)


if __name__ == "__main__":
    play("agent", (sessions, questions, mistakes, full, stops, side_by_side))
