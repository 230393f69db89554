"""From a row's change to the frame that redraws it, in each of fifty open pages.

The pages are websocket clients with a person's cookie and the signed list that the page carries:
half show the list of clusters, half the changed cluster, in two languages. What a browser would
do with the frame, a morph of one element, is not in the figure.
"""

import asyncio
import itertools
import random
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import aiohttp

from tests.bench.fleets import running_portal
from tests.bench.rows import Row, load_average
from tests.bench.times import p99_row
from tests.e2e.portal import Person, Portal

PAGES = 50
CLUSTERS = 50
CHANGES = 25
BUDGET_SECONDS = 45.0
DEADLINE_SECONDS = 15.0
CHANGED = "live-00"
LANGUAGES = ("en", "zh-hans")
_SOCKET = re.compile(r'ws-connect="([^"]+)"')


class OpenPages:
    """Fifty sockets; each notes when a frame with the awaited word comes."""

    def __init__(self) -> None:
        self.word = "a word that no page has"
        self.seen: dict[int, float] = {}
        self.complete = asyncio.Event()
        self.frames = 0

    async def read(self, number: int, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            self.frames += 1
            if self.word in str(message.data) and number not in self.seen:
                self.seen[number] = time.monotonic()
                if len(self.seen) == PAGES:
                    self.complete.set()

    def expect(self, word: str) -> None:
        self.word, self.seen = word, {}
        self.complete.clear()


async def open_pages(portal: Portal, person: Person, stack: AsyncExitStack) -> OpenPages:
    """Open the pages as a browser does: fetch, find the socket's address, connect."""
    trust = ssl.create_default_context(cafile=str(portal.certificate))
    session = await stack.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust, limit=0))
    )
    pages = OpenPages()
    paths = itertools.product(("/clusters/", f"/clusters/{CHANGED}/"), LANGUAGES)
    for number, (path, language) in zip(range(PAGES), itertools.cycle(paths), strict=False):
        cookies = {**person.cookies, "django_language": language}
        header = "; ".join(f"{name}={value}" for name, value in cookies.items())
        headers = {"Cookie": header, "Origin": portal.url}
        async with session.get(portal.url + path, headers=headers) as answer:
            found = _SOCKET.search(await answer.text())
        if found is None:
            raise RuntimeError(f"{path} answered {answer.status} and has no socket")
        socket = await stack.enter_async_context(
            session.ws_connect(portal.url + found[1], headers=headers)
        )
        task = asyncio.create_task(pages.read(number, socket))
        stack.callback(task.cancel)
    return pages


async def measure(portal: Portal, person: Person) -> list[float]:
    """Change a row again and again; return the seconds to each page."""
    found: list[float] = []
    async with AsyncExitStack() as stack:
        pages = await open_pages(portal, person, stack)
        await _until_quiet(pages)
        ends = time.monotonic() + BUDGET_SECONDS
        for number in range(CHANGES):
            if found and time.monotonic() > ends:
                break
            word = f"region-{number:03d}"
            pages.expect(word)
            began = time.monotonic()
            change = {"region": word}
            await asyncio.to_thread(person.send, "PATCH", f"/clusters/{CHANGED}/", change)
            await asyncio.wait_for(pages.complete.wait(), DEADLINE_SECONDS)
            found += [at - began for at in pages.seen.values()]
            # Not in step with the pages' own pauses between two flushes.
            await asyncio.sleep(random.uniform(0.2, 1.2))  # noqa: S311 - no secret
    return found


async def _until_quiet(pages: OpenPages) -> None:
    """Wait until what every page is sent on connect has come."""
    before = -1
    while before != pages.frames:
        before = pages.frames
        await asyncio.sleep(1.5)


def rows() -> Iterator[Row]:
    """Yield every row of the family."""
    load = load_average()
    with running_portal() as portal:
        person = portal.log_in()
        for number in range(CLUSTERS):
            person.post("/clusters/", {"name": f"live-{number:02d}", "mode": "observe"})
        found = asyncio.run(measure(portal, person))
    note = (
        f"{len(found) // PAGES} changes seen by {PAGES} pages in {len(LANGUAGES)} languages; from "
        "the PATCH being sent to the frame, without the browser's own swap"
    )
    yield p99_row("live.row_to_browser_p99_s", found, note, load)
