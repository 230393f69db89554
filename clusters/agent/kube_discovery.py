"""Which kinds the API server serves, and under which path.

Asked per group and version when first needed, and again when a kind is unknown: a
CustomResourceDefinition may have come since. A miss is remembered for two seconds, so that many
objects of a kind that is not there cost one question.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from clusters.agent.kube_errors import ApiKindUnknown, ApiNotFound

MISS_SECONDS = 2.0


@dataclass(frozen=True)
class Resource:
    """One kind as the API server serves it. `root` is `/api/v1` or `/apis/<group>/<version>`."""

    root: str
    plural: str
    kind: str
    namespaced: bool
    verbs: frozenset[str]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of one object, or of the collection when `name` is empty."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=":"))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


def root_of(api_version: str) -> str:
    """Return the path under which a group and version is served."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


class Discovery:
    """Resources by apiVersion and kind; `fetch(path)` returns a decoded APIResourceList."""

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[dict[str, Any]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, dict[str, Resource]] = {}
        self._asked_at: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Return where `kind` is served; raise ApiKindUnknown if it is not."""
        if found := self._known.get(api_version, {}).get(kind):
            return found
        async with self._locks.setdefault(api_version, asyncio.Lock()):
            if found := self._known.get(api_version, {}).get(kind):
                return found
            if self._clock() - self._asked_at.get(api_version, -MISS_SECONDS) >= MISS_SECONDS:
                await self._ask(api_version)
        if found := self._known.get(api_version, {}).get(kind):
            return found
        raise ApiKindUnknown(
            f"The cluster serves no {kind} in {api_version}.", status=404, reason="NotFound"
        )

    def forget(self, api_version: str | None = None) -> None:
        """Forget what is served, for one apiVersion or for all: it is asked again at need."""
        for held in (self._known, self._asked_at):
            if api_version is None:
                held.clear()
            else:
                held.pop(api_version, None)

    async def _ask(self, api_version: str) -> None:
        root = root_of(api_version)
        try:
            listed = await self._fetch(root)
        except ApiNotFound:
            listed = {}
        self._asked_at[api_version] = self._clock()
        self._known[api_version] = {
            entry["kind"]: Resource(
                root, entry["name"], entry["kind"], entry["namespaced"], frozenset(entry["verbs"])
            )
            for entry in listed.get("resources", [])
            if "/" not in entry["name"]
        }
