import asyncio
from dataclasses import dataclass

import pytest

from clusters.gateway.registry import CARRIERS_PER_CLUSTER, Conflict, Registry


@dataclass(eq=False)
class FakeCarrier:
    cluster: str = "c1"
    cluster_uid: str = "u1"
    instance: str = "a"
    silent: bool = False
    open_streams: int = 0


def registry_with(*carriers: FakeCarrier) -> Registry[FakeCarrier]:
    registry: Registry[FakeCarrier] = Registry()
    for carrier in carriers:
        registry.add(carrier)
    return registry


def test_replicas_of_one_cluster_stand_beside_each_other() -> None:
    one, two = FakeCarrier(), FakeCarrier(instance="b")
    registry = registry_with(one, two)
    assert registry.of("c1") == [one, two]
    assert registry.clusters == 1


def test_another_cluster_under_the_same_name_is_a_conflict() -> None:
    registry = registry_with(FakeCarrier())
    with pytest.raises(Conflict):
        registry.add(FakeCarrier(cluster_uid="u2", instance="b"))


def test_an_instance_that_dials_again_takes_its_own_place() -> None:
    old, new = FakeCarrier(), FakeCarrier()
    registry = registry_with(old)
    assert registry.add(new) == [old]
    assert registry.of("c1") == [new]
    assert not registry.remove(old)
    assert registry.pick("c1") is new


def test_the_oldest_gives_way_beyond_the_limit() -> None:
    carriers = [FakeCarrier(instance=str(n)) for n in range(CARRIERS_PER_CLUSTER)]
    registry = registry_with(*carriers)
    assert registry.add(FakeCarrier(instance="new")) == carriers[:1]


def test_a_request_goes_to_the_carrier_with_least_to_do_that_speaks() -> None:
    busy = FakeCarrier(instance="a", open_streams=9)
    free = FakeCarrier(instance="b", open_streams=1)
    silent = FakeCarrier(instance="c", silent=True)
    assert registry_with(busy, free, silent).pick("c1") is free
    assert registry_with(silent).pick("c1") is None


async def test_a_request_waits_until_a_carrier_comes() -> None:
    registry = registry_with()
    waiting = asyncio.create_task(registry.wait("c1", 5))
    await asyncio.sleep(0)
    carrier = FakeCarrier()
    registry.add(carrier)
    assert await waiting is carrier


async def test_a_request_waits_until_a_silent_carrier_speaks() -> None:
    carrier = FakeCarrier(silent=True)
    registry = registry_with(carrier)
    waiting = asyncio.create_task(registry.wait("c1", 5))
    await asyncio.sleep(0)
    carrier.silent = False
    registry.wake("c1")
    assert await waiting is carrier


async def test_waiting_ends() -> None:
    assert await registry_with().wait("c1", 0.01) is None
