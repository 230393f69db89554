"""What the agent reports: the latest of each kind and key, streamed to whoever reads.

A reader first gets every latest report and then the changes. One that reads slowly, or not at all
for an hour, finds the latest values only: nothing piles up.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class ReportBus:
    """Where the agent's parts publish."""

    def __init__(self) -> None:
        self._latest: dict[tuple[str, str], bytes] = {}
        self._readers: set[_Reader] = set()

    def publish(self, kind: str, key: str, report: dict[str, Any]) -> None:
        """Replace the latest report of this kind and key; an equal one wakes nobody."""
        line = _encode({"kind": kind, **report}) + b"\n"
        if self._latest.get((kind, key)) == line:
            return
        self._latest[kind, key] = line
        for reader in self._readers:
            reader.add((kind, key))

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Yield JSON lines: all that is known, then what changes, until closed."""
        reader = _Reader(self._latest)
        self._readers.add(reader)
        try:
            while True:
                yield await reader.next()
        finally:
            self._readers.discard(reader)


class _Reader:
    """Which reports one reader has yet to get, oldest change first."""

    def __init__(self, latest: dict[tuple[str, str], bytes]) -> None:
        self._latest = latest
        self._due = dict.fromkeys(latest)
        self._something = asyncio.Event()
        self._something.set()

    def add(self, key: tuple[str, str]) -> None:
        self._due[key] = None
        self._something.set()

    async def next(self) -> bytes:
        while not self._due:
            self._something.clear()
            await self._something.wait()
        key = next(iter(self._due))
        del self._due[key]
        return self._latest[key]
