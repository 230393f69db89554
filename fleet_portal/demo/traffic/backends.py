"""Small HTTP servers that answer on the simulated Pods' behalf, each at its Pod's own address.

An image whose tag contains "fail" answers 503, so that a bad version can be seen in traffic.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from typing import cast

from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.store import Change, Object
from fleet_portal.demo.cluster import SimulatedCluster
from fleet_portal.demo.controllers.base import image_tag, is_ready

PODS = BY_KIND["", "Pod"]
_LATENCY_SECONDS = (0.004, 0.03)
_END = b"\r\n\r\n"
_Served = tuple[asyncio.Server, set[asyncio.Transport]]


def served_port(pod: Object) -> int | None:
    """Return the first port that a ready Pod's containers declare."""
    if not is_ready(pod):
        return None
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or []:
            return int(port["containerPort"])
    return None


def is_failing(pod: Object) -> bool:
    return any("fail" in image_tag(c["image"]) for c in pod["spec"]["containers"])


class Backends:
    """Keeps one server per Pod of one cluster that is ready and declares a port."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self._cluster = cluster
        self._servers: dict[str, _Served] = {}
        self._changed = asyncio.Event()
        self._changed.set()
        cluster.store.observe(self._note)

    def _note(self, change: Change) -> None:
        if change.resource is PODS:
            self._changed.set()

    async def run(self) -> None:
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._match()
        finally:
            for uid in list(self._servers):
                self._close(uid)

    async def _match(self) -> None:
        wanted = {
            pod["metadata"]["uid"]: (pod, port)
            for pod in self._cluster.store.all(PODS)
            if (port := served_port(pod)) is not None
        }
        for uid in self._servers.keys() - wanted.keys():
            self._close(uid)
        for uid in wanted.keys() - self._servers.keys():
            pod, port = wanted[uid]
            with contextlib.suppress(OSError):
                self._servers[uid] = await self._serve(pod, port)

    def _close(self, uid: str) -> None:
        """Stop one server, and end its connections as the end of a Pod does."""
        server, connections = self._servers.pop(uid)
        server.close()
        for connection in list(connections):
            connection.close()

    async def _serve(self, pod: Object, port: int) -> _Served:
        answer = _answer(self._cluster.plan.name, pod)
        connections: set[asyncio.Transport] = set()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Conversation(answer, connections), pod["status"]["podIP"], port
        )
        return server, connections


class _Conversation(asyncio.Protocol):
    """Answers each request of one connection after a while; requests have no body."""

    def __init__(self, answer: bytes, connections: set[asyncio.Transport]) -> None:
        self._answer = answer
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none by class.
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._transport is not None:
            self._connections.discard(self._transport)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        requests = self._received.count(_END)
        self._received = self._received.rpartition(_END)[2]
        for _ in range(requests):
            wait = random.uniform(*_LATENCY_SECONDS)  # noqa: S311 - no secret
            asyncio.get_running_loop().call_later(wait, self._send)

    def _send(self) -> None:
        if self._transport is not None:
            self._transport.write(self._answer)


def _answer(cluster: str, pod: Object) -> bytes:
    status = "503 Service Unavailable" if is_failing(pod) else "200 OK"
    body = json.dumps({"cluster": cluster, "pod": pod["metadata"]["name"]}).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body
