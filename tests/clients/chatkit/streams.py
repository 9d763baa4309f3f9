"""python streams.py < BODIES: judges event streams, with a NUL byte behind each, and shows every one on a screen."""

import sys

from judge import Wrong, read
from page import frames
from screen import Screen


def main() -> int:
    bodies = [body for body in sys.stdin.buffer.read().split(b"\0") if body]
    wrong = events = 0
    for body in bodies:
        screen = Screen()
        screen.begin()
        try:
            for data in frames(body):
                events += 1
                screen.event(read("event", data))
            screen.end()
        except Wrong as error:
            wrong += 1
            print(f"wrong: {error}\n{body.decode()}", file=sys.stderr)
    print(f"{len(bodies)} streams of {events} events judged, {wrong} wrong")
    return 1 if wrong or not bodies else 0


if __name__ == "__main__":
    sys.exit(main())
