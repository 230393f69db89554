"""Steady callers: each ready frontend Pod asks for orders, by the service's own name."""

from __future__ import annotations

import asyncio
import time

from fleet_portal.demo.cluster import SimulatedCluster

REQUESTS_PER_SECOND = 4.0
_ANSWER_SECONDS = 5.0
_IDLE_SECONDS = 0.5


class Callers:
    """The callers of one cluster, through its Envoy."""

    def __init__(
        self,
        cluster: SimulatedCluster,
        proxy: tuple[str, int],
        namespace: str,
        labels: dict[str, str],
        host: str,
    ) -> None:
        self._cluster = cluster
        self._proxy = proxy
        self._namespace, self._labels = namespace, labels
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._request = f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()

    async def run(self) -> None:
        """Send at the pace of the Pods that are ready; nobody there sends nothing."""
        try:
            while True:
                pods = len(self._cluster.ready_pods(self._namespace, self._labels))
                if pods:
                    began = time.monotonic()
                    await self._send()
                    pause = 1 / (REQUESTS_PER_SECOND * pods) - (time.monotonic() - began)
                    await asyncio.sleep(max(0.0, pause))
                else:
                    await asyncio.sleep(_IDLE_SECONDS)
        finally:
            self._hang_up()

    async def _send(self) -> None:
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._proxy)
            await asyncio.wait_for(self._ask(*self._streams), _ANSWER_SECONDS)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            self._hang_up()

    def _hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        lines = head.split(b"\r\n")
        length = next((line for line in lines if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.partition(b":")[2]))
