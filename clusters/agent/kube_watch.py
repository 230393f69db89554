"""Watch streams of the Kubernetes API: bytes in, events out, and the rule for following a list.

`decode_lines` cuts a stream into events without a limit on the length of a line (objects reach
1 MiB and more). `follow` is list-then-watch: it hands out the whole list, then changes, and lists
again when the API server no longer knows the resource version (410). Renewing a watch after its
timeout is routine and also how a withdrawn right is noticed: open watches outlive RBAC changes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from clusters.agent.kube_errors import ApiGone, error_from_status

KubeObject = dict[str, Any]


@dataclass(frozen=True)
class ObjectList:
    """A whole list as of one resource version."""

    items: list[KubeObject]
    resource_version: str


@dataclass(frozen=True)
class WatchEvent:
    """One change: type ADDED, MODIFIED, DELETED or BOOKMARK, and the object after it."""

    type: str
    object: KubeObject

    @property
    def resource_version(self) -> str:
        """Return the version from which a later watch may go on."""
        return str(self.object.get("metadata", {}).get("resourceVersion", ""))


class Lister(Protocol):
    """The two calls that `follow` needs, already bound to kind, namespace and identity."""

    async def list_all(self) -> ObjectList:
        """Return the whole list."""

    def watch_from(self, resource_version: str) -> AsyncIterator[WatchEvent]:
        """Yield changes until the API server ends the watch."""


async def decode_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[WatchEvent]:
    """Yield the events in a stream of bytes; raise the error that an ERROR event carries."""
    pending: list[bytes] = []
    async for chunk in chunks:
        head, *rest = chunk.split(b"\n")
        pending.append(head)
        for tail in rest:
            line = b"".join(pending)
            pending = [tail]
            if line.strip():
                yield _event(line)


async def follow(lister: Lister) -> AsyncIterator[ObjectList | WatchEvent]:
    """Yield the list, then every change, without end; a new ObjectList replaces what was known.

    Raises what the calls raise, except ApiGone. The caller waits and starts over.
    """
    while True:
        listed = await lister.list_all()
        yield listed
        version = listed.resource_version
        try:
            while True:
                async for event in lister.watch_from(version):
                    version = event.resource_version or version
                    if event.type != "BOOKMARK":
                        yield event
        except ApiGone:
            continue


def _event(line: bytes) -> WatchEvent:
    decoded = msgspec.json.decode(line)
    if decoded["type"] == "ERROR":
        status = decoded["object"]
        raise error_from_status(status, int(status.get("code") or 500))
    return WatchEvent(decoded["type"], decoded["object"])
