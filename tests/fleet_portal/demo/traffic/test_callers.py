import asyncio
import contextlib
from pathlib import Path

import pytest

from fleet_portal.demo.cluster import ClusterPlan, SimulatedCluster
from fleet_portal.demo.network import ClusterNetwork
from fleet_portal.demo.traffic.callers import Callers

from ..conftest import kind, namespace, pod, running

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def cluster(tmp_path: Path) -> SimulatedCluster:
    plan = ClusterPlan("eu-1", "eu", ("eu-1-a",), 1, 8, 32)
    made = SimulatedCluster(plan, ClusterNetwork(253), tmp_path)
    made.objects.create(kind("Namespace"), namespace("shop"), "me")
    return made


async def heard(cluster: SimulatedCluster, count: int, close_each: bool = False) -> list[bytes]:
    """Return the first requests that callers of the cluster send."""
    requests: list[bytes] = []
    enough = asyncio.Event()
    conversations: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversations.append(asyncio.current_task())  # type: ignore[arg-type]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                requests.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(ANSWER)
                if len(requests) >= count:
                    enough.set()
                if close_each:
                    break
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy = server.sockets[0].getsockname()[:2]
    callers = Callers(cluster, proxy, "shop", {"app": "web"}, "orders.shop.svc.cluster.local")
    task = asyncio.create_task(callers.run())
    async with asyncio.timeout(20):
        await enough.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    server.close()
    await server.wait_closed()
    await asyncio.gather(*conversations)
    return requests


async def test_callers_use_the_services_own_name(cluster: SimulatedCluster) -> None:
    running(cluster.objects, cluster.objects.create(kind("Pod"), pod(), "me"))
    requests = await heard(cluster, 2)
    assert b"host: orders.shop.svc.cluster.local\r\n" in requests[1]


async def test_a_lost_connection_is_made_again(cluster: SimulatedCluster) -> None:
    running(cluster.objects, cluster.objects.create(kind("Pod"), pod(), "me"))
    assert len(await heard(cluster, 2, close_each=True)) >= 2
