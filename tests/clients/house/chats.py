"""python chats.py http://127.0.0.1:PORT: a page with a sidebar of chats uses every endpoint and gets every frame of its
socket. What it sees is compared with golden/chats*.txt; BLESS=1 writes them. Exit status 1 if anything is wrong.
"""

import asyncio
import json
from contextlib import asynccontextmanager

from websockets.asyncio.client import connect

from page import PATIENCE, ask, kinds, play
from transcript import Transcript, check, dump, joined

BASE, SLOW, SLOWER = "/desk", "/desk-slow", "/desk-slower"
ENDS = ("result", "cancelled", "error")
# One pixel.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Tab:
    """One socket. What comes is read frame by frame."""

    def __init__(self, socket):
        self.socket = socket

    async def send(self, message, seen=None):
        text = message if isinstance(message, str) else dump(message)
        if seen:
            seen.request("send", text)
        await self.socket.send(text)

    async def frame(self) -> dict:
        text = await asyncio.wait_for(self.socket.recv(), PATIENCE)
        check(isinstance(text, str) and "\\u00" not in text, "a text message:", text)
        return json.loads(text)

    async def until(self, *ends, times=1) -> list:
        """The frames up to the one of these kinds."""
        frames = []
        while times:
            frames.append(await self.frame())
            times -= frames[-1]["type"] in ends
        return frames

    async def nothing_more(self):
        """Messages are answered in order: what is answered next would come behind anything that is left."""
        await self.send({"type": "subscribe", "chat_id": "nobody's"})
        frame = await self.frame()
        check(frame["type"] == "error" and frame.get("chat_id") == "nobody's", "nothing is left:", frame)

    async def subscribe(self, chat: str, seen=None) -> list:
        await self.send({"type": "subscribe", "chat_id": chat}, seen)
        return await self.until("history", "error")

    async def says(self, chat: str, content: str, seen=None, **more):
        await self.send({"type": "chat", "chat_id": chat, "content": content, **more}, seen)


@asynccontextmanager
async def tab(http, base=BASE):
    address = str(http.base_url).rstrip("/").replace("http://", "ws://", 1)
    async with connect(f"{address}{base}/ws/chat", proxy=None, max_size=None, open_timeout=PATIENCE) as socket:
        page = Tab(socket)
        hello = await page.frame()
        check(hello == {"type": "connected"}, hello)
        yield page


async def made(http, base=BASE) -> str:
    response = await http.post(f"{base}/api/chats")
    check(response.status_code == 201, response.text)
    return response.json()["id"]


async def messages(http, chat: str, base=BASE) -> list:
    return (await http.get(f"{base}/api/chats/{chat}/messages")).json()


def in_order(frames: list, chat: str):
    """What holds for every turn."""
    seen = kinds(frames)
    check(seen[0] == "user_message" and seen[-1] in ENDS and sum(seen.count(end) for end in ENDS) == 1, seen)
    check(seen.count("user_message") == 1, seen)
    check({frame["chat_id"] for frame in frames} == {chat}, "all of one chat:", frames)
    is_open = False
    for kind in seen:
        if kind == "stream_start":
            check(not is_open, "one block at a time:", seen)
            is_open = True
        elif kind == "text_delta":
            check(is_open, "a text has a beginning:", seen)
        elif kind == "stream_end":
            check(is_open, seen)
            is_open = False
    check(not is_open, "a text has an end:", seen)
    used = [frame["tool_id"] for frame in frames if frame["type"] == "tool_use"]
    if seen[-1] == "result":
        check(used == [frame["tool_id"] for frame in frames if frame["type"] == "tool_result"], "each its result:", seen)


def said(frames: list) -> str:
    return "".join(frame["delta"] for frame in frames if frame["type"] == "text_delta")


def some(frames: list, text: str) -> list:
    """Frames for the golden file, where they have as much of a text as this run happened to see."""
    return [json.loads(dump(frame).replace(dump(text)[1:-1], "SOME")) if text else frame for frame in joined(frames)]


async def chats(http):
    seen = Transcript("chats")
    path = f"{BASE}/api/chats"

    async def listed(query=""):
        """Our own chats among all that there are."""
        seen.request("GET", path + query)
        response = await http.get(path + query)
        ours = [chat for chat in response.json() if chat["id"] in (first, second)]
        seen.document(response.status_code, dump(ours))
        return [chat["id"] for chat in ours]

    seen.title("Made")
    _, chat = await ask(http, seen, "POST", path)
    first = chat["id"]
    status, chat = await ask(http, seen, "POST", path, {"title": "Trains to Ütliberg"})
    second = chat["id"]
    check(status == 201 and set(await listed()) == {first, second}, "both are listed")
    await ask(http, seen, "GET", f"{path}/{first}")
    await ask(http, seen, "GET", f"{path}/{first}/messages")
    seen.title("Its first message names it, and makes it the newest")
    async with tab(http) as page:
        await page.says(first, "What is the weather in Bern?", seen)
        seen.frames(await page.until(*ENDS))
    check(await listed() == [first, second], "newest activity first")
    await ask(http, seen, "GET", f"{path}/{first}/messages")
    seen.title("Searched, in titles and in what was said, in any case")
    for text, found in [("%C3%9CTLIBERG", [second]), ("weather+in+bern", [first]), ("nobody%20said", [])]:
        check(await listed(f"/search?q={text}") == found, text)
    seen.title("Renamed")
    for method, title in [("PUT", "Weather"), ("PATCH", "Fog \"and\" <b>")]:
        status, chat = await ask(http, seen, method, f"{path}/{first}", {"title": title})
        check(status == 200 and chat["title"] == title, chat)
    check(await listed("/search?q=fog") == [first], "by its new title")
    await ask(http, seen, "GET", f"{path}/{first}/")
    seen.title("Deleted")
    await ask(http, seen, "DELETE", f"{path}/{first}")
    for method, below, body in [
        ("GET", "", None),
        ("GET", "/messages", None),
        ("PUT", "", {"title": "x"}),
        ("PATCH", "", {"title": "x"}),
        ("DELETE", "", None),
    ]:
        status, _ = await ask(http, seen, method, f"{path}/{first}{below}", body)
        check(status == 404, method, status)
    check(await listed() == [second] and await listed("/search?q=weather+in+bern") == [], "it is gone")
    seen.title("Mistakes")
    for method, below, body in [
        ("POST", "", "{"),
        ("POST", "", "[]"),
        ("POST", "", {"title": 5}),
        ("PUT", f"/{second}", {}),
        ("PATCH", f"/{second}", {"title": ["a"]}),
        ("GET", "/search", None),
        ("GET", "/search?q=%20", None),
        ("GET", "/search?q=%FF", None),
        ("PUT", "", {}),
        ("POST", f"/{second}", {}),
        ("DELETE", f"/{second}/messages", None),
        ("GET", f"/{second}/nothing", None),
    ]:
        status, answer = await ask(http, seen, method, path + below, body)
        check(400 <= status < 500 and list(answer) == ["error"], status, answer)
    status, _ = await ask(http, seen, "GET", f"{BASE}/ws/chat")
    check(status == 426, status)
    await http.delete(f"{path}/{second}")
    seen.judge()


async def talks(http):
    seen = Transcript("chats-talk")
    chat = await made(http)
    async with tab(http) as one, tab(http) as two:
        seen.title("Nothing was said")
        seen.frames(await one.subscribe(chat, seen))
        await two.subscribe(chat)
        picture = {"base64": PNG, "media_type": "image/png"}
        pasted = {"base64": f"data:image/png;base64,{PNG}", "mimeType": "image/png"}
        for about, content, more in [
            ("A text", "Hello", {}),
            ("A tool", "What is the weather in Bern?", {}),
            ("Two tools", "Compare two cities", {}),
            ("Thoughts have no frame", "Think about it", {}),
            ("Letters of all kinds", "Unicode, please", {}),
            ("A failure behind the first words", "Please break in the middle", {}),
            ("A failure before", "error, please", {}),
            ("Pictures", "Look", {"images": [picture, pasted]}),
            ("A picture alone", "", {"images": [picture]}),
        ]:
            seen.title(about)
            await one.says(chat, content, seen, **more)
            frames = await one.until(*ENDS)
            in_order(frames, chat)
            seen.frames(frames)
            check(joined(await two.until(*ENDS)) == joined(frames), "both tabs see the same")
        await one.nothing_more()
        await two.nothing_more()
        async with tab(http) as late:
            seen.title("Whoever comes later")
            history = await late.subscribe(chat, seen)
            seen.frames(history)
            check(history[0]["messages"] == await messages(http, chat), "the same messages over REST")
            check(kinds(tools := [await late.frame()]) == ["tool_history"], tools)
            seen.frames(tools)
            await late.nothing_more()
        seen.title("Cleared")
        await one.send({"type": "clear_history", "chat_id": chat}, seen)
        seen.frames([await one.frame()])
        check(await messages(http, chat) == [], "nothing is left")
        seen.frames(await one.subscribe(chat, seen))
        await one.nothing_more()
    seen.title("A page that did not subscribe sees its own turn")
    async with tab(http) as page:
        await page.says(chat, "Hello", seen)
        frames = await page.until(*ENDS)
        in_order(frames, chat)
        seen.frames(frames)
    seen.judge()


async def mistakes(http):
    seen = Transcript("chats-mistakes")
    chat = await made(http)

    def picture(**image):
        return {"type": "chat", "chat_id": chat, "content": "Look", "images": [image]}

    async with tab(http) as page:
        for message in [
            "{",
            "",
            "[]",
            {},
            {"type": "subscribe"},
            {"type": "chat", "content": "hi"},
            {"type": "chat", "chat_id": 5, "content": "hi"},
            {"type": "chat", "chat_id": "", "content": "hi"},
            {"type": "dance", "chat_id": chat},
            {"type": 7, "chat_id": chat},
            {"type": "subscribe", "chat_id": "nobody's"},
            {"type": "chat", "chat_id": "nobody's", "content": "hi"},
            {"type": "clear_history", "chat_id": "nobody's"},
            {"type": "stop", "chat_id": "nobody's"},
            {"type": "stop", "chat_id": chat},
            {"type": "chat", "chat_id": chat},
            {"type": "chat", "chat_id": chat, "content": " \n"},
            {"type": "chat", "chat_id": chat, "content": ["hi"]},
            {"type": "chat", "chat_id": chat, "content": "hi", "images": {}},
            picture(base64="not base64!", media_type="image/png"),
            picture(base64="", media_type="image/png"),
            picture(base64=PNG, media_type="image/svg+xml"),
            picture(base64=PNG),
            picture(media_type="image/png"),
        ]:
            await page.send(message, seen)
            frame = await page.frame()
            seen.frames([frame])
            check(frame["type"] == "error" and isinstance(frame["error"], str), frame)
        check(await messages(http, chat) == [], "nothing is kept of a mistake")
        seen.title("The socket is still open")
        await page.says(chat, "Hello", seen)
        frames = await page.until(*ENDS)
        in_order(frames, chat)
        seen.frames(frames)
    seen.judge()


async def begun(page: Tab, chat: str, content: str) -> list:
    """A turn that is in the middle of its text."""
    await page.says(chat, content)
    return await page.until("text_delta", times=5)


async def ends_early(http):
    """A turn is stopped, interrupted, cleared away, deleted: from the page that began it and from another."""
    seen = Transcript("chats-stop")
    async with tab(http, SLOW) as one, tab(http, SLOW) as two:
        for about, verb in [("Stopped", "stop"), ("Cleared away", "clear_history")]:
            chat = await made(http, SLOW)
            await one.subscribe(chat)
            seen.title(f"{about} by a page that is not shown the turn")
            frames = await begun(one, chat, "a long one")
            await two.send({"type": verb, "chat_id": chat}, seen)
            seen.frames(await two.until("cancelled", "history_cleared", "error"))
            frames += await one.until(*ENDS)
            in_order(frames, chat)
            check(frames[-1]["type"] == "cancelled" and len(frames) < 60, "it went on:", kinds(frames))
            seen.frames(some(frames, said(frames)))
            if verb == "clear_history":
                seen.frames([await one.frame()])
            kept = [(each["role"], each["content"]) for each in await messages(http, chat, SLOW)]
            check(kept == ([("user", "a long one"), ("assistant", said(frames))] if verb == "stop" else []), kept)
        chat = await made(http, SLOW)
        seen.title("Stopped by the page itself, then nothing to stop")
        frames = await begun(one, chat, "a long one")
        await one.send({"type": "stop", "chat_id": chat}, seen)
        frames += await one.until(*ENDS)
        in_order(frames, chat)
        seen.frames(some(frames, said(frames)))
        await one.send({"type": "stop", "chat_id": chat}, seen)
        seen.frames([await one.frame()])
        seen.title("Cleared away by the page itself")
        frames = await begun(one, chat, "a long one")
        await one.send({"type": "clear_history", "chat_id": chat}, seen)
        frames += await one.until(*ENDS)
        in_order(frames, chat)
        seen.frames(some(frames, said(frames)) + [await one.frame()])
        seen.title("Deleted")
        frames = await begun(one, chat, "a long one")
        await ask(http, seen, "DELETE", f"{SLOW}/api/chats/{chat}")
        frames += await one.until(*ENDS)
        in_order(frames, chat)
        seen.frames(some(frames, said(frames)))
        await one.nothing_more()
        await two.nothing_more()
    seen.judge()


async def interrupts(http):
    """A newer message ends the turn: nothing of the old one comes behind it, in no tab."""
    seen = Transcript("chats-interrupt")
    for about, other in [("By the same page", False), ("By another tab", True)]:
        seen.title(about)
        chat = await made(http, SLOW)
        async with tab(http, SLOW) as one, tab(http, SLOW) as two:
            await one.subscribe(chat)
            await two.subscribe(chat)
            frames = await begun(one, chat, "a long one")
            await (two if other else one).says(chat, "Compare two cities", seen)
            old = frames + await one.until(*ENDS)
            new = await one.until(*ENDS)
            in_order(old, chat)
            in_order(new, chat)
            check(old[-1]["type"] == "cancelled" and new[-1]["type"] == "result", kinds(old + new))
            seen.frames(some(old, said(old)))
            seen.frames(new)
            check(joined(await two.until(*ENDS, times=2)) == joined(old + new), "both tabs see the same")
            await one.nothing_more()
            await two.nothing_more()
            history = await two.subscribe(chat, seen)
            check(history[0]["messages"][1]["content"] == said(old), "what was said of it is kept:", history)
            seen.frames(some(history, said(old)))
    seen.judge()


async def hasty(http):
    """Many messages from two tabs, each before the one before it is answered: every turn is whole, in one order."""
    chat = await made(http)
    async with tab(http) as one, tab(http) as two:
        await one.subscribe(chat)
        await two.subscribe(chat)
        for n in range(10):
            await one.says(chat, f"{n} of one")
            await two.says(chat, f"{n} of two")
        told = [await page.until(*ENDS, times=20) for page in (one, two)]
        await one.nothing_more()
        await two.nothing_more()
    check(joined(told[0]) == joined(told[1]), "both tabs see the same")
    starts = [at for at, frame in enumerate(told[0]) if frame["type"] == "user_message"]
    turns = [told[0][start:end] for start, end in zip(starts, starts[1:] + [None])]
    check(starts[0] == 0 and len(turns) == 20, kinds(told[0]))
    for turn in turns:
        in_order(turn, chat)
    check(turns[-1][-1]["type"] == "result", "the last one is answered:", kinds(turns[-1]))
    for who in ("one", "two"):
        asked = [turn[0]["content"] for turn in turns if turn[0]["content"].endswith(who)]
        check(asked == [f"{n} of {who}" for n in range(10)], "in the order in which they were sent:", asked)
    kept = [each["content"] for each in await messages(http, chat) if each["role"] == "user"]
    check(kept == [turn[0]["content"] for turn in turns], "kept in the order of the turns:", kept)


async def late(http):
    """A page that comes in the middle of a turn gets the rest of it; one that goes does not end it."""
    seen = Transcript("chats-late")
    chat = await made(http, SLOW)
    async with tab(http, SLOW) as first:
        await begun(first, chat, "Hello")
    async with tab(http, SLOW) as page:
        await page.send({"type": "subscribe", "chat_id": chat}, seen)
        frames = await page.until(*ENDS)
    check(kinds(frames)[:3] == ["processing_state", "history", "text_delta"], kinds(frames))
    state = frames[0]["streaming_state"]
    check(state["is_streaming"] and state["text"], state)
    kept = (await messages(http, chat, SLOW))[-1]["content"]
    check(state["text"] + said(frames) == kept, "the two halves are one text:", state["text"], said(frames))
    seen.frames([{**each, "delta": "REST"} if each["type"] == "text_delta" else each
                 for each in some(frames, state["text"])])
    seen.title("Behind the result of a tool")
    chat = await made(http, SLOWER)
    async with tab(http, SLOWER) as first, tab(http, SLOWER) as page:
        await first.says(chat, "What is the weather in Bern?")
        frames = await first.until("tool_result") + await first.until("text_delta")
        await page.send({"type": "subscribe", "chat_id": chat}, seen)
        past = await page.until("text_delta")
        await page.send({"type": "stop", "chat_id": chat}, seen)
        past += await page.until(*ENDS)
        frames += await first.until(*ENDS)
    in_order(frames, chat)
    check(kinds(past)[:4] == ["processing_state", "history", "tool_history", "text_delta"], kinds(past))
    state = past[0]["streaming_state"]
    kept = (await messages(http, chat, SLOWER))[-1]["content"]
    check(state["text"] + said(past) == said(frames) == kept, "the two halves are one text:", past)
    seen.frames(past[1:3] + past[-2:])
    seen.judge()


async def side_by_side(http):
    """Turns of several chats go on beside each other on one socket."""
    chats = [await made(http, SLOW) for _ in range(6)]
    async with tab(http, SLOW) as page:
        for chat in chats:
            await page.says(chat, "Hello")
        frames = await page.until(*ENDS, times=len(chats))
    told = [[frame for frame in frames if frame["chat_id"] == chat] for chat in chats]
    for chat, each in zip(chats, told):
        in_order(each, chat)
        check(said(each) == said(told[0]) and each[-1]["type"] == "result", kinds(each))
    first_end = next(at for at, frame in enumerate(frames) if frame["type"] == "result")
    check({frame["chat_id"] for frame in frames[:first_end]} == set(chats), "at the same time")


if __name__ == "__main__":
    play("chats", (chats, talks, mistakes, ends_early, interrupts, hasty, late, side_by_side))
