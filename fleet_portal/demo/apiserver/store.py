"""The objects of one simulated cluster, with one revision counter and a bounded history.

Objects in the store are never changed in place: every write puts a new one, so readers, watchers
and the history share them freely. A watch from a revision older than the history gets 410, as it
would from etcd after a compaction.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from fleet_portal.demo.apiserver.errors import expired
from fleet_portal.demo.apiserver.kinds import ResourceType
from fleet_portal.demo.apiserver.selectors import Matcher

HISTORY = 1000
PAGES_KEPT = 64

Object = dict[str, Any]
Key = tuple[str, str]
ChangeKind = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Change:
    """One write: `before` is None for a creation, `obj` is the last state of a deletion."""

    revision: int
    kind: ChangeKind
    resource: ResourceType
    obj: Object
    before: Object | None


def key_of(obj: Object) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


class Store:
    """Objects by resource; everything runs on one event loop, so nothing is locked."""

    def __init__(self, history: int = HISTORY) -> None:
        self.revision = 1
        self.compacted = 0
        self._objects: dict[ResourceType, dict[Key, Object]] = {}
        self._history: deque[Change] = deque()
        self._limit = history
        self._queues: dict[asyncio.Queue[Change], ResourceType | None] = {}
        self._observers: list[Callable[[Change], None]] = []
        self._pages: dict[str, tuple[int, list[Object]]] = {}

    def get(self, resource: ResourceType, namespace: str, name: str) -> Object | None:
        return self._objects.get(resource, {}).get((namespace, name))

    def all(self, resource: ResourceType, namespace: str = "") -> list[Object]:
        """Return the objects in name order, of one namespace or of all."""
        known = self._objects.get(resource, {})
        return [known[key] for key in sorted(known) if not namespace or key[0] == namespace]

    def put(self, resource: ResourceType, obj: Object) -> Object:
        """Store an object under a new revision and return it with that revision."""
        known = self._objects.setdefault(resource, {})
        before = known.get(key_of(obj))
        self.revision += 1
        metadata = {**obj["metadata"], "resourceVersion": str(self.revision)}
        stored = {**obj, "metadata": metadata}
        known[key_of(stored)] = stored
        self._note("MODIFIED" if before else "ADDED", resource, stored, before)
        return stored

    def delete(self, resource: ResourceType, namespace: str, name: str) -> Object:
        """Remove an object and return its last state under the revision of the removal."""
        before = self._objects[resource].pop((namespace, name))
        self.revision += 1
        metadata = {**before["metadata"], "resourceVersion": str(self.revision)}
        last = {**before, "metadata": metadata}
        self._note("DELETED", resource, last, before)
        return last

    def _note(
        self, kind: ChangeKind, resource: ResourceType, obj: Object, before: Object | None
    ) -> None:
        change = Change(self.revision, kind, resource, obj, before)
        self._history.append(change)
        if len(self._history) > self._limit:
            self.compact(self._history[0].revision)
        for queue, wanted in self._queues.items():
            if wanted is None or wanted is resource:
                queue.put_nowait(change)
        for observe in self._observers:
            observe(change)

    def observe(self, callback: Callable[[Change], None]) -> None:
        """Call back at each write, inside it; for indexes that must never lag."""
        self._observers.append(callback)

    def compact(self, revision: int) -> None:
        """Forget the history up to and including a revision."""
        while self._history and self._history[0].revision <= revision:
            self._history.popleft()
        self.compacted = max(self.compacted, revision)

    def since(self, resource: ResourceType, revision: int) -> list[Change]:
        """Return the changes after a revision. Raises ApiError 410 where they are forgotten."""
        if revision < self.compacted:
            raise expired(f"too old resource version: {revision} ({self.compacted + 1})")
        return [c for c in self._history if c.revision > revision and c.resource is resource]

    @contextlib.contextmanager
    def changes(self, resource: ResourceType | None) -> Iterator[asyncio.Queue[Change]]:
        """Yield a queue of the changes from here on, of one resource or of all."""
        queue: asyncio.Queue[Change] = asyncio.Queue()
        self._queues[queue] = resource
        try:
            yield queue
        finally:
            del self._queues[queue]

    def page(
        self,
        resource: ResourceType,
        namespace: str,
        matches: Matcher | None,
        limit: int,
        token: str,
    ) -> tuple[list[Object], int, str, int]:
        """Return (objects, revision, continue token, how many remain) of one page of a list.

        Later pages show the state of the first one's revision. Raises ApiError 410 for a token
        whose list is no longer kept.
        """
        if token:
            revision, rest = self._kept_page(token)
        else:
            revision = self.revision
            rest = [o for o in self.all(resource, namespace) if matches is None or matches(o)]
        if not limit or len(rest) <= limit:
            return rest, revision, "", 0
        name = base64.urlsafe_b64encode(secrets.token_bytes(12)).decode()
        while len(self._pages) >= PAGES_KEPT:
            del self._pages[next(iter(self._pages))]
        self._pages[name] = (revision, rest[limit:])
        return rest[:limit], revision, name, len(rest) - limit

    def _kept_page(self, token: str) -> tuple[int, list[Object]]:
        if token not in self._pages:
            raise expired(
                "The provided continue parameter is too old to display a consistent list result. "
                "You can start a new list without the continue parameter."
            )
        return self._pages[token]
