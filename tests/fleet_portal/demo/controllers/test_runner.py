import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from fleet_portal.demo.apiserver.objects import Objects
from fleet_portal.demo.apiserver.store import Object, Store
from fleet_portal.demo.controllers.base import Pace
from fleet_portal.demo.controllers.runner import Controllers

from ..conftest import add_node, deployment, kind, namespace

QUICK = Pace(pull_seconds=0.0, stop_seconds=0.0)
DEPLOYMENTS, PODS = kind("Deployment"), kind("Pod")


@pytest.fixture
async def live() -> AsyncIterator[Objects]:
    """The objects of a cluster whose controllers run, at once."""
    objects = Objects(Store())
    objects.create(kind("Namespace"), namespace("shop"), "me")
    add_node(objects)
    addresses = iter(f"127.200.3.{number}" for number in range(1, 250))
    task = asyncio.create_task(Controllers(objects, lambda: next(addresses), QUICK).run())
    yield objects
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def until(objects: Objects, name: str, ready: int) -> Object:
    """Wait until a Deployment has as many ready Pods; return it."""
    async with asyncio.timeout(20):
        with objects.store.changes(DEPLOYMENTS) as queue:
            while True:
                found = objects.store.get(DEPLOYMENTS, "shop", name)
                if found and found.get("status", {}).get("readyReplicas", 0) == ready:
                    return found
                await queue.get()


async def test_a_deployment_comes_up(live: Objects) -> None:
    live.create(DEPLOYMENTS, deployment(replicas=2), "me")
    found = await until(live, "web", 2)
    assert found["status"]["conditions"]


async def test_a_deleted_pod_is_replaced(live: Objects) -> None:
    live.create(DEPLOYMENTS, deployment(replicas=1), "me")
    await until(live, "web", 1)
    before = live.store.all(PODS, "shop")[0]["metadata"]["name"]
    live.delete(PODS, "shop", before)
    await until(live, "web", 0)
    await until(live, "web", 1)
    assert before not in [p["metadata"]["name"] for p in live.store.all(PODS, "shop")]


async def test_a_deleted_deployment_takes_everything_along(live: Objects) -> None:
    live.create(DEPLOYMENTS, deployment(replicas=1), "me")
    await until(live, "web", 1)
    with live.store.changes(PODS) as queue:
        live.delete(DEPLOYMENTS, "shop", "web")
        async with asyncio.timeout(20):
            while (await queue.get()).kind != "DELETED":
                continue
    assert live.store.all(kind("ReplicaSet"), "shop") == []
