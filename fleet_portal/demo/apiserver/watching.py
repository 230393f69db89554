"""Watches: the changes of a resource as a stream of JSON lines."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from fleet_portal.demo.apiserver.errors import ApiError, bad_request
from fleet_portal.demo.apiserver.kinds import ResourceType
from fleet_portal.demo.apiserver.selectors import Matcher
from fleet_portal.demo.apiserver.store import Change, Object, Store

BOOKMARK_SECONDS = 10.0
LONGEST_SECONDS = 1800.0
INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class WatchOrder:
    """What a client wants to watch, from which revision ("" or "0": the state first)."""

    resource: ResourceType
    namespace: str
    matches: Matcher | None
    revision: str
    bookmarks: bool
    initial_events: bool
    seconds: float
    shown: Callable[[Object, bool], Object]

    def accepts(self, obj: Object | None) -> bool:
        if obj is None:
            return False
        if self.namespace and obj["metadata"].get("namespace") != self.namespace:
            return False
        return self.matches is None or self.matches(obj)


def event_of(order: WatchOrder, change: Change) -> tuple[str, Object] | None:
    """Return (type, object) of a change as this watcher sees it, None where it does not."""
    now = change.kind != "DELETED" and order.accepts(change.obj)
    before = order.accepts(change.before)
    if now:
        return ("MODIFIED" if before else "ADDED"), change.obj
    if not before or change.before is None:
        return None
    # Who selects by labels is told the last state that matched, at the revision of the change.
    revision = change.obj["metadata"]["resourceVersion"]
    metadata = {**change.before["metadata"], "resourceVersion": revision}
    return "DELETED", {**change.before, "metadata": metadata}


def opening(store: Store, order: WatchOrder) -> tuple[list[tuple[str, Object]], bool]:
    """Return the events to begin with, and whether they are the whole state.

    Raises ApiError 410 for a revision that is forgotten.
    """
    if order.initial_events or order.revision in ("", "0"):
        state = [o for o in store.all(order.resource, order.namespace) if order.accepts(o)]
        return [("ADDED", obj) for obj in state], True
    if not order.revision.isdigit():
        raise bad_request(f"invalid resource version {order.revision!r}")
    past = store.since(order.resource, int(order.revision))
    return [event for change in past if (event := event_of(order, change))], False


class _Stream:
    """Writes events to one client."""

    def __init__(self, response: web.StreamResponse, order: WatchOrder) -> None:
        self._response = response
        self._order = order
        self._first = True

    async def send(self, events: Iterator[tuple[str, Object]] | list[tuple[str, Object]]) -> None:
        lines = []
        for kind, obj in events:
            shown = self._order.shown(obj, self._first)
            self._first = False
            lines.append(msgspec.json.encode({"type": kind, "object": shown}))
        if lines:
            await self._response.write(b"\n".join(lines) + b"\n")

    async def bookmark(self, revision: int, initial_end: bool = False) -> None:
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if initial_end:
            metadata["annotations"] = {INITIAL_END: "true"}
        resource = self._order.resource
        obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        await self.send([("BOOKMARK", obj)])

    async def fail(self, error: ApiError) -> None:
        line = msgspec.json.encode({"type": "ERROR", "object": error.status()})
        await self._response.write(line + b"\n")


async def stream(store: Store, order: WatchOrder, response: web.StreamResponse) -> None:
    """Send changes until the client goes, its time is over or its revision is forgotten."""
    out = _Stream(response, order)
    with store.changes(order.resource) as queue:
        try:
            events, whole = opening(store, order)
        except ApiError as error:
            if error.code != 410:
                raise
            await out.fail(error)
            return
        revision = store.revision
        await out.send(events)
        if whole and order.initial_events and order.bookmarks:
            await out.bookmark(revision, initial_end=True)
        await _follow(store, order, queue, out)


async def _follow(
    store: Store, order: WatchOrder, queue: asyncio.Queue[Change], out: _Stream
) -> None:
    end = time.monotonic() + order.seconds
    while (left := end - time.monotonic()) > 0:
        changes: list[Change] = []
        with contextlib.suppress(TimeoutError):
            changes = [await asyncio.wait_for(queue.get(), min(left, BOOKMARK_SECONDS))]
        while not queue.empty():
            changes.append(queue.get_nowait())
        if changes:
            await out.send([e for change in changes if (e := event_of(order, change))])
        elif order.bookmarks and left > BOOKMARK_SECONDS:
            await out.bookmark(store.revision)
