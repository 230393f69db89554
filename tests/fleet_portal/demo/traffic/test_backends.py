import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from fleet_portal.demo.cluster import ClusterPlan, SimulatedCluster
from fleet_portal.demo.network import ClusterNetwork
from fleet_portal.demo.traffic.backends import Backends, is_failing, served_port

from ..conftest import kind, namespace, pod, running

ADDRESS = "127.252.1.1"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[SimulatedCluster]:
    plan = ClusterPlan("eu-1", "eu", ("eu-1-a",), 1, 8, 32)
    made = SimulatedCluster(plan, ClusterNetwork(252), tmp_path)
    made.objects.create(kind("Namespace"), namespace("shop"), "me")
    task = asyncio.create_task(Backends(made).run())
    yield made
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def answered(status: int) -> bytes:
    """Ask the Pod until it answers with a status; return the body."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://{ADDRESS}:8080/") as answer:
                    if answer.status == status:
                        return await answer.read()
            await asyncio.sleep(0.01)


async def test_a_ready_pod_answers_with_its_name(cluster: SimulatedCluster) -> None:
    running(cluster.objects, cluster.objects.create(kind("Pod"), pod(), "me"), ADDRESS)
    assert json.loads(await answered(200)) == {"cluster": "eu-1", "pod": "p"}


async def test_a_failing_version_answers_503(cluster: SimulatedCluster) -> None:
    obj = pod(image="shop/orders:2-fail")
    running(cluster.objects, cluster.objects.create(kind("Pod"), obj, "me"), ADDRESS)
    assert await answered(503)


async def test_a_pod_that_goes_cuts_its_connections(cluster: SimulatedCluster) -> None:
    running(cluster.objects, cluster.objects.create(kind("Pod"), pod(), "me"), ADDRESS)
    await answered(200)
    reader, writer = await asyncio.open_connection(ADDRESS, 8080)
    cluster.objects.delete(kind("Pod"), "shop", "p")
    async with asyncio.timeout(20):
        assert await reader.read() == b""
    writer.close()


def test_only_ready_pods_with_a_port_are_served() -> None:
    assert served_port({**pod(), "status": {}}) is None


@pytest.mark.parametrize(
    ("image", "failing"), [("orders:1", False), ("host:5000/fail/x", False), ("orders:fail", True)]
)
def test_failing_is_told_by_the_tag(image: str, failing: bool) -> None:
    assert is_failing(pod(image=image)) is failing
