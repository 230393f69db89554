"""Steady callers: each ready frontend Pod asks for orders, by the service's own name."""

from __future__ import annotations

import asyncio

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
        self._request = f"GET / HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()

    async def run(self) -> None:
        """Send at the pace of the Pods that are ready; nobody there sends nothing."""
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while True:
            pods = len(self._cluster.ready_pods(self._namespace, self._labels))
            if not pods:
                await asyncio.sleep(_IDLE_SECONDS)
                continue
            pause = asyncio.create_task(asyncio.sleep(1 / (REQUESTS_PER_SECOND * pods)))
            try:
                if streams is None:
                    streams = await asyncio.open_connection(*self._proxy)
                await asyncio.wait_for(self._ask(*streams), _ANSWER_SECONDS)
            except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
                if streams is not None:
                    streams[1].close()
                streams = None
            await pause

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        lines = head.split(b"\r\n")
        length = next((line for line in lines if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.partition(b":")[2]))
